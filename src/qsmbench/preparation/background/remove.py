"""One entry point to the background removals: the settings say which."""

from __future__ import annotations

from dataclasses import replace

import torch

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid
from qsmbench.core.orientation import Orientation
from qsmbench.preparation.background.command import command
from qsmbench.preparation.background.contract import Local, RemovalError, Total
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


def remove_as_stored(total: Total, settings: Background, name: str) -> Local:
    """Remove the background of a total field by itself, in whatever order its voxels were stored; so is what comes out.

    Args:
        total: what there is.
        settings: which removal.
        name: what messages call the scan.

    Raises:
        InputError: as `check_spheres` and `remove`; a removal of somebody else's that failed.
    """
    check_spheres(settings, total.grid, name)
    orientation = Orientation.of(total.grid)

    def ordered(volume: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(orientation.apply(volume.numpy()))

    turned = replace(
        total,
        field=ordered(torch.where(total.mask, total.field, 0.0)),
        mask=ordered(total.mask),
        grid=orientation.grid(total.grid),
        noise=None if total.noise is None else ordered(torch.where(total.mask, total.noise, 0.0)),
        magnitude=None if total.magnitude is None else ordered(total.magnitude),
    )
    try:
        local = remove(turned, settings)
    except RemovalError as error:
        raise InputError(f"{name}: background removal: {error}") from error
    field, mask = (torch.from_numpy(orientation.undo(volume.numpy())) for volume in (local.field, local.mask))
    return replace(local, field=field, mask=mask)
