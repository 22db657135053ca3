"""Where the error of a simulated scan's local field comes from: one cause after the other, in one table.

python benchmarks/field_errors.py research healthy --scale 2 2 1     # the defaults; --scale 1 1 1: the full matrix

Each row hands RESHARP a field in a mask and compares what it leaves with the true local field, demeaned, on the voxels
of the true brain that lie more than RESHARP's radius inside it and inside the row's mask:

    local alone          the true local field: what RESHARP itself cannot keep (smooth parts, sources near the rim)
    background alone     the true background, as a share of the local field's RMS: what gets through
    true total           both
    ... and noise        with the noise that the fit states for each voxel
    points               the fit of echoes without noise whose voxels hold one field each (no partial volume)
    fit, true mask       the fit of echoes without noise, as a scanner sees them, in the true brain as it is
    fit, refined         the same in the true brain refined by the fit
    fit, own mask        the same in the mask that the preparation makes
    fit, own mask, noise all of it: what `qsmbench prepare` gives

The last column leaves out what lies nearer than 8 mm to a lesion or another source of more than 0.5 ppm.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse

import numpy as np
import torch
from scipy import ndimage

from qsmbench.core.seeds import generator_for
from qsmbench.core.units import ppm_to_rad
from qsmbench.preparation.background.contract import Total
from qsmbench.preparation.background.remove import remove
from qsmbench.preparation.echoes import Echoes
from qsmbench.preparation.field_fit import fit_field
from qsmbench.preparation.mask import first_mask, refine
from qsmbench.preparation.settings import PreparationSettings, Resharp
from qsmbench.simulation.acquisition.cases import CASES
from qsmbench.simulation.acquisition.head import phantom_head
from qsmbench.simulation.acquisition.protocol import PROTOCOLS
from qsmbench.simulation.acquisition.scan import simulate

STRONG, NEAR = 0.5, 8.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("protocol", nargs="?", choices=PROTOCOLS, default="research")
    parser.add_argument("case", nargs="?", choices=CASES, default="healthy")
    parser.add_argument("--scale", type=float, nargs=3, metavar=("X", "Y", "Z"), default=(2.0, 2.0, 1.0))
    given = parser.parse_args()
    torch.set_num_threads(1)
    protocol, case = PROTOCOLS[given.protocol].scaled(tuple(given.scale)), CASES[given.case]
    head = phantom_head(protocol, case.iron, 0)

    quiet = simulate(head, protocol, case, generator_for("benchmark"), snr=0)
    points = simulate(head, protocol, case, generator_for("benchmark"), snr=0, partial_volume=False)
    grid, brain, local, total = quiet.grid, quiet.mask, quiet.local_field, quiet.total_field
    settings = PreparationSettings()
    depth = ndimage.distance_transform_edt(brain, sampling=grid.voxel_size)
    strong = brain & (np.abs(quiet.chi) > STRONG)
    apart = ndimage.distance_transform_edt(~strong, sampling=grid.voxel_size) > NEAR if strong.any() else brain
    inner = brain & (depth > Resharp().radius)
    turn = 2 * np.pi / ppm_to_rad(1.0, protocol.b0, protocol.echo_times[1] - protocol.echo_times[0])

    def echoes_of(images):
        phase, magnitude = np.angle(images).astype(np.float32), np.abs(images).astype(np.float32)
        return Echoes(phase, magnitude, grid, protocol.echo_times, protocol.b0)

    def row(label, field, mask, reference=local):
        kept = remove(
            Total(torch.from_numpy(np.where(mask, field, 0).astype(np.float32)), torch.from_numpy(mask), grid, None),
            Resharp(),
        )
        left, where = kept.field.numpy(), kept.mask.numpy() & inner
        off = (field - total)[mask & brain] - turn * np.round(np.median((field - total)[mask & brain]) / turn)
        off -= np.median(off)
        found = "" if reference is not local or label == "local alone" else f"{1e3 * np.sqrt(np.mean(off**2)):.1f}"
        errors = [percent(left, reference, local, part) for part in (where, where & apart)]
        share = 100 * where.sum() / brain.sum()
        beyond, lost = 100 * (mask & ~brain).sum() / mask.sum(), 100 * (brain & ~mask).sum() / brain.sum()
        print(
            f"| {label} | {found} | {beyond:.1f} | {lost:.1f} | {share:.1f} | {errors[0]:.1f} | {errors[1]:.1f} |",
            flush=True,
        )

    heading(given.protocol, given.case, protocol, [1e3 * f[inner].std() for f in (local, total - local)])
    row("local alone", local, brain)
    row("background alone", total - local, brain, np.zeros_like(local))
    row("true total", total, brain)
    images = np.stack(quiet.echoes)
    rng = generator_for("benchmark noise")
    level = float(np.abs(images[0][brain]).mean()) / protocol.snr
    noise = level * (rng.standard_normal(images.shape) + 1j * rng.standard_normal(images.shape))
    silent, echoes = echoes_of(images), echoes_of(images + noise)
    deviation = fit_field(echoes, brain, settings.fit).field_noise * rng.standard_normal(brain.shape)
    row("... and noise", total + deviation.astype(np.float32), brain)
    row("points", fit_field(echoes_of(np.stack(points.echoes)), brain, settings.fit).total_field, brain)
    fit = fit_field(silent, brain, settings.fit)
    row("fit, true mask", fit.total_field, brain)
    row("fit, refined", fit.total_field, refine(brain, fit, settings.mask, silent))
    own = first_mask(echoes, settings.mask)
    fit = fit_field(silent, own, settings.fit)
    row("fit, own mask", fit.total_field, refine(own, fit, settings.mask, silent))
    fit = fit_field(echoes, own, settings.fit)
    row("fit, own mask, noise", fit.total_field, refine(own, fit, settings.mask, echoes))


def heading(name, subject, protocol, spread):
    sizes = " x ".join(f"{v:.3g}" for v in protocol.voxel_size)
    print(f"{name}, {subject}: {protocol.matrix}, {sizes} mm, SNR {protocol.snr:.0f};")
    print(
        f"more than 6 mm inside the brain the local field has {spread[0]:.1f} ppb, the background {spread[1]:.0f} ppb\n"
    )
    print(
        "| what | total, RMS ppb | beyond brain % | brain lost % | scored % of brain | NRMSE % | away from lesions % |"
    )
    print("|---|---|---|---|---|---|---|")


def percent(left, reference, local, where):
    """RMS of the demeaned difference over that of the demeaned local field, in percent."""
    difference = (left - reference)[where]
    return 100 * (difference - difference.mean()).std() / local[where].std()


if __name__ == "__main__":
    main()
