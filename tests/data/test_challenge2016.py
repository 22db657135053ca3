import gzip
import io
import json
import zipfile

import nibabel as nib
import numpy as np
import pytest
from scipy.io import savemat

from qsmbench.core.errors import InputError
from qsmbench.data import challenge2016 as module
from qsmbench.data.challenge2016 import challenge2016
from qsmbench.data.download import sha256_of
from qsmbench.data.nifti import read_mask, read_volume

ROOT = "20170327_qsm2016_recon_challenge/data/"
VOXELS = (1.0625, 1.0625, 15 / 14)
# The archive's affines are diagonal, with the origin one voxel from zero.
AFFINE = np.diag([*VOXELS, 1.0])
AFFINE[:3, 3] = VOXELS
MASK = np.zeros((10, 11, 12), bool)
MASK[2:8, 2:9, 3:10] = True
CHI = np.where(MASK, np.random.default_rng(3).normal(scale=0.05, size=MASK.shape), 0).astype(np.float32)
CHI[4, 4, 5] = 0  # a hole that filling has to close


def nifti(data, affine=AFFINE) -> bytes:
    return gzip.compress(nib.Nifti1Image(data, affine).to_bytes(), mtime=0)


def matlab(**variables) -> bytes:
    buffer = io.BytesIO()
    savemat(buffer, variables, do_compression=True)
    return buffer.getvalue()


NIFTIS = {
    "chi_cosmos.nii.gz": nifti(CHI),
    "chi_33.nii.gz": nifti(CHI + 1),
    "msk.nii.gz": nifti(MASK.astype(np.float32)),
    "phs_tissue.nii.gz": nifti(CHI / 3),
    "magn.nii.gz": nifti(np.abs(CHI) + 1),
    "evaluation_mask.nii.gz": nifti(np.arange(CHI.size, dtype=np.int16).reshape(CHI.shape) % 12),
}
MATS = {
    "chi_cosmos.mat": matlab(chi_cosmos=CHI.astype(np.float64)),
    "chi_33.mat": matlab(chi_33=CHI + 1),
    "phs_tissue.mat": matlab(phs_tissue=CHI / 3),
    "magn.mat": matlab(magn=np.abs(CHI) + 1),
    "msk.mat": matlab(msk=MASK.astype(np.float64)),
    "spatial_res.mat": matlab(spatial_res=np.array([VOXELS])),
}
TEXT = {"spatial_res.txt": b"  1.0625000e+00   1.0625000e+00   1.0714286e+00\n"}


def pack(files: dict[str, bytes], root: str = ROOT) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(root + name, content)
    return buffer.getvalue()


@pytest.fixture
def archive(tmp_path):
    def make(files, root=ROOT):
        path = tmp_path / "archive.zip"
        path.write_bytes(pack(files, root))
        return path

    return make


def check(files, mask=MASK):
    chi = read_volume(files.chi_cosmos)
    np.testing.assert_array_equal(chi.data, CHI)
    np.testing.assert_array_equal(read_mask(files.mask, like=chi), mask)
    np.testing.assert_allclose(chi.voxel_size, VOXELS, atol=1e-6)
    np.testing.assert_allclose(files.voxel_size, VOXELS, atol=1e-6)
    assert files.b0_dir == (0, 0, 1)


@pytest.mark.parametrize(
    "files", [NIFTIS, NIFTIS | MATS | TEXT, MATS, {k: v for k, v in MATS.items() if "spat" not in k} | TEXT]
)
def test_both_forms_of_the_archive_give_the_same_map(archive, tmp_path, files):
    check(challenge2016(tmp_path / "cache", archive=archive(files)))
    names = sorted(p.name for p in (tmp_path / "cache").iterdir())
    volumes = ["chi_33.nii.gz", "chi_cosmos.nii.gz", "local_field.nii.gz", "magnitude.nii.gz", "mask.nii.gz"]
    assert names == [*volumes, "record.json"]


def test_what_a_copy_lacks_is_none(archive, tmp_path):
    few = {name: content for name, content in NIFTIS.items() if name[:3] in {"chi", "msk"}}
    files = challenge2016(tmp_path / "cache", archive=archive(few))
    assert files.local_field is None and files.magnitude is None and files.chi_33 is not None
    np.testing.assert_array_equal(read_volume(files.chi_33).data, CHI + 1)


