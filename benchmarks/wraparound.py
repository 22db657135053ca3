"""How much wrap-around the padding of the dipole convolution leaves, and what it costs; prints Markdown tables.

A source in a volume just large enough for it is convolved with several paddings and two kernels:

- periodic: D(k) = 1/3 - (k.b)^2/|k|^2, what `DipoleConvolution` uses. The field of the periodic images falls with
  the cube of the padding.
- truncated: D_R(k) = D(k) (1 - 3 (sin q - q cos q) / q^3), q = 2 pi |k| R, the transform of the dipole field cut off
  beyond a distance R (Ronen, Bortolotti & Bohn 2006, doi 10.1103/PhysRevA.74.013623; the method is that of Vico,
  Greengard & Ferrando 2016, doi 10.1016/j.jcp.2016.07.028). No image is felt where the padded size is at least
  extent + R on each axis; what lies farther than R is missing. R = smallest margin, at most the volume's diagonal.

Reference: the periodic kernel, padded to ``--reference`` times each axis. Error: RMS of the difference over RMS of the
reference, on the source's own voxels, for three directions of B0; on the whole mask, and on its eight octants (median
and largest of the 24). The smooth part of the error (Gaussian of one voxel) leaves out the checkerboard that the jump
of an oblique kernel at the Nyquist frequency adds to sharp edges: no wrap-around, but it too varies with the padded
size. Times: process CPU time, one thread, float32, least of several runs.
"""

import argparse
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np
import scipy.fft
import torch
from scipy.ndimage import affine_transform, gaussian_filter

from qsmbench.core.grid import Grid, Shape, Triple
from qsmbench.data.nifti import read_volume
from qsmbench.physics.dipole import DipoleConvolution, dipole_kernel
from qsmbench.physics.fourier import FourierFilter, padded_shape

Fields: TypeAlias = dict[Triple, np.ndarray]

PADDINGS = (1.0, 1.25, 1.5, 2.0, 2.5, 3.0)
# Axial; tilted by 20 degrees as slices often are; and oblique to all axes.
TILT = math.radians(20)
DIRECTIONS: tuple[Triple, ...] = ((0, 0, 1), (0, math.sin(TILT), math.cos(TILT)), (0.5, 0.4, 0.77))
COLUMNS = (
    *("padding", "padded grid", "kernel", "axial", "tilted 20°", "oblique", "octants: median", "max", "smooth part"),
    *("kernel ms", "filter ms"),
)

# Putamen, globus pallidus and substantia nigra as ellipsoids: centre and semi-axes in mm (right side), ppm.
NUCLEI = (((24, 10, 4), (6, 12, 9), 0.08), ((16, 8, 0), (5, 8, 6), 0.15), ((11, -14, -14), (4, 7, 3), 0.12))


@dataclass(frozen=True)
class Source:
    """Susceptibility (ppm) in the smallest box that holds it, its mask and its voxel size (mm)."""

    chi: np.ndarray
    mask: np.ndarray
    voxel_size: Triple

    def grid(self, b0_dir: Triple) -> Grid:
        x, y, z = self.chi.shape
        return Grid((x, y, z), self.voxel_size, b0_dir)


