"""Every random number of a sample, drawn up front.

Each step has a generator of its own, seeded by the sample's generator in a fixed order, and draws whether or not it is
enabled; switching a step off, or changing its ranges, therefore leaves what the other steps draw as it was.
"""

from dataclasses import dataclass
from math import ceil, exp, log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qsmbench.core.grid import Triple
from qsmbench.simulation.contrast import ContrastChange
from qsmbench.simulation.deformation import Deformation, Lattice
from qsmbench.simulation.recipe import Elastic, Recipe, Shapes
from qsmbench.simulation.shapes import Shape
from qsmbench.simulation.source import Source

_STEPS = ("voxel_size", "obliquity", "pose", "elastic", "contrast", "shapes", "crop", "noise", "error", "magnitude")
# Places tried for a crop before the best of them is taken.
_N_PLACES = 64
# The lattice reaches this much farther than the head's box, for heads scaled up and displaced.
_REACH = 1.6


@dataclass(frozen=True, eq=False)
class Draw:
    """What was drawn for one sample.

    Attributes:
        voxel_size: mm.
        b0_dir: unit vector in the sample's voxel axes.
        deformation: pose, size and displacement of the head.
        contrast: change of chi.
        shapes: bodies, with centres in mm in the sample's space.
        places: (n, 3) in [0, 1): where a crop may be tried, as shares of the room it has.
        noise_sd: ppm.
        noise_seed: of the field noise.
        error_seed: of the steps that make the field one as measured.
        magnitude_seed: of the magnitude's profile and noise.
    """

    voxel_size: Triple
    b0_dir: Triple
    deformation: Deformation
    contrast: ContrastChange
    shapes: tuple[Shape, ...]
    places: NDArray[np.float64]
    noise_sd: float
    noise_seed: int
    error_seed: int
    magnitude_seed: int

    def parameters(self) -> dict[str, Any]:
        """The draw in plain numbers, for attributes and histograms; the lattice by its spacing and amplitude."""
        lattice = self.deformation.lattice
        return {
            "rotation": list(self.deformation.rotation),
            "size": list(self.deformation.size),
            "elastic_spacing": 0.0 if lattice is None else lattice.spacing,
            "elastic_amplitude": 0.0
            if lattice is None
            else float(np.abs(lattice.coefficients).max() / lattice.spacing),
            "gain": self.contrast.gain,
            "gamma": self.contrast.gamma,
            "offset": self.contrast.offset,
            "tissue": {str(label): list(change) for label, change in self.contrast.tissue.items()},
            "n_shapes": len(self.shapes),
            "noise_sd": self.noise_sd,
        }


def draw(recipe: Recipe, source: Source, rng: np.random.Generator) -> Draw:
    """Draw all parameters of one sample; a function of the arguments and the state of ``rng`` alone."""
    seeds = rng.integers(0, 2**63, size=len(_STEPS))
    child = {step: np.random.Generator(np.random.PCG64(int(s))) for step, s in zip(_STEPS, seeds, strict=True)}
    deformation = _deformation(recipe, source, child["pose"], child["elastic"])
    sd, noise_seed = _uniform(child["noise"], recipe.noise.sd), int(child["noise"].integers(0, 2**63))
    return Draw(
        voxel_size=_voxel_size(recipe, child["voxel_size"]),
        b0_dir=_b0_dir(recipe, source, child["obliquity"]),
        deformation=deformation,
        contrast=_contrast(recipe, source, child["contrast"]),
        shapes=_shapes(recipe.shapes, source, deformation, child["shapes"]),
        places=child["crop"].random((_N_PLACES, 3)),
        noise_sd=sd if recipe.noise.enabled else 0.0,
        noise_seed=noise_seed,
        error_seed=int(child["error"].integers(0, 2**63)),
        magnitude_seed=int(child["magnitude"].integers(0, 2**63)),
    )


def _uniform(rng: np.random.Generator, bounds: tuple[float, float]) -> float:
    return bounds[0] + (bounds[1] - bounds[0]) * float(rng.random())


