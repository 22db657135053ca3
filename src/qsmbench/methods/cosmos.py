"""COSMOS: chi from several orientations to B0, whose cones of silence do not meet.

    chi = argmin sum_i || w_i ( d(b0_dir_i) * chi - field_i ) ||^2

Liu 2009, doi 10.1002/mrm.21828: weighted linear least squares, w_i = 1 / field_noise_i inside the mask of scan i and 0
where the field is not known. Three directions 60 degrees apart about one axis already make k-space well conditioned.

The masks matter. chi = F^-1[ sum D_i F_i / sum D_i^2 ] ("closed") takes a masked field for the whole one, LSQR
("lsqr") does not, and a few iterations of it leave a tenth of the error without noise (docs/methods.md). The condition
number is that of k-space, the largest over the smallest sqrt(sum D_i^2) over all directions of k: a property of the
orientations alone, not of the grid.

It takes several scans and is therefore a function, not a `Method`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Triple
from qsmbench.core.scan import Scan
from qsmbench.methods.convergence import Convergence
from qsmbench.methods.crop import crop_scan, mask_box, uncrop
from qsmbench.methods.lsqr import lsqr
from qsmbench.physics.dipole import DipoleConvolution
from qsmbench.physics.fourier import irfftn, rfftn

# Beyond this the common cone is a direction in all but name: noise there is amplified a thousandfold.
MAX_CONDITION = 1e3


@dataclass(frozen=True, eq=False)
class Cosmos:
    """A multi-orientation reference.

    Attributes:
        chi: (x, y, z) float32, ppm, zero outside the mask.
        mask: (x, y, z) bool: where every scan has data.
        condition_number: of k-space, from the orientations alone.
        convergence: of LSQR; empty for the closed form.
    """

    chi: torch.Tensor
    mask: torch.Tensor
    condition_number: float
    convergence: tuple[Convergence, ...]


def cosmos(
    scans: Sequence[Scan],
    solver: str = "lsqr",
    tolerance: float = 0.01,
    max_iterations: int = 50,
    padding: float = 1.5,
) -> Cosmos:
    """Combine scans that are registered to one grid and differ in ``b0_dir``.

    Args:
        scans: two or more, on one device; with ``field_noise`` in all of them (then they are weighted) or in none.
        solver: "lsqr" (masked and weighted), or "closed" (one division in k-space, noise maps are not used).
        tolerance: relative residual or gradient at which LSQR stops.
        max_iterations: of LSQR.
        padding: enlargement of the box of the masks against wrap-around.

    Raises:
        InputError: fewer than two scans, grids that differ in more than B0, masks that share no voxel, orientations
            that do not determine chi, noise maps in some scans only or not positive.
    """
    if solver not in ("lsqr", "closed"):
        raise InputError(f"COSMOS solver must be lsqr or closed, got {solver}")
    mask = _common_mask(scans)
    smallest, largest = conditioning([scan.grid.b0_dir for scan in scans])
    if largest > MAX_CONDITION * smallest:
        raise InputError(
            f"these {len(scans)} orientations do not determine chi: some directions of k-space lie on the cone of "
            "each; add an orientation (three, 60 degrees apart, do)"
        )
    known = torch.stack([scan.mask for scan in scans]).any(dim=0)
    box = mask_box(known)
    cropped = [crop_scan(scan, box) for scan in scans]
    dipoles = [DipoleConvolution(scan.grid, padding, scan.device) for scan in cropped]
    convergence: tuple[Convergence, ...] = ()
    if solver == "closed":
        chi = _closed_form(cropped, dipoles, smallest**2 / 2)
    else:
        # Scan i sees all of the head, also what only its neighbours have data for.
        support = known[box]
        weights = _weights(cropped)

        def forward(x: torch.Tensor) -> torch.Tensor:
            return torch.stack([dipole(x) for dipole in dipoles]).mul_(weights)

        def adjoint(y: torch.Tensor) -> torch.Tensor:
            total = torch.zeros_like(y[0])
            for dipole, part, weight in zip(dipoles, y, weights, strict=True):
                total += dipole(part * weight)
            return total.mul_(support)

        fields = torch.stack([scan.local_field for scan in cropped]).mul_(weights)
        solution = lsqr(forward, adjoint, fields, tolerance=tolerance, max_iterations=max_iterations, name="COSMOS")
        chi, convergence = solution.x, (solution.convergence,)
    chi = torch.where(mask, uncrop(chi, box, scans[0].grid), 0.0)
    return Cosmos(chi, mask, largest / smallest, convergence)


def conditioning(b0_dirs: Sequence[Triple]) -> tuple[float, float]:
    """Smallest and largest singular value sqrt(sum_i D_i(k)^2) over all directions of k.

    A search on half a sphere of 2 degrees, refined at its eight best points: zeros are narrower than any grid.

    >>> low, high = conditioning([(0, 0, 1)])
    >>> low < 1e-6, round(high, 4)
    (True, 0.6667)
    """
    b = np.asarray(b0_dirs, np.float64)
    b /= np.linalg.norm(b, axis=1, keepdims=True)

    def gain(angles: NDArray[np.float64]) -> NDArray[np.float64]:
        theta, phi = angles[..., 0], angles[..., 1]
        k = np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], -1)
        squares: NDArray[np.float64] = ((1 / 3 - (k @ b.T) ** 2) ** 2).sum(-1)
        return squares

    def extreme(start: NDArray[np.float64], sign: float) -> float:
        def signed(angles: NDArray[np.float64]) -> float:
            return sign * float(gain(angles))

        return sign * float(minimize(signed, start, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-16}).fun)

    theta, phi = np.meshgrid(
        np.linspace(0, np.pi / 2, 46), np.linspace(0, 2 * np.pi, 180, endpoint=False), indexing="ij"
    )
    angles = np.stack([theta.ravel(), phi.ravel()], -1)
    gains = gain(angles)
    order = np.argsort(gains, kind="stable")
    lowest = min(extreme(angles[i], 1.0) for i in order[:8])
    highest = max(extreme(angles[i], -1.0) for i in order[-8:])
    return float(np.sqrt(max(lowest, 0.0))), float(np.sqrt(highest))


def _closed_form(scans: Sequence[Scan], dipoles: Sequence[DipoleConvolution], floor: float) -> torch.Tensor:
    numerator = torch.zeros_like(rfftn(scans[0].local_field, dipoles[0].padded))
    denominator = torch.zeros_like(dipoles[0].kernel)
    for scan, dipole in zip(scans, dipoles, strict=True):
        numerator += rfftn(scan.local_field, dipole.padded).mul_(dipole.kernel)
        denominator += dipole.kernel**2
    # Only the origin and corners of the Nyquist planes, where even kernels vanish together, lie below the floor.
    denominator[denominator < floor] = torch.inf
    return irfftn(numerator.div_(denominator), dipoles[0].padded, dipoles[0].shape)


def _common_mask(scans: Sequence[Scan]) -> torch.Tensor:
    if len(scans) < 2:
        raise InputError(f"COSMOS needs scans in two or more orientations, got {len(scans)}")
    first = scans[0].grid
    for i, scan in enumerate(scans[1:], start=2):
        if replace(scan.grid, b0_dir=first.b0_dir) != first:
            raise InputError(
                f"scan {i} of {len(scans)} lies on another grid (shape, voxel size or affine) than the first; "
                "register and resample all fields to one grid"
            )
    mask = torch.stack([scan.mask for scan in scans]).all(dim=0)
    if not mask.any():
        raise InputError("the masks of the orientations share no voxel; register them to one grid")
    return mask


def _weights(scans: Sequence[Scan]) -> torch.Tensor:
    masks = torch.stack([scan.mask for scan in scans]).float()
    noise = [scan.field_noise for scan in scans if scan.field_noise is not None]
    if not noise:
        return masks
    if len(noise) < len(scans):
        raise InputError(f"{len(noise)} of {len(scans)} orientations have a noise map; give it for all or for none")
    deviation = torch.stack(noise)
    inside = masks > 0
    if not bool((deviation[inside] > 0).all()):
        raise InputError("field_noise must be positive inside the mask to weight COSMOS; repair it or leave it out")
    # In units of the mean, so that single precision holds whatever the unit.
    mean = float(deviation[inside].double().mean())
    return torch.where(inside, mean / torch.where(inside, deviation, 1.0), 0.0)
