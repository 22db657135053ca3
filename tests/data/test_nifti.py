import gzip
import io

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid
from qsmbench.data.nifti import read_mask, read_volume, read_volumes, write_volume
from qsmbench.data.nifti_bytes import gzipped

DATA = np.random.default_rng(2).normal(size=(5, 6, 7)).astype(np.float32)
AFFINE = np.array([[0.5, 0, 0, -1], [0, 0.6, 0, 2], [0, 0, 2, 3], [0, 0, 0, 1]])


def save(path, data, affine=AFFINE, kind=nib.Nifti1Image):
    nib.save(kind(data, affine), path)
    return path


def refusal(path, read=read_volume, **options) -> str:
    with pytest.raises(InputError) as error:
        read(path, **options)
    message = str(error.value)
    assert str(path) in message and "\n" not in message
    return message


@pytest.mark.parametrize("name", ["chi.nii", "chi.nii.gz"])
def test_what_is_written_is_read(tmp_path, name):
    write_volume(tmp_path / name, DATA, AFFINE, "chi in ppm")
    volume = read_volume(tmp_path / name)
    np.testing.assert_array_equal(volume.data, DATA)
    np.testing.assert_allclose(volume.affine, AFFINE, atol=1e-7)
    assert volume.data.dtype == np.float32 and volume.affine.dtype == np.float64
    assert volume.data.flags["C_CONTIGUOUS"] and volume.data.flags["WRITEABLE"]
    assert volume.voxel_size == pytest.approx((0.5, 0.6, 2.0), abs=1e-7)
    header = nib.load(tmp_path / name).header
    assert (int(header["sform_code"]), int(header["qform_code"])) == (1, 1)
    assert header.get_xyzt_units()[0] == "mm"
    assert header["descrip"].item() == b"chi in ppm"


@settings(max_examples=25, deadline=None)
@given(
    st.tuples(*[st.integers(1, 5)] * 3),
    st.tuples(*[st.floats(0.3, 4.0)] * 3),
    st.tuples(*[st.floats(-180.0, 180.0)] * 3),
)
def test_any_rotated_grid_survives(tmp_path_factory, shape, voxel_size, angles):
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() * voxel_size
    affine[:3, 3] = angles
    path = tmp_path_factory.mktemp("grid") / "a.nii"
    write_volume(path, np.ones(shape, np.float32), affine)
    volume = read_volume(path)
    np.testing.assert_allclose(volume.affine, affine, rtol=1e-6, atol=1e-5)
    # A quaternion in single precision has lost its real part's digits near a turn of 180 degrees; the sform has not.
    np.testing.assert_allclose(nib.load(path).header.get_qform(), affine, rtol=0, atol=2e-3 * max(voxel_size))
    assert Grid.from_affine(volume.data.shape, volume.affine).voxel_size == pytest.approx(volume.voxel_size)


def test_the_same_data_give_the_same_bytes_under_any_name(tmp_path):
    paths = [tmp_path / "a.nii.gz", tmp_path / "other.nii.gz"]
    write_volume(paths[0], DATA, AFFINE)
    write_volume(paths[1], np.asfortranarray(DATA.astype(np.float64)), AFFINE.tolist())
    assert paths[0].read_bytes() == paths[1].read_bytes()
    # Bytes 3 to 7 of a gzip file: flags (8 would be a stored name) and modification time.
    assert paths[0].read_bytes()[3:8] == bytes(5)


def test_gzip_has_the_bytes_of_the_standard_librarys_file():
    content = np.random.default_rng(0).integers(0, 9, 300_000).astype(np.uint8).tobytes()
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=buffer, mtime=0) as stream:
        for start in range(0, len(content), 4096):
            stream.write(content[start : start + 4096])
    assert b"".join(gzipped(content, 6)) == buffer.getvalue()


@pytest.mark.parametrize(
    ("given_type", "stored"), [(bool, "uint8"), ("uint8", "uint8"), ("int16", "int16"), ("float64", "float32")]
)
def test_stored_types(tmp_path, given_type, stored):
    data = (DATA > 0).astype(given_type)
    write_volume(tmp_path / "a.nii.gz", data, AFFINE)
    assert nib.load(tmp_path / "a.nii.gz").get_data_dtype() == stored
    np.testing.assert_array_equal(read_mask(tmp_path / "a.nii.gz"), DATA > 0)


