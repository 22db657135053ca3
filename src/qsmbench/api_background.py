"""Background removal by itself, for the Python face: a total field in, a local field out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qsmbench.api import Source
from qsmbench.api_inputs import grid_of, said_mask, volume_of
from qsmbench.core.errors import InputError


def remove_background(
    total_field: Source,
    mask: Source,
    kind: str = "resharp",
    *,
    field_noise: Source | None = None,
    voxel_size: Sequence[float] | None = None,
    b0_dir: Sequence[float] | None = None,
    **settings: Any,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Take away from a total field what sources outside the mask add to it.

    Args:
        total_field: (x, y, z), ppm: array or NIfTI path.
        mask: (x, y, z), non-zero inside; probabilities count from one half on, which is said.
        kind: resharp, vsharp, pdf, lbv, ismv, sharp, joint, or command: a folder of somebody else's.
        field_noise: (x, y, z), standard deviation of the field, ppm; pdf and joint weigh voxels by it.
        voxel_size: mm; only where no volume is a NIfTI file, whose header says it.
        b0_dir: direction of B0 in voxel axes; by default the scanner's z axis through the affine, or (0, 0, 1).
        settings: of the removal (docs/preparation.md), such as ``radius=5``; the others keep their defaults.

    Returns:
        The local field (x, y, z), ppm, zero where it is not known, and the mask on which it is.

    Raises:
        InputError: an unknown kind or setting, a value out of bounds, grids that differ, nothing left of the mask, a
            folder that failed.

    >>> import numpy as np
    >>> z = np.linspace(-0.1, 0.1, 16)
    >>> total = np.broadcast_to(z, (16, 16, 16))
    >>> local, known = remove_background(total, np.ones(total.shape), "lbv", voxel_size=(1, 1, 1))
    >>> bool(np.abs(local[known]).max() < 1e-3), int(known.sum())
    (True, 2744)
    """
    import torch
    from pydantic import ValidationError

    from qsmbench.preparation.background.contract import Total
    from qsmbench.preparation.background.remove import remove_as_stored
    from qsmbench.preparation.settings import PreparationSettings

    try:
        chosen = PreparationSettings.model_validate({"background": {"kind": kind, **settings}}).background
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part not in {"background", kind})
        raise InputError(f"background removal {kind}{f', {where}' if where else ''}: {first['msg']}") from error
    affines: list[NDArray[np.float64]] = []
    given = {"field": total_field, "noise": field_noise}
    volumes = {name: volume_of(source, affines) for name, source in given.items() if source is not None}
    inside = said_mask(mask, affines)
    grid = grid_of(volumes["field"].shape, affines, voxel_size, b0_dir)
    grid.check_shape("mask", inside.shape)
    for name, volume in volumes.items():
        grid.check_shape(name, volume.shape)
        if n_bad := int((~np.isfinite(volume[inside])).sum()):
            raise InputError(f"{name} has {n_bad} non-finite voxels inside the mask; repair it or take them out")
    tensors = {name: torch.from_numpy(volume) for name, volume in volumes.items()}
    total = Total(tensors["field"], torch.from_numpy(inside), grid, noise=tensors.get("noise"))
    local = remove_as_stored(total, chosen, "the total field")
    return local.field.numpy(), local.mask.numpy()
