"""NIfTI volumes in and out: float32 (x, y, z) arrays, affines in mm, one clear line for every file that will not do.

Reading takes single-file NIfTI-1 and NIfTI-2, plain or gzipped, told apart by their first bytes and not by their names.
Gzipped files are read to the end, so that their checksum is verified. Writing is atomic and the same data give the same
bytes: the gzip header carries neither time nor name.

Format: Cox et al., "A (sort of) new image data format standard: NIfTI-1", NeuroImage 22 (2004) e1440;
https://nifti.nimh.nih.gov/nifti-1. Parsing and serialising are nibabel's.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from math import prod
from pathlib import Path
from typing import Any, TypeAlias

import nibabel as nib
import numpy as np
from numpy.typing import ArrayLike, NDArray

from qsmbench.core.damage import reading, reason
from qsmbench.core.errors import InputError
from qsmbench.core.grid import Triple
from qsmbench.data.atomic import atomic_path
from qsmbench.data.frames import NO_FRAMES, Frames, read_frames
from qsmbench.data.mask_values import as_mask
from qsmbench.data.nifti_bytes import gzipped, read_bytes

_Header: TypeAlias = tuple[NDArray[np.float64], Triple, Frames, float, float, int | None]
# Voxels of histology and of a whole head in one, mm: beyond them lengths are not in mm (ours).
_FINEST, _COARSEST = 0.005, 150.0
# On the 2016 COSMOS map (160^3) level 6 is 6 % smaller than level 1 for 0.06 s more; on a noisy map they are equal.
_COMPRESSION = 6
# Scanners store integers of 16 bits; float32 overflows where the square of a larger number is summed.
_LARGEST = 1e15
# mm.
_FARTHEST = 1e9


@dataclass(frozen=True, eq=False)
class Volume:
    """One volume as read.

    Attributes:
        data: float32 (x, y, z), C order.
        affine: float64 (4, 4), voxel to the scanner's world (RAS+), mm: of the header's two matrices the one to use.
        voxel_size: edge lengths in mm, the lengths of the affine's columns.
        frames: both of the header's matrices with their codes; outputs keep them.
        slope, intercept: what the header says stored numbers were scaled by.
        slice_axis: the axis along which slices were taken, where the header says so (dim_info).
    """

    data: NDArray[np.float32]
    affine: NDArray[np.float64]
    voxel_size: Triple
    frames: Frames = NO_FRAMES
    slope: float = 1.0
    intercept: float = 0.0
    slice_axis: int | None = None


def read_volume(path: str | Path, *, finite: bool = True, like: Volume | None = None) -> Volume:
    """Read one real-valued 3-D volume; trailing dimensions of length 1 are dropped.

    Args:
        path: ``.nii`` or ``.nii.gz``.
        finite: refuse NaN and infinite voxels; with False they are passed on as they are.
        like: the volume whose grid this one must share.

    Raises:
        InputError: the file is missing, not a NIfTI, cut short or damaged; the data are complex, coloured, not one 3-D
            volume, or not finite; the lengths are not in mm or contradict each other; the grid is not ``like``'s. Shear
            in the affine is left for ``Grid`` to refuse.
    """
    path = Path(path)
    array, header = _load(path)
    with np.errstate(over="ignore"):
        data = np.array(array, dtype=np.float32, order="C")
    if finite:
        _check_values(path, data)
    volume = Volume(data, *header)
    if like is not None:
        _check_same_grid(path, volume, like)
    return volume


def read_volumes(path: str | Path, *, like: Volume | None = None) -> list[Volume]:
    """Read a file with one 3-D volume or several along the fourth axis (the echoes of one scan, say).

    Raises:
        InputError: as ``read_volume``, for a fifth axis, and for NaN or infinite voxels.
    """
    path = Path(path)
    array, header = _load(path, n_axes=4)
    stack = array[..., None] if array.ndim == 3 else array
    with np.errstate(over="ignore"):
        volumes = [Volume(np.array(stack[..., i], np.float32, order="C"), *header) for i in range(stack.shape[3])]
    _check_values(path, *(volume.data for volume in volumes))
    if like is not None:
        _check_same_grid(path, volumes[0], like)
    return volumes


def read_mask(path: str | Path, *, like: Volume | None = None) -> NDArray[np.bool_]:
    """Read a mask: bool (x, y, z); see `data.mask_values` for what its numbers may be and what is refused.

    Raises:
        InputError: as ``read_volume``; the mask is empty, inverted, or no mask of one thing.
    """
    return read_mask_and_notes(path, like=like)[0]


def read_mask_and_notes(path: str | Path, *, like: Volume | None = None) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Read a mask as ``read_mask``, and say what was made of it; one line each."""
    return as_mask(read_volume(path, like=like).data, str(path))


