"""One self-contained HTML page: styles and scripts inline, pictures as data, no request to anywhere.

A content security policy in the page forbids what it does not need, so a browser holds us to that. Works from a file,
on a phone, on paper and with a keyboard. The same page live (`qsmbench.report.live`) has addresses in place of data.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import Markup

from qsmbench.report.comparisons import ALPHA
from qsmbench.report.content import Content
from qsmbench.report.costs import HEADINGS
from qsmbench.report.display import Display
from qsmbench.report.figures import WINDOWS
from qsmbench.report.formats import cell_text, heading
from qsmbench.report.opening import other_sets
from qsmbench.report.parts import Picture, SetSection
from qsmbench.report.scores import WHOLE_MASK
from qsmbench.report.scripts import LIBRARIES, OURS, Script, library, own_script, policy
from qsmbench.report.stages import HEADINGS as STAGE_HEADINGS
from qsmbench.report.statistics import CONFIDENCE, MIN_SUBJECTS
from qsmbench.report.tables import Cell, Column, Row, Table, fixed
from qsmbench.report.template import template_environment
from qsmbench.report.viewer import Viewer

_HEADLINE_METRICS = 3


@dataclass(frozen=True)
class HeadlineColumn:
    """A column of the table on top: a set and a metric."""

    set_label: str
    heading: str


def render_page(content: Content, viewer: Viewer | None = None, source: Callable[[Picture], str] | None = None) -> str:
    """Fill the template.

    Args:
        content: what is shown.
        viewer: its index and volumes.
        source: where a picture is, for a page that is served; by default it lies in the page.
    """
    display, scores, sections = content.display, content.scores, content.sections
    n_reconstructions = len(scores.drop_duplicates(["set", "method", "subject"]))
    parts = ["page", *(["plots"] if n_reconstructions else []), *(["viewer"] if viewer else [])]
    libraries = [library(name) for part in parts for name in LIBRARIES.get(part, ())]
    scripts = [own_script(name) for part in parts for name in OURS[part]]
    environment = template_environment("qsmbench.report")
    environment.globals.update(
        heading=heading,
        tight=_tight,
        cell_text=cell_text,
        source=source or (lambda picture: picture.source),
        confidence=f"{CONFIDENCE:.0%}",
        min_subjects=MIN_SUBJECTS,
    )
    environment.filters.update(pretty=_pretty, tidy_json=_tidy_json, script_json=_script_json)
    headline_columns, headline_rows = _headline(display, sections)
    comparisons = _comparison_rows(display, content.comparisons)
    failed = [
        {
            "set": display.sets[str(row["set"])].label,
            "method": display.methods[str(row["method"])].label,
            "subject": row["subject"],
            "message": row["message"] or "no message",
        }
        for _, row in content.failed.iterrows()
    ]
    return environment.get_template("index.html.jinja").render(
        display=display,
        policy=_policy([*libraries, *scripts], live=source is not None),
        contents=_contents(content, viewer, bool(n_reconstructions), bool(comparisons), len(failed)),
        lead=content.lead,
        lead_tiles=content.lead_tiles,
        whole_pipelines=any(info.begins == "earlier" for info in display.methods.values()),
        elsewhere=other_sets(content.rankings, content.lead) if content.lead else "",
        chi_limit=f"{WINDOWS['chi'].limit:g}",
        error_limit=f"{WINDOWS['error'].limit:g}",
        cards=content.cards,
        sections=sections,
        curves=content.curves,
        inspections=content.looks,
        headline_columns=headline_columns,
        headline_rows=headline_rows,
        findings=_findings(display, sections),
        comparisons=comparisons,
        baseline=display.methods[display.baseline_method].label,
        failures=failed,
        n_reconstructions=n_reconstructions,
        n_subjects={str(k): int(v) for k, v in scores.groupby("set")["subject"].nunique().items()},
        traces=_traces(scores),
        alpha=f"{ALPHA:g}",
        viewer=viewer,
        tables=content.own_tables,
        stages=content.stages,
        stage_headings=STAGE_HEADINGS,
        said=content.said,
        trends=content.trends,
        cost_headings=HEADINGS,
        costs=content.costs,
        bibliography=content.bibliography,
        origin=content.origin,
        data=content.data,
        libraries=libraries,
        scripts=scripts,
    )


def _policy(scripts: list[Script], *, live: bool) -> str:
    own = "'self' " if live else ""
    return policy(scripts, connect=f"{own}data: blob:", images=f"{own}data: blob:")


def _contents(
    content: Content, viewer: Viewer | None, scored: bool, compared: bool, n_failed: int
) -> list[tuple[str, list[tuple[str, str, bool]]]]:
    """Groups of links: target, label, whether it is bad news."""
    display = content.display
    results = [("summary", "At a glance", False)]
    results += [("scores", "Scores", False), ("plots", "Plot", False)] if scored else []
    results += [("viewer", "Volumes", False)] if viewer else []
    results += [("tables", "Tables", False)] if content.own_tables else []
    results += [("stages", "Stages", False)] if content.stages else []
    sets = [(f"set-{i}", display.sets[s.name].label, False) for i, s in enumerate(content.sections, 1)]
    sets += [("trends", "Trends", False)] if content.trends else []
    sets += [("comparisons", "Comparisons", False)] if compared else []
    methods = [("methods", "Cards", False)] + [("costs", "Runtime and memory", False)] * bool(content.costs)
    methods += [("metrics", "Metrics", False)] + [("notes", "Notes", False)] * bool(content.said)
    made = [("inspections", "Synthetic sets", False)] if content.looks else []
    made += [("training", "Training", False)] if content.curves else []
    made += [("failures", f"Failures ({n_failed})" if n_failed else "Failures", bool(n_failed))]
    made += [("provenance", "Provenance", False)]
    return [("Results", results), ("Sets", sets), ("Methods", methods), ("What made it", made)]


def _headline(
    display: Display, sections: Sequence[SetSection]
) -> tuple[list[HeadlineColumn], list[tuple[str, list[tuple[Row, Cell] | None]]]]:
    """Three metrics where there is one set, else the first metric of every set."""
    filled = [section for section in sections if section.table.rows]
    n_metrics = _HEADLINE_METRICS if len(filled) == 1 else 1
    columns: list[HeadlineColumn] = []
    places: list[tuple[Table, int]] = []
    for section in filled:
        whole = [i for i, c in enumerate(section.table.columns) if c.region == WHOLE_MASK and c.better]
        for i in whole[:n_metrics]:
            columns.append(HeadlineColumn(display.sets[section.name].label, heading(section.table.columns[i])))
            places.append((section.table, i))
    rows = []
    for method, info in display.methods.items():
        cells: list[tuple[Row, Cell] | None] = []
        for table, i in places:
            row = next((r for r in table.rows if r.method == method), None)
            cells.append((row, row.cells[i]) if row is not None else None)
        if any(cells):
            rows.append((info.label, cells))
    return columns, rows


def _findings(display: Display, sections: Sequence[SetSection]) -> list[str]:
    """One sentence a set: who is best by the first ranked metric."""
    sentences = []
    for section in sections:
        found = _first_ranked(section.table.columns)
        if found is None:
            continue
        i, column = found
        best = [row for row in section.table.rows if row.cells[i].best]
        if not best:
            continue
        names = " and ".join(row.label for row in best)
        word = "lowest" if column.better == "lower" else "highest"
        unit = f" {column.unit}" if column.unit else ""
        failed = [f"{r.label} (failed on {r.n_failed} of {r.n + r.n_failed})" for r in section.table.rows if r.n_failed]
        excluded = f" Not ranked: {', '.join(failed)}." if failed else ""
        sentences.append(
            f"{display.sets[section.name].label}: {word} {column.label} by {names}, "
            f"{cell_text(best[0].cells[i], best[0])}{unit} (n = {best[0].n}).{excluded}"
        )
    return sentences


def _first_ranked(columns: Sequence[Column]) -> tuple[int, Column] | None:
    return next(((i, c) for i, c in enumerate(columns) if c.better and c.region == WHOLE_MASK), None)


def _comparison_rows(display: Display, comparisons: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {
            "set": display.sets[str(row["set"])].label,
            "method": display.methods[str(row["method"])].label,
            "metric": display.metrics[str(row["metric"])].label
            + ("" if row["region"] == WHOLE_MASK else f", {row['region']}"),
            "n": int(row["n_pairs"]),
            "difference_value": float(row["median_difference"]),
            "difference": minus(fixed(row["median_difference"], display.decimals(str(row["metric"])) + 1)),
            "unit": row["unit"],
            "effect": minus(fixed(row["effect"], 2)),
            "effect_value": float(row["effect"]),
            "p": p_text(row["p_holm"]),
            "p_value": float(row["p_holm"]),
            "significant": row["p_holm"] < ALPHA,
        }
        for _, row in comparisons.iterrows()
    ]


def minus(text: str) -> str:
    """Set a real minus sign."""
    return text.replace("-", "−")


def p_text(p: float) -> str:
    """Print a p value: three digits, and nothing below 0.001.

    >>> p_text(0.03125), p_text(1e-7)
    ('0.031', '< 0.001')
    """
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _traces(scores: pd.DataFrame) -> dict[str, list[str]]:
    """Distinct code versions, hashes and seeds that the scores carry."""
    names = [c for c in ("code_version", "config_hash", "weights_hash", "data_hash", "seed") if c in scores]
    return {name: sorted({str(v) for v in scores[name].dropna() if str(v)}) for name in names}


def _tight(text: str) -> str:
    """Keep a heading's unit and arrow on one line."""
    return text.replace(") ", ")\u00a0")


def _pretty(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return ", ".join(_pretty(v) for v in value)
    return str(value)


def _tidy_json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def _script_json(value: Any) -> Markup:
    """JSON that can stand in a script element: no character in it can end the element."""
    text = json.dumps(value, ensure_ascii=False)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))
