"""Do synthetic fields err as measured ones do? The difference between a field and the field of its map, side by side.

python benchmarks/simulated_and_measured.py --chi chi_cosmos.nii.gz --mask mask.nii.gz [--draws 6] [--out docs]
       [--measured FOLDER]      # local_field.nii.gz, chi_cosmos.nii.gz, mask.nii.gz of a measured head

For every head: SD of the field, of D chi and of their difference, slope of the one on the other; the difference by
depth under the rim, by |chi|, after Gaussians of 1, 2, 4, 8 voxels, by spatial frequency (as white noise of so many
ppb) and in the kernel's cone (|D| < 0.06) against outside it (|D| > 0.12). Heads: a map of one's own, and the phantom,
each with several draws of the recipe `measured-like`, and with white noise of 2.5 ppb alone. Prints the tables of
docs/simulated-and-measured.md and, with --out, draws its figure.
"""

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import matplotlib as mpl
import numpy as np
import torch
from scipy import ndimage

from qsmbench.core.grid import Grid
from qsmbench.core.seeds import generator_for
from qsmbench.data.nifti import read_mask, read_volume
from qsmbench.physics.dipole import forward_field
from qsmbench.simulation.error_model import measured_like
from qsmbench.simulation.phantom import head_phantom

mpl.use("Agg")
import matplotlib.pyplot as plt

