"""Networks as methods: oblique B0, other resolutions, windows, and what is noted of them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from qsmbench.core.grid import Grid
from qsmbench.core.scan import Scan
from qsmbench.methods import windows
from qsmbench.methods.registry import build
from qsmbench.methods.standard_grid import StandardGrid, rotation_to_z, tilt
from qsmbench.networks.architectures import architecture
from qsmbench.networks.scaling import Scaling
from qsmbench.networks.weights import TrainedNetwork

OBLIQUE = (0.2, -0.3, 0.933)


def smooth(shape, sigma=2.5):
    volume = gaussian_filter(np.random.default_rng(0).standard_normal(shape), sigma, mode="constant")
    inside = np.zeros(shape)
    inside[tuple(slice(n // 4, -(n // 4)) for n in shape)] = 1
    volume *= gaussian_filter(inside, 2)
    return torch.from_numpy((volume / np.abs(volume).max()).astype(np.float32))


def scan_of(shape=(24, 26, 20), voxel_size=(1.0, 1.0, 2.0), b0_dir=(0.0, 0.0, 1.0)):
    field = 0.05 * smooth(shape)
    return Scan(local_field=field, mask=torch.ones(shape, dtype=torch.bool), grid=Grid(shape, voxel_size, b0_dir))


@pytest.mark.parametrize("b0_dir", [(0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0), OBLIQUE, (0.1, 0.2, -0.97)])
def test_rotation_brings_b0_onto_z(b0_dir):
    b0 = np.array(b0_dir) / np.linalg.norm(b0_dir)
    rotation = rotation_to_z(tuple(b0))
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1)
    np.testing.assert_allclose(np.abs(rotation @ b0), [0, 0, 1], atol=1e-12)
    angle = np.degrees(np.arccos(np.clip((np.trace(rotation) - 1) / 2, -1, 1)))
    assert angle == pytest.approx(tilt(tuple(b0)), abs=1e-5)


def test_a_grid_that_is_standard_already_is_left_alone():
    grid = Grid((7, 8, 9), (0.7639, 0.7639, 3.0))
    place = StandardGrid.around(grid, rotate=True)
    assert (place.shape, place.voxel_size) == (grid.shape, grid.voxel_size)
    volume = torch.from_numpy(np.random.default_rng(0).standard_normal(grid.shape).astype(np.float32))
    torch.testing.assert_close(place.to_standard(volume), volume, rtol=0, atol=1e-5)


def test_a_quarter_turn_is_a_permutation():
    """Of anisotropic voxels, which keep their sizes."""
    grid = Grid((12, 10, 8), (1.0, 2.0, 3.0), (0.0, 1.0, 0.0))
    place = StandardGrid.around(grid, rotate=True)
    assert place.shape == (12, 8, 10)
    assert place.voxel_size == (1.0, 3.0, 2.0)
    volume = smooth(grid.shape, 1)
    torch.testing.assert_close(place.to_original(place.to_standard(volume)), volume, rtol=0, atol=1e-5)


@pytest.mark.parametrize("voxel_size", [None, (1.0, 1.0, 1.0)])
def test_there_and_back_loses_little(voxel_size):
    grid = Grid((40, 42, 36), (1.0, 1.1, 1.4), OBLIQUE)
    volume = smooth(grid.shape, 3)
    place = StandardGrid.around(grid, rotate=True, voxel_size=voxel_size)
    back = place.to_original(place.to_standard(volume))
    assert float((back - volume).norm() / volume.norm()) < 0.02


def test_an_oblique_scan_is_rotated_and_says_so(weights_for):
    method = build("meta-qsm", {}, weights_for("meta-qsm"))
    found = method.reconstruct(scan_of(b0_dir=OBLIQUE))
    assert len(found.notes) == 1
    assert found.notes[0].startswith("rotated by 21.1 degrees")
    assert method.reconstruct(scan_of()).notes == ()
    still = build("meta-qsm", {"largest_tilt": 90}, weights_for("meta-qsm")).reconstruct(scan_of(b0_dir=OBLIQUE))
    assert still.notes == ()
    assert not torch.equal(still.chi, found.chi)


def test_a_network_that_is_told_b0_is_not_rotated(weights_for):
    method = build("meta-qsm-b0", {}, weights_for("meta-qsm-b0"))
    oblique, straight = (method.reconstruct(scan_of(b0_dir=b)) for b in (OBLIQUE, (0.0, 0.0, 1.0)))
    assert oblique.notes == ()
    assert not torch.equal(oblique.chi, straight.chi)


def test_a_network_of_one_resolution_is_resampled_to(weights_for):
    weights = weights_for("mesa-qsm")
    method = build("mesa-qsm", {}, weights)
    assert method.reconstruct(scan_of(voxel_size=(1.0, 1.0, 2.01))).notes == ()
    found = method.reconstruct(scan_of(voxel_size=(0.8, 1.0, 3.0)))
    assert found.notes == ("resampled to 1 x 1 x 2.01 mm, the only resolution this network knows, and back",)
    as_it_is = build("mesa-qsm", {"resample": False}, weights).reconstruct(scan_of(voxel_size=(0.8, 1.0, 3.0)))
    assert "outside what the network was trained on: 0.8 mm along x" in as_it_is.notes[0]


def test_a_voxel_size_outside_the_range_is_a_warning(weights_for):
    found = build("meta-qsm", {}, weights_for("meta-qsm")).reconstruct(scan_of(voxel_size=(1.0, 1.0, 5.0)))
    assert found.notes == (
        "warning: voxel size outside what the network was trained on: 5 mm along z (trained: 1.49 to 2.72 mm)",
    )


def test_one_window_that_holds_everything_is_the_whole_volume(weights_for):
    weights = weights_for("meta-qsm")
    scan = scan_of()
    whole = build("meta-qsm", {}, weights)(scan)
    assert torch.equal(build("meta-qsm", {"window": 64}, weights)(scan), whole)


def test_windows_blend_without_seams(tmp_path):
    """A network that looks no further than a few voxels gives the same through windows as on the whole."""
    options = {"channels": 4, "levels": 1}
    torch.manual_seed(0)
    scaling = Scaling(0.02, 0.05, (0.0, 0.0, 0.7), (0.0, 0.0, 0.0))
    weights = tmp_path / "near.pt"
    TrainedNetwork("mesa-qsm", options, scaling, architecture("mesa-qsm", options).module().state_dict()).save(weights)
    scan = scan_of((64, 24, 20))
    whole = build("mesa-qsm", {"resample": False}, weights)(scan)
    found = build("mesa-qsm", {"resample": False, "window": 32}, weights).reconstruct(scan)
    assert "overlapping windows of 32 voxels" in found.notes[-1]
    assert float((found.chi - whole).abs().max()) < 0.02 * float(whole.abs().max())


def test_too_little_memory_means_windows(weights_for, monkeypatch):
    monkeypatch.setattr(windows, "WINDOWS", (16,))
    weights = weights_for("meta-qsm")
    assert build("meta-qsm", {}, weights).reconstruct(scan_of()).notes == ()
    found = build("meta-qsm", {"memory": 1e-4}, weights).reconstruct(scan_of())
    assert "overlapping windows of 16 voxels" in found.notes[-1]


def test_weights_of_another_network_are_refused(weights_for):
    with pytest.raises(ValueError, match="is of mesa-qsm, not of meta-qsm"):
        build("meta-qsm", {}, weights_for("mesa-qsm"))(scan_of())


def test_scans_at_two_resolutions_do_not_share_kernels(weights_for):
    """The kernels are kept between scans; another voxel size asks for others."""
    method = build("meta-qsm", {}, weights_for("meta-qsm"))
    scan = scan_of()
    first = method(scan)
    other = method(replace(scan, grid=Grid(scan.grid.shape, (1.2, 0.9, 1.8))))
    assert not torch.equal(first, other)
    assert torch.equal(method(scan), first)


@pytest.mark.parametrize("b0_dir", [(0.0, 0.0, 1.0), OBLIQUE])
def test_mirror_images_averaged_give_the_mirrored_map(weights_for, b0_dir):
    name = "meta-qsm" if b0_dir[2] == 1 else "meta-qsm-b0"
    scan = scan_of(b0_dir=b0_dir)
    mask = scan.mask.clone()
    mask[:6, :, 5:] = False
    scan = replace(scan, mask=mask, local_field=scan.local_field * mask)
    flipped = replace(
        scan,
        mask=mask.flip(0),
        local_field=scan.local_field.flip(0),
        grid=Grid(mask.shape, (1.0, 1.0, 2.0), (-b0_dir[0], *b0_dir[1:])),
    )
    method = build(name, {"symmetries": 8}, weights_for(name))
    one, other = method.reconstruct(scan), method.reconstruct(flipped)
    torch.testing.assert_close(other.chi.flip(0), one.chi, rtol=1e-3, atol=1e-4 * float(one.chi.abs().max()))
    assert float(one.uncertainty.max()) > 0
    assert not one.uncertainty[~mask].any()
    alone = build(name, {}, weights_for(name)).reconstruct(scan)
    assert alone.uncertainty is None
    assert not torch.allclose(alone.chi, one.chi)
