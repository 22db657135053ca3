"""Everything that the page, the tables' folder and a live page are filled with, gathered from one results folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from qsmbench.core.errors import InputError
from qsmbench.data.layout import RunLayout
from qsmbench.report.all_tables import all_tables
from qsmbench.report.bibliography import bibliography
from qsmbench.report.cards import Card, make_cards
from qsmbench.report.caveats import Footnotes, Remark, footnotes, read_said
from qsmbench.report.chosen import RULE, Choice, choose_subjects, first_metric
from qsmbench.report.conditions import Condition, condition_alt_text, condition_figure, voxel_size_conditions
from qsmbench.report.costs import cost_rows
from qsmbench.report.curves import curve_alt_text, read_record, training_figure
from qsmbench.report.display import Display
from qsmbench.report.distributions import distribution_figure, shown_columns
from qsmbench.report.explorer import explorer_data
from qsmbench.report.opening import Ranking, lead_set, rank_set
from qsmbench.report.origin import Origin, read_origin
from qsmbench.report.parts import Picture, SetSection
from qsmbench.report.pictures import ScanPictures, read_fields, scan_pictures
from qsmbench.report.results import MethodCost, costs, with_tuning
from qsmbench.report.scores import failures, read_scores
from qsmbench.report.stages import StageTable
from qsmbench.report.sweeps import find_sweeps, sweep_alt_text, sweep_figure
from qsmbench.report.tables import Table, build_table, file_stem, paper_table
from qsmbench.report.volumes import SetVolumes
from qsmbench.sets.contract import ScanSet

N_LEAD = 3


@dataclass(frozen=True)
class Content:
    """What a page shows.

    Attributes:
        display: labels and order, with chosen parameters in place of configured ones.
        scores: checked rows.
        tables: text of every table by file name.
        own_tables: the display's own, with their footnotes.
        sections: a set each.
        rankings: of the sets that have scores, in the display's order.
        lead: the ranking of the first screen.
        tiles: small slices by set, then by method ("" the reference).
        cards: a method each.
        comparisons: with the baseline.
        stages: of sets that were evaluated stage by stage.
        failed: a row a reconstruction that failed.
        curves: of trainings.
        looks: at synthetic sets.
        trends: error against what samples differ in.
        spent: time and memory.
        said: what methods said of their maps.
        data: what the explorer's scripts need.
        origin: what made all this.
        opened: sets whose scans are there.
        choices: subjects of those, the ones to show first in front.
    """

    display: Display
    scores: pd.DataFrame
    tables: Mapping[str, str]
    own_tables: tuple[tuple[Table, Footnotes], ...]
    sections: tuple[SetSection, ...]
    rankings: tuple[Ranking, ...]
    lead: Ranking | None
    tiles: Mapping[str, Mapping[str, Picture]]
    cards: tuple[Card, ...]
    comparisons: pd.DataFrame
    stages: tuple[StageTable, ...]
    failed: pd.DataFrame
    curves: tuple[Picture, ...]
    looks: tuple[Picture, ...]
    trends: tuple[Picture, ...]
    spent: tuple[MethodCost, ...]
    said: Mapping[tuple[str, str], Remark]
    data: dict[str, Any]
    origin: Origin
    opened: Mapping[str, SetVolumes]
    choices: Mapping[str, list[Choice]]

    @property
    def costs(self) -> list[list[str]]:
        """Costs, printed."""
        return cost_rows(self.spent, self.display)

    @cached_property
    def bibliography(self) -> str:
        """Papers of methods and metrics."""
        return bibliography(self.display)

    @property
    def lead_tiles(self) -> list[tuple[str, Picture]]:
        """The reference and the best three of the leading set, with their labels; of scans without truth the first."""
        if self.lead is None:
            seen = next((tiles for tiles in self.tiles.values() if tiles), {})
            return [(self.display.methods[m].label, tiles) for m, tiles in seen.items() if m][: N_LEAD + 1]
        tiles = self.tiles.get(self.lead.set_name, {})
        best = [m for m in self.lead.best(len(self.lead.rows)) if m in tiles][:N_LEAD]
        shown = [("Reference", tiles[""])] if "" in tiles else []
        return shown + [(self.display.methods[m].label, tiles[m]) for m in best] if best else []

    @property
    def pictures(self) -> list[Picture]:
        """Every picture of the page."""
        of_sections = [p for section in self.sections for p in section.all_pictures]
        tiles = [p for of_set in self.tiles.values() for p in of_set.values()]
        return [*tiles, *of_sections, *self.trends, *self.curves, *self.looks]


def gather(layout: RunLayout, display: Display, sets: Mapping[str, ScanSet]) -> Content:
    """Read a results folder and make what is shown of it, as far as its files are there.

    Args:
        layout: of the folder; its scores must be there.
        display: what is shown, and how it is called.
        sets: the sets of the run; one whose data are gone has tables and no figures, and so has a method on a set
            without its maps.

    Raises:
        InputError: an input that is missing or not what it should be.
    """
    scores = read_scores(layout.all_scores, display)
    made = all_tables(scores, display)
    summary, comparisons, tables = made.summary, made.comparisons, made.texts
    display = with_tuning(display, layout)
    opened = {
        name: SetVolumes(scans, [run for run in display.methods if layout.maps(name, run).is_dir()])
        for name, scans in sets.items()
        if name in display.sets and scans.folder.is_dir()
    }
    said = read_said(layout, display)
    choices = {name: choose_subjects(scores, display, name, volumes.names) for name, volumes in opened.items()}
    sections, seen, parts = [], {}, {}
    for name in display.sets:
        table = build_table(summary, display, name, comparisons, "whole")
        regions = build_table(summary, display, name, comparisons, "regions")
        shown = ScanPictures((), "", None, {})
        if name in opened:
            shown = scan_pictures(name, opened[name], scores, display, choices[name])
        fields = layout.field_errors(name)
        parts[name], seen[name] = (table, regions), shown.tiles
        sections.append(
            SetSection(
                name,
                table,
                _distribution(name, scores, summary, table, display),
                shown.pictures,
                shown.convention,
                regions,
                shown.spectrum,
                fields=read_fields(fields) if fields.is_file() else (),
                scored=name not in sets or sets[name].scored,
                footnotes=footnotes(said, [name], display.methods),
                rule=_rule(display, choices.get(name, [])),
            )
        )
    looks = [
        picture
        for name, spec in display.config.get("synthetic", {}).items()
        if (folder := layout.inspection(name)[0].parent).is_dir()
        for picture in inspection_pictures(spec.get("label") or name, folder)
    ]
    scans = {name: volumes.scans for name, volumes in opened.items()}
    conditions = _conditions(display, scans)
    spent = costs(layout, display)
    ranked = [found for name in display.sets if (found := rank_set(scores, summary, display, name)) is not None]
    leading = lead_set(scores, display)
    return Content(
        display=display,
        scores=scores,
        tables=tables,
        own_tables=tuple(
            (paper_table(summary, display, name, comparisons), footnotes(said, info.sets, display.methods))
            for name, info in display.tables.items()
        ),
        sections=tuple(sections),
        rankings=tuple(ranked),
        lead=next((ranking for ranking in ranked if ranking.set_name == leading), None),
        tiles=seen,
        cards=tuple(make_cards(display, scores=scores, tables=parts, spent=spent, said=said, maps=seen)),
        comparisons=comparisons,
        stages=made.stages,
        failed=failures(scores),
        curves=tuple(_curves(layout, display)),
        looks=tuple(looks),
        trends=tuple(_trends(scores, display, conditions)),
        spent=tuple(spent),
        said=said,
        data=explorer_data(scores, summary, display, [c for group in conditions.values() for c in group]),
        origin=read_origin(layout, display, scores, tables),
        opened=opened,
        choices=choices,
    )


def _rule(display: Display, choices: list[Choice]) -> str:
    """How the subjects of the slices were chosen."""
    metric = first_metric(display)
    if len(choices) == 1:
        return "The set has one subject."
    if metric is None or not choices or not choices[0].scored:
        return "The set has no scores, so the first subjects are shown."
    return RULE.format(metric=display.metrics[metric].label)


def _curves(layout: RunLayout, display: Display) -> list[Picture]:
    """The course of each training."""
    curves = []
    for network in display.config.get("networks", {}):
        path = layout.training_record(network)
        if path.is_file():
            record = read_record(path)
            label = display.methods[network].label if network in display.methods else network
            png = training_figure(record)
            curves.append(Picture(f"training-{file_stem(network)}", png, curve_alt_text(record, label), label))
    return curves


def inspection_pictures(label: str, folder: Path) -> list[Picture]:
    """The pictures that `qsmbench inspect` made of one synthetic set."""
    texts = {
        "contact-sheet": f"{label}: slices of chi and field of some samples",
        "parameters": f"{label}: what was drawn, over all samples; brown lines are the ends of the ranges",
    }
    pictures = []
    for name, text in texts.items():
        path = folder / f"{name}.png"
        if not path.is_file():
            raise InputError(f"{path} is missing; run 'qsmbench inspect' on the set")
        pictures.append(Picture(f"inspect-{file_stem(label)}-{name}", path.read_bytes(), text, text))
    return pictures


def _conditions(display: Display, sets: Mapping[str, ScanSet]) -> dict[str, list[Condition]]:
    """What samples differ in: voxel size and noise."""
    sizes = {name: found for name, scans in sets.items() if (found := scans.voxel_sizes())}
    noise = {name: levels for name, scans in sets.items() if (levels := scans.noise_levels())}
    return {
        "voxel-size": [c for c in voxel_size_conditions(sizes, display.trained_range) if c.varies],
        "noise": [c for c in [Condition("noise of the field, SD (ppm)", noise, {})] if c.varies],
    }


def _trends(scores: pd.DataFrame, display: Display, kinds: Mapping[str, list[Condition]]) -> list[Picture]:
    """Error against voxel size and against noise, where samples differ in them."""
    metric = first_metric(display)
    if metric is None:
        return []
    label = display.metrics[metric].label
    return [
        Picture(
            f"{metric}-against-{kind}",
            condition_figure(scores, display, metric, conditions),
            condition_alt_text(scores, display, metric, conditions),
            f"{label} against {kind.replace('-', ' ')}. Every subject a dot, a marker a set; lines join the means of "
            "bins.",
        )
        for kind, conditions in kinds.items()
        if conditions
    ] + _sweeps(scores, display, metric)


def _sweeps(scores: pd.DataFrame, display: Display, metric: str) -> list[Picture]:
    """Error against voxel size on the same heads, where sets take each other's draws."""
    sweeps = find_sweeps({n: s for n, s in display.config.get("synthetic", {}).items() if n in display.sets})
    if not sweeps:
        return []
    return [
        Picture(
            f"{metric}-voxel-size-sweeps",
            sweep_figure(scores, display, metric, sweeps),
            sweep_alt_text(scores, display, metric, sweeps),
            f"{display.metrics[metric].label} against voxel size on the same heads, with the same shapes and noise "
            "level. Below, the paired difference from the baseline with its 95 % interval (Student's t).",
        )
    ]


def _distribution(
    name: str, scores: pd.DataFrame, summary: pd.DataFrame, table: Table, display: Display
) -> Picture | None:
    """Dots of the single subjects, where there are several."""
    columns = shown_columns(table)
    if not columns or not any(cell.n > 1 for row in table.rows for cell in row.cells):
        return None
    metrics = ", ".join(column.label for column in columns)
    label = display.sets[name].label
    return Picture(
        f"{file_stem(name)}-distribution",
        distribution_figure(scores, summary, display, name, columns),
        f"{label}: {metrics} of every subject as dots, a row a method. The means are those of the table above.",
        "Every subject a dot; upright line: mean; bar: its 95 % bootstrap interval, from 6 subjects on.",
    )