DEPTHS = ((0, 2), (2, 4), (4, 8), (8, 16), (16, np.inf))
CHIS = ((0, 0.05), (0.05, 0.1), (0.1, 0.2), (0.2, np.inf))
BLURS = (1, 2, 4, 8)
WAVES = (0.03, 0.06, 0.1, 0.15, 0.21, 0.3, 0.4)
PARTS = ("sd", "slope", "depth", "chi", "blur", "k", "cone")
# What was measured on four heads in vivo: the range over them, where it was written down; docs say more.
MEASURED = {
    "depth": ((8, 14.1), (7, 10.1), (5, 7.2), (4, 6), (4, 6)),
    "chi": ((6, 7), (11, 11), (15, 15), (17, 17)),
    "k": ((78, 117), (37, 55), (19, 28), (12, 18), (7.3, 11), (5.3, 8), (3.7, 5.5)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chi", type=Path)
    parser.add_argument("--mask", type=Path)
    parser.add_argument("--draws", type=int, default=6)
    parser.add_argument("--measured", type=Path)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[str, list[dict[str, list[float]]]] = {}
    if options.measured is not None:
        field = read_volume(options.measured / "local_field.nii.gz")
        chi = read_volume(options.measured / "chi_cosmos.nii.gz", like=field).data
        mask = read_mask(options.measured / "mask.nii.gz", like=field)
        grid = Grid.from_affine(mask.shape, field.affine)
        found["measured head"] = [statistics(field.data, chi, mask, grid)]
    heads = {}
    if options.chi is not None:
        volume = read_volume(options.chi)
        mask = read_mask(options.mask, like=volume)
        heads["COSMOS map"] = boxed(volume.data * mask, mask, volume.affine)
    made = head_phantom(0)
    heads["phantom"] = boxed(made.chi, made.mask, made.affine, made.labels)
    for name, (chi, mask, grid, labels) in heads.items():
        rows = found[f"{name}, measured-like"] = []
        for number in range(options.draws):
            drawn = measured_like(chi, mask, grid, generator_for("benchmark", name, number), labels=labels)
            rows.append(statistics(drawn.local_field, chi, drawn.mask, grid))
            print(f"{name} {number}", file=sys.stderr, flush=True)
        clean = forward_field(torch.from_numpy(chi), grid).numpy()
        noise = 2.5e-3 * generator_for("benchmark", name).standard_normal(mask.shape, np.float32)
        found[f"{name}, white noise"] = [statistics(clean + noise, chi, mask, grid)]
    report(found)
    if options.out is not None:
        draw(found, options.out / "simulated-and-measured.png")


def boxed(chi, mask, affine, labels=None):
    """The mask's box and a border of air."""
    box = tuple(slice(max(0, along.min() - 4), along.max() + 5) for along in map(np.unique, np.nonzero(mask)))
    cut = [None if v is None else np.ascontiguousarray(v[box]) for v in (chi, mask, labels)]
    return cut[0], cut[1], Grid.from_affine(cut[1].shape, affine), cut[2]


def statistics(field, chi, mask, grid) -> dict[str, list[float]]:
    """All numbers of one head, in ppb; the ratio in and out of the cone has no unit."""
    chi = np.where(mask, chi, 0).astype(np.float32)
    model = forward_field(torch.from_numpy(chi), grid).numpy()
    own, modelled = (1e3 * (v[mask] - v[mask].mean(dtype=float)) for v in (field, model))
    error = np.zeros(mask.shape)
    error[mask] = own - modelled
    # Where the grid ends, a slab ends and not the head.
    around = np.pad(mask, 1, mode="edge")
    depth = ndimage.distance_transform_edt(around, sampling=grid.voxel_size)[1:-1, 1:-1, 1:-1]
    size = np.abs(chi)
    spectrum = np.abs(np.fft.fftn(error)) ** 2 / mask.sum()
    k = np.meshgrid(*[np.fft.fftfreq(n, v) for n, v in zip(grid.shape, grid.voxel_size, strict=True)], indexing="ij")
    length = np.sqrt(sum(ki**2 for ki in k))
    along = sum(ki * b for ki, b in zip(k, grid.b0_dir, strict=True))
    kernel = np.abs(1 / 3 - along**2 / np.maximum(length, 1e-9) ** 2)
    shells = [(length > 0.85 * wave) & (length < 1.15 * wave) for wave in WAVES]
    return {
        "sd": [own.std(), modelled.std(), error[mask].std()],
        "slope": [float((own * modelled).sum() / (modelled**2).sum())],
        "depth": [rms(error[mask & (depth > low) & (depth <= high)]) for low, high in DEPTHS],
        "chi": [rms(error[mask & (size >= low) & (size < high)]) for low, high in CHIS],
        "blur": [blurred(error, mask, sigma) for sigma in BLURS],
        "k": [rms(np.sqrt(spectrum[shell])) for shell in shells],
        "cone": [
            rms(np.sqrt(spectrum[shell & (kernel < 0.06)])) / rms(np.sqrt(spectrum[shell & (kernel > 0.12)]))
            for shell in shells
        ],
    }


def rms(values) -> float:
    return float(np.sqrt(np.mean(np.square(values)))) if values.size else float("nan")


def blurred(error, mask, sigma) -> float:
    share = ndimage.gaussian_filter(mask.astype(np.float32), sigma)
    return float((ndimage.gaussian_filter(error, sigma) / np.maximum(share, 0.01))[mask].std())


def report(found) -> None:
    columns = {
        "sd": ("field", "D chi", "difference"),
        "slope": ("slope",),
        "depth": ("0-2 mm", "2-4", "4-8", "8-16", "deeper"),
        "chi": ("below 0.05 ppm", "0.05-0.1", "0.1-0.2", "above 0.2"),
        "blur": tuple(f"{sigma} voxels" for sigma in BLURS),
        "k": tuple(f"{wave}/mm" for wave in WAVES),
        "cone": tuple(f"{wave}/mm" for wave in WAVES),
    }
    for part in PARTS:
        print(f"\n**{part}**\n\n| head | {' | '.join(columns[part])} |\n|{'---|' * (len(columns[part]) + 1)}")
        for name, rows in found.items():
            values = np.array([row[part] for row in rows])
            print(f"| {name} | {' | '.join(span(column) for column in values.T)} |", flush=True)


def span(values) -> str:
    low, middle, high = np.min(values), np.median(values), np.max(values)
    return f"{middle:.3g}" if len(values) == 1 else f"{middle:.3g} ({low:.3g}-{high:.3g})"


def draw(found, path: Path) -> None:
    figure, axes = plt.subplots(2, 2, figsize=(9, 6.4), layout="constrained")
    places = {
        "depth": (range(5), ["0-2", "2-4", "4-8", "8-16", ">16"], "depth under the rim (mm)"),
        "chi": (range(4), ["<0.05", "0.05-0.1", "0.1-0.2", ">0.2"], "|chi| (ppm)"),
        "k": (WAVES, None, "spatial frequency (1/mm)"),
        "cone": (WAVES, None, "spatial frequency (1/mm)"),
    }
    styles = {"measured head": ("k", "o-"), "COSMOS map": ("tab:blue", "s-"), "phantom": ("tab:orange", "^-")}
    for axis, (part, (x, ticks, label)) in zip(axes.flat, places.items(), strict=True):
        if part in MEASURED:
            low, high = np.array(MEASURED[part]).T
            axis.fill_between(x, low, high + 1e-9, color="0.85", label="four measured heads, as noted")
        for name, rows in found.items():
            colour, line = styles[name.split(",")[0]]
            values = np.array([row[part] for row in rows])
            white = "white" in name
            axis.plot(x, np.median(values, 0), line[0] + (":" if white else "-"), color=colour, ms=4, label=name)
            if len(rows) > 1:
                axis.fill_between(x, values.min(0), values.max(0), color=colour, alpha=0.15, lw=0)
        axis.set_xlabel(label)
        axis.set_ylabel("error in the cone / outside it" if part == "cone" else "difference (ppb)")
        if ticks:
            axis.set_xticks(list(x), ticks)
        if part == "k":
            axis.set_xscale("log")
            axis.set_yscale("log")
            axis.set_xticks(WAVES, [str(wave) for wave in WAVES])
            axis.set_xticks([], minor=True)
        axis.set_ylim(**({"bottom": 2} if part == "k" else {"bottom": 0}))
    axes[0, 0].legend(fontsize=7)
    figure.savefig(path, dpi=72)


if __name__ == "__main__":
    main()
