"""What the networks cost: parameters, file, training step, inference; prints Markdown tables.

Parameters and files need no run. A step is a forward and backward pass of a batch of four samples with four voxel
sizes, weights of Meta-QSM against plain convolutions in turns (a-b-b-a), so that what else the machine does falls on
both; CPU time of the process, one thread. Inference is one volume at one voxel size, kernels predicted beforehand.
With --store, a training set: what it takes to read its samples, as a training does.
"""

import argparse
import io
import resource
import time
from pathlib import Path

import torch

from qsmbench.data.store import StoredSet
from qsmbench.networks.architectures import ARCHITECTURES, architecture
from qsmbench.networks.scaling import Scaling
from qsmbench.networks.unet import UNet
from qsmbench.networks.wpconv import specialise
from qsmbench.training.batches import Batches, Pick

SCALING = Scaling(1.0, 1.0, (0.0, 0.0, 1.0), (0.3, 0.3, 0.3))
B0 = torch.tensor([[0.0, 0.0, 1.0]])
SIZES = torch.tensor([[0.8, 0.8, 2.0], [1.0, 1.0, 3.0], [1.2, 0.8, 2.5], [0.9, 1.1, 3.5]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--channels", type=int, default=8)
    parser.add_argument("--levels", type=int, default=3)
    parser.add_argument("--shape", type=int, nargs=3, default=(64, 64, 32), help="of a training sample")
    parser.add_argument("--volume", type=int, nargs=3, default=(256, 256, 64), help="of inference")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--store", type=Path, help="Zarr folder of a training set")
    parser.add_argument("--read", type=int, default=24, help="samples to read of it")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.store is not None:
        print_reading(options)
    print_costs()
    print_steps(options)
    print_inference(options)


def new(name: str, channels: int, levels: int, **more: object) -> UNet:
    torch.manual_seed(0)
    told = architecture(name).knows_voxel_size
    return architecture(name, {"channels": channels, "levels": levels, **(more if told else {})}).module()


def print_costs() -> None:
    """Parameters and half-precision files by width of the network and of the predictor."""
    print("| network | channels | levels | hidden | head | parameters | MB in half precision |")
    print("|---|---|---|---|---|---|---|")
    rows = [(name, 16, 4, {}) for name in ARCHITECTURES if not architecture(name).knows_voxel_size]
    rows += [("meta-qsm", 16, 4, {"hidden": [32, rank], "head": "full"}) for rank in (2, 4, 8)]
    rows += [("meta-qsm", 16, 4, {"hidden": [32, 8], "head": "modulated"})]
    rows += [("meta-qsm", 8, 3, {"hidden": [16, 4], "head": "full"})]
    for name, channels, levels, more in rows:
        module = new(name, channels, levels, **more)
        buffer = io.BytesIO()
        torch.save({k: v.half() if v.is_floating_point() else v for k, v in module.state_dict().items()}, buffer)
        n = sum(p.numel() for p in module.parameters())
        hidden = "-".join(map(str, more.get("hidden", []))) or "–"
        print(
            f"| {name} | {channels} | {levels} | {hidden} | {more.get('head', '–')} | {n / 1e6:.2f} M | "
            f"{len(buffer.getvalue()) / 1e6:.1f} |"
        )
    print()


def print_reading(options: argparse.Namespace) -> None:
    """Samples a second of one loading thread: the field alone, with its L2 map made, and with that map kept."""
    stored = StoredSet(options.store)
    shape = "x".join(map(str, stored.grid(0).shape))
    print(f"Reading samples of {shape}, patches of {'x'.join(map(str, options.shape))}, one thread\n")
    print("| what | CPU s a sample | samples a CPU second |\n|---|---|---|")
    common = {"batch_size": 4, "seed": 0, "scaling": SCALING, "architecture": architecture("meta-qsm")}
    indices = list(range(min(options.read, len(stored))))
    corrected = Batches(stored, indices, **common, patch=tuple(options.shape), first_map="l2")
    alone = Batches(stored, indices, **common, patch=tuple(options.shape))
    alone.load([Pick(0, 0)])
    for label, batches in (("field", alone), ("field, L2 map made", corrected), ("field, L2 map kept", corrected)):
        started = time.process_time()
        for index in indices:
            batches.load([Pick(index, index)])
        seconds = (time.process_time() - started) / len(indices)
        print(f"| {label} | {seconds:.3f} | {1 / seconds:.1f} |")
    print()


def step(module: UNet, conditions: torch.Tensor, x: torch.Tensor) -> float:
    started = time.process_time()
    module(x, conditions).abs().mean().backward()
    return time.process_time() - started


def print_steps(options: argparse.Namespace) -> None:
    names = {"plain convolutions": ("mesa-qsm", {}), "WP-Conv, full": ("meta-qsm", {"hidden": [16, 4]})}
    names["WP-Conv, modulated"] = ("meta-qsm", {"hidden": [16, 4], "head": "modulated"})
    x = torch.randn(4, 1, *options.shape)
    modules = {label: new(name, options.channels, options.levels, **more) for label, (name, more) in names.items()}
    conditions = {
        label: architecture(name).conditions(SCALING, SIZES, B0.expand(4, 3)) for label, (name, _) in names.items()
    }
    for label, module in modules.items():
        step(module, conditions[label], x)
    spent: dict[str, list[float]] = {label: [] for label in modules}
    for number in range(options.rounds):
        for label in list(modules) if number % 2 else list(modules)[::-1]:
            spent[label].append(step(modules[label], conditions[label], x))
    best = {label: min(times) for label, times in spent.items()}
    shape = "x".join(map(str, options.shape))
    print(f"Step of 4 samples of {shape}, {options.channels} channels, {options.levels} levels\n")
    print("| layers | CPU s a step (least of the rounds) | ratio |\n|---|---|---|")
    for label, seconds in best.items():
        print(f"| {label} | {seconds:.2f} | {seconds / best['plain convolutions']:.2f} |")
    print()


@torch.no_grad()
def print_inference(options: argparse.Namespace) -> None:
    shape = "x".join(map(str, options.volume))
    print(f"Inference of {shape}, {options.channels} channels, {options.levels} levels\n")
    print("| network | CPU s | peak GB of the process so far |\n|---|---|---|")
    x = torch.randn(1, 1, *options.volume)
    for name in ("mesa-qsm", "meta-qsm"):
        module = new(name, options.channels, options.levels, hidden=[16, 4]).eval()
        specialise(module, architecture(name).conditions(SCALING, SIZES[:1], B0))
        started = time.process_time()
        module(x, torch.zeros(1, 0))
        seconds = time.process_time() - started
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1.024e-6
        print(f"| {name} | {seconds:.1f} | {peak:.2f} |")


if __name__ == "__main__":
    main()
