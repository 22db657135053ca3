"""From the field of chi to a field as scanners measure it, step by step.

    field = gain (D chi - removed rim) + anisotropy + background + coloured + rim + strong sources + noise

Ranges and sources of every step: `error_recipe.py`. Each draws from a generator of its own, named after it, so that one
that is switched off, or that is new, leaves the others' draws as they were.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid
from qsmbench.core.seeds import generator_for
from qsmbench.physics.dipole import forward_field
from qsmbench.simulation.anisotropy import anisotropic_field, white_matter
from qsmbench.simulation.error_recipe import ErrorRecipe, measured_like_errors
from qsmbench.simulation.magnitude import map_magnitude
from qsmbench.simulation.ranges import Range
from qsmbench.simulation.smooth_fields import harmonic_field, power_law_field

F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]

# Fall of the amplitude of errors at the rim and near sources; they share the measured spectrum.
_EXPONENT = 1.3
# Blur of |chi| in mm around a source: its error reaches a little beyond it.
_SOURCE_BLUR = 1.0
# Share of the mask that erosion leaves at least; a slab of a few voxels is not eroded away.
_LEAST_LEFT = 0.5
# Against wrap-around of the field of the eroded rim, which is thin.
_PADDING = 1.25
# The phantom's number of white matter; labels of other sources carry none.
WHITE_MATTER = 3


@dataclass(frozen=True, eq=False)
class Measured:
    """A field with the errors of a measured one.

    Attributes:
        local_field: (x, y, z) float32, ppm; zero outside the mask.
        mask: (x, y, z) bool; smaller than the given one where the recipe erodes.
        field_noise: (x, y, z) float32, ppm: standard deviation of the white part of the error, the part that a fit of
            echoes can state; zero outside the mask; None where no noise was added.
        parameters: what was drawn, in plain numbers.
    """

    local_field: F32
    mask: Mask
    field_noise: F32 | None
    parameters: dict[str, Any]


def measured_like(
    chi: F32,
    mask: Mask,
    grid: Grid,
    rng: np.random.Generator,
    *,
    magnitude: F32 | None = None,
    labels: NDArray[np.int16] | None = None,
    recipe: ErrorRecipe | None = None,
) -> Measured:
    """Return the local field of a whole head as a scanner would measure it, drawn anew at each call.

    >>> from qsmbench.core.seeds import generator_for
    >>> grid = Grid((12, 12, 8), (1.0, 1.0, 2.0))
    >>> chi, mask = np.zeros(grid.shape, np.float32), np.ones(grid.shape, bool)
    >>> made = measured_like(chi, mask, grid, generator_for("head", 3))
    >>> bool(0.001 < made.local_field.std() < 0.02)
    True

    Args:
        chi: (x, y, z) float32, ppm; values outside ``mask`` are ignored.
        mask: (x, y, z) bool.
        grid: geometry, any voxel size and direction of B0.
        rng: source of all draws; ``generator_for("name", number)`` makes one that is the same everywhere.
        magnitude: (x, y, z), any unit; by default made from chi.
        labels: (x, y, z), the phantom's tissue numbers (3 is white matter); by default white matter is told by chi.
        recipe: steps and ranges; by default every step, those of the recipe ``measured-like``.

    Raises:
        InputError: volumes of other shapes than the grid, an empty mask.
    """
    for name, volume in (("chi", chi), ("mask", mask), ("magnitude", magnitude), ("labels", labels)):
        if volume is not None:
            grid.check_shape(name, volume.shape)
    chi = np.where(mask, chi, 0).astype(np.float32)
    field: F32 = forward_field(torch.from_numpy(chi), grid).numpy()
    seed = int(rng.integers(0, 2**63))
    white = None if labels is None or not (labels == WHITE_MATTER).any() else labels == WHITE_MATTER
    chosen = measured_like_errors() if recipe is None else recipe
    return add_errors(field, chi, mask, grid, recipe=chosen, seed=seed, magnitude=magnitude, white_label=white)


def add_errors(
    field: F32,
    chi: F32,
    mask: Mask,
    grid: Grid,
    *,
    recipe: ErrorRecipe,
    seed: int,
    magnitude: F32 | None = None,
    white_label: Mask | None = None,
) -> Measured:
    """Add the errors of ``recipe`` to the field of chi.

    The grid's border counts as no rim: a crop ends there, not the head.

    Args:
        field: (x, y, z) float32, ppm, of chi.
        chi: (x, y, z) float32, ppm, zero outside ``mask``.
        mask: (x, y, z) bool.
        grid: geometry.
        recipe: steps and ranges.
        seed: of all draws.
        magnitude: (x, y, z), any unit; by default made from chi.
        white_label: (x, y, z) bool, white matter; by default told by chi.

    Raises:
        InputError: the mask is empty.
    """
    if not mask.any():
        raise InputError("mask is empty: no voxel is inside; check its threshold or its file")
    draws = _Draws(seed)
    field = field.copy()
    factor = 1.0
    if recipe.gain.enabled:
        _, (factor,) = draws.step("gain", gain=recipe.gain.factor)
        field *= np.float32(factor)
    depth = _depth(mask, grid) if recipe.erosion.enabled or recipe.rim.enabled else np.zeros(mask.shape, np.float32)
    if recipe.erosion.enabled:
        _, (eroded, left) = draws.step("erosion", erosion=recipe.erosion.depth, rim_left=recipe.erosion.left)
        kept = mask & (depth > eroded)
        if kept.sum() >= _LEAST_LEFT * mask.sum():
            field -= np.float32(factor * (1 - left)) * _field_of(chi, mask & ~kept, grid)
            mask, depth = kept, depth - np.float32(eroded)
    _add_structure(field, chi, mask, grid, recipe, draws, white_label)
    _add_coloured(field, chi, depth, grid, recipe, draws)
    field_noise = None
    if recipe.noise.enabled:
        rng, (sd,) = draws.step("noise", magnitude_noise_sd=recipe.noise.sd)
        field_noise = noise_map(map_magnitude(chi, mask) if magnitude is None else magnitude, mask, sd)
        field_noise = np.minimum(field_noise, np.float32(recipe.noise.largest))
        field += field_noise * rng.standard_normal(grid.shape, np.float32)
    field *= mask
    return Measured(field, mask, field_noise, draws.parameters)


class _Draws:
    """The generator of each step, and what was drawn."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.parameters: dict[str, Any] = {}

    def step(self, name: str, **ranges: Range) -> tuple[np.random.Generator, list[float]]:
        rng = generator_for("field error", self._seed, name)
        values = [low + (high - low) * float(rng.random()) for low, high in ranges.values()]
        self.parameters |= dict(zip(ranges, values, strict=True))
        return rng, values


