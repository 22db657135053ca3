"""How fast samples are made, where the time goes, against a plain scipy version, and how exact the field is.

Prints Markdown. Everything runs in this process on one thread; times are process CPU times, means over the samples,
after one sample for compilation.

The plain version makes the same kind of sample the obvious way: a displacement per voxel by Gaussian filtering of white
noise (Simard 2003), `map_coordinates` of order 1 on the whole head with the slices supersampled, contrast by `power`,
bodies as soft masks on the whole grid, and an unpruned `numpy.fft` convolution padded to twice the size, then the crop.

The exactness compares the field in the crop with the free-space convolution of the whole head at the sample's own
resolution, and that one with plain padding to four times the size.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.ndimage import gaussian_filter, map_coordinates

from qsmbench.core.grid import Grid
from qsmbench.core.seeds import generator_for
from qsmbench.data.nifti import read_mask, read_volume
from qsmbench.physics.dipole import dipole_kernel, forward_field
from qsmbench.physics.two_grid import free_space_field
from qsmbench.simulation import sample as module
from qsmbench.simulation.crop import crop_corner, head_box
from qsmbench.simulation.draw import draw
from qsmbench.simulation.recipe import Recipe
from qsmbench.simulation.sample import Head, make_sample
from qsmbench.simulation.source import Source
from qsmbench.simulation.warp import Window

STEPS = {
    "draw": "parameters",
    "head_box": "box of the deformed head",
    "crop_corner": "place of the crop",
    "apply_contrast": "contrast",
    "stack_head": "interleaving chi and mask",
    "render": "warp and voxel averaging",
    "paste": "shapes",
    "window_field": "field",
}
FIELDS = ((8.0, 3.0), (12.0, 3.0), (16.0, 3.0), (12.0, 2.0))


def made_up_head() -> Source:
    """An ellipsoidal head of 130 x 156 x 130 mm at 1.0625 mm with texture, for those without the COSMOS map."""
    shape, size = (126, 150, 126), 1.0625
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    mask = x**2 + y**2 + z**2 < 0.95
    texture = gaussian_filter(np.random.default_rng(0).standard_normal(shape), 1.5)
    return Source((0.03 / texture.std() * texture * mask).astype(np.float32), mask, Grid(shape, (size, size, size)))


def load_head(chi: Path | None, mask: Path | None) -> Source:
    if chi is None:
        return made_up_head()
    volume = read_volume(chi)
    inside = volume.data != 0 if mask is None else read_mask(mask, like=volume)
    return Source(volume.data, inside, Grid.from_affine(volume.data.shape, volume.affine))


class StepTimes:
    """While active, adds up the CPU time of the functions that `make_sample` calls."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._originals = {name: getattr(module, name) for name in STEPS}

    def __enter__(self) -> "StepTimes":
        for name, function in self._originals.items():
            setattr(module, name, self._timed(name, function))
        return self

    def __exit__(self, *_: object) -> None:
        for name, function in self._originals.items():
            setattr(module, name, function)

    def _timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            start = time.process_time()
            result = function(*args, **kwargs)
            self.seconds[name] += time.process_time() - start
            return result

        return timed


