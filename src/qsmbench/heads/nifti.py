"""Any susceptibility map in a NIfTI file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field

from qsmbench.heads.contract import FoundHead, HeadSpec

if TYPE_CHECKING:
    from qsmbench.core.grid import Triple

_SIDES = ("LR", "PA", "IS")


def _orientation(axes: str) -> str:
    if sorted(next((i for i, pair in enumerate(_SIDES) if side in pair), -1) for side in axes) != [0, 1, 2]:
        raise ValueError(f"axes are three letters, one each of L or R, P or A, I or S (such as LPS), not '{axes}'")
    return axes


Axes = Annotated[str, AfterValidator(_orientation)]


class NiftiSource(HeadSpec):
    """Any susceptibility map in ppm as NIfTI."""

    kind: Literal["nifti"] = Field(description="use a NIfTI file")
    chi: Path = Field(description="susceptibility map, ppm")
    mask: Path | None = Field(None, description="brain mask; by default where chi is not zero, holes filled")
    magnitude: Path | None = Field(None, description="its magnitude image; by default one is made from the map")
    b0_dir: tuple[float, float, float] | None = Field(
        None, description="direction of B0 in voxel axes; by default the scanner's z axis through the affine"
    )
    axes: Axes | None = Field(
        None,
        description="side of the patient that each voxel axis runs to (such as LPS), where the file's affine is wrong",
    )

    def read(self) -> FoundHead:
        """Read map and mask."""
        origin = {"kind": self.kind, "file": self.chi.name}
        return read_map(self.chi, self.mask, self.magnitude, b0_dir=self.b0_dir, axes=self.axes, origin=origin)


def read_map(
    chi_path: Path,
    mask_path: Path | None,
    magnitude_path: Path | None,
    *,
    b0_dir: Triple | None,
    axes: str | None,
    origin: dict[str, Any],
) -> FoundHead:
    """Read a susceptibility map as a head; without a mask the brain is where chi is not zero, holes filled.

    Raises:
        InputError: a file that cannot be used, or a map that is zero everywhere inside its mask.
    """
    import numpy as np
    from scipy.ndimage import binary_fill_holes

    from qsmbench.core.errors import InputError
    from qsmbench.core.grid import Grid
    from qsmbench.data.download import sha256_of
    from qsmbench.data.nifti import read_mask, read_volume
    from qsmbench.heads.orientation import upright
    from qsmbench.simulation.source import Source

    volume = read_volume(chi_path)
    # Chi may be exactly zero at single voxels inside the brain; those are no holes in the mask.
    filled = binary_fill_holes(volume.data != 0) if mask_path is None else read_mask(mask_path, like=volume)
    mask = np.asarray(filled, bool)
    chi = np.where(mask, volume.data, np.float32(0))
    if not chi.any():
        raise InputError(f"{chi_path} is zero everywhere inside its mask; give a susceptibility map in ppm")
    grid = Grid.from_affine(volume.data.shape, volume.affine, b0_dir)
    magnitude = None if magnitude_path is None else read_volume(magnitude_path, like=volume).data
    source = upright(Source(chi, mask, grid, magnitude=magnitude), axes)
    return FoundHead(source, origin | {"sha256": sha256_of(chi_path)})
