"""The 2016 QSM reconstruction challenge, from its own archive to plain NIfTI files: map, mask, and what it measured.

One healthy volunteer, 3 T, 12 head orientations; chi_cosmos is their COSMOS reconstruction in ppm, on the grid of the
transversal scan, with B0 along the third voxel axis. Langkammer et al., "Quantitative susceptibility mapping: report
from the 2016 reconstruction challenge", Magn Reson Med 79 (2018) 1661-1673, doi:10.1002/mrm.26830. COSMOS: Liu et al.,
Magn Reson Med 61 (2009) 196-204, doi:10.1002/mrm.21828.

The archive keeps everything under ``20170327_qsm2016_recon_challenge/data/``, each volume as ``.nii.gz`` and, for the
challenge's MATLAB scripts, as ``.mat``: ``chi_cosmos``, ``chi_33``, ``msk`` (the brain mask: BET, eroded by 5 voxels),
``phs_tissue``, ``phs_wrap``, ``phs_unwrap``, ``magn``, ``evaluation_mask`` (labels of regions, not the brain), and the
voxel size as ``spatial_res``. Map, mask and voxel size are needed here; where they are there, ``phs_tissue`` (the
transversal scan's local field in ppm; TE 25 ms), ``magn`` (its magnitude) and ``chi_33`` (the tensor's component along
B0, ppm) are taken along. No licence to redistribute is stated, so users fetch the archive themselves.

**Voxel size.** The paper says 1.06 mm isotropic. The archive's headers and ``spatial_res`` say 1.0625 x 1.0625 x
1.0714 mm (the third is 15/14), and copies with 1.0625 mm throughout go round. The difference, 0.8 % along z, changes
the dipole kernel, so the size is always read from the files and recorded, never assumed.

**Mask.** A copy without ``msk`` gets the voxels where chi_cosmos is not zero, holes filled; the map is zero outside the
brain, and the record says where the mask came from.
"""

import json
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat
from scipy.io.matlab import MatReadError
from scipy.ndimage import binary_fill_holes

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Triple
from qsmbench.data.atomic import write_json_atomic
from qsmbench.data.download import download, sha256_of
from qsmbench.data.nifti import Volume, read_mask, read_volume, write_volume

URL = "https://www.neuroimaging.at/media/qsm/20170327_qsm2016_recon_challenge.zip"
SIZE = 244_982_259
DOI = "10.1002/mrm.26830"
B0_DIR: Triple = (0.0, 0.0, 1.0)
# Of the transversal scan; phs_tissue is its phase divided by 2 pi gamma B0 TE.
B0, ECHO_TIME = 2.8936, 0.025  # T, s

_CHI, _MASK, _VOXELS = ("chi_cosmos",), ("msk", "mask"), ("spatial_res",)
# What a copy of the archive may lack: our name, theirs, and what it is.
_EXTRAS = {
    "local_field": ("phs_tissue", "local field in ppm"),
    "magnitude": ("magn", "magnitude, arbitrary unit"),
    "chi_33": ("chi_33", "component of the tensor along B0 in ppm"),
}
# Of this module's files: an older cache is made again from its archive.
_VERSION = 2
_VOLUME_SUFFIXES, _VOXEL_SUFFIXES = (".nii.gz", ".nii", ".mat"), (".txt", ".mat")
# A 160^3 double takes 33 MB; a member of more than a gigabyte is not from this challenge.
_MEMBER_LIMIT = 1 << 30
# Header float32 against double in spatial_res; the two voxel sizes in circulation are 9e-3 mm apart.
_VOXEL_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Challenge2016Files:
    """Where the map lies, and what it is.

    Attributes:
        chi_cosmos: NIfTI, float32, ppm.
        mask: NIfTI, uint8, 1 in the brain.
        voxel_size: mm, as the source states it.
        b0_dir: unit vector in voxel axes.
        record: JSON: source, hashes, voxel size, where the mask came from.
        local_field, magnitude, chi_33: NIfTI, float32, on the same grid; None where the archive has none.
    """

    chi_cosmos: Path
    mask: Path
    voxel_size: Triple
    b0_dir: Triple
    record: Path
    local_field: Path | None = None
    magnitude: Path | None = None
    chi_33: Path | None = None


@dataclass(frozen=True)
class _Found:
    """The files of one archive or folder: their names, and how to get one as a file on disk."""

    origin: Path
    names: tuple[str, ...]
    get: Callable[[str], Path]

    def best(self, stems: tuple[str, ...], suffixes: tuple[str, ...]) -> str | None:
        """The first suffix wins; then a folder called data, then the shallowest path."""
        wanted = [stem + suffix for suffix in suffixes for stem in stems]

        def rank(name: str) -> tuple[int, bool, int, str]:
            path = PurePosixPath(name)
            return wanted.index(path.name), path.parent.name != "data", len(path.parts), name

        return min((name for name in self.names if PurePosixPath(name).name in wanted), key=rank, default=None)


