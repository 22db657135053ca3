"""Every background removal on simulated scans: a table, and the figure of docs/preparation.md.

python benchmarks/background.py docs/background.png      # some minutes of CPU a scan

Each removal is given the true total field, and then what `qsmbench prepare` measures with mask.two_pass, in the mask
that the preparation makes. NRMSE in percent of the true local field, demeaned, on the voxels of the brain that lie more
than 6 mm inside it and where the removal holds; beside it what share of the brain it keeps at all. The line is what no
removal can tell: the harmonic part of the true local field in the mask.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from qsmbench.core.grid import Grid
from qsmbench.core.seeds import generator_for
from qsmbench.physics.harmonic import without_harmonic
from qsmbench.preparation.background.contract import Total
from qsmbench.preparation.background.remove import remove
from qsmbench.preparation.echoes import Echoes
from qsmbench.preparation.field_fit import fit_field
from qsmbench.preparation.mask import first_mask, refine
from qsmbench.preparation.settings import (
    Ismv,
    Joint,
    Lbv,
    MaskSettings,
    Pdf,
    PreparationSettings,
    Resharp,
    Sharp,
    Vsharp,
)
from qsmbench.preparation.two_pass import continued, strict_mask
from qsmbench.simulation.acquisition.cases import CASES
from qsmbench.simulation.acquisition.head import phantom_head
from qsmbench.simulation.acquisition.protocol import PROTOCOLS
from qsmbench.simulation.acquisition.scan import simulate

SCANS = (
    ("research", "healthy", (2, 2, 1)),
    ("research", "hemorrhage", (2.48, 2.5, 1.49)),
    ("clinical", "calcification", (2.5, 2.5, 1)),
)
REMOVALS = {
    "RESHARP 6 mm": Resharp(),
    "RESHARP 12 mm": Resharp(radius=12),
    "SHARP 6 mm": Sharp(kind="sharp"),
    "iSMV 5 mm": Ismv(kind="ismv"),
    "V-SHARP 8-3 mm": Vsharp(kind="vsharp"),
    "LBV": Lbv(kind="lbv"),
    "PDF": Pdf(kind="pdf"),
    "joint": Joint(kind="joint"),
}
INSIDE = 6.0


@dataclass(frozen=True, eq=False)
class Case:
    """A scan's true fields, the measured one, and the mask of the preparation."""

    name: str
    grid: Grid
    brain: NDArray[np.bool_]
    mask: NDArray[np.bool_]
    local: NDArray[np.float32]
    total: NDArray[np.float32]
    measured: NDArray[np.float32]
    noise: NDArray[np.float32]


def simulated(protocol_name: str, subject: str, scale: tuple[float, float, float]) -> Case:
    """Simulate a scan and measure its total field."""
    protocol, case = PROTOCOLS[protocol_name].scaled(scale), CASES[subject]
    quiet = simulate(phantom_head(protocol, case.iron, 0), protocol, case, generator_for("benchmark"), snr=0)
    images, rng = np.stack(quiet.echoes), generator_for("benchmark noise")
    level = float(np.abs(images[0][quiet.mask]).mean()) / protocol.snr
    images = images + level * (rng.standard_normal(images.shape) + 1j * rng.standard_normal(images.shape))
    phase, magnitude = np.angle(images).astype(np.float32), np.abs(images).astype(np.float32)
    echoes = Echoes(phase, magnitude, quiet.grid, protocol.echo_times, protocol.b0)
    settings = PreparationSettings()
    own = first_mask(echoes, settings.mask)
    fit = fit_field(echoes, own, settings.fit)
    own = refine(own, fit, settings.mask, echoes)
    strict = strict_mask(own, fit, MaskSettings())
    measured = continued(fit.total_field, strict, own, quiet.grid.voxel_size)
    noise = np.where(own & ~strict, fit.field_noise.max(), fit.field_noise)
    name = f"{protocol_name}, {subject}"
    return Case(name, quiet.grid, quiet.mask, own, quiet.local_field, quiet.total_field, measured, noise)


def compare(case: Case) -> tuple[dict[str, tuple[float, float, float]], float]:
    """Return by removal NRMSE from the true total, NRMSE as measured, kept share of the brain; and the bound."""
    inner = case.brain & (ndimage.distance_transform_edt(case.brain, sampling=case.grid.voxel_size) > INSIDE)
    found = {}
    for name, settings in REMOVALS.items():
        errors = []
        for field in (case.total, case.measured):
            total = torch.from_numpy(np.where(case.mask, field, 0).astype(np.float32))
            left = remove(Total(total, torch.from_numpy(case.mask), case.grid, torch.from_numpy(case.noise)), settings)
            where = left.mask.numpy() & inner
            errors.append(percent(left.field.numpy() - case.local, case.local, where))
        found[name] = (*errors, 100 * float((left.mask.numpy() & case.brain).sum() / case.brain.sum()))
        shown = " | ".join(f"{v:.1f}" for v in found[name])
        print(f"| {case.name} | {name} | {shown} |", flush=True)
    known = case.mask & case.brain
    harmonic = case.local - without_harmonic(case.local, known, case.grid.voxel_size)
    bound = percent(harmonic, case.local, known & inner)
    print(f"| {case.name} | harmonic part of the truth | {bound:.1f} | | |", flush=True)
    return found, bound


def percent(part: NDArray[np.float32], local: NDArray[np.float32], where: NDArray[np.bool_]) -> float:
    """RMS of a part, demeaned, over that of the local field, in percent."""
    return 100 * float(part[where].astype(np.float64).std() / local[where].astype(np.float64).std())


def draw(results: dict[str, tuple[dict[str, tuple[float, float, float]], float]], out: Path) -> None:
    """Draw a panel a scan: error over what is kept of the brain."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(results), figsize=(4 * len(results), 4.2), sharey=True, squeeze=False)
    for axis, (name, (found, bound)) in zip(axes[0], results.items(), strict=True):
        for number, (method, (true, measured, kept)) in enumerate(found.items()):
            colour = f"C{number}"
            axis.plot([kept, kept], [true, measured], color=colour, linewidth=1)
            axis.plot(kept, true, "o", color=colour, markerfacecolor="white")
            axis.plot(kept, measured, "o", color=colour, label=method)
        axis.axhline(bound, color="black", linestyle="--", linewidth=1)
        axis.set(title=name, xlabel="kept of the brain (%)", ylim=(0, 110))
    axes[0][0].set_ylabel("NRMSE of the local field (%)")
    axes[0][0].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(out, dpi=80)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figure", nargs="?", type=Path, default=Path("background.png"), help="default: %(default)s")
    given = parser.parse_args()
    torch.set_num_threads(1)
    print("| scan | removal | true total % | measured % | kept of the brain % |\n|---|---|---|---|---|")
    results = {}
    for protocol, subject, scale in SCANS:
        case = simulated(protocol, subject, scale)
        results[case.name] = compare(case)
    draw(results, given.figure)


if __name__ == "__main__":
    main()
