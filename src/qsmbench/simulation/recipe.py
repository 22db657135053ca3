"""What a synthetic set is made of: every drawn parameter, its range, and the switch of every step.

Defaults are the recipe of Meta-QSM (Liu & Koch 2019, arXiv:1908.00206) where it states one: elastic distortions of one
COSMOS map, ellipsoids, spheres, cuboids and cylinders of random susceptibility, random contrast changes, voxels of
(0.5-1.0, 0.5-1.0, 2.0-4.0) mm, crops of 128x128x64. Ranges that it leaves open are ours and say so.

This module is configuration: it imports neither numpy nor torch, so that a command line can read it at once.
"""

from math import isfinite
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from qsmbench.core.errors import InputError
from qsmbench.simulation.error_recipe import MEASURED_LIKE, ErrorRecipe
from qsmbench.simulation.ranges import Part, Range, within

# Choi & Lee 2000: a 3-D cubic B-spline deformation is injective where no coefficient exceeds 0.40 of the spacing.
MAX_AMPLITUDE = 0.4
# int16 with the store's step of 1e-4 ppm ends at 3.2767 ppm.
MAX_CHI = 3.0

# Recipes by name: what each changes in the paper's.
PRESETS: dict[str, dict[str, Any]] = {"paper": {}, "measured-like": {"error": MEASURED_LIKE}}
ShapeKind = Literal["ellipsoid", "sphere", "cuboid", "cylinder"]


def _positive(triple: tuple[float, float, float]) -> tuple[float, float, float]:
    if not all(isfinite(v) and 0.05 <= v <= 20 for v in triple):
        raise InputError(f"a voxel size is three lengths of 0.05 to 20 mm, got {triple}")
    return triple


VoxelTriple = Annotated[tuple[float, float, float], AfterValidator(_positive)]


class VoxelSizeRange(Part):
    """Voxel size, drawn uniformly and independently for every axis; equal ends fix the resolution."""

    min: VoxelTriple = Field((0.5, 0.5, 2.0), description="Smallest voxel size along x, y, z in mm.")
    max: VoxelTriple = Field((1.0, 1.0, 4.0), description="Largest voxel size along x, y, z in mm.")

    @model_validator(mode="after")
    def _check(self) -> "VoxelSizeRange":
        if any(low > high for low, high in zip(self.min, self.max, strict=True)):
            raise InputError(f"voxel_size: min {self.min} must not exceed max {self.max}")
        return self


class Pose(Part):
    """Attitude and size of the head in the scanner; the grid and B0 stay where they are. Ranges are ours."""

    enabled: bool = Field(True, description="Turn and scale the head.")
    rotation: Range = Field((-10.0, 10.0), description="Rotation about each of x, y, z in degrees.")
    scale: Range = Field((0.9, 1.1), description="Factor on the head's size, the same along all axes.")
    aspect: Range = Field((0.95, 1.05), description="Further factor on the size, drawn for each of the head's axes.")

    @model_validator(mode="after")
    def _check(self) -> "Pose":
        within("pose.scale", self.scale, 0.7, 1.3)
        within("pose.aspect", self.aspect, 0.85, 1.15)
        within("pose.rotation", self.rotation, -180, 180)
        return self


class Elastic(Part):
    """Smooth random displacement (Simard 2003, doi:10.1109/ICDAR.2003.1227801), invertible by construction.

    Simard's uniform noise is drawn on a lattice and smoothed by the cubic B-spline of that lattice, which stands in
    for a Gaussian of standard deviation spacing / sqrt(3); below the amplitude allowed here it never folds (Choi &
    Lee 2000, doi:10.1006/gmod.2000.0531).
    """

    enabled: bool = Field(True, description="Deform the head elastically.")
    spacing: Range = Field((24.0, 40.0), description="Distance of the lattice's nodes in mm; ranges are ours.")
    amplitude: Range = Field(
        (0.0, 0.4), description="Largest coefficient of a node, as a share of the spacing; at most 0.4 (injective)."
    )

    @model_validator(mode="after")
    def _check(self) -> "Elastic":
        within("elastic.spacing", self.spacing, 10, 200)
        within("elastic.amplitude", self.amplitude, 0, MAX_AMPLITUDE)
        return self


