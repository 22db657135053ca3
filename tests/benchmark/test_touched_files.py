"""What docs/architecture.md promises: a new kind of set or source of heads is one file and a line, a rule one entry."""

import re
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import pytest
from little_set import write_head
from pydantic import Field, TypeAdapter

import qsmbench
from qsmbench.benchmark.display import run_label
from qsmbench.benchmark.evaluation import evaluate
from qsmbench.benchmark.reconstruction import reconstruct
from qsmbench.benchmark.registry_checks import check_against_registries
from qsmbench.benchmark.run import Run
from qsmbench.benchmark.source import load_heads, make_source
from qsmbench.benchmark.steps.contract import SMALL, Job, Step
from qsmbench.benchmark.steps.registry import STEPS, folder_texts, jobs
from qsmbench.cli.main import main
from qsmbench.config.load import check_config
from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid
from qsmbench.core.scan import Reference, Scan
from qsmbench.data.layout import RunLayout
from qsmbench.heads.contract import FoundHead, HeadSpec
from qsmbench.heads.registry import OneHead
from qsmbench.methods.registry import METHODS, Entry
from qsmbench.metrics.registry import METRICS, Metric
from qsmbench.report.volumes import SetVolumes
from qsmbench.sets.contract import MapsAbout, ScanSet, SetSpec
from qsmbench.sets.registry import AcquiredSet
from qsmbench.simulation.source import Source

SHAPE = (12, 14, 10)


# A kind of set, as its file would have it.


class BallsSet(SetSpec):
    """Balls of chi whose field is half of it."""

    kind: Literal["balls"] = Field(description="use balls")
    n: int = 2

    def open(self, layout: RunLayout, name: str) -> "Balls":
        return Balls(layout, name, self)


class Balls(ScanSet):
    """Balls in memory, maps in .npy files."""

    shape = SHAPE
    description = "balls"

    def __init__(self, layout, name, spec):
        super().__init__(layout, name)
        self.spec = spec

    @property
    def folder(self):
        return self.layout.root

    @property
    def members(self):
        return tuple(f"ball-{i}" for i in range(self.spec.n))

    @property
    def names(self):
        return self.members

    def inputs(self):
        return []

    def _volumes(self, name):
        axes = np.meshgrid(*[np.linspace(-1, 1, n) for n in SHAPE], indexing="ij")
        mask = sum(a**2 for a in axes) < 0.8
        return np.where(mask, np.random.default_rng(len(name)).normal(scale=0.05, size=SHAPE), 0), mask

    def scan(self, name):
        chi, mask = self._volumes(name)
        return Scan(chi / 2, mask, Grid(SHAPE, (1.0, 1.0, 2.0)))

    def reference(self, name):
        chi, mask = self._volumes(name)
        half = mask.copy()
        half[:6] = False
        return Reference(chi, half, Grid(SHAPE, (1.0, 1.0, 2.0)), extent=mask)

    def data_hash(self, name):
        return name

    def start_maps(self, folder: Path, about: MapsAbout):
        folder.mkdir(parents=True)

    def write_map(self, folder, name, chi, about, found):
        np.save(folder / f"{name}.npy", chi)

    def read_map(self, folder, name):
        path = folder / f"{name}.npy"
        return np.load(path) if path.is_file() else None

    def map_name(self, folder, name):
        return f"{name}.npy"


def test_a_new_kind_of_set_goes_through_reconstruction_scores_and_figures(tmp_path):
    kind = Annotated[BallsSet | AcquiredSet.__origin__, Field(discriminator="kind")]
    spec = TypeAdapter(kind).validate_python({"kind": "balls", "label": "Balls"})
    layout = RunLayout(tmp_path)
    balls = spec.open(layout, "balls")
    files = {"out": layout.maps("balls", "tkd"), "status": layout.map_status("balls", "tkd")}
    reconstruct(balls, method="tkd", options={}, weights=None, timings=layout.timings("balls", "tkd"), **files)
    out = layout.scores("balls", "tkd")
    evaluate(balls, "tkd", maps=files["out"], status=files["status"], metrics=["rmse"], seed=1, out=out)
    scores = pd.read_parquet(out)
    assert set(scores["subject"]) == {"ball-0", "ball-1"}
    assert scores.loc[scores["metric"] == "coverage", "value"].between(0.3, 0.7).all(), "of the whole, not of the half"
    subject = SetVolumes(balls, ["tkd", "l2"]).read(1)
    assert subject.estimates["tkd"] is not None
    assert subject.estimates["l2"] is None