def main() -> None:
    options = parse()
    source = from_nifti(options.chi) if options.chi else head(options.voxel_size or (1.0, 1.0, 1.0))
    if options.chi and options.voxel_size:
        source = resampled(source, options.voxel_size)
    torch.set_num_threads(1)
    if options.edges:
        edges(source)
        return
    truth = {b: reference(source, b, options.reference) for b in DIRECTIONS}
    size = " x ".join(f"{v:.4g}" for v in source.voxel_size)
    print(f"Source in {shape_text(source.chi.shape)} voxels of {size} mm, {int(source.mask.sum())} in the mask, chi of")
    print(f"{source.chi[source.mask].std():.3f} ppm SD; reference: periodic kernel, padding {options.reference:g}.\n")
    print("| " + " | ".join(COLUMNS) + " |\n" + "|---" * len(COLUMNS) + "|")
    for padding in options.padding:
        padded = padded_shape(source.chi.shape, padding)
        row(f"{padding:g}", source, padded, truth, "periodic", repeats=options.repeats)
        if padding > 1:
            row(f"{padding:g}", source, padded, truth, "truncated", repeats=options.repeats)
    if options.margins:
        extent = np.array(source.grid(DIRECTIONS[0]).extent)
        for label, margin in (("longest edge", extent.max()), ("diagonal", float(np.linalg.norm(extent)))):
            padded = with_margin(source, margin)
            for kernel in ("periodic", "truncated"):
                row(f"+ {label}", source, padded, truth, kernel, repeats=options.repeats)


def row(label: str, source: Source, padded: Shape, truth: Fields, kernel: str, *, repeats: int) -> None:
    make = periodic_kernel if kernel == "periodic" else truncated_kernel
    chi = torch.from_numpy(source.chi)
    fields, kernel_ms, filter_ms = {}, math.inf, math.inf
    for b0_dir in DIRECTIONS:
        grid = source.grid(b0_dir)
        for _ in range(repeats):
            multiplier, elapsed = timed(partial(make, grid, padded))
            kernel_ms = min(kernel_ms, elapsed)
            operator = FourierFilter(multiplier, grid.shape, padded)
            field, elapsed = timed(partial(operator, chi))
            filter_ms = min(filter_ms, elapsed)
        fields[b0_dir] = field.numpy()
    numbers = " | ".join(f"{100 * error:.2g} %" for error in errors(source.mask, fields, truth))
    print(f"| {label} | {shape_text(padded)} | {kernel} | {numbers} | {kernel_ms:.0f} | {filter_ms:.0f} |", flush=True)


def edges(source: Source) -> None:
    """Print how much of the difference between paddings 2 and 3.5 lies next to a Nyquist frequency."""
    x, y, z = (2 * np.abs(np.fft.fftfreq(n)) for n in source.chi.shape)
    near = (x[:, None, None] > 0.9) | (y[:, None] > 0.9) | (z > 0.9)
    chi = torch.from_numpy(source.chi)
    print(f"{100 * near.mean():.0f} % of all frequencies lie above 0.9 Nyquist on an axis.\n")
    print(
        "| B0 | RMS of the field (ppb) | difference of paddings 2 and 3.5 | of its energy above 0.9 Nyquist | along z |"
    )
    print("|---|---|---|---|---|")
    for b0_dir in DIRECTIONS:
        grid = source.grid(b0_dir)
        field, wanted = (DipoleConvolution(grid, padding)(chi).numpy() for padding in (2, 3.5))
        difference = np.where(source.mask, field - wanted, 0)
        power = np.abs(np.fft.fftn(difference)) ** 2
        share, along_z = power[near].sum() / power.sum(), power[:, :, z > 0.9].sum() / power.sum()
        level = rms(wanted[source.mask])
        ratio = rms(difference[source.mask]) / level
        direction = ", ".join(f"{b:.2f}" for b in grid.b0_dir)
        print(
            f"| {direction} | {1e3 * level:.1f} | {100 * ratio:.2g} % | {100 * share:.0f} % | {100 * along_z:.0f} % |"
        )


def errors(mask: np.ndarray, fields: Fields, truth: Fields) -> list[float]:
    """Relative errors: whole mask for each direction; octants' median and largest; smooth part (mean of directions)."""
    whole, octants, smooth = [], [], []
    for b0_dir, wanted in truth.items():
        error = fields[b0_dir] - wanted
        whole.append(rms(error[mask]) / rms(wanted[mask]))
        octants += [rms(error[octant]) / rms(wanted[octant]) for octant in octants_of(mask)]
        smooth.append(rms(gaussian_filter(error, 1.0)[mask]) / rms(wanted[mask]))
    return [*whole, float(np.median(octants)), max(octants), float(np.mean(smooth))]


