"""The configuration: one model that validates it, supplies defaults and documents every key.

`docs/configuration.md` is generated from the descriptions here (`qsmbench config docs`).
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from qsmbench.config.networks import AnyNetwork, GivenNetwork, Network
from qsmbench.core.section import Name, Section
from qsmbench.preparation.settings import PreparationSettings
from qsmbench.simulation.acquisition.protocol import CaseName
from qsmbench.simulation.recipe import Recipe

_SIDES = ("LR", "PA", "IS")


def _orientation(axes: str) -> str:
    if sorted(next((i for i, pair in enumerate(_SIDES) if side in pair), -1) for side in axes) != [0, 1, 2]:
        raise ValueError(f"axes are three letters, one each of L or R, P or A, I or S (such as LPS), not '{axes}'")
    return axes


Axes = Annotated[str, AfterValidator(_orientation)]


class PhantomSource(Section):
    """The embedded numerical head: MNI152 anatomy, published susceptibilities, no download."""

    kind: Literal["phantom"] = Field(description="use the embedded numerical head phantom")
    seed: int = Field(0, description="seed of the phantom's texture and veins")


class ChallengeSource(Section):
    """The COSMOS map of the 2016 QSM reconstruction challenge (Langkammer 2018, doi 10.1002/mrm.26830)."""

    kind: Literal["challenge2016"] = Field(description="use the COSMOS map of the 2016 challenge")
    archive: Path | None = Field(
        None, description="the archive or its unpacked folder, where it is at hand; otherwise it is downloaded"
    )
    cache: Path = Field(Path(".cache/challenge2016"), description="where the download is kept")


class NiftiSource(Section):
    """Any susceptibility map in ppm as NIfTI."""

    kind: Literal["nifti"] = Field(description="use a NIfTI file")
    chi: Path = Field(description="susceptibility map, ppm")
    mask: Path | None = Field(None, description="brain mask; by default where chi is not zero, holes filled")
    magnitude: Path | None = Field(None, description="its magnitude image; by default one is made from the map")
    b0_dir: tuple[float, float, float] | None = Field(
        None, description="direction of B0 in voxel axes; by default the scanner's z axis through the affine"
    )
    axes: Axes | None = Field(
        None,
        description="side of the patient that each voxel axis runs to (such as LPS), where the file's affine is wrong",
    )


OneHead = PhantomSource | ChallengeSource | NiftiSource


class MixedHead(Section):
    """One head of a mixture."""

    weight: float = Field(1.0, gt=0, description="how often it is drawn, relative to the other heads")
    head: OneHead = Field(discriminator="kind", description="where it comes from")


class MixtureSource(Section):
    """Several heads; each sample is made from one of them, drawn by weight."""

    kind: Literal["mixture"] = Field(description="mix several heads")
    heads: tuple[MixedHead, ...] = Field(min_length=1, description="the heads")


Source = Annotated[OneHead | MixtureSource, Field(discriminator="kind")]


class SyntheticSet(Section):
    """A set of synthetic samples in one Zarr store."""

    label: str = Field("", description="heading in the report; by default the set's name")
    role: Literal["train", "tune", "test"] = Field(
        description="train sets feed networks, tune sets choose parameters, test sets are reconstructed and scored"
    )
    n_samples: int = Field(gt=0, description="number of samples (the paper: 30000 to train, 100 a test set)")
    samples_per_shard: int = Field(gt=0, description="samples in one Zarr shard, made by one job")
    device: Literal["cpu", "cuda"] = Field(
        "cpu",
        description="where samples are made; cuda agrees with cpu to 1e-4 ppm, but its bytes depend on the GPU",
    )
    recipe: Recipe = Field(default_factory=Recipe, description="how a sample is made from the source")
    magnitude: bool | None = Field(
        None,
        description="keep a magnitude image, for methods that weight by it or look for edges in it; by default in tune "
        "and test sets",
    )
    draws_of: Name | None = Field(
        None,
        description="another set whose draws this one takes: sample by sample the same head, shapes and noise level, "
        "so that the two differ only in what their recipes differ in",
    )

    def drawn_as(self, name: str) -> str:
        """The set in whose name the samples of this one, called ``name``, are drawn."""
        return self.draws_of or name

    @property
    def with_magnitude(self) -> bool:
        """Whether samples come with a magnitude image (and the noise that follows it)."""
        return self.role != "train" if self.magnitude is None else self.magnitude

    @property
    def n_shards(self) -> int:
        """Number of shards, the last of which may be partly filled."""
        return -(-self.n_samples // self.samples_per_shard)


class SimulatedSet(Section):
    """Simulated acquisitions of whole heads, with their truth."""

    kind: Literal["simulated"] = Field(description="simulate the acquisitions")
    label: str = Field("", description="heading in the report; by default the set's name")
    protocol: Literal["research", "clinical"] = Field(
        description="0.5x0.5x2.0 mm, 256x320x64, 4 echoes; or 0.76x0.76x3.0 mm, 288x288x50, 7 echoes"
    )
    subjects: tuple[CaseName, ...] = Field(min_length=1, description="whom to scan")
    scale: tuple[float, float, float] = Field(
        (1.0, 1.0, 1.0), description="factors on the voxel size along x, y, z; the field of view stays"
    )
    snr: float | None = Field(
        None,
        ge=0,
        description="brain at the first echo; by default the protocol's (30, 40; more in larger voxels); 0: no noise",
    )
    fineness: float = Field(1.0, gt=0, description="factor on the number of fine voxels that make an acquired one")
    source: Annotated[OneHead, Field(discriminator="kind")] = Field(
        PhantomSource(kind="phantom"), description="the brain: the phantom with tissues and veins, or any map"
    )
    preparation: PreparationSettings = Field(PreparationSettings(), description="from the echoes to the local field")

    @model_validator(mode="after")
    def _scale_enlarges(self) -> SimulatedSet:
        if any(s < 1 for s in self.scale):
            raise ValueError("scale: factors are 1 (the protocol) or more (coarser)")
        if len(set(self.subjects)) < len(self.subjects):
            raise ValueError("subjects: a subject is listed twice")
        return self


class BidsSet(Section):
    """Acquisitions of one's own, in a BIDS folder; without a truth they get maps and figures, and no scores."""

    kind: Literal["bids"] = Field(description="use a BIDS folder")
    label: str = Field("", description="heading in the report; by default the set's name")
    folder: Path = Field(description="the dataset: sub-<label>/[ses-<label>/]anat/*_MEGRE.nii.gz")
    subjects: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9]+$")], ...] = Field(
        (), description="labels without sub-; by default every subject of the folder"
    )
    preparation: PreparationSettings = Field(PreparationSettings(), description="from the echoes to the local field")


