import numpy as np
import pytest

from qsmbench.simulation.deformation import Deformation, Lattice
from qsmbench.simulation.recipe import MAX_AMPLITUDE
from qsmbench.simulation.warp import Window, render, stack_head

VOXEL = (2.0, 2.0, 2.0)


def lattice(seed: int, amplitude: float = MAX_AMPLITUDE, spacing: float = 12.0, n: int = 15) -> Lattice:
    rng = np.random.default_rng(seed)
    return Lattice(amplitude * spacing * (2 * rng.random((n, n, n, 3)) - 1), spacing)


def window(shape, voxel_size) -> Window:
    return Window(shape, voxel_size, tuple(-n * v / 2 for n, v in zip(shape, voxel_size, strict=True)))


@pytest.fixture(scope="module")
def head():
    """A cube of 40 mm: noise and a ramp."""
    rng = np.random.default_rng(1)
    chi = rng.standard_normal((20, 20, 20)).astype(np.float32)
    return stack_head(chi, np.ones(chi.shape, bool)), np.full(3, 10.5), chi


def test_at_rest_a_head_is_itself(head):
    stacked, centre, chi = head
    rendered, cover = render(stacked, VOXEL, centre, Deformation(), window((20, 20, 20), VOXEL))
    np.testing.assert_array_equal(rendered, chi)
    assert (cover == 1).all()


