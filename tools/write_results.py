"""Write docs/results.md and its figures from a run of configs/paper-small.yaml that was audited.

    snakemake --cores 2 --configfile configs/paper-small.yaml
    qsmbench audit results-paper-small --output audit-paper-small
    python tools/write_results.py results-paper-small audit-paper-small

Every number of the page is made from the run's scores, records and benchmarks; the claims stand in
qsmbench.report.claims.
"""

from __future__ import annotations

import argparse
import io
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image
from tabulate import tabulate

from qsmbench.benchmark.costs import cost
from qsmbench.benchmark.run import Run
from qsmbench.benchmark.site import Site
from qsmbench.benchmark.steps.registry import jobs
from qsmbench.config.load import check_config
from qsmbench.data.layout import RunLayout
from qsmbench.report.all_tables import AllTables, all_tables
from qsmbench.report.claims import CLAIMS, CLASSICAL, CLINICAL, RANDOM, RESEARCH, Judgement, judge
from qsmbench.report.display import Display, read_display
from qsmbench.report.opening import Ranking, rank_set
from qsmbench.report.page import minus, p_text
from qsmbench.report.scores import read_scores
from qsmbench.report.tables import fixed

DOCS = Path(__file__).parents[1] / "docs"
WIDTH, COLOURS = 1400, 96
# Figures of the report by their files' beginning, each with what it is.
FIGURES = {
    "results-research": (
        "research-",
        "-swi",
        "The research scan: SWI, the true susceptibility and every method's map.",
    ),
    "results-clinical": (
        "clinical-",
        "-swi",
        "The clinical scan: SWI, the true susceptibility and every method's map.",
    ),
    "results-voxel-size": ("rmse-against-voxel-size", "", "RMSE against voxel size on the three synthetic sets."),
}
PROTOCOLS = (
    ("3 mm, clinical (0.76 x 0.76 x 3 mm)", CLINICAL, "clinical"),
    ("2 mm, research (0.5 x 0.5 x 2 mm)", RESEARCH, "research"),
    ("any other (0.5-1 x 0.5-1 x 2-4 mm)", RANDOM, None),
)


def main() -> None:
    """Read the run and its audit, write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="of configs/paper-small.yaml")
    parser.add_argument("audit", type=Path, help="folder that `qsmbench audit` wrote about it")
    parser.add_argument("--out-dir", type=Path, default=DOCS, help="where the page goes")
    given = parser.parse_args()
    layout = RunLayout(given.results)
    display = read_display(layout.display)
    verdict = json.loads((given.audit / "audit.json").read_text(encoding="utf-8"))
    figures = {name: path for name in FIGURES if (path := _figure(layout.report / "figures", name)) is not None}
    (given.out_dir / "results.md").write_text(page(layout, verdict, list(figures)), encoding="utf-8")
    for name, path in figures.items():
        # Of scans: SWI, the truth and a column a method.
        of_scan = name.removeprefix("results-") in display.sets
        (given.out_dir / f"{name}.png").write_bytes(_small(path, 2 + len(display.methods) if of_scan else 1))


def page(layout: RunLayout, verdict: Mapping[str, Any], figures: list[str]) -> str:
    """The page's text."""
    display = read_display(layout.display)
    scores = read_scores(layout.all_scores, display)
    made = all_tables(scores, display)
    judged = [judge(claim, scores, display) for claim in CLAIMS]
    parts = [
        "# The papers' comparison",
        "Written by `tools/write_results.py` from a run of `configs/paper-small.yaml`: `configs/paper.yaml` at "
        "a hundredth of its size.",
        "## Which method for my scan?",
        *_answer(scores, made, display),
        "## What the papers claim",
        *_claims(judged, display),
        *(f"![{FIGURES[name][2]}]({name}.png)\n\n*{FIGURES[name][2]}*" for name in figures),
        "## Tables",
        *(made.texts[f"{name}.md"].rstrip() for name in display.tables),
        "## Stage by stage",
        *(made.texts[f"{table.stem}.md"].rstrip() for table in made.stages),
        "## Every comparison behind the claims",
        *_pairs(judged, display),
        "## The run",
        *_run(layout, verdict, display),
        "## The plan against the run",
        *_plan(layout, display),
    ]
    return "\n\n".join(parts) + "\n"