def plain_sample(source: Source, recipe: Recipe, rng: np.random.Generator) -> dict[str, float]:
    """The obvious version; returns its CPU seconds by step."""
    drawn = draw(recipe, source, rng)
    voxel_size, lattice = np.array(drawn.voxel_size), drawn.deformation.lattice
    seconds = {}
    start = time.process_time()
    box, points = head_box(source, drawn.deformation)
    corner, _ = crop_corner(recipe, drawn, points, source)
    low = np.minimum(corner, box[0])
    shape = np.ceil((np.maximum(corner + recipe.shape * voxel_size, box[1]) - low) / voxel_size).astype(int)
    n_sub = np.maximum(1, np.ceil(voxel_size / min(source.grid.voxel_size) - 0.1)).astype(int)
    fine = voxel_size / n_sub
    places = np.stack(
        np.meshgrid(
            *[o + (np.arange(n) + 0.5) * v for o, n, v in zip(low, shape * n_sub, fine, strict=True)], indexing="ij"
        )
    )
    if lattice is not None:
        for axis in range(3):
            sigma = lattice.spacing / np.sqrt(3) / fine
            noise = gaussian_filter(rng.uniform(-1, 1, places.shape[1:]).astype(np.float32), sigma, truncate=3)
            places[axis] += 3.0 / noise.std() * lattice.amplitude * noise
    seconds["displacement"] = time.process_time() - start
    start = time.process_time()
    matrix = np.linalg.inv(drawn.deformation.matrix) / np.array(source.grid.voxel_size)[:, None]
    index = np.tensordot(matrix, places, axes=1) + source.centre[:, None, None, None]
    low_chi, high_chi = source.chi_range
    scaled = np.clip((source.chi - low_chi) / (high_chi - low_chi), 0, 1)
    chi = drawn.contrast.gain * (high_chi - low_chi) * np.power(scaled, drawn.contrast.gamma) * source.mask
    blocks = [n for pair in zip(shape, n_sub, strict=True) for n in pair]
    warped = map_coordinates(chi, index, order=1).reshape(blocks).mean(axis=(1, 3, 5))
    cover = map_coordinates(source.mask.astype(np.float32), index, order=1).reshape(blocks).mean(axis=(1, 3, 5))
    seconds["contrast, warp, averaging"] = time.process_time() - start
    start = time.process_time()
    grid = np.meshgrid(
        *[o + (np.arange(n) + 0.5) * v for o, n, v in zip(low, shape, voxel_size, strict=True)], indexing="ij"
    )
    for body in drawn.shapes:
        inside = sum(((g - c) / a) ** 2 for g, c, a in zip(grid, body.centre, body.half_axes, strict=True))
        share = np.clip(0.5 - (np.sqrt(inside) - 1) * min(body.half_axes) / max(body.edge, 0.5), 0, 1)
        warped = (1 - share) * warped + share * body.chi
    warped *= cover >= 0.5
    seconds["shapes"] = time.process_time() - start
    start = time.process_time()
    padded = tuple(int(2 * n) for n in shape)
    kernel = dipole_kernel(padded, drawn.voxel_size, drawn.b0_dir).numpy()
    field = np.fft.irfftn(kernel * np.fft.rfftn(warped, padded, axes=(0, 1, 2)), padded, axes=(0, 1, 2))
    first = np.floor((corner - low) / voxel_size).astype(int)
    field = field[tuple(slice(a, a + n) for a, n in zip(first, recipe.shape, strict=True))].astype(np.float32)
    seconds["field"] = time.process_time() - start
    return seconds


