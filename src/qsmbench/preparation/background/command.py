"""Background removal by a folder of somebody else's (`qsmbench.foreign`), stage bfr of QSM-CI's contract.

The contract has no mask among the outputs: the local field is taken to hold where the folder wrote something other than
zero, which is how a removal says what it eroded.
"""

from __future__ import annotations

from pathlib import Path

import torch

from qsmbench.core.errors import InputError
from qsmbench.foreign.images import image_facts
from qsmbench.foreign.manifest import Manifest, read_manifest
from qsmbench.foreign.run import ForeignError, Limits
from qsmbench.foreign.volumes import run_on_volumes
from qsmbench.preparation.background.contract import Local, RemovalError, Total
from qsmbench.preparation.settings import ForeignRemoval


def manifest_of(settings: ForeignRemoval) -> Manifest:
    """Read what the folder says of itself.

    Raises:
        InputError: a folder that is none, or of another stage than bfr.
    """
    manifest = read_manifest(Path(settings.folder))
    if manifest.stage != "bfr":
        raise InputError(f"{settings.folder}: its stage is {manifest.stage}; background removal has stage bfr")
    return manifest


def command(total: Total, settings: ForeignRemoval) -> Local:
    """Remove the background by running the folder on the total field.

    Raises:
        InputError: a folder that is none, or of another stage, or that needs what the scan does not have.
        RemovalError: it failed, or its output was refused.
    """
    manifest = manifest_of(settings)
    volumes = {"totalfield": total.field.cpu().numpy(), "mask": total.mask.cpu().numpy()}
    volumes |= {} if total.magnitude is None else {"magnitude": total.magnitude.cpu().numpy()}
    try:
        local = run_on_volumes(
            manifest,
            volumes,
            total.grid,
            b0=total.b0,
            echo_times=total.echo_times,
            runner=settings.runner,
            overrides=settings.parameters,
            limits=Limits(settings.seconds, settings.memory_mb),
        )
    except ForeignError as error:
        raise RemovalError(str(error)) from error
    field = torch.from_numpy(local).to(total.field.device)
    names = {"image": "Image", "image_digest": "ImageDigest"}
    image = {names[key]: value for key, value in image_facts(manifest, settings.runner).items()}
    return Local(field, total.mask & (field != 0), {"Slug": manifest.slug, "FolderSha256": manifest.sha256, **image})
