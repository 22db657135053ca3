"""The loss of neural fits: edge weights, noise, held-out voxels."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from qsmbench.methods.field_error import field_error, tv_weight
from qsmbench.methods.field_loss import UNIT, FieldLoss, Terms, edge_weights, noise_level
from qsmbench.methods.inr_noise import colour_of, noise_weights, variation_tau

WHOLE = (slice(None),) * 3


def test_edge_weights_are_the_papers_formula_pooled_over_the_axes(small_chi, small_scan):
    chi, mask = torch.from_numpy(small_chi), small_scan.mask
    size = small_scan.grid.voxel_size
    found = edge_weights(chi, mask, size, (50, 70), 0.0).numpy()
    g, pairs = np.zeros(found.shape), np.zeros(found.shape, bool)
    for axis in range(3):
        sl = [slice(None)] * 3
        sl[axis] = slice(0, -1)
        g[(axis, *sl)] = np.abs(np.diff(small_chi, axis=axis)) / size[axis]
        pairs[(axis, *sl)] = np.diff(mask.numpy().astype(int), axis=axis) == 0
        pairs[axis] &= mask.numpy()
    p50, p70 = np.percentile(g[pairs], [50, 70])
    expected = np.clip((p70 - g) / (p70 - p50), 0, 1) * pairs
    np.testing.assert_allclose(found, expected, atol=2e-5)
    # Half of all differences count fully, 30 % not at all.
    assert (found[pairs] == 1).mean() == pytest.approx(0.5, abs=0.01)
    assert (found[pairs] == 0).mean() == pytest.approx(0.3, abs=0.01)
    assert edge_weights(chi, mask, size, (50, 70), 0.25).numpy()[pairs].min() == 0.25


def test_a_flat_map_has_no_edges(small_scan):
    flat = torch.zeros(small_scan.grid.shape)
    weights = edge_weights(flat, small_scan.mask, small_scan.grid.voxel_size, (100, 100), 0.0)
    assert set(weights.unique().tolist()) == {0, 1}


@pytest.mark.parametrize("noise", [1e-3, 5e-3])
def test_noise_is_estimated_from_the_field_alone(small_scan, noise):
    field = small_scan.local_field + noise * torch.from_numpy(
        np.random.default_rng(1).standard_normal(small_scan.grid.shape, dtype=np.float32)
    )
    bare = replace(small_scan, local_field=field, field_noise=None)
    # The fixture's own noise is 1 ppb.
    assert noise_level(bare) == pytest.approx(np.hypot(noise, 1e-3), rel=0.35)
    assert noise_level(small_scan) == pytest.approx(1e-3)


def loss_of(scan, held_out=0.1, **terms):
    edges = edge_weights(torch.zeros(scan.grid.shape), scan.mask, scan.grid.voxel_size, (100, 100), 0.0)
    options = {"tv_weight": 0.0, "tv_norm": "l1", "tv_smoothing": 0.03, "gradient_weight": 0.0, **terms}
    return FieldLoss(scan, Terms(**options), edges, held_out, seed=0)


@pytest.mark.parametrize("gradient_weight", [0.0, 1.0])
def test_held_out_voxels_have_no_say(small_scan, gradient_weight):
    loss = loss_of(small_scan, gradient_weight=gradient_weight)
    assert int(loss.held_out.sum()) == int(0.1 * int(small_scan.mask.sum()))
    assert not (loss.held_out & ~small_scan.mask).any()
    field = torch.zeros(small_scan.grid.shape, requires_grad=True)
    value, _ = loss(torch.zeros(small_scan.grid.shape), field, WHOLE)
    value.backward()
    assert float(field.grad[loss.held_out].abs().max()) == 0
    assert float(field.grad[loss.shown].abs().min()) > 0


def test_the_data_term_is_the_weighted_mean_square(small_scan):
    noise = torch.where(torch.arange(small_scan.grid.shape[2]) % 2 == 0, 1e-3, 2e-3).expand(small_scan.grid.shape)
    scan = replace(small_scan, field_noise=noise.contiguous())
    value, residual = loss_of(scan, held_out=0.0)(torch.zeros(scan.grid.shape), torch.zeros(scan.grid.shape), WHOLE)
    w = 1 / noise[scan.mask] ** 2
    expected = (w / w.mean() * (scan.local_field[scan.mask] / UNIT) ** 2).mean()
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(residual, -scan.local_field / UNIT)


def test_the_nonlinear_term_ignores_whole_turns(small_scan):
    turn = 2 * np.pi / 5.0
    wrapped = replace(small_scan, local_field=small_scan.local_field + turn * small_scan.mask)
    zero = torch.zeros(small_scan.grid.shape)
    plain, _ = loss_of(small_scan, phase_per_ppm=5.0)(zero, zero, WHOLE)
    turned, _ = loss_of(wrapped, phase_per_ppm=5.0)(zero, zero, WHOLE)
    torch.testing.assert_close(plain, turned, rtol=1e-3, atol=0)


def test_held_out_blocks_are_whole_within_the_mask(small_scan):
    edges = torch.ones((3, *small_scan.grid.shape))
    terms = Terms(0.0, "l1", 0.03, 0.0)
    held = FieldLoss(small_scan, terms, edges, 0.2, seed=1, block=4.0).held_out.numpy()
    mask = small_scan.mask.numpy()
    assert 0.05 < held.sum() / mask.sum() < 0.4
    sizes = [max(1, round(4.0 / h)) for h in small_scan.grid.voxel_size]
    for corner in np.ndindex(*[-(-n // s) for n, s in zip(mask.shape, sizes, strict=True)]):
        block = tuple(slice(c * s, (c + 1) * s) for c, s in zip(corner, sizes, strict=True))
        inside = mask[block]
        assert not inside.any() or set(held[block][inside]) in ({True}, {False})


def test_a_coloured_term_has_the_gradient_of_its_value(small_scan):
    bare = replace(small_scan, field_noise=None)
    colour = colour_of(bare, field_error(bare), 0.3, bare.local_field, bare.grid.shape)
    loss = FieldLoss(bare, Terms(0.0, "l1", 0.03, 0.0), torch.ones((3, *bare.grid.shape)), 0.0, seed=0, colour=colour)
    generator = torch.Generator().manual_seed(3)
    chi, field, step = (torch.randn(bare.grid.shape, generator=generator) * bare.mask for _ in range(3))
    for moved in (0, 1):
        at = [chi.clone(), field.clone()]
        at[moved].requires_grad_()
        loss(*at, WHOLE)[0].backward()
        slope = float((at[moved].grad * step).double().sum())
        ends = []
        for sign in (1, -1):
            there = [chi, field]
            there[moved] = there[moved] + sign * 0.05 * step
            ends.append(float(loss(*there, WHOLE)[0].double()))
        assert slope == pytest.approx((ends[0] - ends[1]) / 0.1, rel=1e-3, abs=1e-5)


def test_a_noise_map_explains_its_share_of_the_error_alone(small_scan):
    error = field_error(small_scan)
    assert torch.equal(noise_weights(replace(small_scan, field_noise=None), error), small_scan.mask.float())
    even = noise_weights(replace(small_scan, field_noise=torch.full_like(small_scan.local_field, 1e-3)), error)
    torch.testing.assert_close(even, small_scan.mask.float())
    loud = torch.full_like(small_scan.local_field, 0.1 * error.level)
    loud[:10] = 100 * error.level
    weights = noise_weights(replace(small_scan, field_noise=loud), error)
    assert float(weights[:10].max()) < 1e-3
    torch.testing.assert_close(weights[12:], small_scan.mask[12:].float())


def test_tau_in_the_losses_units_is_alpha_in_ppm_mm(small_scan):
    error = field_error(small_scan)
    g = 0.02  # ppm/mm
    smallest = min(small_scan.grid.voxel_size)
    in_units = g * smallest / UNIT
    # alpha g over half the squared misfit in ppm^2 is tau g' over the whole in the loss's.
    alpha = variation_tau(error, 1.0, smallest) * in_units * UNIT**2 / 2 / g
    assert alpha == pytest.approx(tv_weight(error))
