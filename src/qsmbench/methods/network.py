"""Trained networks as methods, one for each architecture (`qsmbench.networks.architectures`).

A network sees the scaled local field, zero outside the mask, and what it is told beside it (voxel size, B0). What a
scan has that a network does not know is undone around it: an oblique B0 by rotating the volume, another resolution by
resampling it (networks of one resolution only, as is usual practice with them). Everything of that kind, and a voxel
size outside the trained range, is noted with the result.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import torch

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Triple
from qsmbench.core.scan import Scan
from qsmbench.methods.contract import Method, Reconstruction, parameter
from qsmbench.methods.network_input import network_input
from qsmbench.methods.standard_grid import StandardGrid, tilt
from qsmbench.methods.symmetries import over_symmetries
from qsmbench.methods.windows import apply_in_windows
from qsmbench.networks.shipped import resolve, suffix_of
from qsmbench.networks.weights import TrainedNetwork, load_network


@dataclass(frozen=True)
class NetworkMethod(Method):
    """Apply a trained network to a scan of any size, voxel size and B0 direction."""

    # The mask's box alone: what training and its validation see is cut near the head as well, without a rim of zeros.
    margin: ClassVar[int] = 0

    architecture: str
    weights: Path
    # What its networks are given beside the field (`INPUTS` of qsmbench.networks.shipped); None: any of them.
    corrects: str | None = None
    largest_tilt: float = parameter(
        1.0,
        "tilt of B0 in degrees from which on the volume is rotated to B0 along z (networks that are not told B0)",
        at_least=0,
    )
    resample: bool = parameter(
        True, "bring the volume to the trained resolution and back (networks of one resolution; 1 % is let pass)"
    )
    window: int = parameter(
        0,
        "edge in voxels of the windows that a volume is cut into; 0: the whole volume where `memory` allows",
        at_least=0,
    )
    memory: float = parameter(
        4.5, "GB that feature maps may take; larger volumes are done in the largest windows that fit", above=0
    )
    symmetries: int = parameter(
        1,
        "mirror images of the scan, of its 8, whose maps are averaged; from 2 on their spread is the uncertainty",
        at_least=1,
        at_most=8,
    )

    def invert(self, scan: Scan) -> Reconstruction:
        """Standardise, scale, run the network, undo both."""
        path = resolve(self.weights)
        modified = path.stat().st_mtime_ns if path.exists() else 0
        network = _network(path, self.architecture, modified)
        check_input(network, self.architecture, self.corrects)
        kind, scaling = network.kind, network.scaling
        notes = []
        angle = tilt(scan.grid.b0_dir)
        rotate = not kind.knows_b0_dir and angle > self.largest_tilt
        typical, here = scaling.typical_voxel_size, scan.grid.voxel_size
        off = max(abs(a / b - 1) for a, b in zip(here, typical, strict=True)) > 0.01
        resample = self.resample and not kind.knows_voxel_size and off
        place = None
        if rotate or resample:
            place = StandardGrid.around(scan.grid, rotate=rotate, voxel_size=typical if resample else None)
            here = place.voxel_size
        if rotate:
            notes.append(f"rotated by {angle:.1f} degrees to B0 along z, the only direction this network knows")
        if resample:
            sizes = " x ".join(f"{v:.3g}" for v in typical)
            notes.append(f"resampled to {sizes} mm, the only resolution this network knows, and back")
        elif outside := scaling.outside(here):
            notes.append(f"warning: voxel size outside what the network was trained on: {'; '.join(outside)}")
        b0_dir = scan.grid.b0_dir if kind.knows_b0_dir else (0.0, 0.0, 1.0)
        inputs = network_input(
            scan, scaling, network.options.get("first_map"), network.options.get("first_map_regularization", ())
        )
        if place is not None:
            inputs = torch.stack([place.to_standard(channel) for channel in inputs])

        def apply(mirrored: torch.Tensor, axes: tuple[int, ...]) -> torch.Tensor:
            bx, by, bz = (-b if axis in axes and kind.knows_b0_dir else b for axis, b in enumerate(b0_dir))
            module = _module(path, self.architecture, modified, (here, (bx, by, bz)), str(scan.device))
            return apply_in_windows(module, mirrored, kind, window=self.window, memory=self.memory, notes=notes)

        chi, spread = over_symmetries(apply, inputs, self.symmetries)
        if place is not None:
            chi, spread = place.to_original(chi), None if spread is None else place.to_original(spread).clamp_min_(0)
        _, unit = scaling.units(scan.local_field, scan.mask)
        # Each mirror image notes its windows.
        said = tuple(dict.fromkeys(notes))
        return Reconstruction(chi * unit, notes=said, uncertainty=None if spread is None else spread * unit)


def check_input(network: TrainedNetwork, name: str, corrects: str | None) -> None:
    """Keep a network that corrects another method's map from passing for the paper's, and the other way round.

    Raises:
        InputError: it is the other kind.
    """
    suffix = suffix_of(network.options.get("first_map"))
    if corrects not in {None, suffix}:
        what = "correct the map of another method" if suffix else "see the field alone"
        raise InputError(f"these weights of {name} {what}: they are method {name}{suffix}")


# Scans of a set share one network; the time stamp keeps a retrained file from being taken for the old one.
@lru_cache(maxsize=1)
def _network(path: Path, name: str, modified: int) -> TrainedNetwork:
    del modified
    return load_network(path, name)


@lru_cache(maxsize=2)
def _module(path: Path, name: str, modified: int, at: tuple[Triple, Triple], device: str) -> torch.nn.Module:
    """Load a network as it is at one voxel size and B0 direction: its kernels are predicted once, for all scans."""
    from qsmbench.networks.wpconv import specialise

    network = _network(path, name, modified)
    module = network.module()
    with torch.no_grad():
        sizes, directions = (torch.tensor([values]) for values in at)
        specialise(module, network.kind.conditions(network.scaling, sizes, directions))
    return module.to(device).eval()