def write_volume(
    path: str | Path, data: ArrayLike, affine: ArrayLike, description: str = "", frames: Frames | None = None
) -> None:
    """Write one 3-D volume, atomically and with bytes that depend on the arguments alone.

    Args:
        path: must end in ``.nii`` or ``.nii.gz``.
        data: (x, y, z); bool is stored as uint8, floats as float32, 8- to 32-bit integers as they are.
        affine: (4, 4), voxel to world, mm; stored as sform and qform with code 1.
        description: the header's free text, cut to its 79 bytes.
        frames: matrices and codes of the volume that this one was made from, kept as they were; must lie on its grid.

    Raises:
        InputError: the name does not end in .nii or .nii.gz, or the folder cannot be written to.
        ValueError: the array or the affine has the wrong shape or type.
    """
    path = Path(path)
    if not path.name.endswith((".nii", ".nii.gz")):
        raise InputError(f"cannot write {path}: the name must end in .nii or .nii.gz")
    matrix = np.asarray(affine, dtype=np.float64)
    image: Any = nib.Nifti1Image(_storable(np.asarray(data)), matrix)  # type: ignore[no-untyped-call]
    if frames is None:
        frames = Frames.scanner(matrix)
    frames.write(image)
    image.header.set_xyzt_units(xyz="mm")
    image.header["descrip"] = description.encode("ascii", "replace")[:79]
    with atomic_path(path) as temporary, temporary.open("wb") as raw:
        if path.name.endswith(".gz"):
            raw.writelines(gzipped(image.to_bytes(), _COMPRESSION))
        else:
            image.to_stream(raw)


def _check_values(path: Path, *volumes: NDArray[np.float32]) -> None:
    size = sum(v.size for v in volumes)
    n_bad = size - sum(int(np.isfinite(v).sum()) for v in volumes)
    if n_bad:
        raise InputError(f"{path} has {n_bad} NaN or infinite of {size} voxels; set them to 0 or repair the file")
    with np.errstate(invalid="ignore"):
        n_bad = sum(int((np.abs(v) > _LARGEST).sum()) for v in volumes)
    if n_bad:
        raise InputError(f"{path} has {n_bad} voxels beyond {_LARGEST:g}, which nothing measures; repair the file")


def _storable(data: NDArray[Any]) -> NDArray[Any]:
    if data.ndim != 3:
        raise ValueError(f"a volume has three dimensions, got an array of shape {data.shape}")
    if data.dtype == np.bool_:
        return data.astype(np.uint8)
    if data.dtype.kind == "f":
        return data.astype(np.float32)
    if data.dtype.kind in "iu" and data.dtype.itemsize <= 4:
        return data
    raise ValueError(f"cannot store {data.dtype} voxels; convert to float32, bool or an integer of at most 32 bits")


def _load(path: Path, n_axes: int = 3) -> tuple[NDArray[Any], _Header]:
    content = read_bytes(path)
    # Headers may hold numbers that overflow where nibabel looks at them; what they come to is checked.
    with reading(path, "a NIfTI file", "copy or convert it again"), _quiet(), np.errstate(all="ignore"):
        image = _parse(path, content)
        shape = _shape(path, image, n_axes)
        frames = read_frames(image)
        affine, voxel_size = _geometry(path, image, frames)
        slope, intercept = (
            float(v) if v is not None and np.isfinite(v) else d
            for v, d in zip((image.dataobj.slope, image.dataobj.inter), (1.0, 0.0), strict=True)
        )
        array = np.asanyarray(image.dataobj).reshape(shape)
    return array, (affine, voxel_size, frames, slope, intercept, image.header.get_dim_info()[2])


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep nibabel's own lines about headers off standard error; what matters of them is said by us, with the file."""
    logger = logging.getLogger("nibabel.global")
    before = logger.disabled
    logger.disabled = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            yield
    finally:
        logger.disabled = before