def challenge2016(
    cache_dir: str | Path,
    *,
    archive: str | Path | None = None,
    url: str = URL,
    size: int | None = SIZE,
    sha256: str | None = None,
    progress: bool = False,
) -> Challenge2016Files:
    """Put ``chi_cosmos.nii.gz``, ``mask.nii.gz``, ``record.json``, and what else was measured, into ``cache_dir``.

    Where they are there, whole and from the same ``url``, nothing is read or downloaded. The archive stays in
    ``cache_dir`` beside them.

    Args:
        cache_dir: where to work.
        archive: a copy of the archive, or the folder it was unpacked to, in place of a download.
        url: where to download from.
        size: expected length of the download in bytes.
        sha256: expected hash of the download; the challenge publishes none, the one found is recorded.
        progress: as ``download``.

    Raises:
        InputError: the download fails; the archive is damaged or not this challenge's; map, mask and voxel size do not
            fit together.
    """
    cache = Path(cache_dir)
    if archive is None:
        cached = _cached(cache, url)
        if cached is not None:
            return cached
        source = cache / PurePosixPath(url).name
        origin = {"url": url, "sha256": download(url, source, size=size, sha256=sha256, progress=progress)}
    else:
        source = Path(archive)
        if not source.exists():
            raise InputError(
                f"{source} does not exist; give the challenge's zip archive or the folder it was unpacked to"
            )
        origin = {"name": source.name} | ({"sha256": sha256_of(source)} if source.is_file() else {})
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix=".tmp-challenge2016-") as scratch:
        if source.is_dir():
            found = _in_folder(source)
            return _convert(found, cache, origin)
        try:
            with zipfile.ZipFile(source) as opened:
                return _convert(_in_zip(source, opened, Path(scratch)), cache, origin)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise InputError(
                f"{source} is cut short or not a zip archive ({error}); delete it and get it again"
            ) from error


def _paths(cache: Path) -> tuple[Path, Path, Path]:
    return cache / "chi_cosmos.nii.gz", cache / "mask.nii.gz", cache / "record.json"


def _cached(cache: Path, url: str) -> Challenge2016Files | None:
    chi, mask, record = _paths(cache)
    if not (chi.is_file() and mask.is_file() and record.is_file()):
        return None
    try:
        content = json.loads(record.read_text(encoding="utf-8"))
        if content["origin"].get("url") != url or content["version"] != _VERSION:
            return None
        hashes = {name: sha256_of(cache / Path(name).name) for name in content["files"]}
        if hashes != content["files"] or not {chi.name, mask.name} <= set(hashes):
            return None
        x, y, z = content["voxel_size"]
    except (ValueError, KeyError, TypeError, AttributeError, OSError):
        return None  # some other program's record.json, or a file is gone
    extras = {name: cache / f"{name}.nii.gz" for name in _EXTRAS if f"{name}.nii.gz" in hashes}
    return Challenge2016Files(chi, mask, (x, y, z), B0_DIR, record, **extras)


def _in_folder(folder: Path) -> _Found:
    levels = chain.from_iterable(folder.glob(pattern) for pattern in ("*", "*/*", "*/*/*"))
    names = tuple(path.relative_to(folder).as_posix() for path in levels if path.is_file())
    return _Found(folder, names, folder.joinpath)


def _in_zip(source: Path, opened: zipfile.ZipFile, scratch: Path) -> _Found:
    def get(name: str) -> Path:
        info = opened.getinfo(name)
        if info.file_size > _MEMBER_LIMIT:
            raise InputError(f"{source}: {name} unpacks to {info.file_size} bytes; this is not the challenge's archive")
        # Only the last part of the member's name is used, and only once it is one of those looked for.
        target = scratch / PurePosixPath(name).name
        with opened.open(info) as packed, target.open("wb") as unpacked:
            shutil.copyfileobj(packed, unpacked)
        return target

    members = (info.filename for info in opened.infolist() if not info.is_dir())
    return _Found(source, tuple(_safe(members)), get)


def _safe(names: Iterable[str]) -> Iterable[str]:
    for name in names:
        path = PurePosixPath(name)
        if not (path.is_absolute() or ".." in path.parts or "\\" in name or "__MACOSX" in path.parts):
            yield name


