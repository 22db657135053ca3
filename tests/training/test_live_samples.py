"""Samples made on the device: field, warp, bodies and errors against their counterparts on disk's side."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid
from qsmbench.physics.dipole import forward_field
from qsmbench.simulation.deformation import Deformation, Lattice
from qsmbench.simulation.shapes import Shape, fraction
from qsmbench.simulation.warp import Window, render, stack_head
from qsmbench.training.live.bodies import Body, paste_live
from qsmbench.training.live.error import Amounts, eroded, measured_error
from qsmbench.training.live.field import CELL, CELLS, coarse_origin, field_in_window
from qsmbench.training.live.group import make_group
from qsmbench.training.live.heads import load_heads, save_head
from qsmbench.training.live.recipe import LiveSet, recipes_from
from qsmbench.training.live.warp import LiveWarp, render_live


def smooth(shape, seed=0, sigma=2.0):
    volume = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(shape), sigma, mode="constant")
    return (volume / volume.std()).astype(np.float32)


def test_field_in_a_window_is_that_of_the_whole_head():
    voxel_size, shape = (2.0, 4.0, 2.0), (64, 36, 56)
    chi = smooth(shape, sigma=(2, 1, 2)) * ndimage.gaussian_filter(
        np.pad(np.ones((44, 24, 40)), [(10, 10), (6, 6), (8, 8)]), 2
    )
    whole = torch.from_numpy(chi.astype(np.float32))
    exact = forward_field(whole, Grid(shape, voxel_size), 3.0)
    # The head begins on the coarse grid's own planes.
    first = (14, 12, 16)
    coarse = torch.zeros(CELLS)
    cells = whole.reshape(32, 2, 36, 28, 2).mean(dim=(1, 4))
    coarse[first[0] : first[0] + 32, first[1] : first[1] + 36, first[2] : first[2] + 28] = cells
    start, n = (13, 5, 17), (36, 24, 32)
    low = [o + CELL * f + s * v for o, f, s, v in zip(coarse_origin(), first, start, voxel_size, strict=True)]
    box = tuple(slice(s, s + m) for s, m in zip(start, n, strict=True))
    field = field_in_window(whole[box][None], coarse[None], voxel_size, [tuple(low)])[0]
    inner = tuple(slice(int(12 / v), -int(12 / v)) for v in voxel_size)
    wanted = exact[box][inner]
    assert float((field[inner] - wanted).norm() / wanted.norm()) < 0.02
    without = field_in_window(whole[box][None], 0 * coarse[None], voxel_size, [tuple(low)])[0]
    assert float((without[inner] - wanted).norm() / wanted.norm()) > 0.05


def test_warp_is_that_of_the_compiled_code():
    rng = np.random.default_rng(1)
    head = stack_head(smooth((40, 44, 36)), smooth((40, 44, 36), 1) > -1)
    coefficients, spacing = 4 * rng.random((9, 9, 9, 3)) - 2, 16.0
    deformation = Deformation((5.0, -8.0, 10.0), (1.05, 0.95, 1.0), Lattice(coefficients, spacing))
    window = Window((30, 24, 20), (1.3, 1.1, 2.0), (-19.0, -13.0, -20.0))
    centre = (np.array(head.shape[:3]) - 1) / 2
    wanted = render(head, (1.0, 1.0, 1.0), centre, deformation, window)
    warp = LiveWarp.pose((5.0, -8.0, 10.0), (1.05, 0.95, 1.0), torch.from_numpy(coefficients).float(), spacing)
    channels = torch.from_numpy(head).movedim(-1, 0).contiguous()

    def live(where):
        return render_live(channels, (1.0, 1.0, 1.0), warp, where.shape, where.voxel_size, where.origin)

    for one, other in zip(live(window), wanted, strict=True):
        # Voxels of 1.3 mm take one sample here, two there.
        assert np.corrcoef(one.numpy().ravel(), other.ravel())[0, 1] > 0.99
    exact = Window((30, 24, 20), (1.0, 1.0, 2.2), (-15.0, -12.0, -22.0))
    wanted = render(head, (1.0, 1.0, 1.0), centre, deformation, exact, pitch=1.1)
    for one, other in zip(live(exact), wanted, strict=True):
        np.testing.assert_allclose(one.numpy(), other, atol=2e-3)


@pytest.mark.parametrize("kind", ["ellipsoid", "sphere", "cuboid", "cylinder"])
def test_bodies_hold_what_the_compiled_ones_hold(kind):
    axes = (6.0, 6.0, 4.0) if kind == "cylinder" else (6.0, 5.0, 4.0)
    window = Window((24, 24, 16), (1.0, 1.1, 1.5), (-12.0, -13.0, -12.0))
    where, share = fraction(window, Shape(kind, (0.3, -0.2, 0.4), axes, (20.0, 30.0, 40.0), 1.0, 1.0))
    wanted = np.zeros(window.shape)
    wanted[where] = share
    chi = torch.zeros(window.shape)
    body = Body(kind, (0.3, -0.2, 0.4), axes, (20.0, 30.0, 40.0), 1.0, 1.0)
    paste_live(chi, torch.ones(window.shape), [body], window.voxel_size, window.origin)
    assert float(chi.sum()) == pytest.approx(wanted.sum(), rel=0.05)
    assert np.abs(chi.numpy() - wanted).max() < 0.35


def ball(shape, voxel_size, radius):
    axes = [(np.arange(n) - (n - 1) / 2) * v for n, v in zip(shape, voxel_size, strict=True)]
    r = np.sqrt(sum(a**2 for a in np.meshgrid(*axes, indexing="ij")))
    return torch.from_numpy(r <= radius), torch.from_numpy(r)


def test_errors_are_larger_at_the_rim_and_at_sources():
    voxel_size = (1.0, 1.2, 1.5)
    mask, r = ball((72, 60, 48), voxel_size, 30)
    chi = torch.where(r < 5, 1.0, 0.0)
    generator = torch.Generator().manual_seed(0)
    made = torch.stack(
        [measured_error(mask.float(), chi, voxel_size, Amounts(0.003, 0.012, 3.0, 0.012), generator) for _ in range(6)]
    )
    deep, rim, source = (float(made[:, where].std()) for where in ((r > 10) & (r < 20), (r > 28) & (r < 30), r < 4))
    assert deep == pytest.approx(0.003, rel=0.5)
    assert rim > 2 * deep
    assert source > 2 * deep


def test_erosion_takes_about_its_depth():
    voxel_size = (1.0, 1.0, 2.0)
    mask, r = ball((72, 72, 36), voxel_size, 30)
    left = eroded(mask, voxel_size, 2.0)
    assert eroded(mask, voxel_size, -1.0) is mask
    assert float(r[left].max()) == pytest.approx(28, abs=1.5)


@pytest.fixture(scope="module")
def heads(tmp_path_factory):
    folder = tmp_path_factory.mktemp("heads")
    for name, labels in (("labelled", True), ("plain", False)):
        mask = ball((60, 70, 56), (1.0, 1.0, 1.0), 24)[0].numpy()
        label = 1 + (smooth(mask.shape, 5, 4) > 0).astype(np.int16)
        save_head(
            folder / f"{name}.npz", 0.05 * smooth(mask.shape, 3), mask, label if labels else None, (1.0, 1.0, 1.0)
        )
    return load_heads(folder)


def test_a_group_is_a_function_of_its_number(heads):
    spec = LiveSet(recipes_from({"measured-like": 1, "paper": 1}), (1.0, 1.0, 1.5), (1.2, 1.2, 2.0), (40, 36, 24))
    one, same, other = (make_group(heads, spec, number, 2) for number in (3, 3, 4))
    assert torch.equal(one.field, same.field)
    assert not torch.equal(one.field, other.field)
    assert one.field.shape == (2, 40, 36, 24)
    assert not one.field[~one.mask].any()
    assert not one.chi[~one.mask].any()
    assert one.mask.float().mean() > 0.2
    assert all(low <= v <= high for low, v, high in zip(spec.voxel_min, one.voxel_size, spec.voxel_max, strict=True))


def test_the_paper_s_field_is_that_of_its_chi(heads):
    """Where the window holds the whole head, nothing is outside it."""
    spec = LiveSet(recipes_from({"paper": 1}), (1.5, 1.5, 2.0), (1.6, 1.6, 2.2), (56, 56, 40), seed=1)
    group = make_group(heads, spec, 0, 1)
    exact = forward_field(group.chi[0], Grid((56, 56, 40), group.voxel_size))
    inside = group.mask[0]
    assert float((group.field[0] - exact)[inside].norm() / exact[inside].norm()) < 0.03


def test_wrong_heads_and_recipes_are_told(tmp_path):
    with pytest.raises(InputError, match="make some with tools/make_heads"):
        load_heads(tmp_path)
    (tmp_path / "a.npz").write_bytes(b"no head")
    with pytest.raises(InputError, match=r"a.npz is not a head's file"):
        load_heads(tmp_path)
    with pytest.raises(InputError, match="no live recipe is named 'papre'"):
        recipes_from({"papre": 1})
    with pytest.raises(InputError, match="has no 'noise'"):
        recipes_from({"paper": {"noise": 1}})
    with pytest.raises(InputError, match="one of them above"):
        recipes_from({"paper": 0})