def test_what_cannot_be_written_is_refused_and_leaves_nothing(tmp_path):
    with pytest.raises(InputError, match=r"must end in .nii"):
        write_volume(tmp_path / "chi.mgz", DATA, AFFINE)
    with pytest.raises(ValueError, match="three dimensions"):
        write_volume(tmp_path / "chi.nii", DATA[0], AFFINE)
    with pytest.raises(ValueError, match="cannot store complex64"):
        write_volume(tmp_path / "chi.nii", DATA.astype(np.complex64), AFFINE)
    with pytest.raises(ValueError, match="cannot store int64"):
        write_volume(tmp_path / "chi.nii", DATA.astype(np.int64), AFFINE)
    assert list(tmp_path.iterdir()) == []


def test_a_long_description_is_cut(tmp_path):
    write_volume(tmp_path / "a.nii", DATA, AFFINE, "ü" + "x" * 200)
    assert nib.load(tmp_path / "a.nii").header["descrip"].item() == b"?" + b"x" * 78


def test_scaled_integers_and_nifti2_are_read(tmp_path):
    raw = np.round(DATA * 100).astype(np.int16)
    image = nib.Nifti2Image(raw, AFFINE)
    image.header.set_slope_inter(0.5, 3.0)
    nib.save(image, tmp_path / "a.nii.gz")
    np.testing.assert_allclose(read_volume(tmp_path / "a.nii.gz").data, 0.5 * raw + 3)


def test_big_endian_is_read(tmp_path):
    image = nib.Nifti1Image(DATA, AFFINE, header=nib.Nifti1Header(endianness=">"))
    nib.save(image, tmp_path / "a.nii")
    volume = read_volume(tmp_path / "a.nii")
    np.testing.assert_array_equal(volume.data, DATA)
    assert volume.data.dtype.isnative


def test_trailing_single_dimensions_are_dropped(tmp_path):
    path = save(tmp_path / "a.nii", DATA[..., None, None])
    np.testing.assert_array_equal(read_volume(path).data, DATA)


