"""Reconstruction to page with a method that fails, and an evaluation that is ended and goes on."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from qsmbench.benchmark import evaluation
from qsmbench.benchmark.evaluation import collect_scores
from qsmbench.benchmark.evaluation import evaluate as evaluate_set
from qsmbench.benchmark.reconstruction import reconstruct
from qsmbench.benchmark.runner import Runner, UndeclaredError
from qsmbench.core.scan import Scan
from qsmbench.data.layout import RunLayout
from qsmbench.data.store import StoredSample, create_store, write_shard
from qsmbench.methods.contract import Method
from qsmbench.methods.registry import METHODS, Entry
from qsmbench.metrics.registry import score_case
from qsmbench.report.build import build_report
from qsmbench.report.display import Display
from qsmbench.sets.contract import ScanSet
from qsmbench.sets.samples import SyntheticSet

SHAPE = (20, 18, 16)
N = 7


@dataclass(frozen=True)
class Fragile(Method):
    """Half the field, but not for every subject."""

    def invert(self, scan: Scan) -> torch.Tensor:
        if scan.local_field.max() > 1:
            raise ValueError("cannot <handle>\n this field")
        chi = scan.local_field / 2
        return chi * float("nan") if scan.local_field.min() < -1 else chi


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    target = f"{__name__}:Fragile"
    monkeypatch.setitem(METHODS.own, "fragile", Entry("fragile", "Fragile", target, "", linear=True))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A set of seven samples; a large value marks the third and the fifth."""
    rng = np.random.default_rng(8)
    mask = np.zeros(SHAPE, bool)
    mask[3:-3, 3:-3, 3:-3] = True
    layout = RunLayout(tmp_path)
    create_store(layout.store("test"), SHAPE, N, N, {})
    samples = []
    for index in range(N):
        chi = np.where(mask, rng.normal(scale=0.05, size=SHAPE), 0)
        field = np.where(mask, chi + rng.normal(scale=0.01, size=SHAPE), 0)
        field[10, 9, 8] = {2: 2.0, 4: -2.0}.get(index, 0.0)
        samples.append(StoredSample(chi, field, mask, (1.0, 1.0, 2.0), (0.0, 0.0, 1.0)))
    contents = write_shard(layout.store("test"), 0, samples)
    rows = [{"sample": i, "parameters": {}, "sha256": content} for i, content in enumerate(contents)]
    layout.drawn("test").mkdir()
    layout.shard_hashes("test", 0).write_text(json.dumps({"seed": 7, "samples": rows}))
    for method in ("fragile", "tkd"):
        run_method(tmp_path, method)
    return tmp_path


def opened(folder: Path) -> ScanSet:
    recipe = {"shape": SHAPE}
    spec = SyntheticSet.model_validate({"role": "test", "n_samples": N, "samples_per_shard": N, "recipe": recipe})
    return spec.open(RunLayout(folder), "test")


def run_method(folder: Path, method: str) -> None:
    layout = RunLayout(folder)
    reconstruct(
        opened(folder),
        method=method,
        options={},
        weights=None,
        out=layout.maps("test", method),
        status=layout.map_status("test", method),
        timings=layout.timings("test", method),
    )


def evaluate(folder: Path, method: str, out: str = "scores.parquet") -> pd.DataFrame:
    layout = RunLayout(folder)
    metrics = ["rmse", "cone_streaking", "region_error"]
    maps, status = layout.maps("test", method), layout.map_status("test", method)
    evaluate_set(opened(folder), method, maps=maps, status=status, metrics=metrics, seed=7, out=folder / out)
    return pd.read_parquet(folder / out)


def test_a_failure_is_a_row_and_the_others_stay(folder: Path) -> None:
    scores = evaluate(folder, "fragile")
    failed = scores[scores["status"] == "failed"]
    assert sorted(set(failed["subject"])) == ["00002", "00004"]
    assert failed["value"].isna().all()
    assert set(failed["metric"]) == {"rmse", "cone_streaking", "coverage"}
    assert set(failed["message"]) == {
        "ValueError: cannot <handle> this field",
        "Fragile gave 1680 non-finite voxels",
    }
    ok = scores[(scores["status"] == "ok") & (scores["metric"] == "rmse")]
    assert len(ok) == N - 2
    assert ok["value"].between(40, 60).all()


