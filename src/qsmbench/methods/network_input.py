"""What a network sees: the local field, as in the papers, or beside it a first map of chi that it corrects.

An inversion is not local, so that the map is made from the whole volume before any patch is cut from it. It brings the
network what takes a network alone most of its training to learn, the dipole inversion outside the cone; streaks, noise
and lost contrast are left to it. In the spirit of networks that refine an inversion (Jin 2017, doi
10.1109/TIP.2017.2713099); the papers' networks are those without.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from qsmbench.core.scan import Scan
from qsmbench.methods.l2 import L2
from qsmbench.methods.tv import TV
from qsmbench.networks.scaling import Scaling

# At their default parameters: L2 is linear in the field and takes a second for a head, TV a few and is closer.
FIRST_MAPS: dict[str, Callable[[Scan], torch.Tensor]] = {"l2": L2(), "tv": TV()}


def network_input(scan: Scan, scaling: Scaling, first_map: str | None) -> torch.Tensor:
    """Return the scaled channels (1 or 2, x, y, z) of a scan: its field, and the first map if there is one."""
    # A scan's field is zero outside the mask, in training as when the network is applied.
    channels = [scan.local_field / scaling.field_std]
    if first_map is not None:
        channels.append(FIRST_MAPS[first_map](scan) / scaling.chi_std)
    return torch.stack(channels)
