"""One sample: a head deformed, recontrasted, with shapes, averaged into voxels, with its local field, cropped.

The field comes from the whole head: what the crop does not show still acts on it (physics/two_grid.py).
"""

from dataclasses import dataclass
from math import ceil
from typing import Any, TypeAlias

import numpy as np
import scipy.fft
import torch
from numpy.typing import NDArray

from qsmbench.core.grid import Grid, Shape, Triple
from qsmbench.physics.two_grid import free_space_field, window_field
from qsmbench.simulation.contrast import apply_contrast
from qsmbench.simulation.crop import crop_corner, head_box
from qsmbench.simulation.draw import Draw, draw
from qsmbench.simulation.error_model import add_errors
from qsmbench.simulation.magnitude import acquire_magnitude, darken
from qsmbench.simulation.recipe import Recipe
from qsmbench.simulation.shapes import fraction, paste
from qsmbench.simulation.source import Source
from qsmbench.simulation.warp import Window, render, stack_head
from qsmbench.simulation.warp_torch import render_torch

# Widest distance in mm of the samples that make a coarse block's mean, outside the window.
_COARSE_PITCH = 2.0
# Product of two components of B0's direction from which the field needs one grid (3 degrees).
_OBLIQUE = 0.05
# Share of a voxel that must lie inside for it to be in the mask; below one half by more than rounding, so that voxels
# cut exactly in two fall on the same side wherever they are computed.
_HALF = 0.5 - 1e-5

_Volumes: TypeAlias = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]


@dataclass(frozen=True, eq=False)
class Sample:
    """One synthetic acquisition and its truth, all of the recipe's shape.

    Attributes:
        chi: (x, y, z) float32, ppm, zero outside the mask.
        local_field: (x, y, z) float32, ppm, the field of the whole head's chi; zero outside the mask unless the recipe
            says otherwise.
        mask: (x, y, z) bool.
        voxel_size: mm.
        b0_dir: unit vector in voxel axes.
        parameters: what was drawn, in plain numbers and lists.
        magnitude: (x, y, z) float32, 1 at the median of the tissue before profile and noise; None where not asked for.
        field_noise: (x, y, z) float32, ppm, standard deviation of noise that follows 1 / magnitude; None without it.
    """

    chi: NDArray[np.float32]
    local_field: NDArray[np.float32]
    mask: NDArray[np.bool_]
    voxel_size: Triple
    b0_dir: Triple
    parameters: dict[str, Any]
    magnitude: NDArray[np.float32] | None = None
    field_noise: NDArray[np.float32] | None = None


def make_sample(
    source: Source,
    recipe: Recipe,
    rng: np.random.Generator,
    device: torch.device | None = None,
    *,
    with_magnitude: bool = False,
) -> Sample:
    """Make one sample; its bytes are a function of the source, the recipe and the state of ``rng`` alone.

    ``with_magnitude`` adds a magnitude image and changes nothing else. With a ``device`` warp and field are computed
    there by torch, else by compiled code on the CPU; they agree to 1e-4 ppm.
    """
    drawn = draw(recipe, source, rng)
    head: Head | TorchHead = Head(source, drawn) if device is None else TorchHead(source, drawn, device)
    box, points = head_box(source, drawn.deformation)
    corner, share = crop_corner(recipe, drawn, points, source)
    place = _place_oblique if _is_oblique(drawn.b0_dir) else _place
    chi, local_field, mask = place(head, recipe, drawn, corner, box)
    if drawn.noise_sd > 0:
        noise = np.random.Generator(np.random.PCG64(drawn.noise_seed)).standard_normal(recipe.shape, np.float32)
        local_field += np.float32(drawn.noise_sd) * noise
    parameters, field_noise = _parameters(drawn, corner, share), None
    grid = Grid(recipe.shape, drawn.voxel_size, drawn.b0_dir)
    magnitude = None
    if with_magnitude or recipe.error.noise.enabled:
        magnitude = _magnitude(source, recipe, drawn, corner)
    if recipe.error.enabled:
        made = add_errors(local_field, chi, mask, grid, recipe=recipe.error, seed=drawn.error_seed, magnitude=magnitude)
        local_field, mask, field_noise = made.local_field, made.mask, made.field_noise
        chi *= mask
        parameters["error"] = made.parameters
    elif recipe.field.masked:
        local_field *= mask
    return Sample(
        chi=chi,
        local_field=local_field,
        mask=mask,
        voxel_size=drawn.voxel_size,
        b0_dir=drawn.b0_dir,
        parameters=parameters,
        magnitude=_image(magnitude, mask, grid, recipe, drawn) if with_magnitude and magnitude is not None else None,
        field_noise=field_noise,
    )


