"""A group of samples of one voxel size on one window: what a training step draws its patches from.

Everything random is a function of the set's seed and the group's number, so that a training that goes on after a stop
sees what it would have seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, exp, log

import numpy as np
import torch
from torch.nn import functional

from qsmbench.core.grid import Grid, Triple
from qsmbench.core.scan import Scan
from qsmbench.core.seeds import generator_for, seed_for
from qsmbench.networks.scaling import robust_scale
from qsmbench.training.live.bodies import KINDS, Body, paste_live
from qsmbench.training.live.error import Amounts, eroded, measured_error
from qsmbench.training.live.field import CELL, CELLS, coarse_origin, field_in_window
from qsmbench.training.live.heads import LiveHead
from qsmbench.training.live.recipe import LiveRecipe, LiveSet, Range
from qsmbench.training.live.warp import LiveWarp, render_live

# The lattice reaches this much farther than the head's box.
_REACH = 1.5
_HALF = 0.5


@dataclass(frozen=True, eq=False)
class Group:
    """Samples side by side.

    Attributes:
        field: (n, x, y, z) ppm, zero outside the masks.
        chi: (n, x, y, z) ppm, zero outside the masks.
        mask: (n, x, y, z) bool.
        voxel_size: mm, of all.
        scale: (n,) robust size of each field (`robust_scale`), ppm.
        first: (n, maps, x, y, z) first maps of chi in ppm that come with the field; no maps for a field-only network.
    """

    field: torch.Tensor
    chi: torch.Tensor
    mask: torch.Tensor
    voxel_size: Triple
    scale: torch.Tensor
    first: torch.Tensor

    def channels(self, number: int) -> torch.Tensor:
        """Field and first maps (1 + maps, x, y, z) of a sample in ppm."""
        return torch.cat([self.field[number][None], self.first[number]])


def make_group(heads: list[LiveHead], spec: LiveSet, number: int, n_samples: int) -> Group:
    """Make group ``number`` of a set."""
    rng = generator_for(spec.seed, "live", number)
    voxel_size = _triple(np.exp([_uniform(rng, (log(a), log(b))) for a, b in zip(spec.voxel_min, spec.voxel_max)]))  # noqa: B905
    device = heads[0].chi.device
    generator = torch.Generator(device).manual_seed(seed_for(spec.seed, "live noise", number) % 2**63)
    weights = np.array([r.weight for r in spec.recipes])
    parts, drawn = [], []
    for _ in range(n_samples):
        recipe = spec.recipes[int(rng.choice(len(weights), p=weights / weights.sum()))]
        head = heads[int(rng.integers(len(heads)))]
        parts.append(_tissue(head, recipe, spec, voxel_size, rng, generator))
        drawn.append(recipe)
    chis, masks, coarse, origins = zip(*parts, strict=True)
    chi, mask = torch.stack(chis), torch.stack(masks)
    field = field_in_window(chi, torch.stack(coarse), voxel_size, list(origins))
    for i, recipe in enumerate(drawn):
        field[i] *= _uniform(rng, recipe.gain_error)
        white = _uniform(rng, recipe.white)
        if white > 0:
            field[i] += white * torch.randn(field[i].shape, generator=generator, device=device)
        amounts = Amounts(*(_uniform(rng, r) for r in (recipe.coloured, recipe.rim, recipe.rim_depth, recipe.sources)))
        if recipe.measured:
            field[i] += measured_error(mask[i].float(), chi[i], voxel_size, amounts, generator)
    field *= mask
    scale = torch.stack([robust_scale(f, m) for f, m in zip(field, mask, strict=True)])
    return Group(field, chi, mask, voxel_size, scale, _first_maps(field, mask, voxel_size, spec))


def _first_maps(field: torch.Tensor, mask: torch.Tensor, voxel_size: Triple, spec: LiveSet) -> torch.Tensor:
    """First maps of chi (n, maps, x, y, z) in ppm, as the network will be given them of a scan; B0 along z."""
    if not spec.first_map:
        return field.new_zeros((len(field), 0, *field.shape[1:]))
    from qsmbench.methods.network_input import first_maps

    nx, ny, nz = field.shape[1:]
    grid = Grid((nx, ny, nz), voxel_size, (0.0, 0.0, 1.0))
    scans = [Scan(f, m, grid) for f, m in zip(field, mask, strict=True)]
    return torch.stack([torch.stack(first_maps(s, spec.first_map, spec.first_map_regularization)) for s in scans])


def _tissue(  # noqa: PLR0917 - what a sample is made from
    head: LiveHead,
    recipe: LiveRecipe,
    spec: LiveSet,
    voxel_size: Triple,
    rng: np.random.Generator,
    generator: torch.Generator,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, Triple]:
    """Chi and mask of a window, chi of the coarse grid, and the window's lower corner."""
    stacked = torch.stack([_recontrasted(head, recipe, rng, generator), head.mask])
    warp = _warp(head, recipe, rng)
    coarse = render_live(_blurred(stacked), head.voxel_size, warp, CELLS, (CELL,) * 3, coarse_origin())
    brain = (coarse[1] >= _HALF).nonzero().cpu().numpy()
    bodies = _bodies(recipe, brain, rng)
    extent = np.array(spec.window) * np.array(voxel_size)
    origin = _triple(_place(brain, extent, rng) - extent / 2)
    window = render_live(stacked, head.voxel_size, warp, spec.window, voxel_size, origin)
    chi, mask = window[0], eroded(window[1] >= _HALF, voxel_size, _uniform(rng, recipe.erosion))
    paste_live(chi, mask.float(), bodies, voxel_size, origin)
    paste_live(coarse[0], coarse[1], bodies, (CELL,) * 3, coarse_origin())
    return chi * mask, mask, coarse[0], origin