def _shape(path: Path, image: Any, n_axes: int) -> tuple[int, ...]:
    dtype = image.get_data_dtype()
    if dtype.kind == "c":
        raise InputError(f"{path} holds complex data; give magnitude and phase as two real files")
    if dtype.kind not in "iuf":
        raise InputError(f"{path} holds {dtype} voxels (a colour image?); give a volume with one real number a voxel")
    shape: tuple[int, ...] = image.shape
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) > n_axes:
        n_volumes = prod(shape[3:])
        raise InputError(f"{path} holds {n_volumes} volumes (shape {shape}); give one 3-D volume, split the file first")
    if len(shape) < 3 or 0 in shape:
        raise InputError(f"{path} has shape {shape}; give a 3-D volume")
    return shape


def _parse(path: Path, content: bytes) -> Any:
    if content[344:347] == b"ni1":
        raise InputError(f"{path} is half of a two-file NIfTI (.hdr and .img); convert it to one .nii.gz file")
    if content[344:348] == b"n+1\0":
        kind: Any = nib.Nifti1Image
    elif content[4:8] == b"n+2\0":
        kind = nib.Nifti2Image
    else:
        raise InputError(f"{path} is not a NIfTI file; give a .nii or .nii.gz file")
    try:
        return kind.from_bytes(content)
    except (nib.spatialimages.HeaderDataError, ValueError, OSError, KeyError, OverflowError, ArithmeticError) as error:
        raise InputError(f"{path} has a damaged NIfTI header ({reason(error)}); copy or convert it again") from error


def _geometry(path: Path, image: Any, frames: Frames) -> tuple[NDArray[np.float64], Triple]:
    try:
        unit = image.header.get_xyzt_units()[0]
    except KeyError as error:
        raise InputError(f"{path} has a damaged NIfTI header (unit {error}); copy or convert it again") from error
    if unit not in ("mm", "unknown"):
        raise InputError(f"{path} gives its lengths in {unit}; convert its header to mm")
    affine = frames.affine
    # Squares of what is farther need not be finite; neither is any place in a scanner.
    if not (np.abs(affine) < _FARTHEST).all():
        raise InputError(f"{path} has an affine that is not finite or of no scanner; correct its header or convert it")
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    zooms = np.array(image.header.get_zooms()[:3], dtype=np.float64)
    # Which of the two is right cannot be told from the file, and the dipole kernel depends on it.
    if not np.allclose(lengths, zooms, rtol=1e-3, atol=0.0):
        raise InputError(
            f"{path} contradicts itself: voxels of {_mm(lengths)} by its affine, of {_mm(zooms)} by its pixdim; "
            "correct its header"
        )
    if not (lengths.min() > _FINEST and lengths.max() < _COARSEST):
        raise InputError(
            f"{path} has voxels of {_mm(lengths)}, which no image of an object has; are its lengths in m or in "
            "micrometres? Convert its header to mm"
        )
    x, y, z = lengths.tolist()
    return affine, (x, y, z)


def _check_same_grid(path: Path, volume: Volume, like: Volume) -> None:
    if volume.data.shape != like.data.shape:
        raise InputError(
            f"{path} has shape {volume.data.shape}, but the volume it goes with has {like.data.shape}; "
            "resample it to that grid"
        )
    last = [n - 1 for n in like.data.shape]
    corners = np.array([(*corner, 1) for corner in product(*((0, n) for n in last))], dtype=np.float64)
    # Files of one scan may state one of the two matrices each: they lie together where any two of theirs agree.
    pairs = product([volume.affine, *volume.frames.matrices()], [like.affine, *like.frames.matrices()])
    shift = min(float(np.linalg.norm(corners @ (a - b).T, axis=1).max()) for a, b in pairs)
    if not shift < 0.5 * min(like.voxel_size):
        raise InputError(
            f"{path} lies elsewhere than the volume it goes with: their corners are up to {shift:.3g} mm apart; "
            "resample it to that grid, or copy that volume's header if the voxels do match"
        )


def _mm(lengths: NDArray[np.float64]) -> str:
    return "(" + ", ".join(f"{length:.4g}" for length in lengths) + ") mm"