def _magnitude(source: Source, recipe: Recipe, drawn: Draw, corner: NDArray[np.float64]) -> NDArray[np.float32]:
    """The magnitude of the crop without profile and noise: the head's, deformed as its chi is, with dark bodies."""
    window = Window(recipe.shape, drawn.voxel_size, _triple(corner))
    mask = np.ascontiguousarray(source.mask[source.box])
    stacked = stack_head(np.ascontiguousarray(source.relative_magnitude[source.box]), mask)
    # One more for the border that stack_head adds.
    centre = source.centre - [s.start for s in source.box] + 1
    total, cover = render(stacked, source.grid.voxel_size, centre, drawn.deformation, window)
    magnitude = (total / np.maximum(cover, np.float32(_HALF))).astype(np.float32)
    darken(magnitude, window, drawn.shapes)
    return magnitude


def _image(
    magnitude: NDArray[np.float32], mask: NDArray[np.bool_], grid: Grid, recipe: Recipe, drawn: Draw
) -> NDArray[np.float32]:
    rng = np.random.Generator(np.random.PCG64(drawn.magnitude_seed))
    return acquire_magnitude(magnitude, mask, grid, recipe.magnitude, rng)


def _is_oblique(b0_dir: Triple) -> bool:
    x, y, z = (abs(b) for b in b0_dir)
    return max(x * y, x * z, y * z) > _OBLIQUE


def _place(
    head: "Head | TorchHead", recipe: Recipe, drawn: Draw, corner: NDArray[np.float64], box: NDArray[np.float64]
) -> _Volumes:
    """Chi, field and mask of the crop, on two grids."""
    windows = Windows.around(recipe, drawn.voxel_size, corner, box)
    chi, mask = head.chi_and_mask(windows.fine)
    field = window_field(
        _tensor(chi),
        _tensor(head.coarse_chi(windows)),
        windows.start,
        factors=windows.factors,
        voxel_size=drawn.voxel_size,
        b0_dir=drawn.b0_dir,
    )
    volumes = (
        np.zeros(recipe.shape, np.float32),
        np.zeros(recipe.shape, np.float32),
        np.zeros(recipe.shape, bool),
    )
    x, y, z = windows.needed
    inside = tuple(slice(g, g + n.stop - n.start) for g, n in zip(windows.guard, windows.needed, strict=True))
    for volume, window in zip(volumes, (chi, field, mask), strict=True):
        volume[x, y, z] = _array(window[inside])
    return volumes


