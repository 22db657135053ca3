"""Write docs/networks-compared.md and its figure from runs of configs/networks.yaml and configs/voxel-size.yaml.

snakemake --cores 2 --configfile configs/networks.yaml
snakemake --cores 2 --configfile configs/voxel-size.yaml
python tools/write_networks.py results-networks results-voxel-size
"""

import argparse
import json
from pathlib import Path

import pandas as pd

from qsmbench.networks.shipped import FOLDER, shipped
from qsmbench.report.display import read_display
from qsmbench.report.scores import read_scores
from qsmbench.report.sweeps import find_sweeps, sweep_figure

DOCS = Path(__file__).parents[1] / "docs"
FIGURE = "networks-voxel-size.png"
METRICS = {"rmse": ("RMSE (%)", 1), "hfen": ("HFEN (%)", 1), "ssim": ("SSIM", 3), "xsim": ("XSIM", 3)}


def main() -> None:
    """Read the runs, write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="of configs/networks.yaml")
    parser.add_argument("swept", type=Path, help="results of configs/voxel-size.yaml")
    given = parser.parse_args()
    results, swept = given.results, given.swept
    display = json.loads((results / "report/display.json").read_text(encoding="utf-8"))
    scores = pd.read_csv(results / "report/tables/all.csv")
    compared = pd.read_csv(results / "report/tables/comparisons.csv")
    sets, labels = display["config"]["synthetic"], {key: m["label"] for key, m in display["methods"].items()}
    lines = [
        "# Networks compared",
        "",
        "Written by `tools/write_networks.py` from a run of `configs/networks.yaml` (code "
        f"{display['provenance']['code_version']}). What the networks are: [networks.md](networks.md).",
        "",
        *weights_table(),
        "",
        f"![RMSE against voxel size]({FIGURE})",
        "",
        sweep_caption(swept),
        "",
    ]
    for name, spec in sets.items():
        own = scores[(scores["set"] == name) & (scores["region"] == "mask")]
        if own.empty:
            continue
        shape = " x ".join(map(str, spec["recipe"]["shape"]))
        lines += [f"## {spec['label']}", "", f"{int(own['n'].max())} samples of {shape}; mean and SD.", ""]
        lines += [*score_table(own, labels), "", *paired_table(compared[compared["set"] == name], labels)]
    (DOCS / "networks-compared.md").write_text("\n".join(lines), encoding="utf-8")
    (DOCS / FIGURE).write_bytes(figure(swept))


def figure(results: Path) -> bytes:
    """RMSE against voxel size on the same heads."""
    display = read_display(results / "report/display.json")
    scores = read_scores(results / "scores.parquet", display)
    return sweep_figure(scores, display, "rmse", find_sweeps(display.config["synthetic"]))


def sweep_caption(results: Path) -> str:
    """What the figure shows, from the run's configuration."""
    display = json.loads((results / "report/display.json").read_text(encoding="utf-8"))
    sets = [spec for spec in display["config"]["synthetic"].values() if spec["role"] == "test"]
    low, high = sets[0]["recipe"]["noise"]["sd"]
    assert low == high
    assert all(spec["recipe"]["noise"] == sets[0]["recipe"]["noise"] for spec in sets)
    code, noise = display["provenance"]["code_version"], f"{1000 * low:g} ppb of noise"
    return (
        f"RMSE against voxel size by `configs/voxel-size.yaml` (code {code}): the same {sets[0]['n_samples']} heads at "
        f"every size, with the same shapes and {noise}. Below, the paired difference from Meta-QSM with its 95 % "
        "interval (Student's t)."
    )


def weights_table() -> list[str]:
    """What is shipped, from the cards."""
    lines = [
        "| weights | sees | parameters | MB | voxel sizes, mm | samples | steps | CPU h |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in shipped():
        card = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
        low, high = (" x ".join(f"{v:g}" for v in card["voxel_size_mm"][end]) for end in ("min", "max"))
        size = (FOLDER / f"{name}.pt").stat().st_size / 1e6
        lines.append(
            f"| [{name}](../src/qsmbench/networks/weights_files/{name}.md) | {card['sees']} | "
            f"{card['parameters'] / 1e6:.2f} M | "
            f"{size:.1f} | {low if low == high else f'{low} to {high}'} | {card['data']['training']} | "
            f"{card['training']['steps']} | {card['cpu_hours']:.2f} |"
        )
    return lines


def score_table(scores: pd.DataFrame, labels: dict[str, str]) -> list[str]:
    """Methods down, metrics across."""
    lines = ["| method | " + " | ".join(label for label, _ in METRICS.values()) + " |", "|---" * 5 + "|"]
    for key, label in labels.items():
        cells = []
        for metric, (_, digits) in METRICS.items():
            row = scores[(scores["method"] == key) & (scores["metric"] == metric)].iloc[0]
            cells.append(f"{row['mean']:.{digits}f} ± {row['sd']:.{digits}f}")
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return lines


def paired_table(compared: pd.DataFrame, labels: dict[str, str]) -> list[str]:
    """Differences from the baseline, where there are enough samples for a test."""
    own = compared[(compared["region"] == "mask") & compared["metric"].isin(METRICS)]
    if own.empty:
        return []
    baseline = labels[own["baseline"].iloc[0]]
    lines = [f"Median of the paired differences from {baseline}; p of Wilcoxon's signed-rank test, after Holm:", ""]
    shown = list(METRICS)[:3]
    lines += ["| method | " + " | ".join(f"{METRICS[m][0]} | p" for m in shown) + " |", "|---" * 7 + "|"]
    for key in dict.fromkeys(own["method"]):
        cells = []
        for metric in shown:
            row = own[(own["method"] == key) & (own["metric"] == metric)].iloc[0]
            cells.append(f"{row['median_difference']:+.{METRICS[metric][1]}f} | {row['p_holm']:.2g}")
        lines.append(f"| {labels[key]} | " + " | ".join(cells) + " |")
    return [*lines, ""]


if __name__ == "__main__":
    main()