def _answer(scores: pd.DataFrame, made: AllTables, display: Display) -> Iterator[str]:
    """The first screen: by protocol, who comes first on synthetic samples and on the scan."""
    stages = {table.name: table for table in made.stages}
    rows, said = [], []
    for protocol, synthetic, scan in PROTOCOLS:
        ranking = rank_set(scores, made.summary, display, synthetic)
        table = stages.get(scan) if scan else None
        pair = table.pairs.best if table is not None and table.pairs is not None else None
        on_scan, best_pair = "–", "–"
        if table is not None:
            ordered = sorted(table.rows, key=lambda row: row.composed)[:3]
            on_scan = ", ".join(f"{row.label} {fixed(row.composed, table.decimals)}" for row in ordered)
        if pair is not None and table is not None:
            best_pair = f"{pair[0]}, then {pair[1]}: {fixed(pair[2], table.decimals)}"
        rows.append([protocol, _three(ranking), on_scan, best_pair])
        if ranking is not None:
            said.append(f"- {protocol}: {' '.join(ranking.found)} {' '.join(ranking.uncertain)}")
    error = made.stages[0].error if made.stages else "error"
    head = ["voxels", "synthetic samples, RMSE (%)", f"one scan from its echoes, {error}", "best pair on that scan"]
    yield tabulate(rows, head, "pipe", disable_numparse=True)
    yield (
        "The first three of each. Synthetic samples have the papers' pasted shapes of up to 2 ppm and a field without "
        "background; the scans are simulated as echoes, and mask, unwrapping, fit and background removal come before "
        "the inversion. One scan is an order and no ranking. Measured fields have errors that neither has: [simulated "
        "and measured](simulated-and-measured.md) tells how the methods do there, which for a scan of your own counts "
        "more."
    )
    yield "\n".join(said)


def _three(ranking: Ranking | None) -> str:
    if ranking is None:
        return "–"
    rows = [row for row in ranking.rows if row.place is not None][:3]
    return ", ".join(f"{row.label} {row.mean}" + (f" ({row.interval})" if row.interval else "") for row in rows)


def _claims(judged: list[Judgement], display: Display) -> Iterator[str]:
    rows = [[j.claim.text, j.claim.paper.split(",")[0], f"**{j.verdict}**", j.claim.untested or j.told] for j in judged]
    yield tabulate(rows, ["claim", "paper", "here", "because"], "pipe", disable_numparse=True)
    papers = "; ".join(dict.fromkeys(j.claim.paper for j in judged))
    classical = ", ".join(display.methods[m].label for m in CLASSICAL)
    yield (
        f"Papers: {papers}. RMSE, HFEN and SSIM on the same samples; better or worse: p < 0.05 by Wilcoxon's "
        f"signed-rank test, Holm-corrected over the methods compared. {classical} have the papers' values. Networks "
        "here saw some hundred steps where the papers' saw tens of thousands: what does not hold here is no "
        "refutation, and `configs/paper.yaml` is the test."
    )


def _pairs(judged: list[Judgement], display: Display) -> Iterator[str]:
    rows = []
    for number, judgement in enumerate(judged, 1):
        for _, pair in judgement.pairs.iterrows():
            digits = display.decimals(str(pair["metric"])) + 1
            rows.append(
                [
                    str(number),
                    display.sets[str(pair["set"])].label,
                    display.methods[judgement.claim.method].label,
                    display.methods[str(pair["other"])].label,
                    display.metrics[str(pair["metric"])].label,
                    "–" if pd.isna(pair["difference"]) else minus(fixed(pair["difference"], digits)),
                    f"{pair['wins']} of {pair['n']}",
                    "–" if pd.isna(pair["p"]) else p_text(pair["p"]),
                    str(pair["word"]),
                ]
            )
    head = ["claim", "set", "method", "against", "metric", "median difference", "wins", "p (Holm)", "the method is"]
    yield "Claims are numbered in the order of the table above."
    yield tabulate(rows, head, "pipe", disable_numparse=True)