def _place_oblique(
    head: "Head | TorchHead", recipe: Recipe, drawn: Draw, corner: NDArray[np.float64], box: NDArray[np.float64]
) -> _Volumes:
    """The same on one grid that holds the whole head, some three times slower.

    An oblique kernel jumps at Nyquist, so that in space it has a tail of alternating sign that a guard cannot hold off;
    on two grids the field would be wrong by up to 0.7 % of its RMS (docs/synthesis.md).
    """
    size = np.array(drawn.voxel_size)
    before = np.maximum(0, np.ceil((corner - box[0]) / size)).astype(int)
    after = np.maximum(0, np.ceil((box[1] - corner) / size) - recipe.shape).astype(int)
    shape = _shape(before + recipe.shape + after)
    chi, mask = head.chi_and_mask(Window(shape, drawn.voxel_size, _triple(corner - before * size)))
    start = _shape(before)
    field = free_space_field(_tensor(chi), drawn.voxel_size, drawn.b0_dir, start=start, shape=recipe.shape)
    x, y, z = (slice(b, b + n) for b, n in zip(start, recipe.shape, strict=True))
    return (
        np.ascontiguousarray(_array(chi[x, y, z])),
        np.ascontiguousarray(_array(field)),
        np.ascontiguousarray(_array(mask[x, y, z])),
    )