def whole_field(source: Source, recipe: Recipe, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Field in the crop from the whole head on one grid: free space, padded four times; and the mask."""
    drawn = draw(recipe, source, rng)
    box, points = head_box(source, drawn.deformation)
    corner, _ = crop_corner(recipe, drawn, points, source)
    size = np.array(drawn.voxel_size)
    low = np.minimum(0, np.floor((box[0] - corner) / size)).astype(int)
    high = np.maximum(recipe.shape, np.ceil((box[1] - corner) / size)).astype(int)
    nx, ny, nz = (int(n) for n in high - low)
    ox, oy, oz = (float(c) for c in corner + low * size)
    chi, mask = Head(source, drawn).chi_and_mask(Window((nx, ny, nz), drawn.voxel_size, (ox, oy, oz)))
    x, y, z = (slice(int(-a), int(-a) + n) for a, n in zip(low, recipe.shape, strict=True))
    chi_tensor = torch.from_numpy(chi)
    free = free_space_field(
        chi_tensor, drawn.voxel_size, drawn.b0_dir, start=(x.start, y.start, z.start), shape=recipe.shape
    )
    grid = Grid((nx, ny, nz), drawn.voxel_size, drawn.b0_dir)
    return free.numpy(), forward_field(chi_tensor, grid, padding=4.0).numpy()[x, y, z], mask[x, y, z]


def speed(source: Source, recipe: Recipe, n_samples: int, n_plain: int) -> None:
    make_sample(source, recipe, generator_for("benchmark", 0))
    wall, cpu = time.perf_counter(), time.process_time()
    with StepTimes() as steps:
        for number in range(n_samples):
            make_sample(source, recipe, generator_for("benchmark", number))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    plain: dict[str, float] = defaultdict(float)
    for number in range(n_plain):
        for step, seconds in plain_sample(source, recipe, generator_for("benchmark", number)).items():
            plain[step] += seconds / n_plain
    print(f"## Speed: {n_samples} samples of {' x '.join(map(str, recipe.shape))}, one thread\n")
    print("| step | ms a sample | share |\n|---|---|---|")
    for name, label in STEPS.items():
        print(f"| {label} | {1e3 * steps.seconds[name] / n_samples:.1f} | {steps.seconds[name] / cpu:.0%} |")
    rest = cpu - sum(steps.seconds.values())
    print(f"| rest | {1e3 * rest / n_samples:.1f} | {rest / cpu:.0%} |")
    print(f"| **all** | **{1e3 * cpu / n_samples:.0f}** (wall {1e3 * wall / n_samples:.0f}) | |\n")
    total = sum(plain.values())
    parts = ", ".join(f"{step} {1e3 * seconds:.0f} ms" for step, seconds in plain.items())
    print(f"{n_samples / cpu:.1f} samples a CPU second. Plain scipy and numpy, {n_plain} of the same samples: ", end="")
    print(f"{1e3 * total:.0f} ms ({parts}), {total / (cpu / n_samples):.1f} times as long.\n")


def exactness(source: Source, recipe: Recipe, n_samples: int) -> None:
    print(f"## Field in the mask of the crop, error / RMS in %, {n_samples} samples\n")
    print("| method | median | largest | ms of the whole sample |\n|---|---|---|---|")
    references = [whole_field(source, recipe, generator_for("exact", i)) for i in range(n_samples)]

    def row(label: str, fields: list[np.ndarray], cost: str) -> None:
        errors = [
            100 * float(np.sqrt(np.mean((field - free)[mask] ** 2) / np.mean(free[mask] ** 2)))
            for field, (free, _, mask) in zip(fields, references, strict=True)
        ]
        print(f"| {label} | {np.median(errors):.3f} | {max(errors):.3f} | {cost} |")

    row("whole head, padded to four times", [padded for _, padded, _ in references], "")
    for guard, block in FIELDS:
        part = recipe.field.model_copy(update={"guard": guard, "block": block})
        changed = recipe.model_copy(update={"field": part})
        start = time.process_time()
        made = [make_sample(source, changed, generator_for("exact", i)).local_field for i in range(n_samples)]
        cost = 1e3 * (time.process_time() - start) / n_samples
        row(f"two grids, guard {guard:g} mm, blocks of {block:g} mm", made, f"{cost:.0f}")
    print()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chi", type=Path, help="susceptibility map, NIfTI, ppm; a made-up head without it")
    parser.add_argument("--mask", type=Path, help="its brain mask; chi != 0 without it")
    parser.add_argument("--samples", type=int, default=30, help="to time")
    parser.add_argument("--plain", type=int, default=3, help="samples of the plain version to time")
    parser.add_argument("--exact", type=int, default=12, help="samples to compare fields on; 0 leaves it out")
    options = parser.parse_args()
    torch.set_num_threads(1)
    source, recipe = load_head(options.chi, options.mask), Recipe()
    speed(source, recipe, options.samples, options.plain)
    if options.exact:
        exactness(source, recipe, options.exact)


if __name__ == "__main__":
    main()