def _place(brain: np.ndarray, extent: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Middle of the window in mm: inside the head's box where the window is smaller, else so that it holds the head."""
    places = (brain + 0.5) * CELL + np.array(coarse_origin())
    low, high = places.min(axis=0) - CELL / 2, places.max(axis=0) + CELL / 2
    ends = np.sort(np.stack([low + extent / 2, high - extent / 2]), axis=0)
    # Windows at the very rim hold little brain.
    ends = ends.mean(axis=0) + 0.7 * (ends - ends.mean(axis=0))
    place: np.ndarray = ends[0] + rng.random(3) * (ends[1] - ends[0])
    return place


def _recontrasted(
    head: LiveHead, recipe: LiveRecipe, rng: np.random.Generator, generator: torch.Generator
) -> torch.Tensor:
    """Chi at rest after gain and gamma, changes of each tissue, and texture; as `qsmbench.simulation.contrast`."""
    low, high = min(0.0, float(head.chi.min())), max(1e-6, float(head.chi.max()))
    gain, gamma, span = _uniform(rng, recipe.gain), _uniform(rng, recipe.gamma), high - low
    chi: torch.Tensor = gain * span * (((head.chi - low) / span) ** gamma - (-low / span) ** gamma)
    n_labels = int(head.labels.max()) + 1
    gains, offsets = np.ones(256, np.float32), np.zeros(256, np.float32)
    gains[1:] = rng.uniform(*recipe.tissue_gain, 255)
    offsets[1:] = rng.uniform(*recipe.tissue_offset, 255)
    if n_labels > 1:
        tables = (torch.from_numpy(t[:n_labels]).to(chi.device) for t in (gains, offsets))
        by_label, offset = (table[head.labels] for table in tables)
        chi = by_label * chi + offset
    texture, pitch = _uniform(rng, recipe.texture), _uniform(rng, (1.5, 4.0))
    if texture > 0:
        cells = [ceil(n / pitch) for n in chi.shape]
        noise = torch.randn((1, 1, *cells), generator=generator, device=chi.device)
        chi = chi + texture * functional.interpolate(noise, size=chi.shape, mode="trilinear")[0, 0]
    return chi * head.mask


def _warp(head: LiveHead, recipe: LiveRecipe, rng: np.random.Generator) -> LiveWarp:
    rotation = _triple(rng.uniform(*recipe.rotation, 3))
    size = _triple(_uniform(rng, recipe.scale) * rng.uniform(*recipe.aspect, 3))
    spacing = _uniform(rng, recipe.spacing)
    n = 2 * (ceil(_REACH * float(np.linalg.norm(head.half_extent)) / spacing) + 2) + 1
    nodes = _uniform(rng, recipe.amplitude) * spacing * (2 * rng.random((n, n, n, 3)) - 1)
    return LiveWarp.pose(rotation, size, torch.from_numpy(nodes.astype(np.float32)).to(head.chi.device), spacing)


def _blurred(stacked: torch.Tensor) -> torch.Tensor:
    """Means over about a coarse cell around each voxel, so that one sample a cell is a mean over it."""
    for shape in ((3, 1, 1), (1, 3, 1), (1, 1, 3)):
        around = [n // 2 for n in shape]
        stacked = functional.avg_pool3d(stacked[None], shape, stride=1, padding=around)[0]
    return stacked


def _bodies(recipe: LiveRecipe, brain: np.ndarray, rng: np.random.Generator) -> list[Body]:
    """Draw shapes whose centres lie in the brain, places of coarse cells (n, 3)."""
    count = int(rng.integers(recipe.shapes[0], recipe.shapes[1], endpoint=True))
    if rng.random() < recipe.no_shapes or not len(brain):
        return []
    bodies = []
    for _ in range(count):
        cell = brain[int(rng.integers(len(brain)))] + rng.random(3)
        kind = KINDS[int(rng.integers(len(KINDS)))]
        largest = exp(_uniform(rng, (log(recipe.shape_size[0]), log(recipe.shape_size[1]))))
        a, b, c = (float(v) for v in rng.permutation([largest, *(largest * rng.uniform(0.3, 1.0, 2))]))
        if kind == "cylinder":
            b = a
        lowest, highest = recipe.shape_chi
        size = (
            exp(_uniform(rng, (log(lowest), log(highest))))
            if recipe.shape_chi_log
            else _uniform(rng, (lowest, highest))
        )
        sign = 1.0 if rng.random() < 0.5 else -1.0
        centre = _triple(cell * CELL + np.array(coarse_origin()))
        turn = _triple(rng.uniform(-180, 180, 3))
        bodies.append(Body(kind, centre, (a, b, c), turn, sign * size, _uniform(rng, (0.0, 2.0))))
    return bodies


def _uniform(rng: np.random.Generator, bounds: Range) -> float:
    return bounds[0] + (bounds[1] - bounds[0]) * float(rng.random())


def _triple(values: np.ndarray) -> Triple:
    x, y, z = (float(v) for v in values)
    return (x, y, z)
