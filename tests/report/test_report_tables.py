import csv
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from qsmbench.report.comparisons import compare
from qsmbench.report.display import Display
from qsmbench.report.formats import latex, to_latex, to_markdown, write_tables
from qsmbench.report.statistics import summarise
from qsmbench.report.tables import build_table


def cells(display: Display, scores: pd.DataFrame, metric: str) -> dict[str, tuple[str, bool]]:
    table = build_table(summarise(scores, display), display, "synthetic/test")
    i = [column.metric for column in table.columns].index(metric)
    return {row.method: (row.cells[i].mean, row.cells[i].best) for row in table.rows}


def test_best_is_lowest_or_highest_among_methods_that_ran_everywhere(scores: pd.DataFrame, display: Display) -> None:
    # "net" has the best mean of both, over the four subjects it did not fail on; l2 lacks one SSIM.
    assert cells(display, scores, "rmse") == {"tkd": ("34.0", False), "l2": ("32.0", True), "net": ("13.0", False)}
    assert cells(display, scores, "ssim") == {"tkd": ("0.840", True), "l2": ("0.825", False), "net": ("0.965", False)}


def test_coverage_has_no_best(scores: pd.DataFrame, display: Display) -> None:
    assert not any(best for _, best in cells(display, scores, "coverage").values())


def test_values_that_print_alike_tie(scores: pd.DataFrame, display: Display) -> None:
    scores.loc[(scores["method"] == "tkd") & (scores["metric"] == "rmse"), "value"] = 31.97
    assert cells(display, scores, "rmse")["tkd"] == ("32.0", True)
    assert cells(display, scores, "rmse")["l2"] == ("32.0", True)


def test_markdown(scores: pd.DataFrame, display: Display) -> None:
    text = to_markdown(build_table(summarise(scores, display), display, "synthetic/test"))
    lines = [[cell.strip() for cell in line.split(" | ")] for line in text.splitlines() if line.startswith("|")]
    assert lines[0] == ["| Method", "n", "failed", "RMSE (%) ↓", "SSIM ↑", "Coverage |"]
    assert lines[2] == ["| TKD", "5", "0", "34.0 ± 3.2", "**0.840 ± 0.032**", "1.000 ± 0.000 |"]
    assert lines[3][3:5] == ["**32.0 ± 2.6**", "0.825 ± 0.087 (n = 4)"]
    assert lines[4][0] == "| Meta\\|QSM"
    assert r"Failed: Meta\|QSM on 1 of 5" in text


def test_latex(scores: pd.DataFrame, display: Display) -> None:
    text = to_latex(build_table(summarise(scores, display), display, "synthetic/test"))
    assert r"L2 \& more & 5 & \textbf{32.0 $\pm$ 2.6} & 0.825 $\pm$ 0.087 (n = 4) & 1.000 $\pm$ 0.000 \\" in text
    assert r"Meta|QSM & 4 (1 failed) & 13.0" in text
    assert r"Method & $n$ & RMSE (\%) $\downarrow$ & SSIM $\uparrow$ & Coverage \\" in text
    assert r"\caption{Synthetic\_test. Mean $\pm$ SD over n = 5 subjects." in text
    for rule in (r"\toprule", r"\midrule", r"\bottomrule"):
        assert text.count(rule) == 1
    assert text.count("{") == text.count("}")


def test_latex_escapes_every_special_character() -> None:
    assert latex(r"\ { } ~ ^ # $") == (r"\textbackslash{} \{ \} \textasciitilde{} \textasciicircum{} \# \$")


def test_significance_is_marked_and_explained(display: Display) -> None:
    rng = np.random.default_rng(0)
    rows = [
        {"set": "one", "subject": f"{i:02d}", "method": m, "metric": "rmse", "region": "mask"}
        | {"value": base + rng.normal(), "unit": "%", "status": "ok", "message": ""}
        for m, base in (("tkd", 50.0), ("l2", 30.0), ("net", 50.0))
        for i in range(12)
    ]
    frame = pd.DataFrame(rows)
    table = build_table(summarise(frame, display), display, "one", compare(frame, display))
    assert [row.cells[0].significant for row in table.rows] == [False, True, False]
    assert "differs from TKD, p < 0.05" in table.note
    assert "\\*" in to_markdown(table)
    assert "$^{*}$" in to_latex(table)
    assert " to " in table.rows[0].cells[0].interval


def test_files_hold_the_numbers_and_are_the_same_twice(scores: pd.DataFrame, display: Display, tmp_path: Path) -> None:
    files = write_tables(summarise(scores, display), display, tmp_path / "a", compare(scores, display))
    again = scores.sample(frac=1, random_state=3)
    write_tables(summarise(again, display), display, tmp_path / "b", compare(again, display))
    names = sorted(path.name for path in files)
    assert names == [
        "all.csv", "comparisons.csv", "one.csv", "one.md", "one.tex",
        "synthetic-test.csv", "synthetic-test.md", "synthetic-test.tex",
    ]  # fmt: skip
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    wide = {r["method"]: r for r in csv.DictReader(io.StringIO((tmp_path / "a/synthetic-test.csv").read_text()))}
    assert wide["tkd"]["rmse_mean"] == "34"
    assert wide["tkd"]["rmse_sd"] == "3.16228"
    assert (wide["net"]["n"], wide["net"]["n_failed"]) == ("4", "1")
    tidy = pd.read_csv(tmp_path / "a/all.csv")
    assert len(tidy) == 2 * 3 * 3
    assert list(tidy["set"].unique()) == ["synthetic/test", "one"]


@pytest.mark.parametrize("where", ["all", "one method"])
def test_tables_without_a_success(scores: pd.DataFrame, display: Display, where: str) -> None:
    lost = scores["method"] == "l2" if where == "one method" else scores["set"] != ""
    scores.loc[lost, "status"] = "failed"
    scores.loc[lost, "value"] = np.nan
    table = build_table(summarise(scores, display), display, "synthetic/test")
    row = next(row for row in table.rows if row.method == "l2")
    assert (row.n, row.n_failed) == (0, 5)
    assert "failed" in to_markdown(table).split("L2 & more")[1]
    assert "failed & failed" in to_latex(table)


def test_regions_follow_the_whole_mask(scores: pd.DataFrame, display: Display) -> None:
    deep = scores[scores["metric"] == "rmse"].assign(region="deep grey")
    summary = summarise(pd.concat([deep, scores]), display)
    labels = [column.label for column in build_table(summary, display, "synthetic/test").columns]
    assert labels == ["RMSE", "SSIM", "Coverage", "RMSE, deep grey"]