AcquiredSet = Annotated[SimulatedSet | BidsSet, Field(discriminator="kind")]


class Tuning(Section):
    """A sweep over a method's parameters, on a set that is not evaluated."""

    set: Name = Field(description="a synthetic set with role: tune")
    grid: dict[str, tuple[Any, ...]] = Field(
        min_length=1, description="values to try, by parameter; every combination is one job"
    )
    metric: str = Field("rmse", description="score whose mean over the set decides")

    @property
    def points(self) -> list[dict[str, Any]]:
        """Every combination of values, the last parameter fastest."""
        return [dict(zip(self.grid, values, strict=True)) for values in itertools.product(*self.grid.values())]


class MethodRun(Section):
    """A method with its options, as one row of the tables."""

    method: Name | None = Field(None, description="name in the registry; by default this entry's key")
    label: str | None = Field(None, description="name in tables; by default the registry's")
    options: dict[str, Any] = Field(
        default_factory=dict, description="parameters that differ from the method's defaults"
    )
    tuning: Tuning | None = Field(None, description="choose parameters on a tuning set; they go over `options`")
    network: Name | None = Field(None, description="for a learned method: which trained network's weights")


class Evaluation(Section):
    """What is scored."""

    metrics: tuple[str, ...] = Field(
        (), description="names of metrics (`qsmbench methods --metrics`); by default every one there is"
    )


