"""tools/write_results.py: the papers' claims judged from scores, and the page of a run."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from qsmbench.benchmark.display import display as make_display
from qsmbench.benchmark.run import Run
from qsmbench.config.load import read_config
from qsmbench.report.claims import CLAIMS, judge
from qsmbench.report.display import read_display

ROOT = Path(__file__).parents[2]
SMALL = read_config(ROOT / "configs/paper-small.yaml")
# By how much each method's error is that of the best; Meta-QSM beats the classical methods but for SSIM.
ERRORS = {"meta-qsm": 1.0, "spectral-tv": 1.1, "inr-qsm": 1.2, "meta-qsm-tv": 1.3, "mesa-research": 1.3, "tkd": 1.5}


@pytest.fixture(autouse=True)
def tools(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tools"))


def scores_of(of: Run) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    rows = []
    for name in of.sets:
        for method in of.methods_of(name):
            for subject in of.sets[name].members:
                error = 20 * ERRORS.get(method, 2.0) * (1 + 0.01 * rng.standard_normal())
                values = {"rmse": error, "hfen": error, "ssim": 0.9 if method == "tkd" else 0.8 - 0.01 * error}
                rows += [
                    {
                        "set": name, "method": method, "subject": subject, "metric": metric, "region": "mask",
                        "value": value, "unit": "" if metric == "ssim" else "%", "status": "ok", "message": "",
                    }
                    for metric, value in (values | {"nrmse_demeaned": error}).items()
                ]  # fmt: skip
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The report's inputs of such a run, with scores drawn at random about what ERRORS says."""
    root = tmp_path_factory.mktemp("results")
    of = Run(SMALL, root)
    of.layout.report.mkdir(parents=True)
    of.layout.display.write_text(json.dumps(make_display(of)), encoding="utf-8")
    scores_of(of).to_parquet(of.layout.all_scores)
    for rule, name, seconds in (("reconstruct", "test-random/tkd", 360.0), ("source", "", 4.0)):
        path = of.layout.benchmark(rule, *filter(None, [name]))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s\tmax_rss\tcpu_time\n9.0\t2000.0\t{seconds}\n9.0\t-\tNA\n", encoding="utf-8")
    return of


def test_claims_hold_in_part_or_not_as_the_pairs_say(run):
    display = read_display(run.layout.display)
    scores = pd.read_parquet(run.layout.all_scores)
    judged = {judgement.claim.text: judgement for judgement in (judge(claim, scores, display) for claim in CLAIMS)}
    at_random = judged["Meta-QSM beats TKD, iLSQR and MEDI at random voxel sizes."]
    assert at_random.verdict == "holds in part"
    pairs = at_random.pairs.set_index(["metric", "other"])
    assert pairs.loc[("rmse", "tkd"), "word"] == "better"
    assert pairs.loc[("rmse", "tkd"), "difference"] == pytest.approx(-10, abs=1)
    assert (pairs.loc[("ssim", "tkd"), "word"], pairs.loc[("ssim", "tkd"), "wins"]) == ("worse", 0)
    twins = [j for j in judged.values() if j.claim.kind == "no worse"]
    assert [j.verdict for j in twins] == ["holds", "holds"]
    assert judged["INR-QSM beats TKD, iLSQR and MEDI."].verdict == "holds in part"
    supervised = next(j for j in judged.values() if "supervised" in j.claim.text)
    words = supervised.pairs[supervised.pairs["other"] == "meta-qsm"]["word"]
    assert set(words) == {"worse"}
    on_scans = judged["On scans its maps are better than those of TKD, iLSQR and MEDI."]
    assert on_scans.verdict == "not tested" and on_scans.pairs["p"].isna().all()
    assert set(on_scans.pairs[on_scans.pairs["metric"] == "rmse"]["word"]) == {"better, untested"}


def test_every_claim_is_about_methods_and_sets_of_both_configurations():
    for config in (SMALL, read_config(ROOT / "configs/paper.yaml")):
        of = Run(config)
        for claim in CLAIMS:
            for name in claim.sets:
                assert {claim.method, *claim.others} <= set(of.methods_of(name))


def test_the_page_answers_first_and_has_tables_claims_digest_and_plan(run, tmp_path, monkeypatch):
    import write_results
    from PIL import Image

    figures = run.layout.report / "figures"
    figures.mkdir(exist_ok=True)
    Image.new("RGB", (2800, 1000), "white").save(figures / "clinical-calcification-swi.png")
    audit = tmp_path / "audit"
    audit.mkdir()
    (audit / "audit.json").write_text(json.dumps({"verdict": "pass", "digest": "d1ge57", "n_findings": 0}))
    monkeypatch.setattr(sys, "argv", ["write_results.py", str(run.layout.root), str(audit), "--out-dir", str(tmp_path)])
    write_results.main()
    text = (tmp_path / "results.md").read_text()
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert headings[:2] == ["## Which method for my scan?", "## What the papers claim"]
    assert "| 3 mm, clinical (0.76 x 0.76 x 3 mm) | Meta-QSM " in text
    assert "`d1ge57`" in text and "passed" in text
    assert text.count("**not tested**") == 3 and "**holds in part**" in text
    for title in SMALL.report.tables.values():
        assert f"### {title.title}" in text
    assert "which stage makes the error" in text and "**resharp**" not in text
    assert "| reconstruct " in text and "| 0.10 " in text
    assert "![The clinical scan" in text and "results-research.png" not in text
    # Eight of fifteen columns in the first of two rows, 1493 x 2000, made as wide as a page.
    assert Image.open(tmp_path / "results-clinical.png").size == (1400, 1875)