def test_a_cache_of_an_older_version_is_made_again_from_its_archive(site, tmp_path):
    site.content = pack(NIFTIS)
    options = {"url": site.url("challenge.zip"), "size": len(site.content)}
    first = challenge2016(tmp_path, **options)
    record = json.loads(first.record.read_text())
    del record["version"]
    first.record.write_text(json.dumps(record))
    first.local_field.unlink()
    assert challenge2016(tmp_path, **options).local_field.is_file()


def test_the_record_says_what_was_used(archive, tmp_path):
    path = archive(NIFTIS)
    files = challenge2016(tmp_path / "cache", archive=path)
    record = json.loads(files.record.read_text())
    assert record["origin"] == {"name": "archive.zip", "sha256": sha256_of(path)}
    volumes = (files.chi_cosmos, files.mask, files.local_field, files.magnitude, files.chi_33)
    assert record["files"] == {p.name: sha256_of(p) for p in volumes}
    assert record["mask_from"] == "msk.nii.gz"
    assert record["voxel_size"] == list(files.voxel_size)


def test_a_folder_will_do_at_any_of_its_levels(tmp_path):
    data = tmp_path / "unpacked" / ROOT
    data.mkdir(parents=True)
    for name, content in (NIFTIS | TEXT).items():
        (data / name).write_bytes(content)
    made = [
        challenge2016(tmp_path / f"cache{i}", archive=folder)
        for i, folder in enumerate((data, data.parent, data.parents[1]))
    ]
    for files in made:
        check(files)
    assert len({files.chi_cosmos.read_bytes() for files in made}) == 1


def test_it_is_downloaded_once(site, tmp_path):
    site.content = pack(NIFTIS)
    site.drops = [len(site.content) // 2]
    options = {"url": site.url("challenge.zip"), "size": len(site.content)}
    check(challenge2016(tmp_path, **options))
    assert [status for _, status in site.seen] == [200, 206]
    assert (tmp_path / "challenge.zip.sha256").is_file()

    (tmp_path / "challenge.zip").unlink()
    check(challenge2016(tmp_path, **options))
    assert len(site.seen) == 2

    (tmp_path / "mask.nii.gz").write_bytes(b"damaged")
    check(challenge2016(tmp_path, **options))
    assert len(site.seen) == 3


def test_what_came_from_another_address_is_fetched_anew(site, tmp_path):
    site.content = pack(NIFTIS | {"chi_cosmos.nii.gz": nifti(CHI + 1)})
    challenge2016(tmp_path, url=site.url("old.zip"), size=None)
    site.content = pack(NIFTIS)
    check(challenge2016(tmp_path, url=site.url("new.zip"), size=None))


def test_a_foreign_record_is_not_believed(site, tmp_path):
    site.content = pack(NIFTIS)
    for name in ("chi_cosmos.nii.gz", "mask.nii.gz"):
        (tmp_path / name).write_bytes(NIFTIS["chi_33.nii.gz"])
    (tmp_path / "record.json").write_text("[1]")
    check(challenge2016(tmp_path, url=site.url("c.zip"), size=None))


def test_download_failures_are_input_errors(site, tmp_path):
    site.statuses = [404]
    with pytest.raises(InputError, match="404"):
        challenge2016(tmp_path, url=site.url("challenge.zip"))
    site.content = pack(NIFTIS)
    with pytest.raises(InputError, match="244982259 were expected"):
        challenge2016(tmp_path, url=site.url("challenge.zip"))


def test_without_a_mask_the_map_itself_tells(archive, tmp_path):
    files = challenge2016(tmp_path, archive=archive({"chi_cosmos.nii.gz": NIFTIS["chi_cosmos.nii.gz"]}))
    check(files)
    assert "chi_cosmos != 0" in json.loads(files.record.read_text())["mask_from"]


def test_the_data_folder_is_preferred_and_junk_ignored(archive, tmp_path):
    wrong = nifti(CHI + 1)
    files = {
        "data/chi_cosmos.nii.gz": NIFTIS["chi_cosmos.nii.gz"],
        "data/msk.nii.gz": NIFTIS["msk.nii.gz"],
        "chi_cosmos.nii.gz": wrong,
        "results/chi_cosmos.nii.gz": wrong,
        "__MACOSX/data/chi_cosmos.nii.gz": b"junk",
        "data/._chi_cosmos.nii.gz": b"junk",
    }
    check(challenge2016(tmp_path, archive=archive(files, root="")))


def test_names_that_lead_out_of_the_archive_are_never_used(archive, tmp_path):
    files = {f"{way}chi_cosmos.nii.gz": NIFTIS["chi_cosmos.nii.gz"] for way in ("../", "/", "data/../../", "..\\")}
    path = archive(files, root="")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match=r"holds no chi_cosmos"):
        challenge2016(tmp_path / "cache", archive=path)
    assert sorted(p for p in tmp_path.rglob("*") if p.name != "cache") == before