def test_the_page_shows_the_failure_in_red(folder: Path) -> None:
    parts = [folder / f"{method}.parquet" for method in ("fragile", "tkd")]
    for method, part in zip(("fragile", "tkd"), parts, strict=True):
        evaluate(folder, method, part.name)
    collect_scores(parts, RunLayout(folder).all_scores)
    display = {
        "title": "T",
        "sets": {"test": {"label": "Test"}},
        "methods": {m: {"label": m.title(), "method": m} for m in ("fragile", "tkd")},
        "metrics": {
            "rmse": {"label": "RMSE", "unit": "%", "better": "lower"},
            "cone_streaking": {"label": "Cone", "better": "lower", "ranked": False},
            "coverage": {"label": "Coverage", "better": "higher"},
        },
    }
    page = build_report(RunLayout(folder), Display.model_validate(display), {"test": opened(folder)}, folder / "out")
    html = page.read_text(encoding="utf-8")
    assert '<tr class="failed"><th scope="row">Fragile</th>' in html
    assert '<span class="bad">2 of 7</span>' in html
    assert "<strong>Fragile</strong> on Test, subject 00002: ValueError: cannot &lt;handle&gt; this field" in html
    assert "tr.failed th, tr.failed td { background: var(--bad-ground); }" in html
    assert "Tkd, " in html
    table = pd.read_csv(folder / "out/tables/test.csv").set_index("method")
    assert table.loc["fragile", ["n", "n_failed"]].tolist() == [5, 2]
    assert table.loc["tkd", ["n", "n_failed"]].tolist() == [7, 0]
    markdown = (folder / "out/tables/test.md").read_text(encoding="utf-8")
    assert "Failed: Fragile on 2 of 7" in markdown


def test_an_evaluation_that_was_ended_goes_on_where_it_stopped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = evaluate(folder, "tkd", "whole.parquet")
    calls = []

    def counted(*arguments: object) -> object:
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return score_case(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(evaluation, "score_case", counted)
    with pytest.raises(KeyboardInterrupt):
        evaluate(folder, "tkd", "parts.parquet")
    journal = folder / ".parts.parquet.journal"
    assert len(journal.read_text().splitlines()) == 3
    # As if the machine had stopped in the middle of a line.
    journal.write_text(journal.read_text() + '{"sample": 3, "key"')
    calls[:] = [1] * 10
    resumed = evaluate(folder, "tkd", "parts.parquet")
    assert len(calls) == 10 + N - 3
    pd.testing.assert_frame_equal(resumed, whole)
    assert (folder / "parts.parquet").read_bytes() == (folder / "whole.parquet").read_bytes()
    assert not journal.exists()


def test_a_journal_of_another_map_is_not_believed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def counted(*arguments: object) -> object:
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return score_case(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(evaluation, "score_case", counted)
    with pytest.raises(KeyboardInterrupt):
        evaluate(folder, "tkd")
    path = RunLayout(folder).map_status("test", "tkd")
    status = json.loads(path.read_text())
    status["scans"][0]["sha256"] = "another"
    path.write_text(json.dumps(status))
    calls[:] = [1] * 10
    evaluate(folder, "tkd")
    assert len(calls) == 10 + N - 2


@dataclass(frozen=True)
class Mistaken(Method):
    """What no data can be blamed for."""

    kind: str = "name"

    def invert(self, scan: Scan) -> torch.Tensor:
        if self.kind == "name":
            raise KeyError("chi")
        if self.kind == "shape":
            return scan.local_field[:-1] + scan.local_field
        raise ValueError("always")


@pytest.mark.parametrize(
    ("kind", "error"), [("name", KeyError), ("shape", UndeclaredError), ("everywhere", UndeclaredError)]
)
def test_a_mistake_of_ours_ends_the_job(
    folder: Path, capsys: pytest.CaptureFixture[str], kind: str, error: type[Exception]
) -> None:
    runner, scans = Runner(Mistaken(kind), "mistaken", "cpu"), opened(folder)
    with pytest.raises(error):
        for name in scans.names:
            runner(scans.scan(name), name)
        runner.check_failures()
    if kind != "name":
        assert "Traceback" in capsys.readouterr().err