class PaperTable(Section):
    """A table of its own beside those of the sets, laid out as in a paper: methods down, sets and metrics across."""

    title: str = Field(description="heading and caption")
    sets: tuple[Name, ...] = Field(min_length=1, description="test sets, side by side where there are several")
    methods: tuple[Name, ...] = Field((), description="rows in this order; by default every method")
    metrics: tuple[str, ...] = Field((), description="columns in this order; by default every metric")


class Report(Section):
    """The report."""

    title: str = Field("QSM benchmark", description="heading of the page")
    subjects_shown: int = Field(2, ge=0, description="subjects of each set whose slices are shown")
    viewer_megabytes: float = Field(24.0, ge=0, description="room in the page for the viewer's volumes, MB; 0: none")
    baseline: Name | None = Field(None, description="method the others are compared with; by default the first")
    tables: dict[Name, PaperTable] = Field(default_factory=dict, description="tables of one's own, by file name")


class Config(Section):
    """The whole configuration of one run."""

    seed: int = Field(2019, description="root of every random number of the synthetic sets")
    results: Path = Field(Path("results"), description="folder of everything the run makes")
    source: Source = Field(
        PhantomSource(kind="phantom"), description="the susceptibility map that synthetic samples are made from"
    )
    synthetic: dict[Name, SyntheticSet] = Field(default_factory=dict, description="synthetic sets by name")
    acquisitions: dict[Name, AcquiredSet] = Field(
        default_factory=dict, description="scans by set, simulated or one's own: prepared, then reconstructed"
    )
    networks: dict[Name, AnyNetwork] = Field(
        default_factory=dict, description="networks to train, or trained ones, by name"
    )
    methods: dict[Name, MethodRun] = Field(min_length=1, description="methods to run, by the name of their table row")
    evaluation: Evaluation = Field(Evaluation(), description="what is scored")
    report: Report = Field(Report(), description="the report")

    @property
    def trained_networks(self) -> dict[str, Network]:
        """The networks that the run trains."""
        return {name: network for name, network in self.networks.items() if isinstance(network, Network)}

    @property
    def given_networks(self) -> dict[str, GivenNetwork]:
        """The networks that it is given."""
        return {name: network for name, network in self.networks.items() if isinstance(network, GivenNetwork)}

    @model_validator(mode="after")
    def _references_exist(self) -> Config:
        for name, network in self.trained_networks.items():
            trained_on = self.synthetic.get(network.train_set)
            if trained_on is None or trained_on.role != "train":
                raise ValueError(
                    f"networks.{name}.train_set: '{network.train_set}' is not a synthetic set with role: train"
                )
        for name, spec in self.synthetic.items():
            if spec.draws_of is None:
                continue
            other = self.synthetic.get(spec.draws_of)
            where = f"synthetic.{name}.draws_of"
            if other is None:
                raise ValueError(f"{where}: no synthetic set is named '{spec.draws_of}'")
            if other.draws_of is not None:
                raise ValueError(f"{where}: '{spec.draws_of}' takes the draws of another set; name that one")
            # The heads of a test must not be those of training or tuning.
            if other.role != spec.role:
                raise ValueError(f"{where}: '{spec.draws_of}' has role: {other.role}, this set has role: {spec.role}")
        for name, run in self.methods.items():
            if run.network is not None and run.network not in self.networks:
                raise ValueError(f"methods.{name}.network: no network is named '{run.network}'")
            if run.tuning is not None:
                tuned_on = self.synthetic.get(run.tuning.set)
                if tuned_on is None or tuned_on.role != "tune":
                    raise ValueError(
                        f"methods.{name}.tuning.set: '{run.tuning.set}' is not a synthetic set with role: tune"
                    )
                empty = [key for key, values in run.tuning.grid.items() if not values]
                if empty:
                    raise ValueError(f"methods.{name}.tuning.grid.{empty[0]}: no values to try")
        if not self.acquisitions and not any(s.role == "test" for s in self.synthetic.values()):
            raise ValueError("synthetic: no set has role: test, and there are no acquisitions: nothing to evaluate")
        if both := sorted(set(self.synthetic) & set(self.acquisitions)):
            raise ValueError(f"acquisitions.{both[0]}: a synthetic set has the same name")
        return self
