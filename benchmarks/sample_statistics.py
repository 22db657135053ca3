"""Are samples plausible against their source, and are parameters drawn uniformly? Prints Markdown.

Makes the same samples twice, with and without pasted shapes (switching them off changes nothing else), and compares chi
in the mask with the source's: mean, SD, range, and the power spectrum within axial slices. Slices of the source are
means over 3 mm, as the samples' are over 2 to 4 mm. A slice's spectrum is that of chi minus its mean in the mask, zero
outside, per area of the mask, averaged over directions and slices: ppm^2 mm^2; that of the samples without shapes is
divided by their gain squared. Parameters are tested against the uniform distribution over their range
(Kolmogorov-Smirnov).
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from scipy.stats import kstest

from qsmbench.benchmark.source import load_heads
from qsmbench.benchmark.synthesis import sample_of
from qsmbench.core.seeds import generator_for
from qsmbench.simulation.draw import draw
from qsmbench.simulation.recipe import Recipe
from qsmbench.simulation.source import Source

# Edges in 1/mm; 0.47 is the Nyquist frequency of the 1.0625 mm COSMOS map.
EDGES = np.array([0.01, 0.02, 0.04, 0.08, 0.15, 0.25, 0.35, 0.45])
SLICE = 3.0
LEAST_AREA = 2000.0  # mm^2


def spectra(chi: np.ndarray, mask: np.ndarray, voxel_size: tuple[float, ...]) -> np.ndarray:
    """Radial power spectrum (slices, bins) of the slices with at least LEAST_AREA of brain."""
    area = voxel_size[0] * voxel_size[1]
    kx, ky = (np.fft.fftfreq(n, v) for n, v in zip(chi.shape[:2], voxel_size[:2], strict=True))
    k = np.hypot(kx[:, None], ky[None, :])
    which = np.digitize(k, EDGES)
    rows = []
    for z in range(chi.shape[2]):
        inside = mask[:, :, z]
        if inside.sum() * area < LEAST_AREA:
            continue
        centred = np.where(inside, chi[:, :, z] - chi[:, :, z][inside].mean(), 0)
        power = np.abs(np.fft.fft2(centred)) ** 2 * area**2 / (inside.sum() * area)
        rows.append([power[which == i].mean() for i in range(1, len(EDGES))])
    return np.array(rows).reshape(-1, len(EDGES) - 1)


def thick(volume: np.ndarray, factor: int) -> np.ndarray:
    n = volume.shape[2] // factor * factor
    return volume[:, :, :n].reshape(*volume.shape[:2], -1, factor).mean(axis=3)


def uniformity(source: Source, recipe: Recipe, n_draws: int) -> None:
    drawn = [draw(recipe, source, generator_for("uniform", i)) for i in range(n_draws)]
    shapes = [s for d in drawn for s in d.shapes]
    sizes, bodies = recipe.voxel_size, recipe.shapes
    logs = np.log([max(s.half_axes) for s in shapes if s.kind in ("ellipsoid", "sphere", "cuboid")])
    lattices = [d.deformation.lattice for d in drawn if d.deformation.lattice is not None]
    tests = {
        "elastic spacing (mm)": ([u.spacing for u in lattices], *recipe.elastic.spacing),
        "elastic amplitude": ([u.amplitude for u in lattices], *recipe.elastic.amplitude),
        "gain": ([d.contrast.gain for d in drawn], *recipe.contrast.gain),
        "gamma": ([d.contrast.gamma for d in drawn], *recipe.contrast.gamma),
        "chi of blood (ppm)": ([s.chi for s in shapes if s.chi > 0], *bodies.blood),
        "chi of calcium (ppm)": ([s.chi for s in shapes if s.chi < 0], *bodies.calcium),
        "edge (mm)": ([s.edge for s in shapes], *bodies.edge),
        "log of the largest half-axis (mm)": (logs, *np.log(bodies.size)),
    }
    for i, axis in enumerate("xyz"):
        tests[f"voxel size {axis} (mm)"] = ([d.voxel_size[i] for d in drawn], sizes.min[i], sizes.max[i])
        tests[f"rotation {axis} (degrees)"] = ([d.deformation.rotation[i] for d in drawn], *recipe.pose.rotation)
    print(f"## Drawn parameters, {n_draws} draws, {len(shapes)} shapes\n")
    print("| parameter | range | least | greatest | KS distance | p |\n|---|---|---|---|---|---|")
    for name, (values, low_end, high_end) in tests.items():
        result = kstest(values, "uniform", args=(low_end, high_end - low_end))
        print(f"| {name} | {low_end:.3g} to {high_end:.3g} | {min(values):.3g} | {max(values):.3g} | ", end="")
        print(f"{result.statistic:.4f} | {result.pvalue:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source_dir", type=Path, help="folder that `qsmbench source` wrote")
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--draws", type=int, default=5000, help="for the uniformity of parameters")
    options = parser.parse_args()
    torch.set_num_threads(1)
    heads = load_heads(options.source_dir)
    source, recipe = heads.sources[0], Recipe()
    plain = recipe.model_copy(update={"shapes": recipe.shapes.model_copy(update={"enabled": False})})

    inside = source.chi[source.mask]
    factor = max(1, round(SLICE / source.grid.voxel_size[2]))
    of_source = spectra(
        thick(source.chi * source.mask, factor), thick(source.mask * 1.0, factor) >= 0.5, source.grid.voxel_size
    ).mean(axis=0)
    columns: dict[str, list[list[float]]] = {"without shapes": [], "with shapes": []}
    fields: dict[str, list[float]] = {name: [] for name in columns}
    powers: dict[str, list[np.ndarray]] = {name: [] for name in columns}
    quantisation = []
    for number in range(options.samples):
        for name, used in zip(columns, (plain, recipe), strict=True):
            made = sample_of(heads, used, seed=2019, name="statistics", number=number)
            chi, field = made.chi[made.mask], made.local_field[made.mask]
            columns[name].append([chi.mean(), chi.std(), chi.min(), chi.max(), made.parameters["gain"]])
            fields[name].append(float(field.std()))
            gain = made.parameters["gain"] if used is plain else 1.0
            powers[name].append(spectra(made.chi, made.mask, made.voxel_size).mean(axis=0) / gain**2)
            quantisation.append(float(np.std(np.rint(field / 1e-4) * 1e-4 - field)))

    print(f"## Chi in the mask, {options.samples} samples of {' x '.join(map(str, recipe.shape))}, ppm\n")
    print("| | mean | SD | least | greatest | SD / gain | SD of the field, ppb |\n|---|---|---|---|---|---|---|")
    print(f"| source | {inside.mean():.4f} | {inside.std():.4f} | {inside.min():.2f} | {inside.max():.2f} | | |")
    for name, rows in columns.items():
        table = np.array(rows)
        low, middle, high = np.percentile(table, [2.5, 50, 97.5], axis=0)
        ratio = np.percentile(table[:, 1] / table[:, 4], [2.5, 50, 97.5])
        spread = 1e3 * np.percentile(fields[name], [2.5, 50, 97.5])
        cells = [f"{m:.4f} ({a:.4f} to {b:.4f})" for a, m, b in zip(low[:2], middle[:2], high[:2], strict=True)]
        cells += [f"{m:.2f} ({a:.2f} to {b:.2f})" for a, m, b in zip(low[2:4], middle[2:4], high[2:4], strict=True)]
        cells += [f"{v[1]:.3g} ({v[0]:.3g} to {v[2]:.3g})" for v in (ratio, spread)]
        print(f"| samples {name} | {' | '.join(cells)} |")
    print("\nMedian over samples, and in brackets where 95 % of them lie.\n")
    print("## Power spectrum of chi in axial slices, ppm^2 mm^2\n")
    print("| 1/mm | source | samples without shapes | ratio | with shapes | ratio |\n|---|---|---|---|---|---|")
    medians = {name: np.nanmedian(np.array(rows), axis=0) for name, rows in powers.items()}
    for i, low_k in enumerate(EDGES[:-1]):
        a, b, c = of_source[i], medians["without shapes"][i], medians["with shapes"][i]
        print(f"| {low_k:g} to {EDGES[i + 1]:g} | {a:.2e} | {b:.2e} | {b / a:.2f} | {c:.2e} | {c / a:.1f} |")
    print(f"\nRounding of the field to 1e-4 ppm: {1e3 * np.mean(quantisation):.4f} ppb RMS in the mask.\n")
    uniformity(source, recipe, options.draws)


if __name__ == "__main__":
    main()
