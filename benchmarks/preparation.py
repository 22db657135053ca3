"""Time and peak memory of each step of the preparation, on a simulated head; prints a Markdown table.

The head is an ellipsoid with a bright scalp, a dark skull, a brain with spheres of 0.1 ppm, and air in a sinus below
it; its echoes carry an offset phase and noise (SNR 50 at the first echo). It has the anatomy that costs time (a surface
to find, wraps to undo, a rim to remove) and no other. Times are wall-clock and process CPU times of one run; the peak
is that of the whole process during the step (Linux: VmHWM), imports and the echoes themselves included.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from qsmbench.core.grid import Grid
from qsmbench.core.units import ppm_to_rad
from qsmbench.physics.dipole import forward_field
from qsmbench.preparation import swi
from qsmbench.preparation.background.contract import Total
from qsmbench.preparation.background.remove import remove
from qsmbench.preparation.echoes import Echoes
from qsmbench.preparation.field_fit import fit_field
from qsmbench.preparation.mask import first_mask, refine
from qsmbench.preparation.pipeline import prepare
from qsmbench.preparation.polarity import asymmetry
from qsmbench.preparation.relaxation import fit_r2star
from qsmbench.preparation.settings import FieldFitSettings, Pdf, PreparationSettings, Resharp, SwiSettings, Vsharp

AIR = 9.4
ECHO_TIMES = (0.0104, 0.0174, 0.0244, 0.0314)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", type=int, nargs=3, default=(320, 256, 64))
    parser.add_argument("--voxel-size", type=float, nargs=3, default=(0.6, 0.75, 2.0), help="mm")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    grid = Grid(tuple(options.shape), tuple(options.voxel_size))
    echoes = head(grid)
    # Numba compiles on first use (or reads its cache): not part of a step.
    warm_up()
    settings = PreparationSettings()
    nx, ny, nz = grid.shape
    print(f"{nx} x {ny} x {nz} voxels, {echoes.n_echoes} echoes, {options.threads} thread(s)\n")
    print("| step | wall s | CPU s | peak GB |\n|---|---|---|---|")
    mask = timed("mask: brain extraction", lambda: first_mask(echoes, settings.mask))
    timed("field fit, linear, Laplacian", lambda: fit_field(echoes, mask, LINEAR))
    fit = timed("field fit, complex, path following", lambda: fit_field(echoes, mask, settings.fit))
    mask = timed("mask: refinement", lambda: refine(mask, fit, settings.mask, echoes))
    total = Total(
        torch.from_numpy(fit.total_field * mask), torch.from_numpy(mask), grid, torch.from_numpy(fit.field_noise * mask)
    )
    local = timed("RESHARP, 6 mm", lambda: remove(total, Resharp()))
    timed("V-SHARP", lambda: remove(total, Vsharp(kind="vsharp")))
    timed("PDF", lambda: remove(total, Pdf(kind="pdf")))
    timed("check of the phase's sign", lambda: asymmetry(local.field.numpy(), local.mask.numpy(), grid))
    timed("R2*", lambda: fit_r2star(echoes.magnitude, echoes.echo_times, mask))
    timed("SWI", lambda: swi.swi(echoes, SwiSettings()))
    timed("**all, default settings**", lambda: prepare(echoes, settings))


LINEAR = FieldFitSettings(model="linear", unwrapping="laplacian")


def timed(what: str, step: Callable[[], Any]) -> Any:
    Path("/proc/self/clear_refs").write_text("5")
    wall, cpu = time.perf_counter(), time.process_time()
    result = step()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"| {what} | {wall:.1f} | {cpu:.1f} | {peak():.2f} |", flush=True)
    return result


def peak() -> float:
    status = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in status if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024**2


def head(grid: Grid) -> Echoes:
    rng = np.random.default_rng(0)
    axes = [(np.arange(n) - n / 2) * v for n, v in zip(grid.shape, grid.voxel_size, strict=True)]
    x, y, z = np.meshgrid(*axes, indexing="ij", sparse=True)
    ex, ey, ez = (0.5 * e for e in grid.extent)
    radius = np.sqrt((x / ex) ** 2 + (y / ey) ** 2 + (z / (1.6 * ez)) ** 2)
    brain, scalp = radius < 0.78, (radius > 0.86) & (radius < 0.95)
    sinus = ((y - 0.62 * ey) ** 2 + x**2 + (z + 0.7 * ez) ** 2) < 15**2
    brain &= ~sinus
    chi = np.where(radius > 0.95, AIR, 0.0).astype(np.float32)
    chi[np.broadcast_to(sinus, chi.shape)] = AIR
    for _ in range(40):
        cx, cy, cz = rng.uniform(-0.5, 0.5, 3) * (ex, ey, ez)
        chi[np.broadcast_to((x - cx) ** 2 + (y - cy) ** 2 + (z - cz) ** 2 < rng.uniform(2, 6) ** 2, chi.shape)] += 0.1
    field = forward_field(torch.from_numpy(chi), grid, padding=1.25).numpy()
    field -= np.median(field[brain])
    field += (0.3 * x / ex - 0.4 * y / ey * z / ez).astype(np.float32)
    proton = np.where(brain, 1.0, np.where(scalp, 0.9, 0.05)).astype(np.float32)
    proton[np.broadcast_to(sinus, proton.shape)] = 0.0
    offset = 0.8 * x / ex + 0.5 * y / ey
    phase = np.empty((len(ECHO_TIMES), *grid.shape), np.float32)
    magnitude = np.empty_like(phase)
    for j, t in enumerate(ECHO_TIMES):
        signal = proton * np.exp(-20 * t) * np.exp(1j * (offset + ppm_to_rad(field, 3.0, t)))
        signal += 0.016 * (rng.standard_normal(grid.shape) + 1j * rng.standard_normal(grid.shape))
        phase[j], magnitude[j] = np.angle(signal), np.abs(signal)
    return Echoes(phase, magnitude, grid, ECHO_TIMES, 3.0, "simulated head")


def warm_up() -> None:
    grid = Grid((64, 64, 32), (3.0, 3.0, 5.0))
    small = head(grid)
    mask = first_mask(small, PreparationSettings().mask)
    fit_field(small, mask, FieldFitSettings())


if __name__ == "__main__":
    main()
