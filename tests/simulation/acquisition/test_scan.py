import numpy as np
import pytest
import torch
from scipy.ndimage import binary_erosion

from qsmbench.core.units import ppm_to_rad
from qsmbench.physics.dipole import forward_field
from qsmbench.simulation.acquisition.cases import ScannedCase
from qsmbench.simulation.acquisition.object import head_to_world, make_object, place
from qsmbench.simulation.acquisition.scan import simulate, slab_profile, whole_field
from qsmbench.simulation.acquisition.tissues import AIR_CHI, Lesion
from qsmbench.simulation.phantom.values import Tissue


def middle(scan, grid_erosion=3):
    return binary_erosion(scan.mask, iterations=grid_erosion)


def test_phase_evolves_with_the_total_field(quiet_scan, protocol):
    first, second = quiet_scan.echoes[:2]
    gained = np.angle(second * first.conj())
    wanted = ppm_to_rad(quiet_scan.total_field, protocol.b0, protocol.echo_times[1] - protocol.echo_times[0])
    inside = middle(quiet_scan, 5)
    difference = np.angle(np.exp(1j * (gained - wanted)))[inside]
    # The field varies inside the test's 3 x 3 x 4 mm voxels, so that a voxel's phase is linear in TE to some 10 mrad.
    assert np.sqrt(np.mean(difference**2)) < 0.02
    assert np.abs(wanted[inside]).max() > 0.5


def test_magnitude_decays_with_r2star(quiet_scan, little_head, protocol):
    inside = binary_erosion(quiet_scan.mask, iterations=5) & (np.abs(quiet_scan.chi) < 0.005)
    first, last = (np.abs(quiet_scan.echoes[i][inside]) for i in (0, -1))
    rate = np.log(first / last) / (protocol.echo_times[-1] - protocol.echo_times[0])
    assert np.median(rate) == pytest.approx(20.0, rel=0.05)


def test_local_field_is_the_dipole_field_of_the_true_chi(quiet_scan):
    field = forward_field(torch.from_numpy(quiet_scan.chi), quiet_scan.grid).numpy()
    inside = middle(quiet_scan, 2)
    error = (field - quiet_scan.local_field)[inside]
    # The truth was cut in k-space after the field was computed on the fine grid; here chi was masked in between.
    assert error.std() < 0.1 * quiet_scan.local_field[inside].std()


def test_background_is_strong_and_the_shim_keeps_it_in_bounds(quiet_scan):
    background = (quiet_scan.total_field - quiet_scan.local_field)[quiet_scan.mask]
    assert 0.05 < background.std() < 0.5
    assert abs(np.median(background)) < 0.2


def test_noise_has_the_stated_level(little_head, protocol, upright, quiet_scan):
    noisy = simulate(little_head, protocol, upright, np.random.default_rng(3), snr=25.0)
    noise = noisy.echoes[1] - quiet_scan.echoes[1]
    level = np.abs(quiet_scan.echoes[0][quiet_scan.mask]).mean() / 25.0
    assert noisy.noise_sd == pytest.approx(level, rel=1e-6)
    for part in (noise.real, noise.imag):
        assert part.std() == pytest.approx(level, rel=0.02)
        assert abs(part.mean()) < 4 * level / np.sqrt(part.size)
    assert np.array_equal(noisy.total_field, quiet_scan.total_field)


def test_the_same_seed_gives_the_same_bytes_on_any_number_of_threads(little_head, protocol, upright):
    one = simulate(little_head, protocol, upright, np.random.default_rng(9), fineness=0.7)
    torch.set_num_threads(2)
    two = simulate(little_head, protocol, upright, np.random.default_rng(9), fineness=0.7)
    torch.set_num_threads(1)
    other = simulate(little_head, protocol, upright, np.random.default_rng(10), fineness=0.7)
    for a, b, c in zip(one.echoes, two.echoes, other.echoes, strict=True):
        assert a.tobytes() == b.tobytes()
        assert a.tobytes() != c.tobytes()


def test_a_tilted_volume_has_b0_15_degrees_off(protocol):
    grid = place(protocol, ScannedCase("tilted", "for tests", slice_tilt=15.0))
    assert np.rad2deg(np.arccos(grid.b0_dir[2])) == pytest.approx(15.0, abs=1e-4)
    assert grid.b0_dir[0] == pytest.approx(0.0, abs=1e-7)
    assert place(protocol, ScannedCase("straight", "for tests")).b0_dir == (0.0, 0.0, 1.0)


def test_the_object_holds_head_and_image(little_head, protocol, upright):
    thing = make_object(little_head, protocol, upright)
    brain_volume = thing.brain.sum() * np.prod(thing.grid.voxel_size)
    wanted = little_head.brain.sum() * np.prod(np.diag(little_head.to_mm)[:3]) * 0.9**3
    assert brain_volume == pytest.approx(wanted, rel=0.01)
    # Air alone at the sides: chi is relative to it.
    assert np.abs(thing.chi[0]).max() == 0 == np.abs(thing.chi[-1]).max()
    profile = slab_profile(thing)
    image = slice(round(thing.start[2] * thing.factors[2]), round((thing.start[2] + 32) * thing.factors[2]))
    assert (profile[image] == 1).all()
    assert profile[0] == 0


def test_a_lesion_has_its_place_its_volume_and_its_value(little_head, protocol):
    tissue = Tissue(0.8, 0.0, 0.0, 0.9, 1.0, 50.0)
    centre, axes = (-20.0, -40.0, 20.0), (9.0, 7.0, 8.0)
    plain = ScannedCase("plain", "for tests", size=(0.9, 0.9, 0.9), head_pose=(5.0, -3.0, 8.0))
    hurt = ScannedCase("hurt", "for tests", plain.size, plain.head_pose, lesions=(Lesion(centre, axes, tissue),))
    before, after = (make_object(little_head, protocol, case) for case in (plain, hurt))
    added = after.chi - before.chi
    volume = added.sum() * np.prod(after.grid.voxel_size) / 0.8
    assert volume == pytest.approx(4 / 3 * np.pi * np.prod(axes), rel=0.03)
    inside = after.chi[(after.brain > 0.99) & (added > 0.1)]
    assert inside.max() + AIR_CHI == pytest.approx(0.8, abs=1e-4)
    voxels = np.argwhere(added > 0.4).mean(axis=0)
    world = after.grid.matrix[:3, :3] @ voxels + after.grid.matrix[:3, 3]
    assert world == pytest.approx((head_to_world(hurt) @ [*centre, 1.0])[:3], abs=0.5)


def test_field_of_a_sphere_of_tissue_in_air():
    # A homogeneous sphere has no field of its own inside (Lorentz sphere subtracted): any chi, and any air around it.
    from qsmbench.core.grid import Grid

    grid = Grid((64, 64, 96), (2.0, 2.0, 1.5))
    x, y, z = np.meshgrid(
        *[(np.arange(n) - n / 2) * v for n, v in zip(grid.shape, grid.voxel_size, strict=True)], indexing="ij"
    )
    radius = np.sqrt(x**2 + y**2 + z**2)
    field = whole_field(np.where(radius < 40, np.float32(-9.4), np.float32(0)), grid)
    inside = radius < 32
    assert np.abs(field[inside] - field[inside].mean()).max() < 0.01 * 9.4