class Contrast(Part):
    """Changes of the source's chi: chi -> gain * gamma(chi) + offset, and for each tissue where labels exist.

    The paper names random contrast changes without their ranges; these are ours.
    """

    enabled: bool = Field(True, description="Change the contrast of chi.")
    gain: Range = Field((0.5, 1.5), description="Factor on chi.")
    gamma: Range = Field(
        (0.7, 1.4), description="Exponent of the gamma curve over the source's range of chi; it leaves 0 at 0."
    )
    offset: Range = Field((0.0, 0.0), description="Constant added to chi inside the mask in ppm.")
    tissue_gain: Range = Field((0.8, 1.2), description="Factor on chi of one label, drawn for each label.")
    tissue_offset: Range = Field((-0.02, 0.02), description="Constant added to chi of one label in ppm.")

    @model_validator(mode="after")
    def _check(self) -> "Contrast":
        within("contrast.gain", self.gain, 0, 10)
        within("contrast.gamma", self.gamma, 0.2, 5)
        within("contrast.offset", self.offset, -1, 1)
        within("contrast.tissue_gain", self.tissue_gain, 0, 10)
        within("contrast.tissue_offset", self.tissue_offset, -1, 1)
        return self


class Shapes(Part):
    """Bleedings and calcifications: bodies of constant chi that replace the tissue where they lie.

    Kinds and signs are the paper's; number, sizes and edges are ours.
    """

    enabled: bool = Field(True, description="Paste shapes.")
    count: tuple[int, int] = Field((0, 16), description="Fewest and most shapes in a whole head.")
    kinds: tuple[ShapeKind, ...] = Field(
        ("ellipsoid", "sphere", "cuboid", "cylinder"), min_length=1, description="Which bodies, equally likely."
    )
    size: Range = Field((1.0, 12.0), description="Largest half-axis in mm, log-uniform.")
    aspect: Range = Field((0.3, 1.0), description="Other half-axes as a share of the largest.")
    blood: Range = Field((0.2, 2.0), description="Chi of blood in ppm.")
    calcium: Range = Field((-2.0, -0.1), description="Chi of calcium in ppm.")
    blood_share: float = Field(0.5, ge=0, le=1, description="Probability that a shape is blood.")
    edge: Range = Field((0.0, 2.0), description="Width of the linear ramp across the surface in mm; 0 is a sharp edge.")

    @model_validator(mode="after")
    def _check(self) -> "Shapes":
        if not 0 <= self.count[0] <= self.count[1]:
            raise InputError(f"shapes.count is (fewest, most), got {self.count}")
        within("shapes.size", self.size, 0.1, 100)
        within("shapes.aspect", self.aspect, 0.05, 1)
        within("shapes.blood", self.blood, 0, MAX_CHI)
        within("shapes.calcium", self.calcium, -MAX_CHI, 0)
        within("shapes.edge", self.edge, 0, 20)
        return self


class Obliquity(Part):
    """Slices that are not perpendicular to B0; off in the paper's recipe."""

    enabled: bool = Field(False, description="Tilt B0 against the voxel axes.")
    angle: Range = Field((0.0, 30.0), description="Angle between B0 and its direction in the source, in degrees.")

    @model_validator(mode="after")
    def _check(self) -> "Obliquity":
        within("obliquity.angle", self.angle, 0, 180)
        return self


class FieldNoise(Part):
    """White Gaussian noise on the local field inside the mask; off in the paper's recipe."""

    enabled: bool = Field(False, description="Add noise to the local field.")
    sd: Range = Field((0.001, 0.005), description="Its standard deviation in ppm.")

    @model_validator(mode="after")
    def _check(self) -> "FieldNoise":
        within("noise.sd", self.sd, 0, 1)
        return self


