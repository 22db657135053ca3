"""INR-QSM: what an epoch of the published network costs here, and errors against other methods with noise.

    python benchmarks/inr.py --chi CHI --mask MASK                     errors of `fast` and others on that head's field
    python benchmarks/inr.py --chi CHI --mask MASK --paper             one patch step of `paper`: seconds, memory

Prints Markdown. Times are process CPU times on one thread. `paper` takes days on a CPU: what is measured are a few
pieces of the network with and without gradients and the physics of a patch; a step is those times its number of tissue
voxels, an epoch its patches. The peak of memory is reached in the first piece that has a gradient.
"""

import argparse
import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from qsmbench.core.grid import Grid
from qsmbench.core.scan import Scan
from qsmbench.data.nifti import read_mask, read_volume
from qsmbench.methods.contract import Method
from qsmbench.methods.crop import crop_scan, mask_box
from qsmbench.methods.fastqsm import fast_qsm
from qsmbench.methods.field_loss import FieldLoss, Terms, edge_weights
from qsmbench.methods.inr import INRQSM, patches
from qsmbench.methods.neural_fit import lattice_axes
from qsmbench.methods.registry import build
from qsmbench.metrics.registry import score
from qsmbench.networks.neural_field import pieces
from qsmbench.networks.siren import Siren
from qsmbench.physics.dipole import DipoleConvolution, forward_field
from qsmbench.physics.patches import outside_field, patch_filter

METRICS = ("rmse", "hfen", "xsim")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chi", type=Path, required=True, help="susceptibility map, ppm")
    parser.add_argument("--mask", type=Path, required=True)
    parser.add_argument("--noise", type=float, nargs="+", default=[0.0, 0.0025, 0.005], help="ppm")
    parser.add_argument("--every", type=int, default=1, help="take every n-th voxel")
    parser.add_argument("--methods", nargs="+", default=["inr-qsm"], help="NAME or NAME:OPTION=VALUE,...")
    parser.add_argument("--paper", action="store_true", help="measure a step of the published network instead")
    options = parser.parse_args()
    torch.set_num_threads(1)
    volume = read_volume(options.chi)
    step = options.every
    mask = read_mask(options.mask, like=volume)[::step, ::step, ::step].copy()
    chi = torch.from_numpy(volume.data[::step, ::step, ::step] * mask)
    grid = Grid.from_affine(mask.shape, volume.affine @ np.diag([step, step, step, 1]))
    clean = forward_field(chi, grid)
    if options.paper:
        paper_step(Scan(clean, mask, grid))
        return
    print("| noise, ppb | method | RMSE (%) | HFEN (%) | XSIM | CPU s | steps |\n|---|---|---|---|---|---|---|")
    for noise in options.noise:
        white = np.random.default_rng(0).standard_normal(grid.shape, dtype=np.float32)
        scan = Scan(clean + noise * torch.from_numpy(white), mask, grid)
        for text in options.methods:
            errors(text, noise, scan, chi)


def errors(text: str, noise: float, scan: Scan, chi: torch.Tensor) -> None:
    name, _, given = text.partition(":")
    method: Method = build(name, dict(pair.split("=") for pair in given.split(",")) if given else {})
    started = time.process_time()
    found = method.reconstruct(scan)
    seconds = time.process_time() - started
    values = score(found.chi.numpy(), chi.numpy(), scan.mask.numpy(), scan.grid.voxel_size, METRICS)
    n_steps = len(found.convergence[0].values) if found.convergence else 0
    print(
        f"| {1000 * noise:g} | {text} | {values['rmse']:.1f} | {values['hfen']:.1f} | {values['xsim']:.3f} "
        f"| {seconds:.0f} | {n_steps or ''} |",
        flush=True,
    )


N_PIECES = 3


def paper_step(scan: Scan) -> None:
    """Time the parts of a patch step: some pieces of the network, with and without gradients, and the physics."""
    method = INRQSM(preset="paper")
    box = mask_box(scan.mask)
    work = crop_scan(scan, box)
    whole = DipoleConvolution(work.grid, method.padding)
    boxes = patches(work.mask, method)
    fullest = max(boxes, key=lambda b: int(work.mask[b].sum()))
    inside = work.mask[fullest]
    shape = (inside.shape[0], inside.shape[1], inside.shape[2])
    network = Siren(max(work.grid.extent), method.layers, method.width, method.omega)
    axes = [a[s] for a, s in zip(lattice_axes(work.grid), fullest, strict=True)]
    runs = list(pieces(inside, method.chunk))[:N_PIECES]
    n_run = sum(len(index) for index in runs)

    def forward() -> None:
        with torch.no_grad():
            for index in runs:
                network.on_lattice(axes, index)

    def both() -> None:
        for index in runs:
            network.on_lattice(axes, index).sum().backward()

    chi = torch.zeros(inside.shape, requires_grad=True)
    edges = edge_weights(fast_qsm(work, whole), work.mask, work.grid.voxel_size, (50, 70), 0.0)
    loss_of = FieldLoss(work, Terms(0.15, "l2", 0.03, 1.0), edges, 0.01, 0)
    operator = patch_filter(whole, shape)
    current = torch.zeros(work.grid.shape)

    def physics() -> None:
        outside = outside_field(current, current, fullest, operator)
        loss_of(chi, operator(chi), fullest, outside)[0].backward()

    seconds = [cpu(task) for task in (forward, both, physics)]
    network_s = (seconds[0] + seconds[1]) / n_run
    n_all = sum(int(work.mask[b].sum()) for b in boxes)
    epoch = network_s * n_all + seconds[2] * len(boxes)
    predict = seconds[0] / n_run * int(work.mask.sum())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1.024e-6
    step = network_s * int(inside.sum()) + seconds[2]
    rate = 2 * (3 * 512 + 9 * 512**2 + 512) * n_run / seconds[0] / 1e9
    print("| what | measured |\n|---|---|")
    print(f"| network, forward | {1e6 * seconds[0] / n_run:.0f} us a point, {rate:.0f} GFLOP/s |")
    print(f"| network, forward and gradient | {1e6 * seconds[1] / n_run:.0f} us a point |")
    print(f"| physics and loss of a patch | {seconds[2]:.1f} s |")
    print(f"| step on the fullest patch ({int(inside.sum())} tissue voxels) | {step:.0f} s |")
    print(f"| epoch of {len(boxes)} patches ({n_all} tissue voxels) | {epoch:.0f} s |")
    print(f"| prediction of the whole ({int(work.mask.sum())} tissue voxels), every 5 epochs | {predict:.0f} s |")
    print(f"| 50 epochs | {(50 * epoch + 10 * predict) / 3600:.0f} h |")
    print(f"| peak memory of the process | {peak:.1f} GB |")


def cpu(task: Callable[[], None]) -> float:
    started = time.process_time()
    task()
    return time.process_time() - started


if __name__ == "__main__":
    main()