def _voxel_size(recipe: Recipe, rng: np.random.Generator) -> Triple:
    low, high = recipe.voxel_size.min, recipe.voxel_size.max
    x, y, z = (_uniform(rng, bounds) for bounds in zip(low, high, strict=True))
    return (x, y, z)


def _b0_dir(recipe: Recipe, source: Source, rng: np.random.Generator) -> Triple:
    angle = np.deg2rad(_uniform(rng, recipe.obliquity.angle))
    sideways = rng.standard_normal(3)
    b0 = np.array(source.grid.b0_dir)
    if not recipe.obliquity.enabled:
        return source.grid.b0_dir
    sideways -= (sideways @ b0) * b0
    tilted = np.cos(angle) * b0 + np.sin(angle) * sideways / np.linalg.norm(sideways)
    x, y, z = (float(b) for b in tilted / np.linalg.norm(tilted))
    return (x, y, z)


def _deformation(
    recipe: Recipe, source: Source, rng_pose: np.random.Generator, rng_elastic: np.random.Generator
) -> Deformation:
    rx, ry, rz = (_uniform(rng_pose, recipe.pose.rotation) for _ in range(3))
    scale = _uniform(rng_pose, recipe.pose.scale)
    sx, sy, sz = (scale * _uniform(rng_pose, recipe.pose.aspect) for _ in range(3))
    lattice = _lattice(recipe.elastic, source, rng_elastic)
    if not recipe.pose.enabled:
        return Deformation(lattice=lattice)
    return Deformation((rx, ry, rz), (sx, sy, sz), lattice)


def _lattice(elastic: Elastic, source: Source, rng: np.random.Generator) -> Lattice | None:
    spacing = _uniform(rng, elastic.spacing)
    amplitude = _uniform(rng, elastic.amplitude) * spacing
    if not elastic.enabled:
        return None
    # Three nodes more on each side: a cubic spline needs them, and the displacement moves the head by less than one.
    n = 2 * (ceil(_REACH * source.half_diagonal / spacing) + 3) + 1
    return Lattice(amplitude * (2 * rng.random((n, n, n, 3)) - 1), spacing)


def _contrast(recipe: Recipe, source: Source, rng: np.random.Generator) -> ContrastChange:
    contrast = recipe.contrast
    gain, gamma, offset = (_uniform(rng, r) for r in (contrast.gain, contrast.gamma, contrast.offset))
    tissue = {
        label: (_uniform(rng, contrast.tissue_gain), _uniform(rng, contrast.tissue_offset))
        for label in source.label_values
    }
    return ContrastChange(gain, gamma, offset, tissue) if contrast.enabled else ContrastChange()


def _shapes(shapes: Shapes, source: Source, deformation: Deformation, rng: np.random.Generator) -> tuple[Shape, ...]:
    count = int(rng.integers(shapes.count[0], shapes.count[1], endpoint=True))
    if not shapes.enabled or count == 0:
        return ()
    points = source.points[(rng.random(count) * len(source.points)).astype(int)]
    pitch = source.stride * np.array(source.grid.voxel_size)
    centres = deformation.forward(points + (rng.random((count, 3)) - 0.5) * pitch)
    drawn = []
    for centre in centres:
        kind = shapes.kinds[int(rng.integers(len(shapes.kinds)))]
        largest = exp(_uniform(rng, (log(shapes.size[0]), log(shapes.size[1]))))
        minor = [largest * _uniform(rng, shapes.aspect) for _ in range(2)]
        # A cylinder may be a rod or a disc; which of the axes is the largest is part of the draw.
        a, b, c = (float(v) for v in rng.permutation([largest, *minor]))
        if kind == "sphere":
            a = b = c = largest
        elif kind == "cylinder":
            b = a
        rx, ry, rz = (_uniform(rng, (-180.0, 180.0)) for _ in range(3))
        chi = _uniform(rng, shapes.blood if rng.random() < shapes.blood_share else shapes.calcium)
        edge = _uniform(rng, shapes.edge)
        x, y, z = (float(v) for v in centre)
        drawn.append(Shape(kind, (x, y, z), (a, b, c), (rx, ry, rz), chi, edge))
    return tuple(drawn)