def _run(layout: RunLayout, verdict: Mapping[str, Any], display: Display) -> Iterator[str]:
    measured = _measured(layout)
    rows = [
        ["digest", f"`{verdict['digest']}`"],
        ["code", f"`{display.provenance['code_version']}`"],
        ["audit", "passed" if verdict["verdict"] == "pass" else f"**{verdict['n_findings']} findings**"],
        *(["made again by it", check["n"]] for check in verdict.get("checks", ()) if check["name"] == "recomputation"),
        ["jobs", f"{int(measured['jobs'].sum())}"],
        ["processor time", f"{measured['seconds'].sum() / 3600:.1f} h of a core, beside other work"],
        ["most memory of a job", f"{measured['gigabytes'].max():.1f} GB"],
    ]
    yield tabulate(rows, ["", ""], "pipe", disable_numparse=True)


def _plan(layout: RunLayout, display: Display) -> Iterator[str]:
    forecast, memory = defaultdict(float), defaultdict(float)
    config = check_config(display.config)
    for job in jobs(Run(config)):
        of_job = cost(job, config, Site())
        forecast[job.rule] += of_job.core_hours
        memory[job.rule] = max(memory[job.rule], of_job.memory_mb / 1000)
    measured = _measured(layout)
    hours = measured["seconds"].sum() / 3600
    rows = []
    for rule, row in measured.iterrows():
        own = row["seconds"] / 3600
        factor = f"{forecast[rule] / own:.2f}" if own > 0.01 else "–"
        rows.append(
            [
                rule, str(int(row["jobs"])), f"{forecast[rule]:.2f}", f"{own:.2f}", factor,
                f"{100 * own / hours:.0f} %", f"{memory[rule]:.1f}", f"{row['gigabytes']:.1f}",
            ]
        )  # fmt: skip
    head = ["rule", "jobs", "forecast, core h", "measured", "ratio", "share", "forecast, GB", "measured"]
    yield tabulate(rows, head, "pipe", disable_numparse=True)
    yield (
        "Forecast: `qsmbench plan` without GPUs. Measured: Snakemake's records of processor time and peak memory; jobs "
        "of a few seconds are over before it looks at their memory."
    )


def _measured(layout: RunLayout) -> pd.DataFrame:
    """Jobs, seconds of processor time and GB at the peak, by rule."""
    folder = layout.root / "benchmarks"
    rows = []
    for path in sorted(folder.rglob("*.tsv")):
        table = pd.read_csv(path, sep="\t", na_values=["-", "NA"])
        rule = path.relative_to(folder).with_suffix("").parts[0]
        rows.append([rule, table["cpu_time"].sum(), table["max_rss"].max() / 1000])
    found = pd.DataFrame(rows, columns=["rule", "seconds", "gigabytes"])
    return found.groupby("rule").agg(
        jobs=("seconds", "size"), seconds=("seconds", "sum"), gigabytes=("gigabytes", "max")
    )


def _figure(folder: Path, name: str) -> Path | None:
    begin, end, _ = FIGURES[name]
    return next(iter(sorted(path for path in folder.glob(f"{begin}*{end}.png"))), None)


def _small(path: Path, columns: int = 1) -> bytes:
    """A picture no wider than a page, with a palette; one of many columns is cut into two rows of them."""
    with Image.open(path) as opened:
        picture = opened.convert("RGB")
    if columns > 8:
        half = -(-columns // 2)
        edges = [round(i * picture.width / columns) for i in (0, half, columns)]
        parts = [picture.crop((left, 0, right, picture.height)) for left, right in pairwise(edges)]
        picture = Image.new("RGB", (max(p.width for p in parts), 2 * picture.height), "white")
        for i, part in enumerate(parts):
            picture.paste(part, (0, i * part.height))
    if picture.width > WIDTH:
        picture = picture.resize((WIDTH, round(picture.height * WIDTH / picture.width)), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return out.getvalue()


if __name__ == "__main__":
    main()
