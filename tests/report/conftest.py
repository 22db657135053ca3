"""A small run: two sets, three methods, one reconstruction that failed, one metric that is undefined once."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from qsmbench.data.store import Sample, create_store, write_shard
from qsmbench.report.display import Display

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
    "config": {"seed": 7, "text": "</script>"},
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
                        "subject": str(i),
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
    """Paths of a stored run, in the order `build_report` takes them."""

    scores: Path
    display: Path
    volumes: dict[str, tuple[Path, dict[str, Path]]]
    records: dict[str, Path]

    def arguments(self) -> tuple[Path, Path, dict[str, tuple[Path, dict[str, Path]]], dict[str, Path]]:
        return self.scores, self.display, self.volumes, self.records


def volumes(n: int) -> tuple[list[Sample], dict[str, np.ndarray]]:
    rng = np.random.default_rng(3)
    axes = np.meshgrid(*[np.linspace(-1, 1, s) for s in SHAPE], indexing="ij")
    mask = sum(a**2 for a in axes) < 0.8
    samples, estimates = [], {method: np.full((n, *SHAPE), np.nan, np.float32) for method in RMSE}
    for i in range(n):
        chi = np.where(mask, rng.normal(scale=0.05, size=SHAPE), 0)
        field = np.where(mask, rng.normal(scale=0.02, size=SHAPE), 0)
        samples.append(Sample(chi, field, mask, (1.0, 1.0, 2.0), (0.0, 0.0, 1.0)))
        for k, method in enumerate(RMSE):
            if not np.isnan(RMSE[method][i]):
                estimates[method][i] = np.where(mask, chi * (0.7 + 0.1 * k), 0)
    return samples, estimates


def store_set(root: Path, name: str, n: int, attributes: dict[str, str]) -> tuple[Path, dict[str, Path]]:
    samples, estimates = volumes(n)
    store = root / f"{name}.zarr"
    create_store(store, SHAPE, n, 1, attributes)
    for i, sample in enumerate(samples):
        write_shard(store, i, [sample])
    paths = {}
    for method, chi in estimates.items():
        paths[method] = root / f"{name}-{method}.zarr"
        data = xr.Dataset({"chi": (("sample", "x", "y", "z"), chi)})
        data.to_zarr(paths[method], zarr_format=3, consolidated=False)
    return store, paths


@pytest.fixture
def run(stored_run: Run, tmp_path: Path) -> Run:
    """A run whose scores and display file a test may change."""
    root = tmp_path / "run"
    root.mkdir()
    scores = Path(shutil.copy(stored_run.scores, root))
    display = Path(shutil.copy(stored_run.display, root))
    return Run(scores, display, stored_run.volumes, stored_run.records)


@pytest.fixture(scope="session")
def stored_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    root = tmp_path_factory.mktemp("run")
    all_scores().to_parquet(root / "scores.parquet")
    (root / "display.json").write_text(json.dumps(DISPLAY), encoding="utf-8")
    (root / "record.csv").write_text("step,loss,validation_rmse\n1,0.5,\n2,0.4,90\n3,0.3,\n4,0.2,70\n")
    stores = {
        "synthetic/test": store_set(root, "test", 5, {}),
        "one": store_set(root, "one", 1, {"axis_codes": "LPS"}),
    }
    return Run(root / "scores.parquet", root / "display.json", stores, {"net": root / "record.csv"})