# A method and a metric: a file of its own, and an entry in the registry.

HALF = """\"\"\"Half of the field, as a map.\"\"\"
from dataclasses import dataclass

from qsmbench.methods.contract import Method, Reconstruction, parameter


@dataclass(frozen=True)
class Half(Method):
    \"\"\"Scaled field.\"\"\"

    factor: float = parameter(2.0, "of the field", above=0)

    def invert(self, scan):
        return Reconstruction(self.factor * scan.local_field, notes=("no inversion at all",))
"""
LARGEST = """\"\"\"Largest difference.\"\"\"


def largest(case):
    return {"mask": float(abs(case.estimate - case.reference)[case.mask].max())}
"""


@pytest.fixture
def own_files(tmp_path, monkeypatch):
    """A file of a method and one of a metric where Python finds them, each with its one line in the registry."""
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "own_half.py").write_text(HALF, encoding="utf-8")
    (folder / "own_largest.py").write_text(LARGEST, encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    method = Entry("half", "Half the field", "own_half:Half", "10.1000/none", linear=True)
    metric = Metric("largest", "Largest error", "ppm", "lower", "own_largest:largest")
    monkeypatch.setitem(METHODS.own, "half", method)
    monkeypatch.setitem(METRICS.own, "largest", metric)


@pytest.mark.usefixtures("own_files")
def test_a_new_method_and_a_new_metric_go_from_the_configuration_to_the_table(tmp_path, capsys):
    assert main(["methods"]) == 0
    assert "Half the field" in capsys.readouterr().out
    config = check_config(
        {
            "results": str(tmp_path / "results"),
            "acquisitions": {"a": {"kind": "bids", "folder": "x", "subjects": ["1"]}},
            "methods": {"half": {"options": {"factor": 2.0}}},
            "evaluation": {"metrics": ["rmse", "largest"]},
        }
    )
    check_against_registries(config, "own.yaml")
    wrong = config.methods["half"].model_copy(update={"options": {"factor": -1}})
    with pytest.raises(InputError, match=r"methods\.half: .*option factor must be > 0"):
        check_against_registries(config.model_copy(update={"methods": {"half": wrong}}), "own.yaml")
    assert run_label(config, "half") == "Half the field"
    layout = RunLayout(tmp_path)
    balls = Balls(layout, "balls", BallsSet(kind="balls", label="Balls"))
    files = {"out": layout.maps("balls", "half"), "status": layout.map_status("balls", "half")}
    reconstruct(balls, method="half", options={}, weights=None, timings=layout.timings("balls", "half"), **files)
    out = layout.scores("balls", "half")
    evaluate(balls, "half", maps=files["out"], status=files["status"], metrics=["rmse", "largest"], seed=1, out=out)
    scores = pd.read_parquet(out).set_index(["subject", "metric"])
    assert scores.loc[("ball-0", "largest"), "unit"] == "ppm"
    assert scores.loc[("ball-0", "rmse"), "value"] == pytest.approx(0, abs=1e-3)
    assert scores.loc[("ball-0", "largest"), "value"] == pytest.approx(0, abs=1e-6)
    assert "no inversion at all" in files["status"].read_text(encoding="utf-8")


def test_no_other_file_of_ours_names_a_method_s_class_but_as_a_piece_of_another_method():
    """A list of methods beside the registry would be a second line to write."""
    folder = Path(qsmbench.__file__).parent
    texts = {p.relative_to(folder).as_posix(): p.read_text(encoding="utf-8") for p in folder.rglob("*.py")}
    for entry in METHODS.own.values():
        module, name = entry.target.split(":")
        own = module.removeprefix("qsmbench.").replace(".", "/") + ".py"
        named = {path for path, text in texts.items() if re.search(rf"\b{name}\b\(", text)} - {
            own,
            "methods/registry.py",
        }
        assert {path for path in named if not path.startswith("methods/")} <= {"heads/cosmos.py"}, (name, named)


# A source of heads.


class CubeSource(HeadSpec):
    """A cube."""

    kind: Literal["cube"] = Field(description="a cube")
    chi: float = 0.1

    def read(self) -> FoundHead:
        volume = np.full((20, 20, 20), self.chi, np.float32)
        return FoundHead(Source(volume, volume != 0, Grid(volume.shape, (3.0, 3.0, 3.0))), {"kind": self.kind})


def test_a_new_source_of_heads_is_read_like_any_other(tmp_path):
    kind = Annotated[CubeSource | OneHead, Field(discriminator="kind")]
    spec = TypeAdapter(kind).validate_python({"kind": "cube", "chi": 0.2})
    make_source(spec, tmp_path)
    (source,) = load_heads(tmp_path).sources
    assert source.chi.max() == pytest.approx(0.2)
    assert spec.files() == {}


def test_one_reader_fills_holes_for_samples_and_acquisitions_alike(tmp_path):
    """The same file with a hole in the map is the same brain for both, as the configuration says."""
    from qsmbench.data.nifti import read_volume, write_volume
    from qsmbench.simulation.acquisition.protocol import PROTOCOLS

    path = write_head(tmp_path / "head.nii.gz", 1)
    volume = read_volume(path)
    inside = tuple(n // 2 for n in volume.data.shape)
    holed = volume.data.copy()
    holed[inside] = 0
    write_volume(path, holed, volume.affine)
    spec = TypeAdapter(Annotated[OneHead, Field(discriminator="kind")]).validate_python(
        {"kind": "nifti", "chi": str(path), "b0_dir": [0.0, 0.6, 0.8]}
    )
    source = spec.read().source
    assert source.mask[inside]
    assert source.grid.b0_dir == pytest.approx((0.0, 0.6, 0.8))
    head = spec.whole(PROTOCOLS["research"].scaled((7, 7, 3)), {}, 1, "healthy")
    assert head.brain.sum() == source.mask.sum()


# A rule.


def test_a_new_step_is_planned_costed_and_described_by_its_entry_alone(monkeypatch):
    step = Step(
        "count_voxels", "count", ("set",), lambda of, set: None, lambda of, set: {"seed": of.config.seed},
        lambda of: (Job("count_voxels", (name,)) for name in of.sets), SMALL, {"counts": "voxels of every set"},
    )  # fmt: skip
    monkeypatch.setitem(STEPS, step.rule, step)
    of = Run(
        check_config(
            {"acquisitions": {"a": {"kind": "bids", "folder": "x", "subjects": ["1"]}}, "methods": {"tkd": {}}}
        )
    )
    assert [job.wildcards for job in jobs(of) if job.rule == step.rule] == [("a",)]
    assert folder_texts()["counts"] == "voxels of every set"
    assert step.command == "count-voxels"


@pytest.mark.parametrize("step", STEPS.values(), ids=lambda step: step.rule)
def test_every_step_names_its_wildcards_as_its_jobs_have_them(step):
    config = {
        "synthetic": {
            "train": {"role": "train", "n_samples": 3, "samples_per_shard": 2},
            "tune": {"role": "tune", "n_samples": 1, "samples_per_shard": 1},
            "test": {"role": "test", "n_samples": 1, "samples_per_shard": 1},
        },
        "acquisitions": {
            "own": {"kind": "bids", "folder": "x", "subjects": ["1"]},
            "made": {"kind": "simulated", "protocol": "research", "subjects": ["healthy"]},
            "measured": {"kind": "challenge2016"},
            "isolated": {"kind": "isolated", "of": "made"},
        },
        "networks": {"net": {"train_set": "train", "steps": 1}, "given": {"weights": "shipped:meta-qsm-tv"}},
        "methods": {"tkd": {"tuning": {"set": "tune", "grid": {"threshold": [0.1]}}}},
    }
    of = Run(check_config(config))
    found = list(step.jobs(of))
    assert found
    for job in found:
        assert job.rule == step.rule
        told = step.told(of, **dict(zip(step.wildcards, job.wildcards, strict=True)))
        assert isinstance(told, dict)
