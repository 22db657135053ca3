"""`qsmbench diff`: two runs that share all but an option, runs that lack something, and the report's own statistics."""

import json
import shutil
import zipfile

import numpy as np
import pandas as pd
import pytest
from little_run import configuration, little_run

from qsmbench.audit.difference import compare
from qsmbench.audit.moved import compare_rows
from qsmbench.cli.main import main
from qsmbench.report import comparisons
from qsmbench.report.display import Display


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A little run, and one of the same heads in another folder with another threshold of TKD."""
    folders = [tmp_path_factory.mktemp(name) for name in "ab"]
    other = configuration(folders[1])
    other["source"]["chi"] = str(folders[0] / "head.nii.gz")
    other["methods"]["tkd"]["options"] = {"threshold": 0.15}
    return little_run(folders[0]), little_run(folders[1], other)


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def part(found, name):
    return next(part for part in found.parts if part.name == name)


def wheres(found, name):
    return [line.where for line in part(found, name).lines]


def test_a_run_equals_itself_and_its_zip(runs, tmp_path, capsys):
    packed = tmp_path / "run.zip"
    with zipfile.ZipFile(packed, "w") as file:
        for path in sorted(runs[0].rglob("*")):
            if path.is_file():
                file.write(path, path.relative_to(runs[0].parent))
    assert main(["diff", str(runs[0]), str(packed)]) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[-1] == "equal"
    assert "of 18 scores 18 are the same bits, 0 moved" in said


def test_another_option_is_named_with_the_scores_that_it_moved(runs, tmp_path, capsys):
    out = tmp_path / "diff.json"
    assert main(["diff", *map(str, runs), "--json", str(out)]) == 1
    said = capsys.readouterr().out
    assert said.splitlines()[-1] == "different"
    found = json.loads(out.read_text())
    lines = {p["name"]: [(line["where"], line["a"], line["b"]) for line in p["lines"]] for p in found["parts"]}
    assert lines == {
        "settings": [("methods.tkd.options.threshold", "absent", "0.15")],
        "versions": [], "inputs": [], "heads": [], "machine": [], "scores": [],
    }  # fmt: skip
    moved = {(row["method"], row["metric"]): row for row in found["scores"]["moved"]}
    assert set(moved) == {("tkd", "rmse"), ("tkd", "correlation")}
    tables = [pd.read_parquet(run / "scores.parquet") for run in runs]
    values = [t[(t["method"] == "tkd") & (t["metric"] == "rmse")].set_index("subject")["value"] for t in tables]
    row = moved["tkd", "rmse"]
    assert (row["n"], row["n_moved"], row["unit"]) == (3, 3, "%")
    assert row["mean_a"] == pytest.approx(values[0].mean()) and row["mean_b"] == pytest.approx(values[1].mean())
    assert row["median"] == pytest.approx((values[1] - values[0]).median())
    assert row["p"] is None, "three subjects are too few for a test"
    assert found["scores"]["n_same"] == 12, "coverage, and all scores of L2"


def test_other_heads_seeds_packages_and_missing_scores_are_told(runs, tmp_path):
    folder = shutil.copytree(runs[0], tmp_path / "other")
    config = json.loads((folder / "provenance/config.json").read_text())
    config["seed"] = 8
    del config["methods"]["l2"]["label"]
    (folder / "provenance/config.json").write_text(json.dumps(config))
    for path in folder.glob("provenance/environments/*.json"):
        content = json.loads(path.read_text())
        content["packages"]["numpy"] = "1.0"
        content["hardware"]["processor"] = "Cray-1"
        path.write_text(json.dumps(content))
    heads = json.loads((folder / "source/source.json").read_text())
    heads["heads"][0]["files"]["chi.nii.gz"] = "0" * 64
    (folder / "source/source.json").write_text(json.dumps(heads))
    scores = pd.read_parquet(folder / "scores.parquet")
    scores = scores[(scores["method"] != "l2") & ((scores["metric"] != "rmse") | (scores["subject"] != "00001"))]
    failed = (scores["subject"] == "00002") & (scores["method"] == "tkd")
    scores.loc[failed, ["status", "message", "value"]] = ["failed", "no luck", np.nan]
    scores.loc[scores["subject"] == "00000", "data_hash"] = "f" * 64
    scores.to_parquet(folder / "scores.parquet", index=False)
    found = compare(runs[0], folder)
    assert not found.equal
    assert wheres(found, "settings") == ["seed", "methods.l2.label"]
    assert wheres(found, "versions") == ["packages.numpy"]
    assert wheres(found, "inputs") == ["data of test / 00000"]
    assert wheres(found, "heads") == ["heads[0].files.chi.nii.gz"]
    assert wheres(found, "machine") == ["hardware, processor"]
    lines = [(line.where, line.b) for line in part(found, "scores").lines]
    assert lines == [
        ("test / l2", "absent"),
        ("test / tkd: rmse, mask, 00001", "absent"),
        ("test / tkd / 00002", "failed: no luck"),
    ]
    assert "changed after its crate was made" in part(found, "scores").notes[0]


def test_another_machine_alone_makes_no_difference(runs, tmp_path):
    folder = shutil.copytree(runs[0], tmp_path / "other")
    for path in folder.glob("provenance/environments/*.json"):
        path.write_text(path.read_text().replace('"cores": ', '"cores": 9'))
    found = compare(runs[0], folder)
    assert wheres(found, "machine") == ["hardware, cores"] and found.equal


def test_a_folder_without_records_crate_or_scores_is_compared_by_what_it_has(runs, tmp_path):
    folder = tmp_path / "bare"
    (folder / "provenance").mkdir(parents=True)
    shutil.copy(runs[0] / "provenance/config.json", folder / "provenance")
    found = compare(runs[0], folder)
    assert found.digests[1] == "" and wheres(found, "settings") == []
    assert wheres(found, "scores") == ["scores.parquet"]
    assert any("no records of jobs" in note for note in part(found, "versions").notes)


def test_the_page_is_self_contained_and_escaped(runs, tmp_path):
    folder = shutil.copytree(runs[0], tmp_path / "<script>alert(1)")
    config = json.loads((folder / "provenance/config.json").read_text())
    config["methods"]["<img src=x>"] = {"label": "</td><script>alert(2)</script>\x1b[31m"}
    (folder / "provenance/config.json").write_text(json.dumps(config))
    page = tmp_path / "diff.html"
    assert main(["diff", str(runs[1]), str(folder), "--page", str(page)]) == 1
    text = page.read_text()
    assert "<script" not in text and "<img" not in text and "\x1b" not in text
    assert "&lt;img src=x&gt;" in text and "methods.tkd.options.threshold" in text
    assert "default-src 'none'" in text and "http" not in text.replace("http-equiv", "")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["{a}", "nowhere"], "nowhere does not exist"),
        (["{a}", "{a}/provenance"], "is no results folder: it has no provenance/config.json"),
        (["{a}", "{a}/scores.parquet"], "neither a folder nor a zip file"),
        (["{a}", "{b}", "--json", "{b}/x.json"], "lies in the results that are compared"),
        (["{a}", "{b}", "--json", "x", "--page", "x"], "name one file"),
    ],
)
def test_what_cannot_be_compared_is_one_line(runs, empty, capsys, words, message):
    assert main(["diff", *(word.format(a=runs[0], b=runs[1]) for word in words)]) == 2
    said = capsys.readouterr().err
    assert message in said and len(said.splitlines()) == 1
    assert list(empty.iterdir()) == []


def rows(values, metric="rmse", **columns):
    """A table of scores from values by method, a subject each."""
    table = [
        {"set": "s", "subject": f"{i:02}", "method": method, "metric": metric, "region": "mask", "value": value}
        for method, own in values.items()
        for i, value in enumerate(own)
    ]
    columns = {"unit": "%", "status": "ok", "message": "", "data_hash": "", "weights_hash": ""} | columns
    return pd.DataFrame(table).assign(**columns)


@pytest.mark.parametrize("metric", ["rmse", "correlation", "coverage", "theirs"])
def test_statistics_are_those_of_the_report(metric):
    rng = np.random.default_rng(1)
    before = {name: rng.random(12) for name in "pqr"}
    after = {"p": before["p"] + 0.1 * rng.random(12), "q": before["q"] + 0.04 + 0.1 * rng.standard_normal(12)}
    after["r"] = before["r"] * (1 + 1e-9)
    found = compare_rows(rows(before, metric), rows(after, metric))
    assert [row.method for row in found.moved] == ["p", "q"]
    assert (found.n, found.n_same, found.n_close) == (36, 0, 12)
    better = "higher" if metric == "correlation" else "lower"
    p_values = {}
    for row in found.moved:
        display = Display(
            title="t", sets={"s": {"label": "s"}}, baseline="before",
            metrics={metric: {"label": "m", "better": better}},
            methods={name: {"label": name, "method": "m"} for name in ("before", "after")},
        )  # fmt: skip
        table = rows({"before": before[row.method], "after": after[row.method]}, metric)
        if metric == "coverage":
            # The report ranks nothing by it; a comparison of two runs still tests it.
            assert row.effect is None and row.p is not None
            continue
        (theirs,) = comparisons.compare(table, display).to_dict("records")
        assert (row.n, row.median, row.p) == (theirs["n_pairs"], theirs["median_difference"], theirs["p"])
        assert row.effect == (None if metric == "theirs" else theirs["effect"])
        p_values[row.method] = row.p
    if p_values:
        # Holm over three methods, of which the third did not move.
        low, high = sorted(p_values.values())
        assert sorted(row.p_holm for row in found.moved) == pytest.approx([3 * low, 2 * high])
        assert 3 * low < 2 * high < 1


def test_subjects_methods_metrics_and_sets_of_one_side_are_told_at_the_highest_level():
    a = pd.concat([rows({"p": [1.0, 2.0], "q": [1.0, 2.0]}), rows({"p": [1.0, 2.0]}, "xsim")])
    b = pd.concat([rows({"p": [1.0, 2.0, 3.0], "r": [1.0, 2.0, 3.0]}), rows({"p": [1.0]}).assign(set="t")])
    found = compare_rows(a, b)
    assert [(line.where, line.a, line.b) for line in found.lines] == [
        ("t", "absent", "1 score"),
        ("s / q", "2 scores", "absent"),
        ("s / r", "absent", "3 scores"),
        ("s / 02", "absent", "1 score"),
        ("s / xsim", "2 scores", "absent"),
    ]
    assert (found.n, found.n_same, found.moved) == (2, 2, [])


def test_units_and_undefined_scores_are_no_numbers_to_compare():
    other = rows({"p": [1.0, np.nan]}).assign(unit=["%", "%"])
    found = compare_rows(rows({"p": [1.0, 2.0]}), other)
    assert [(line.where, line.a, line.b) for line in found.lines] == [("s / p: rmse, mask, 01", "2", "undefined")]
    found = compare_rows(rows({"p": [1.0, 2.0]}), rows({"p": [0.01, 0.02]}, unit=""))
    assert [(line.where, line.a, line.b) for line in found.lines] == [("unit of s / p: rmse, mask", "%", "")]
    assert found.moved == []