def _tensor(volume: NDArray[np.float32] | torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(volume) if isinstance(volume, np.ndarray) else volume


def _array(volume: NDArray[Any] | torch.Tensor) -> NDArray[Any]:
    return volume if isinstance(volume, np.ndarray) else volume.cpu().numpy()


class Head:
    """A source after a draw, ready to be sampled on any window.

    Attributes:
        stacked: its changed chi and its mask, as made by `warp.stack_head`.
        centre: index in ``stacked`` of the origin of the head's coordinates.
    """

    def __init__(self, source: Source, drawn: Draw) -> None:
        box = source.box
        labels = None if source.labels is None else np.ascontiguousarray(source.labels[box])
        mask = np.ascontiguousarray(source.mask[box])
        chi = apply_contrast(np.ascontiguousarray(source.chi[box]), mask, labels, drawn.contrast, source.chi_range)
        self.stacked = stack_head(chi, mask)
        # One more for the border that stack_head adds.
        self.centre = source.centre - [s.start for s in box] + 1
        self._voxel_size = source.grid.voxel_size
        self._drawn = drawn

    def chi_and_mask(self, window: Window) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Chi in ppm, zero outside the mask, and the mask: voxels at least half inside the source's mask."""
        chi, cover = render(self.stacked, self._voxel_size, self.centre, self._drawn.deformation, window)
        mask = cover >= _HALF
        # Inside the mask a body fills its share of the whole voxel; outside nothing is left of it.
        paste(chi, mask, window, self._drawn.shapes)
        chi *= mask
        return chi, mask

    def coarse_chi(self, windows: "Windows") -> NDArray[np.float32]:
        """Mean chi of the coarse blocks in ppm; the fine window's own blocks are left without tissue."""
        window = windows.coarse
        own = windows.start, tuple(n // f for n, f in zip(windows.fine.shape, windows.factors, strict=True))
        chi, cover = render(
            self.stacked, self._voxel_size, self.centre, self._drawn.deformation, window, pitch=_COARSE_PITCH, skip=own
        )
        paste(chi, cover, window, self._drawn.shapes)
        return chi


class TorchHead:
    """As :class:`Head`, on a device; what it returns stays there."""

    def __init__(self, source: Source, drawn: Draw, device: torch.device) -> None:
        on_cpu = Head(source, drawn)
        self._head = torch.from_numpy(on_cpu.stacked).to(device)
        self._centre, self._voxel_size, self._drawn = on_cpu.centre, source.grid.voxel_size, drawn

    def chi_and_mask(self, window: Window) -> tuple[torch.Tensor, torch.Tensor]:
        """As :meth:`Head.chi_and_mask`."""
        chi, cover = render_torch(self._head, self._voxel_size, self._centre, self._drawn.deformation, window)
        mask = cover >= _HALF
        self._paste(chi, mask, window)
        chi *= mask
        return chi, mask

    def coarse_chi(self, windows: "Windows") -> torch.Tensor:
        """As :meth:`Head.coarse_chi`, but with the fine window's own blocks filled, which nobody reads."""
        chi, cover = render_torch(
            self._head,
            self._voxel_size,
            self._centre,
            self._drawn.deformation,
            windows.coarse,
            pitch=_COARSE_PITCH,
        )
        self._paste(chi, cover, windows.coarse)
        return chi

    def _paste(self, chi: torch.Tensor, cover: torch.Tensor, window: Window) -> None:
        for shape in self._drawn.shapes:
            placed = fraction(window, shape)
            if placed is not None:
                where, share = placed[0], torch.from_numpy(placed[1]).to(chi.device)
                chi[where] += share * (shape.chi * cover[where] - chi[where])


@dataclass(frozen=True)
class Windows:
    """The grids of one sample.

    Attributes:
        needed: the part of the crop in which the head lies; all of it where the field is wanted outside the mask too.
        fine: that part and a guard around it, at the sample's voxel size.
        coarse: blocks that hold the head and the fine window.
        start: the fine window's first block among the coarse ones.
        factors: voxels a block averages.
        guard: voxels between the fine window's lower corner and the needed part's.
    """

    needed: tuple[slice, slice, slice]
    fine: Window
    coarse: Window
    start: Shape
    factors: Shape
    guard: Shape

    @classmethod
    def around(
        cls, recipe: Recipe, voxel_size: Triple, corner: NDArray[np.float64], box: NDArray[np.float64]
    ) -> "Windows":
        """The grids for a crop with the lower ``corner`` (mm) in a head with lower and upper corner ``box`` (mm)."""
        size, n_crop = np.array(voxel_size), np.array(recipe.shape)
        first, stop = np.zeros(3, int), n_crop
        if recipe.field.masked:
            first = np.clip(np.floor((box[0] - corner) / size).astype(int), 0, n_crop - 1)
            stop = np.clip(np.ceil((box[1] - corner) / size).astype(int), first + 1, n_crop)
        factors = np.maximum(1, np.floor(recipe.field.block / size + 0.5)).astype(int)
        guard = np.ceil(recipe.field.guard / size).astype(int)
        shape = np.array(
            [window_length(int(n), int(g), int(f)) for n, g, f in zip(stop - first, guard, factors, strict=True)]
        )
        low, blocks = corner + (first - guard) * size, factors * size
        before = np.maximum(0, np.ceil((low - box[0]) / blocks)).astype(int)
        after = np.maximum(0, np.ceil((box[1] - low - shape * size) / blocks)).astype(int)
        x, y, z = (slice(int(a), int(b)) for a, b in zip(first, stop, strict=True))
        return cls(
            (x, y, z),
            Window(_shape(shape), voxel_size, _triple(low)),
            Window(_shape(before + shape // factors + after), _triple(blocks), _triple(low - before * blocks)),
            _shape(before),
            _shape(factors),
            _shape(guard),
        )


def _shape(values: NDArray[np.int_]) -> Shape:
    x, y, z = (int(v) for v in values)
    return (x, y, z)


def _triple(values: NDArray[np.float64]) -> Triple:
    x, y, z = (float(v) for v in values)
    return (x, y, z)


def window_length(n: int, guard: int, factor: int) -> int:
    """Voxels of the fine window along an axis: crop and guard, rounded up to whole blocks and a fast FFT size."""
    blocks = ceil((n + 2 * guard) / factor)
    while scipy.fft.next_fast_len(blocks * factor, real=True) != blocks * factor:
        blocks += 1
    return blocks * factor


def _parameters(drawn: Draw, corner: NDArray[np.float64], share: float) -> dict[str, Any]:
    voxel_size = np.array(drawn.voxel_size)
    shapes = [
        {
            "kind": shape.kind,
            "centre_voxel": ((np.array(shape.centre) - corner) / voxel_size - 0.5).round(3).tolist(),
            "half_axes": list(shape.half_axes),
            "rotation": list(shape.rotation),
            "chi": shape.chi,
            "edge": shape.edge,
        }
        for shape in drawn.shapes
    ]
    return drawn.parameters() | {"crop_corner": corner.tolist(), "brain_share": share, "shapes": shapes}