class MagnitudeImage(Part):
    """The magnitude image of a sample, where its set keeps one; ranges are ours. It changes nothing else."""

    snr: Range = Field((20.0, 60.0), description="Signal at its median in the mask over the noise's SD.")
    profile: Range = Field((0.0, 0.3), description="Strength of the receive profile: SD of its logarithm.")

    @model_validator(mode="after")
    def _check(self) -> "MagnitudeImage":
        within("magnitude.snr", self.snr, 1, 1e6)
        within("magnitude.profile", self.profile, 0, 2)
        return self


class Crop(Part):
    """Where the sample lies in the head.

    Along an axis on which the crop is shorter than the head it lies inside the head's box; where it is longer the head
    lies inside it.
    """

    placement: Literal["random", "centre", "source"] = Field(
        "random",
        description="random: uniform over the allowed places; centre: around the head's centre (test sets); source: "
        "from the lower corner of the source's volume (the source itself, where every other step is off).",
    )
    min_brain: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Least brain in a random crop, as a share of the smaller of the crop's and the brain's volume.",
    )


class FieldModel(Part):
    """How the field is computed: on the sample's grid in and around the crop, on a coarser one farther off.

    Defaults by measurement (docs/synthesis.md).
    """

    guard: float = Field(12.0, ge=0, le=50, description="How far around the crop the sample's own grid reaches, in mm.")
    block: float = Field(3.0, gt=0, le=20, description="About the edge of a coarse voxel farther off, in mm.")
    masked: bool = Field(True, description="Set the field to zero outside the mask, as background removal leaves it.")


class Recipe(Part):
    """How one sample of a synthetic set is made from a head; the defaults are the Meta-QSM paper's training set.

    ``preset`` names a recipe to start from; every other key goes over it.
    """

    preset: Literal["paper", "measured-like"] = Field(
        "paper",
        description="Recipe to start from: the Meta-QSM paper's, or the same with every step of `error` on, for tuning "
        "and training that should hold on measured fields; every other key goes over it.",
    )
    shape: tuple[int, int, int] = Field((128, 128, 64), description="Voxels of a sample along x, y, z.")
    voxel_size: VoxelSizeRange = Field(VoxelSizeRange(), description="Range of the voxel size.")
    pose: Pose = Field(Pose(), description="Attitude and size of the head.")
    elastic: Elastic = Field(Elastic(), description="Elastic deformation.")
    contrast: Contrast = Field(Contrast(), description="Contrast changes.")
    shapes: Shapes = Field(Shapes(), description="Bleedings and calcifications.")
    obliquity: Obliquity = Field(Obliquity(), description="Direction of B0.")
    noise: FieldNoise = Field(FieldNoise(), description="White noise on the field, the same everywhere.")
    error: ErrorRecipe = Field(ErrorRecipe(), description="What measured fields have beyond the field of chi.")
    magnitude: MagnitudeImage = Field(MagnitudeImage(), description="The magnitude image.")
    crop: Crop = Field(Crop(), description="Place of the sample in the head.")
    field: FieldModel = Field(FieldModel(), description="Computation of the field.")

    @property
    def noisy(self) -> bool:
        """Whether the field holds noise, which compresses badly."""
        return self.noise.enabled or bool(self.error.enabled)

    @model_validator(mode="before")
    @classmethod
    def _start_from_preset(cls, value: Any) -> Any:
        if not isinstance(value, dict) or value.get("preset") not in PRESETS:
            return value
        return _merged(PRESETS[value["preset"]], value)

    @model_validator(mode="after")
    def _check(self) -> "Recipe":
        if min(self.shape) < 8 or max(self.shape) > 1024:
            raise InputError(f"shape must be 8 to 1024 voxels along each axis, got {self.shape}")
        return self


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    both = {key: _merged(below[key], above[key]) for key in below if isinstance(above.get(key), dict)}
    return below | above | both
