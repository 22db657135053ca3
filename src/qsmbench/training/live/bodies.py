"""Bleedings and calcifications in torch: bodies of constant chi whose edge is at least a voxel wide.

Distances are those of `qsmbench.simulation.shapes`; the ramp across the surface is clip(1/2 - d / edge, 0, 1) with an
edge of no less than the voxels' size, which stands in for the mean over the voxel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from qsmbench.core.grid import Triple

KINDS = ("ellipsoid", "sphere", "cuboid", "cylinder")


@dataclass(frozen=True)
class Body:
    """One body: its kind, centre and half-axes in mm, rotation in degrees, chi in ppm, width of its edge in mm."""

    kind: str
    centre: Triple
    half_axes: Triple
    rotation: Triple
    chi: float
    edge: float


def paste_live(
    chi: torch.Tensor, cover: torch.Tensor, bodies: Sequence[Body], voxel_size: Triple, origin: Triple
) -> None:
    """Replace tissue (x, y, z), in ppm, by bodies, in place; ``cover`` is each voxel's share of brain."""
    size, corner = np.array(voxel_size), np.array(origin)
    for body in bodies:
        edge = max(body.edge, float(np.prod(size) ** (1 / 3)))
        reach = float(np.linalg.norm(body.half_axes)) + edge
        centre = (np.array(body.centre) - corner) / size
        low = np.maximum(np.floor(centre - reach / size).astype(int), 0)
        high = np.minimum(np.ceil(centre + reach / size).astype(int) + 1, chi.shape)
        if (low >= high).any():
            continue
        x, y, z = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        axes = [
            torch.arange(int(a), int(b), device=chi.device, dtype=torch.float32) + float(0.5 - c)
            for a, b, c in zip(low, high, centre, strict=True)
        ]
        places = torch.stack(torch.meshgrid(*[a * float(v) for a, v in zip(axes, size, strict=True)], indexing="ij"))
        turn = Rotation.from_euler("xyz", body.rotation, degrees=True).as_matrix().T.astype(np.float32)
        share = 0.5 - _distance(torch.einsum("ij,jxyz->ixyz", torch.from_numpy(turn).to(chi), places), body) / edge
        share = share.clamp_(0, 1)
        chi[x, y, z] += share * (body.chi * cover[x, y, z] - chi[x, y, z])


def _distance(p: torch.Tensor, body: Body) -> torch.Tensor:
    a, b, c = body.half_axes
    axes = torch.tensor([a, b, c], device=p.device)[:, None, None, None]
    if body.kind == "sphere":
        r: torch.Tensor = torch.linalg.vector_norm(p, dim=0)
        return r - a
    if body.kind == "ellipsoid":
        k0 = torch.linalg.vector_norm(p / axes, dim=0)
        k1 = torch.linalg.vector_norm(p / axes**2, dim=0)
        return torch.where(k1 > 1e-6, k0 * (k0 - 1) / k1.clamp_min(1e-6), -min(a, b, c))
    q = p.abs() - axes if body.kind == "cuboid" else torch.stack([torch.hypot(p[0], p[1]) - a, p[2].abs() - c])
    outside: torch.Tensor = torch.linalg.vector_norm(q.clamp_min(0), dim=0)
    return outside + q.amax(dim=0).clamp_max(0)