def test_files_that_are_no_volume(tmp_path):
    assert "does not exist" in refusal(tmp_path / "none.nii")
    assert "is a folder" in refusal(tmp_path)
    (tmp_path / "text.nii").write_text("chi")
    assert "not a NIfTI" in refusal(tmp_path / "text.nii")
    (tmp_path / "text.nii.gz").write_bytes(gzip.compress(b"chi" * 200))
    assert "not a NIfTI" in refusal(tmp_path / "text.nii.gz")
    (tmp_path / "empty.nii.gz").write_bytes(b"")
    assert "not a NIfTI" in refusal(tmp_path / "empty.nii.gz")
    nib.save(nib.MGHImage(DATA, AFFINE), tmp_path / "a.mgz")
    assert "not a NIfTI" in refusal(tmp_path / "a.mgz")
    nib.save(nib.Nifti1Pair(DATA, AFFINE), tmp_path / "pair.hdr")
    assert "two-file NIfTI" in refusal(tmp_path / "pair.hdr")
    assert "shape (6, 7); give a 3-D volume" in refusal(save(tmp_path / "flat.nii", DATA[0]))
    assert "holds 2 volumes" in refusal(save(tmp_path / "two.nii", np.stack([DATA, DATA], axis=-1)))
    assert "complex" in refusal(save(tmp_path / "complex.nii", DATA.astype(np.complex64)))
    colour = np.zeros((2, 2, 2), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    assert "colour" in refusal(save(tmp_path / "colour.nii", colour))


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_file_cut_short_anywhere_is_refused(tmp_path, name):
    write_volume(tmp_path / "whole.nii.gz" if name.endswith("gz") else tmp_path / "whole.nii", DATA, AFFINE)
    content = next(tmp_path.iterdir()).read_bytes()
    path = tmp_path / name
    for end in (1, 200, 350, len(content) // 2, len(content) - 9, len(content) - 1):
        path.write_bytes(content[:end])
        refusal(path)
    assert "cut short" in refusal(path)


def test_a_damaged_gzip_is_refused_even_where_it_unpacks(tmp_path):
    content = bytearray(gzip.compress(nib.Nifti1Image(DATA, AFFINE).to_bytes(), compresslevel=0, mtime=0))
    content[-100] ^= 1
    (tmp_path / "a.nii.gz").write_bytes(content)
    assert "CRC" in refusal(tmp_path / "a.nii.gz")


def test_a_damaged_header_is_refused(tmp_path):
    content = bytearray(nib.Nifti1Image(DATA, AFFINE).to_bytes())
    content[70:72] = b"\xff\x7f"  # datatype
    (tmp_path / "a.nii").write_bytes(content)
    assert "damaged NIfTI header" in refusal(tmp_path / "a.nii")


def test_non_finite_voxels_are_counted(tmp_path):
    data = DATA.copy()
    data[0, 0, :3] = np.nan, np.inf, -np.inf
    path = save(tmp_path / "a.nii", data)
    assert "has 3 NaN or infinite of 210 voxels" in refusal(path)
    assert "has 3 NaN" in refusal(path, read_mask)
    np.testing.assert_array_equal(read_volume(path, finite=False).data, data)


def test_doubles_too_large_for_float32_count_as_infinite(tmp_path):
    path = save(tmp_path / "a.nii", np.full((2, 2, 2), 1e300))
    assert "has 8 NaN or infinite" in refusal(path)


def test_lengths_that_are_not_mm_or_contradict_each_other(tmp_path):
    image = nib.Nifti1Image(DATA, AFFINE)
    image.header.set_xyzt_units(xyz="micron")
    nib.save(image, tmp_path / "micron.nii")
    assert "in micron" in refusal(tmp_path / "micron.nii")
    image = nib.Nifti1Image(DATA, AFFINE)
    content = bytearray(image.to_bytes())
    content[80:84] = np.float32(1.0).tobytes()  # pixdim[1]
    (tmp_path / "a.nii").write_bytes(content)
    assert "(0.5, 0.6, 2) mm by its affine, of (1, 0.6, 2) mm by its pixdim" in refusal(tmp_path / "a.nii")


def test_shear_is_left_for_the_grid_to_refuse(tmp_path):
    affine = AFFINE.copy()
    affine[0, 1] = 0.2
    image = nib.Nifti1Image(DATA, affine)
    volume = read_volume(save(tmp_path / "a.nii", DATA, image.affine))
    with pytest.raises(InputError, match="shear"):
        Grid.from_affine(volume.data.shape, volume.affine)


def test_masks(tmp_path):
    mask = read_mask(save(tmp_path / "m.nii", (3 * (DATA > 0)).astype(np.float32)))
    assert mask.dtype == np.bool_
    np.testing.assert_array_equal(mask, DATA > 0)
    assert "is empty" in refusal(save(tmp_path / "e.nii", np.zeros((2, 2, 2), np.uint8)), read_mask)


def test_a_mask_of_another_grid_is_refused(tmp_path):
    chi = read_volume(save(tmp_path / "chi.nii", DATA))
    ones = np.ones(DATA.shape, np.uint8)
    assert read_mask(save(tmp_path / "same.nii", ones, AFFINE + 1e-3 * np.eye(4)), like=chi).all()
    assert "shape (5, 6, 6)" in refusal(save(tmp_path / "small.nii", ones[..., :6]), read_mask, like=chi)
    flipped = AFFINE @ np.diag([-1.0, 1, 1, 1])
    assert "mm apart" in refusal(save(tmp_path / "flip.nii", ones, flipped), read_mask, like=chi)


def test_real_volumes_are_read(shared_data):
    chi = read_volume(shared_data / "challenge2016" / "chi_cosmos.nii.gz")
    mask = read_mask(shared_data / "challenge2016" / "mask.nii.gz", like=chi)
    assert chi.voxel_size == (1.0625, 1.0625, 1.0625)
    assert 0 < np.abs(chi.data[mask]).max() < 1 and not chi.data[~mask].any()
    for path in [*shared_data.glob("invivo_*/*.nii*")]:
        image = nib.load(path)
        if image.ndim == 3:
            np.testing.assert_allclose(read_volume(path).data, image.get_fdata(), rtol=1e-6)
        else:
            assert f"holds {image.shape[3]} volumes" in refusal(path)


def test_several_volumes_of_one_file(tmp_path):
    data = np.random.default_rng(0).standard_normal((4, 5, 6, 3)).astype(np.float32)
    path = tmp_path / "echoes.nii.gz"
    nib.save(nib.Nifti1Image(data, np.diag([1.0, 2.0, 3.0, 1.0])), path)
    volumes = read_volumes(path)
    np.testing.assert_array_equal(np.stack([v.data for v in volumes], -1), data)
    assert volumes[0].voxel_size == (1, 2, 3)
    data[0, 0, 0, 1] = np.nan
    nib.save(nib.Nifti1Image(data, np.diag([1.0, 2.0, 3.0, 1.0])), path)
    with pytest.raises(InputError, match=r"has 1 NaN or infinite of 360 voxels"):
        read_volumes(path)
    nib.save(nib.Nifti1Image(data[..., None].repeat(2, -1), np.eye(4)), path)
    with pytest.raises(InputError, match="give one 3-D volume"):
        read_volumes(path)