def octants_of(mask: np.ndarray) -> list[np.ndarray]:
    halves = [(slice(0, n // 2), slice(n // 2, n)) for n in mask.shape]
    parts = []
    for x in halves[0]:
        for y in halves[1]:
            for z in halves[2]:
                part = np.zeros_like(mask)
                part[x, y, z] = mask[x, y, z]
                parts.append(part)
    return parts


def periodic_kernel(grid: Grid, padded: Shape) -> torch.Tensor:
    return dipole_kernel(padded, grid.voxel_size, grid.b0_dir)


def truncated_kernel(grid: Grid, padded: Shape) -> torch.Tensor:
    radius = min(
        float(np.linalg.norm(grid.extent)),
        *((p - n) * v for p, n, v in zip(padded, grid.shape, grid.voxel_size, strict=True)),
    )
    kx, ky, kz = (torch.from_numpy(k.astype(np.float64)) for k in frequencies(padded, grid.voxel_size))
    q = 2 * math.pi * radius * torch.sqrt(kx[:, None, None] ** 2 + ky[:, None] ** 2 + kz**2)
    q[0, 0, 0] = 1.0
    factor = 1 - 3 * (torch.sin(q) - q * torch.cos(q)) / q**3
    return periodic_kernel(grid, padded) * factor.float()


def reference(source: Source, b0_dir: Triple, padding: float) -> np.ndarray:
    """The periodic kernel at a padding too large to hold at once: a slab of kz at a time, in single precision."""
    nx, ny, nz = source.chi.shape
    padded = px, _, pz = padded_shape(source.chi.shape, padding)
    k = frequencies(padded, source.voxel_size)
    # As in `dipole_kernel`: mixed terms vanish on Nyquist planes.
    odd = [np.where(np.abs(ki) * 2 * v > 1 - 1e-9, 0, ki) for ki, v in zip(k, source.voxel_size, strict=True)]
    bx, by, bz = source.grid(b0_dir).b0_dir
    spectrum = scipy.fft.fft(scipy.fft.rfft(source.chi, n=pz, axis=2), n=padded[1], axis=1)
    result = np.empty((nx, ny, spectrum.shape[2]), spectrum.dtype)
    x, y = k[0][:, None, None], k[1][:, None]
    odd_x, odd_y = odd[0][:, None, None], odd[1][:, None]
    slab = 8
    for start in range(0, spectrum.shape[2], slab):
        z, odd_z = k[2][start : start + slab], odd[2][start : start + slab]
        k2 = x**2 + y**2 + z**2
        kb2 = (bx * x) ** 2 + (by * y) ** 2 + (bz * z) ** 2
        kb2 += 2 * (bx * by * odd_x * odd_y + bx * bz * odd_x * odd_z + by * bz * odd_y * odd_z)
        k2[k2 == 0] = np.inf
        kernel = np.where(np.isinf(k2), 0, 1 / 3 - kb2 / k2).astype(np.float32)
        part = scipy.fft.fft(spectrum[:, :, start : start + slab], n=px, axis=0) * kernel
        part = scipy.fft.ifft(part, axis=0)[:nx]
        result[:, :, start : start + slab] = scipy.fft.ifft(part, axis=1)[:, :ny]
    field: np.ndarray = scipy.fft.irfft(result, n=pz, axis=2)[:, :, :nz]
    return field


def frequencies(padded: Shape, voxel_size: Triple) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    (px, py, pz), (vx, vy, vz) = padded, voxel_size
    return np.fft.fftfreq(px, vx), np.fft.fftfreq(py, vy), np.fft.rfftfreq(pz, vz)


def with_margin(source: Source, margin: float) -> Shape:
    x, y, z = (
        int(scipy.fft.next_fast_len(n + math.ceil(margin / v), real=True))
        for n, v in zip(source.chi.shape, source.voxel_size, strict=True)
    )
    return (x, y, z)


def from_nifti(path: str) -> Source:
    """A susceptibility map in ppm, zero outside its mask."""
    volume = read_volume(path)
    return boxed(volume.data, volume.voxel_size)


def head(voxel_size: Triple) -> Source:
    """An ellipsoid of 140 x 172 x 136 mm with grey and white matter folded into each other, deep nuclei and veins.

    In ppm: white matter -0.01, cortex 0.03, nuclei as in NUCLEI, a sagittal sinus of 0.3; of the order of the 2016
    COSMOS map, whose standard deviation in the brain is 0.028 ppm.
    """
    radii = np.array([70.0, 86.0, 68.0])
    half = np.ceil(radii / voxel_size).astype(int)
    x, y, z = (np.arange(-h, h + 1) * v for h, v in zip(half, voxel_size, strict=True))
    x, y, z = np.meshgrid(x, y, z, indexing="ij", sparse=True)
    r = np.sqrt((x / radii[0]) ** 2 + (y / radii[1]) ** 2 + (z / radii[2]) ** 2)
    folds = np.sin(x / 5) * np.sin(y / 6) * np.sin(z / 5.5)
    chi = np.where((r > 0.8) & (folds > 0), 0.03, -0.01)
    for side in (-1, 1):
        for centre, semi_axes, value in NUCLEI:
            d = sum(((p - c) / s) ** 2 for p, c, s in zip((side * x, y, z), centre, semi_axes, strict=True))
            chi = np.where(d < 1, value, chi)
    veins = ((x**2 + (z - 0.9 * radii[2] * np.sqrt(np.clip(1 - (y / radii[1]) ** 2, 0, None))) ** 2) < 9) & (r < 1)
    chi = np.where(veins, 0.3, chi)
    return boxed(np.where(r < 1, chi, 0).astype(np.float32), voxel_size)


def boxed(chi: np.ndarray, voxel_size: Triple) -> Source:
    inside = np.argwhere(chi != 0)
    box = tuple(slice(low, high) for low, high in zip(inside.min(0), inside.max(0) + 1, strict=True))
    chi = np.ascontiguousarray(chi[box])
    return Source(chi, chi != 0, voxel_size)


def resampled(source: Source, voxel_size: Triple) -> Source:
    """The same body in other voxels (trilinear)."""
    scale = np.array(voxel_size) / source.voxel_size
    shape = tuple(math.ceil(n / s) for n, s in zip(source.chi.shape, scale, strict=True))
    return boxed(affine_transform(source.chi, scale, output_shape=shape, order=1), voxel_size)


def timed(call: Callable[[], torch.Tensor]) -> tuple[torch.Tensor, float]:
    start = time.process_time()
    result = call()
    return result, 1e3 * (time.process_time() - start)


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


def shape_text(shape: tuple[int, ...]) -> str:
    return "x".join(str(n) for n in shape)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chi", help="NIfTI, ppm, zero outside the mask; default: an ellipsoidal head")
    parser.add_argument("--voxel-size", type=float, nargs=3, help="mm; make or resample the source")
    parser.add_argument("--padding", type=float, nargs="+", default=PADDINGS)
    parser.add_argument("--reference", type=float, default=5.0, help="padding of the reference, 5 or more")
    parser.add_argument("--repeats", type=int, default=2, help="timed runs for each direction of B0")
    parser.add_argument("--margins", action="store_true", help="also pad every axis by one length in mm")
    parser.add_argument("--edges", action="store_true", help="only show where in k-space paddings 2 and 3.5 differ")
    options = parser.parse_args()
    if options.reference < 5:
        parser.error("--reference must be at least 5")
    options.voxel_size = tuple(options.voxel_size) if options.voxel_size else None
    return options


if __name__ == "__main__":
    main()