def _add_structure(  # noqa: PLR0917
    field: F32, chi: F32, mask: Mask, grid: Grid, recipe: ErrorRecipe, draws: _Draws, white_label: Mask | None
) -> None:
    """Add, in place, what physics makes of other sources: anisotropy and background."""
    if recipe.anisotropy.enabled:
        ranges = {"anisotropy": recipe.anisotropy.difference, "fibre_spacing": recipe.anisotropy.spacing}
        rng, (difference, spacing) = draws.step("anisotropy", **ranges)
        field += anisotropic_field(white_matter(chi, mask, grid, white_label), grid, difference, spacing, rng)
    if recipe.background.enabled:
        rng, (sd,) = draws.step("background", background_sd=recipe.background.sd)
        field += np.float32(sd) * harmonic_field(mask, grid, rng)


def _add_coloured(  # noqa: PLR0917
    field: F32, chi: F32, depth: F32, grid: Grid, recipe: ErrorRecipe, draws: _Draws
) -> None:
    """Add, in place, coloured errors: everywhere, at the rim, and near strong sources."""
    if recipe.coloured.enabled:
        rng, (sd, exponent) = draws.step(
            "coloured", coloured_sd=recipe.coloured.sd, coloured_exponent=recipe.coloured.exponent
        )
        field += np.float32(sd) * power_law_field(grid, exponent, rng)
    if recipe.rim.enabled:
        rng, (sd, decay) = draws.step("rim", rim_sd=recipe.rim.sd, rim_depth=recipe.rim.depth)
        strength = np.float32(sd) * np.exp(-np.maximum(depth, 0) / np.float32(decay))
        field += strength * power_law_field(grid, _EXPONENT, rng)
    if recipe.sources.enabled:
        rng, (sd,) = draws.step("sources", source_sd=recipe.sources.sd)
        strength = -np.float32(sd) * np.expm1(-_strength(chi, grid) / np.float32(recipe.sources.scale))
        field += strength * power_law_field(grid, _EXPONENT, rng)


def noise_map(magnitude: F32, mask: Mask, sd: float) -> F32:
    """Return the standard deviation in ppm of a field whose noise follows 1 / magnitude; ``sd`` at the median."""
    median = float(np.median(magnitude[mask]))
    if not median > 0:
        return np.where(mask, np.float32(sd), np.float32(0))
    # A hundredth keeps a voxel without signal finite.
    relative = np.maximum(magnitude.astype(np.float32) / np.float32(median), np.float32(0.01))
    noise: F32 = np.where(mask, np.float32(sd) / relative, 0).astype(np.float32)
    return noise


def _field_of(chi: F32, part: Mask, grid: Grid) -> F32:
    lost = np.where(part, chi, 0).astype(np.float32)
    field: F32 = forward_field(torch.from_numpy(lost), grid, _PADDING).numpy()
    return field


def _depth(mask: Mask, grid: Grid) -> F32:
    if mask.all():
        return np.full(mask.shape, np.inf, np.float32)
    depth: F32 = ndimage.distance_transform_edt(mask, sampling=grid.voxel_size).astype(np.float32)
    return depth


def _strength(chi: F32, grid: Grid) -> F32:
    size = np.abs(chi)
    blurred: F32 = ndimage.gaussian_filter(size, [_SOURCE_BLUR / v for v in grid.voxel_size])
    return np.maximum(size, blurred)