def _convert(found: _Found, cache: Path, origin: dict[str, str]) -> Challenge2016Files:
    chi_name = found.best(_CHI, _VOLUME_SUFFIXES)
    if chi_name is None:
        raise InputError(
            f"{found.origin} holds no chi_cosmos.nii.gz, .nii or .mat; give the 2016 challenge's archive ({URL})"
        )
    voxel_name, mask_name = found.best(_VOXELS, _VOXEL_SUFFIXES), found.best(_MASK, _VOLUME_SUFFIXES)
    stated = None if voxel_name is None else _voxel_size(found.get(voxel_name))
    chi = _chi(found.get(chi_name), stated)
    if mask_name is None:
        mask, mask_from = binary_fill_holes(chi.data != 0), "chi_cosmos != 0, holes filled"
        if not mask.any():
            raise InputError(f"{found.origin}: chi_cosmos is zero everywhere; get the archive again")
    else:
        mask, mask_from = _mask(found.get(mask_name), chi), PurePosixPath(mask_name).name

    chi_path, mask_path, record = _paths(cache)
    record.unlink(missing_ok=True)
    write_volume(chi_path, chi.data, chi.affine, f"chi in ppm, doi:{DOI}")
    write_volume(mask_path, mask, chi.affine, f"brain mask, doi:{DOI}")
    extras: dict[str, Path] = {}
    left_out: dict[str, str] = {}
    for name, (stem, what) in _EXTRAS.items():
        member = found.best((stem,), _VOLUME_SUFFIXES)
        if member is None:
            continue
        path = cache / f"{name}.nii.gz"
        try:
            write_volume(path, _like(found.get(member), chi), chi.affine, f"{what}, doi:{DOI}")
            extras[name] = path
        except InputError as error:
            # The map is good without it.
            left_out[name] = str(error)
    content = {
        "b0_dir": B0_DIR,
        "chi_from": PurePosixPath(chi_name).name,
        "doi": DOI,
        "files": {path.name: sha256_of(path) for path in (chi_path, mask_path, *extras.values())},
        "left_out": left_out,
        "mask_from": mask_from,
        "origin": origin,
        "version": _VERSION,
        "voxel_size": chi.voxel_size,
    }
    write_json_atomic(record, content)
    return Challenge2016Files(chi_path, mask_path, chi.voxel_size, B0_DIR, record, **extras)


def _chi(path: Path, stated: Triple | None) -> Volume:
    if path.suffix != ".mat":
        volume = read_volume(path)
        if stated is not None and not np.allclose(volume.voxel_size, stated, rtol=0.0, atol=_VOXEL_TOLERANCE):
            raise InputError(
                f"{path.name} has voxels of {volume.voxel_size} mm, but spatial_res says {stated} mm; "
                "get both from one release of the archive"
            )
        return volume
    if stated is None:
        raise InputError(f"{path.name} has no voxel size; put spatial_res.mat or spatial_res.txt beside it")
    data = _matlab_volume(path)
    return Volume(np.array(data, dtype=np.float32, order="C"), np.diag([*stated, 1.0]), stated)


def _like(path: Path, chi: Volume) -> NDArray[np.float32]:
    data = read_volume(path, like=chi).data if path.suffix != ".mat" else _matlab_volume(path)
    if data.shape != chi.data.shape:
        raise InputError(f"{path.name} has shape {data.shape}, but chi_cosmos {chi.data.shape}; get the archive again")
    return np.array(data, dtype=np.float32, order="C")


def _mask(path: Path, chi: Volume) -> NDArray[np.bool_]:
    if path.suffix != ".mat":
        return read_mask(path, like=chi)
    mask: NDArray[np.bool_] = _matlab_volume(path) != 0
    if mask.shape != chi.data.shape or not mask.any():
        raise InputError(f"{path.name} is empty or not of chi_cosmos' shape {chi.data.shape}, but {mask.shape}")
    return mask


def _voxel_size(path: Path) -> Triple:
    if path.suffix == ".mat":
        sizes = [float(value) for value in np.ravel(_matlab(path))]
    else:
        text = path.read_text(encoding="utf-8", errors="replace")
        sizes = [float(number) for number in re.findall(r"\d+\.?\d*(?:[eE][+-]?\d+)?", text)]
    if len(sizes) != 3 or not all(0.0 < value < 100.0 for value in sizes):
        raise InputError(f"{path.name} must hold three voxel sizes in mm; get the archive again")
    x, y, z = sizes
    return (x, y, z)


def _matlab_volume(path: Path) -> NDArray[Any]:
    data = _matlab(path)
    if data.ndim != 3 or data.dtype.kind not in "iufb" or not np.isfinite(data).all():
        raise InputError(f"{path.name} must hold one finite real 3-D volume, got {data.dtype} of shape {data.shape}")
    return data


def _matlab(path: Path) -> NDArray[Any]:
    """The variable that has the file's name, as the challenge's scripts load it."""
    name = path.stem
    try:
        variables = loadmat(path, variable_names=[name])
    except NotImplementedError as error:
        raise InputError(
            f"{path.name} is a MATLAB 7.3 file; use the .nii.gz files, or save it again with -v7"
        ) from error
    except (MatReadError, ValueError, TypeError, OSError, zlib.error) as error:
        raise InputError(f"{path.name} is damaged or not a MATLAB file ({error}); get the archive again") from error
    if name not in variables:
        raise InputError(f"{path.name} holds no variable {name}; get the archive again")
    array: NDArray[Any] = np.asarray(variables[name])
    return array
