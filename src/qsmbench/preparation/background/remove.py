"""One entry point to the background removals: the settings say which."""

from __future__ import annotations

import torch

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid
from qsmbench.preparation.background.command import command
from qsmbench.preparation.background.contract import Local, Total
from qsmbench.preparation.background.ismv import ismv
from qsmbench.preparation.background.joint import joint
from qsmbench.preparation.background.lbv import lbv
from qsmbench.preparation.background.pdf import pdf
from qsmbench.preparation.background.resharp import resharp
from qsmbench.preparation.background.sharp import sharp
from qsmbench.preparation.background.vsharp import vsharp
from qsmbench.preparation.settings import Background, ForeignRemoval, Ismv, Joint, Lbv, Pdf, Resharp, Sharp, Vsharp


def check_spheres(settings: Background, grid: Grid, name: str) -> None:
    """Refuse spheres that reach no neighbour of a voxel: their mean is the voxel itself, and nothing is removed.

    Raises:
        InputError: a radius smaller than the voxels; ``name`` is what the message calls the scan.
    """
    longest = max(grid.voxel_size)
    radius = getattr(settings, "radius", None)
    if radius is not None and radius < longest:
        raise InputError(
            f"{name}: a sphere of {radius:g} mm ({settings.kind}) reaches no neighbour of voxels of {longest:g} mm; "
            f"give --option background.radius={1.5 * longest:.3g} or larger, or --background pdf"
        )


def remove(total: Total, settings: Background) -> Local:
    """Remove the background field.

    Raises:
        InputError: nothing of the mask is left after the erosion.
        RemovalError: somebody else's removal failed.
    """
    with torch.no_grad():
        match settings:
            case Resharp():
                local = resharp(total, settings)
            case Vsharp():
                local = vsharp(total, settings)
            case Pdf():
                local = pdf(total, settings)
            case Lbv():
                local = lbv(total, settings)
            case Ismv():
                local = ismv(total, settings)
            case Sharp():
                local = sharp(total, settings)
            case Joint():
                local = joint(total, settings)
            case ForeignRemoval():
                local = command(total, settings)
    n_left, n_voxels = int(local.mask.sum()), int(total.mask.sum())
    if n_left == 0:
        raise InputError(
            f"{settings.kind}: no voxel of the mask is left after eroding it; give a larger mask or a smaller radius"
        )
    report: dict[str, float | int | str] = {
        "MaskVoxels": n_voxels,
        "LocalMaskVoxels": n_left,
        "ErodedFraction": round(1 - n_left / n_voxels, 6),
    }
    return Local(local.field, local.mask, report | dict(local.report))