def test_damaged_archives(archive, tmp_path):
    path = archive(NIFTIS)
    content = path.read_bytes()
    for broken in (content[: len(content) // 2], content[:-1], b"", b"<html>not here</html>"):
        path.write_bytes(broken)
        with pytest.raises(InputError, match="cut short or not a zip"):
            challenge2016(tmp_path / "cache", archive=path)
    flipped = bytearray(content)
    flipped[100] ^= 0xFF
    path.write_bytes(flipped)
    with pytest.raises(InputError, match="cut short or not a zip"):
        challenge2016(tmp_path / "cache", archive=path)
    assert list((tmp_path / "cache").iterdir()) == []


def test_an_archive_that_unpacks_to_too_much(archive, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_MEMBER_LIMIT", 100)
    with pytest.raises(InputError, match="unpacks to"):
        challenge2016(tmp_path / "cache", archive=archive(NIFTIS))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"chi_cosmos.nii.gz": None}, "holds no chi_cosmos"),
        ({"msk.nii.gz": nifti(MASK[:-1].astype(np.uint8))}, "shape"),
        ({"msk.nii.gz": nifti(np.zeros(MASK.shape, np.uint8))}, "empty"),
        ({"spatial_res.txt": b"1.0625 1.0625 1.0625"}, "spatial_res says"),
        ({"spatial_res.txt": b"1.0625"}, "three voxel sizes"),
        ({"msk.nii.gz": None, "chi_cosmos.nii.gz": nifti(CHI * 0)}, "zero everywhere"),
        ({"msk.nii.gz": None, "msk.mat": MATS["msk.mat"][:200]}, "damaged"),
        ({"msk.nii.gz": None, "msk.mat": matlab(other=MASK)}, "no variable msk"),
        ({"msk.nii.gz": None, "msk.mat": matlab(msk=MASK[0])}, "3-D volume"),
        ({"msk.nii.gz": None, "msk.mat": b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\x02IM"}, "7.3"),
    ],
)
def test_archives_that_do_not_fit(archive, tmp_path, change, message):
    files = {name: content for name, content in (NIFTIS | change).items() if content is not None}
    with pytest.raises(InputError, match=message):
        challenge2016(tmp_path / "cache", archive=archive(files))


def test_matlab_without_a_voxel_size(archive, tmp_path):
    files = {name: content for name, content in MATS.items() if "spatial" not in name}
    with pytest.raises(InputError, match="no voxel size"):
        challenge2016(tmp_path / "cache", archive=archive(files))


def test_an_archive_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        challenge2016(tmp_path / "cache", archive=tmp_path / "none.zip")


def test_the_real_map(shared_data, tmp_path):
    source = shared_data / "challenge2016"
    files = challenge2016(tmp_path, archive=source)
    assert files.voxel_size == (1.0625, 1.0625, 1.0625)
    chi = read_volume(files.chi_cosmos)
    np.testing.assert_array_equal(chi.data, read_volume(source / "chi_cosmos.nii.gz").data)
    # What stands in for a missing mask is the mask itself on this map.
    np.testing.assert_array_equal(chi.data != 0, read_mask(files.mask, like=chi))