@pytest.mark.parametrize("factors", [(1, 1, 2), (2, 2, 4), (2, 1, 5)])
def test_coarse_voxels_average_what_they_cover(head, factors):
    """On multiples of the source's voxels the samples are its own, so the block mean comes out to rounding."""
    stacked, centre, chi = head
    shape = tuple(20 // f for f in factors)
    blocks = chi.reshape(*[n for pair in zip(shape, factors, strict=True) for n in pair])
    voxel_size = tuple(2.0 * f for f in factors)
    rendered, _ = render(stacked, VOXEL, centre, Deformation(), window(shape, voxel_size))
    np.testing.assert_allclose(rendered, blocks.mean(axis=(1, 3, 5)), atol=1e-6)


def test_mean_is_kept_on_any_voxel_size(head):
    """What a sample integrates over the whole head does not depend on its voxels, nor on a turn of the head."""
    smooth = np.pad(np.ones((10, 12, 8), np.float32), [(5, 5), (4, 4), (6, 6)])
    stacked = stack_head(smooth, np.ones(smooth.shape, bool))
    for voxel_size, rotation in [((0.9, 1.1, 3.7), (0, 0, 0)), ((1.9, 0.8, 2.3), (9, -7, 5)), ((2, 2, 6), (0, 30, 0))]:
        shape = tuple(int(44 / v) for v in voxel_size)
        rendered, _ = render(stacked, VOXEL, np.full(3, 10.5), Deformation(rotation), window(shape, voxel_size))
        assert rendered.sum() * np.prod(voxel_size) == pytest.approx(smooth.sum() * 8, rel=0.01)


def test_pose_moves_a_ramp_exactly():
    """Trilinear samples reproduce a linear function: chi at p must be that of the place S^-1 R^-1 p."""
    x, y, z = np.meshgrid(*[(np.arange(40) - 19.5) * 2.0] * 3, indexing="ij")
    stacked = stack_head((0.3 * x - 0.2 * y + 0.1 * z).astype(np.float32), np.ones(x.shape, bool))
    deformation = Deformation((8.0, -5.0, 12.0), (1.05, 0.95, 1.1))
    box = window((16, 18, 10), (1.3, 1.1, 3.0))
    rendered, cover = render(stacked, VOXEL, np.full(3, 20.5), deformation, box)
    places = np.stack(
        np.meshgrid(
            *[o + (np.arange(n) + 0.5) * v for o, n, v in zip(box.origin, box.shape, box.voxel_size, strict=True)],
            indexing="ij",
        ),
        axis=-1,
    )
    expected = (places @ np.linalg.inv(deformation.matrix).T) @ np.array([0.3, -0.2, 0.1])
    assert (cover > 0.999).all()
    np.testing.assert_allclose(rendered, expected, atol=2e-4)


def test_size_scales_volume():
    mask = np.zeros((30, 30, 30), bool)
    mask[8:22, 9:21, 10:20] = True
    stacked = stack_head(mask.astype(np.float32), mask)
    _, cover = render(
        stacked, VOXEL, np.full(3, 15.5), Deformation((5, 6, 7), (1.1, 0.9, 1.2)), window((60, 60, 20), (1, 1, 3))
    )
    assert cover.sum() * 3 == pytest.approx(mask.sum() * 8 * 1.1 * 0.9 * 1.2, rel=0.01)


def test_elastic_reads_where_the_displacement_points(head):
    """A ramp shows the displacement itself: rendered - ramp = u."""
    x, _, _ = np.meshgrid(*[(np.arange(40) - 19.5) * 2.0] * 3, indexing="ij")
    stacked = stack_head(x.astype(np.float32), np.ones(x.shape, bool))
    elastic = lattice(4)
    box = window((12, 12, 12), (2.0, 2.0, 2.0))
    rendered, _ = render(stacked, VOXEL, np.full(3, 20.5), Deformation(lattice=elastic), box)
    axis = (np.arange(12) - 5.5) * 2.0
    places = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    expected = places[:, 0] + elastic.displacement(places)[:, 0]
    np.testing.assert_allclose(rendered.ravel(), expected, atol=2e-4)
    assert np.abs(elastic.displacement(places)).max() > 1.0


def test_displacement_is_the_sum_of_its_splines():
    """Against scipy's cubic spline evaluation of the same coefficients."""
    from scipy.ndimage import map_coordinates

    elastic = lattice(2, n=12)
    places = np.random.default_rng(0).uniform(-30, 30, (200, 3))
    index = ((places - elastic.origin) / elastic.spacing).T
    expected = [map_coordinates(elastic.coefficients[..., c], index, order=3, prefilter=False) for c in range(3)]
    np.testing.assert_allclose(elastic.displacement(places), np.array(expected).T, atol=1e-12)


@pytest.mark.parametrize("seed", range(40))
def test_deformation_is_invertible_at_the_largest_amplitude(seed):
    """The Jacobian determinant of p + u(p) stays positive, also where every coefficient is as large as allowed."""
    elastic = lattice(seed, spacing=10.0)
    if seed % 2:
        elastic = Lattice(np.sign(elastic.coefficients) * MAX_AMPLITUDE * 10.0, 10.0)
    places, eps = np.random.default_rng(seed).uniform(-45, 45, (20_000, 3)), 1e-4
    columns = [
        (elastic.displacement(places + eps * e) - elastic.displacement(places - eps * e)) / (2 * eps) for e in np.eye(3)
    ]
    jacobian = np.eye(3) + np.stack(columns, axis=-1)
    assert np.linalg.det(jacobian).min() > 0


def test_forward_undoes_the_rendering():
    deformation = Deformation((6.0, -3.0, 9.0), (1.1, 0.95, 1.0), lattice(9, amplitude=0.3, spacing=20.0))
    at_rest = np.random.default_rng(1).uniform(-35, 35, (300, 3))
    moved = deformation.forward(at_rest, n_iterations=30)
    back = (moved + deformation.lattice.displacement(moved)) @ np.linalg.inv(deformation.matrix).T
    np.testing.assert_allclose(back, at_rest, atol=1e-3)


def test_mask_and_chi_move_together(head):
    stacked, centre, _ = head
    ones = stack_head(np.full((20, 20, 20), 0.25, np.float32), np.ones((20, 20, 20), bool))
    assert stacked.shape == ones.shape
    deformation = Deformation((10, 20, -15), (1.2, 0.8, 1.0), lattice(3, spacing=16.0))
    chi, cover = render(ones, VOXEL, centre, deformation, window((50, 50, 16), (1.1, 1.3, 4.1)))
    np.testing.assert_allclose(chi, 0.25 * cover, atol=1e-6)
    assert 0 < cover.mean() < 1


def test_what_is_skipped_stays_zero_and_nothing_else(head):
    stacked, centre, _ = head
    box = window((20, 20, 10), (2.0, 2.0, 4.0))
    whole, _ = render(stacked, VOXEL, centre, Deformation((5, 5, 5)), box)
    holed, _ = render(stacked, VOXEL, centre, Deformation((5, 5, 5)), box, skip=((3, 4, 2), (10, 9, 5)))
    inner = np.s_[3:13, 4:13, 2:7]
    assert not holed[inner].any()
    whole[inner] = 0
    np.testing.assert_array_equal(holed, whole)
