"""What a network sees: the local field, as in the papers, or beside it a first map of chi that it corrects.

An inversion is not local, so that the map is made from the whole volume before any patch is cut from it. It brings the
network what takes a network alone most of its training to learn, the dipole inversion outside the cone; streaks, noise
and lost contrast are left to it. In the spirit of networks that refine an inversion (Jin 2017, doi
10.1109/TIP.2017.2713099); the papers' networks are those without.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from qsmbench.core.scan import Scan
from qsmbench.methods.contract import Method
from qsmbench.methods.l2 import L2
from qsmbench.methods.tv import TV
from qsmbench.methods.wiener import wiener_maps
from qsmbench.networks.scaling import Scaling


def _by_weight(method: Callable[..., Method]) -> Callable[[Scan, Sequence[float]], list[torch.Tensor]]:
    return lambda scan, strengths: [method(regularization=strength)(scan) for strength in strengths]


# L2 with a given weight is linear in the field and takes a second for a head, TV a few and is closer. The maps of
# Wiener's filter are smoothed by each scan's own noise; their strengths are factors on the power of the error.
FIRST_MAPS: dict[str, Callable[[Scan, Sequence[float]], list[torch.Tensor]]] = {
    "l2": _by_weight(L2),
    "tv": _by_weight(TV),
    "wiener": lambda scan, strengths: wiener_maps(scan, strengths)[0],
}
# Fixed, as networks are trained on the maps of one weight.
DEFAULT_REGULARIZATION = {"l2": 5e-3, "tv": 5e-4, "wiener": 1.0}


def first_maps(scan: Scan, name: str, strengths: Sequence[float] = ()) -> list[torch.Tensor]:
    """Return the first maps (x, y, z) of a scan in ppm: of that method, one for each of its strengths."""
    return FIRST_MAPS[name](scan, strengths or (DEFAULT_REGULARIZATION[name],))


def network_input(
    scan: Scan, scaling: Scaling, first_map: str | None = None, regularization: Sequence[float] = ()
) -> torch.Tensor:
    """Return the scaled channels (1 + maps, x, y, z) of a scan: its field, and first maps if there are any.

    Args:
        scan: field in ppm.
        scaling: of the network.
        first_map: method of the maps, if any.
        regularization: of that method, in its own units, for each map; none: one map, at `DEFAULT_REGULARIZATION`.
    """
    field_unit, chi_unit = scaling.units(scan.local_field, scan.mask)
    # A scan's field is zero outside the mask, in training as when the network is applied.
    channels = [scan.local_field / field_unit]
    if first_map is not None:
        channels += [chi / chi_unit for chi in first_maps(scan, first_map, regularization)]
    return torch.stack(channels)
