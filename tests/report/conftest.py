"""A small run: two sets, three methods, one reconstruction that failed, one metric that is undefined once."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from opened_page import chromium
from playwright.sync_api import Browser

from qsmbench.config.load import check_config
from qsmbench.data.layout import RunLayout
from qsmbench.data.store import StoredSample, create_store, write_shard
from qsmbench.report.build import build_report
from qsmbench.report.display import Display, read_display
from qsmbench.report.volumes import SetVolumes
from qsmbench.sets.contract import ScanSet
from qsmbench.sets.samples import SyntheticSet
from qsmbench.sets.zarr_maps import create_maps, write_map

SHAPE = (12, 14, 10)
NAN = float("nan")
# RMSE of each method on five subjects; the second subject of "net" failed.
RMSE = {
    "tkd": [30.0, 32.0, 34.0, 36.0, 38.0],
    "l2": [28.0, 33.0, 31.0, 35.0, 33.04],
    "net": [10.0, NAN, 12.0, 14.0, 16.0],
}
SSIM = {
    "tkd": [0.80, 0.82, 0.84, 0.86, 0.88],
    "l2": [0.90, 0.70, NAN, 0.85, 0.85],
    "net": [0.95, NAN, 0.96, 0.97, 0.98],
}

DISPLAY = {
    "title": "A benchmark <of 3 & more>",
    "sets": {
        "synthetic/test": {"label": "Synthetic_test", "description": "Five samples."},
        "one": {"label": "One head", "description": ""},
    },
    "methods": {
        "tkd": {"label": "TKD", "doi": "10.1002/mrm.22135", "method": "tkd", "options": {"threshold": 0.2}},
        "l2": {"label": "L2 & more", "doi": "10.1002/mrm.25029", "method": "l2", "options": {}},
        "net": {"label": "Meta|QSM", "doi": "", "method": "meta-qsm", "options": {"blocks": [2, 3]}},
    },
    "metrics": {
        "rmse": {"label": "RMSE", "unit": "%", "better": "lower", "doi": "10.1002/mrm.26830"},
        "ssim": {"label": "SSIM", "unit": "", "better": "higher", "doi": "10.1002/mrm.26830"},
        "coverage": {"label": "Coverage", "unit": "", "better": "higher", "doi": ""},
    },
    "config": {"seed": 7, "text": "</script>", "networks": {"net": {}}},
    "provenance": {"version": "0.1.0", "software": {"numpy": "2.0"}},
    "n_samples_shown": 2,
}


def score_rows(set_name: str, n: int) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for metric, table in (("rmse", RMSE), ("ssim", SSIM), ("coverage", None)):
        for method in RMSE:
            for i in range(n):
                failed = np.isnan(RMSE[method][i])
                value = NAN if failed else table[method][i] if table is not None else 1.0
                rows.append(
                    {
                        "set": set_name,
                        "subject": f"{i:05d}",
                        "method": method,
                        "metric": metric,
                        "region": "mask",
                        "value": value,
                        "unit": DISPLAY["metrics"][metric]["unit"],
                        "status": "failed" if failed else "ok",
                        "message": "diverged at <step 3>" if failed else "",
                        "code_version": "0.1.0",
                        "config_hash": "c0ffee",
                        "weights_hash": "",
                        "data_hash": "abba",
                        "seed": 7,
                    }
                )
    return rows


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def display() -> Display:
    return Display.model_validate(DISPLAY)


@pytest.fixture
def scores() -> pd.DataFrame:
    return all_scores()


def all_scores() -> pd.DataFrame:
    return pd.DataFrame(score_rows("synthetic/test", 5) + score_rows("one", 1))


@dataclass
class Run:
    """A stored run."""

    layout: RunLayout
    sets: dict[str, ScanSet]

    @property
    def display(self) -> Display:
        return read_display(self.layout.display)

    def volumes(self, name: str) -> SetVolumes:
        return SetVolumes(self.sets[name], list(RMSE))

    def build(self, out: Path) -> Path:
        return build_report(self.layout, self.display, self.sets, out)


def volumes(n: int) -> tuple[list[StoredSample], dict[str, np.ndarray]]:
    rng = np.random.default_rng(3)
    axes = np.meshgrid(*[np.linspace(-1, 1, s) for s in SHAPE], indexing="ij")
    mask = sum(a**2 for a in axes) < 0.8
    samples, estimates = [], {method: np.full((n, *SHAPE), np.nan, np.float32) for method in RMSE}
    for i in range(n):
        chi = np.where(mask, rng.normal(scale=0.05, size=SHAPE), 0)
        field = np.where(mask, rng.normal(scale=0.02, size=SHAPE), 0)
        samples.append(StoredSample(chi, field, mask, (1.0, 1.0, 2.0), (0.0, 0.0, 1.0)))
        for k, method in enumerate(RMSE):
            if not np.isnan(RMSE[method][i]):
                estimates[method][i] = np.where(mask, chi * (0.7 + 0.1 * k), 0)
    return samples, estimates


def spec_of(n: int) -> dict[str, object]:
    return {"role": "test", "n_samples": n, "samples_per_shard": 1, "recipe": {"shape": SHAPE}}


def store_set(layout: RunLayout, name: str, n: int, attributes: dict[str, str]) -> ScanSet:
    samples, estimates = volumes(n)
    create_store(layout.store(name), SHAPE, n, 1, attributes)
    for i, sample in enumerate(samples):
        write_shard(layout.store(name), i, [sample])
    for method, chi in estimates.items():
        create_maps(layout.maps(name, method), n, SHAPE, {})
        for i, one in enumerate(chi):
            write_map(layout.maps(name, method), i, one)
    return SyntheticSet.model_validate(spec_of(n)).open(layout, name)


@pytest.fixture
def run(stored_run: Run, tmp_path: Path) -> Run:
    """A run whose scores and display file a test may change."""
    layout = RunLayout(tmp_path / "run")
    layout.report.mkdir(parents=True)
    shutil.copy(stored_run.layout.all_scores, layout.all_scores)
    shutil.copy(stored_run.layout.display, layout.display)
    for folder in ("synthetic", "reconstructions", "networks"):
        (layout.root / folder).symlink_to(stored_run.layout.root / folder)
    sets = {name: SyntheticSet.model_validate(spec_of(n)).open(layout, name) for name, n in SIZES.items()}
    return Run(layout, sets)


SIZES = {"synthetic/test": 5, "one": 1}


@pytest.fixture(scope="session")
def stored_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    layout = RunLayout(tmp_path_factory.mktemp("run"))
    layout.report.mkdir()
    all_scores().to_parquet(layout.all_scores)
    layout.display.write_text(json.dumps(DISPLAY), encoding="utf-8")
    layout.training_record("net").parent.mkdir()
    layout.training_record("net").write_text("step,loss,validation_rmse\n1,0.5,\n2,0.4,90\n3,0.3,\n4,0.2,70\n")
    sets = {
        "synthetic/test": store_set(layout, "synthetic/test", 5, {}),
        "one": store_set(layout, "one", 1, {"axis_codes": "LPS"}),
    }
    return Run(layout, sets)


SPEC = {"role": "test", "samples_per_shard": 1, "recipe": {"shape": [12, 14, 10]}}


@pytest.fixture
def results(stored_run: Run, tmp_path: Path) -> Path:
    """A results folder as the rules leave it."""
    return results_folder(stored_run, tmp_path / "results")


@pytest.fixture(scope="session")
def make_results(stored_run: Run) -> Callable[[Path], Path]:
    """Make such a folder for several tests."""
    return lambda root: results_folder(stored_run, root)


def results_folder(stored_run: Run, root: Path) -> Path:
    layout = RunLayout(root)
    layout.report.mkdir(parents=True)
    shutil.copy(stored_run.layout.all_scores, layout.all_scores)
    # Names with a slash are no folders of the workflow's.
    text = stored_run.layout.display.read_text().replace("synthetic/test", "test")
    config = {
        "synthetic": {"test": SPEC | {"n_samples": 5}, "one": SPEC | {"n_samples": 1}},
        "networks": {"net": {"weights": "shipped:meta-qsm-tv"}},
        "methods": {"tkd": {}, "l2": {}, "net": {"method": "meta-qsm", "network": "net"}},
    }
    resolved = check_config(config).model_dump(mode="json")
    layout.display.write_text(json.dumps(json.loads(text) | {"config": resolved}))
    scores = pd.read_parquet(layout.all_scores).replace({"set": {"synthetic/test": "test"}})
    scores.to_parquet(layout.all_scores)
    for name, stored in (("test", "synthetic/test"), ("one", "one")):
        shutil.copytree(stored_run.layout.store(stored), layout.store(name))
        for method in ("tkd", "l2", "net"):
            shutil.copytree(stored_run.layout.maps(stored, method), layout.maps(name, method))
    layout.training_record("net").parent.mkdir()
    shutil.copy(stored_run.layout.training_record("net"), layout.training_record("net"))
    layout.timings("test", "tkd").parent.mkdir(parents=True)
    layout.timings("test", "tkd").write_text("scan,seconds\n0,1.0\n1,4.0\n2,2.0\n3,2.0\n")
    layout.benchmark("reconstruct", "test", "tkd").parent.mkdir(parents=True)
    layout.benchmark("reconstruct", "test", "tkd").write_text("s\tmax_rss\n9.5\t512.4\n")
    layout.drawn("test").mkdir()
    samples = [{"sample": i, "parameters": {"noise_sd": 0.001 * i}} for i in range(5)]
    layout.shard_hashes("test", 0).write_text(json.dumps({"samples": samples}))
    return layout.root
