import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid
from qsmbench.preparation.brain import cut_bridges, extract_brain, largest_part
from qsmbench.preparation.echoes import Echoes
from qsmbench.preparation.field_fit import fit_field
from qsmbench.preparation.mask import first_mask, refine
from qsmbench.preparation.settings import FieldFitSettings, MaskSettings


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def test_bet_finds_the_brain_of_a_head_with_scalp_skull_and_neck():
    """Ellipsoids of adult size: brain, dark skull, bright scalp, and a neck that the brain stem runs into."""
    grid = Grid((72, 84, 70), (3.0, 3.0, 3.0), affine=np.diag([3.0, 3.0, 3.0, 1.0]).tolist())
    x, y, z = (3.0 * (np.arange(n) - n / 2) for n in grid.shape)
    x, y, z = x[:, None, None], y[None, :, None], z[None, None, :] - 20

    def ellipsoid(a, b, c):
        return (x / a) ** 2 + (y / b) ** 2 + (z / c) ** 2 < 1

    brain, skull, scalp = ellipsoid(66, 82, 62), ellipsoid(74, 90, 70), ellipsoid(82, 98, 78)
    neck = (x**2 + (y + 20) ** 2 < 55**2) & (z < -50) & ~skull
    stem = (x**2 + (y + 20) ** 2 < 8**2) & (z < -50)
    magnitude = np.where(brain | stem, 1.0, np.where(skull, 0.1, np.where(scalp | neck, 0.9, 0.0)))
    rng = np.random.default_rng(0)
    magnitude = np.abs(gaussian_filter(magnitude, 0.5) + 0.02 * rng.standard_normal(magnitude.shape)).astype(np.float32)
    found = extract_brain(magnitude, grid, 0.5)
    assert dice(found, brain) > 0.93
    assert (found & brain).sum() / brain.sum() > 0.9


def test_a_volume_without_a_brain_is_refused():
    rng = np.random.default_rng(0)
    magnitude = rng.random((30, 30, 30)).astype(np.float32) * 0.01
    magnitude[12:18, 12:18, 12:18] = 1
    with pytest.raises(InputError, match="less than 100 ml of brain"):
        extract_brain(magnitude, Grid((30, 30, 30), (2.0, 2.0, 2.0)), 0.5)


def test_bridges_are_cut_and_holes_filled():
    x, y, z = np.meshgrid(*[np.arange(40.0)] * 3, indexing="ij")
    large = (x - 14) ** 2 + (y - 20) ** 2 + (z - 20) ** 2 < 12**2
    small = (x - 34) ** 2 + (y - 20) ** 2 + (z - 20) ** 2 < 5**2
    bridge = (abs(y - 20) < 2) & (abs(z - 20) < 2) & (x > 14) & (x < 34)
    hole = (x - 14) ** 2 + (y - 20) ** 2 + (z - 20) ** 2 < 3**2
    kept = cut_bridges((large | small | bridge) & ~hole, (1.0, 1.0, 1.0), 4.0)
    assert kept[hole].all()
    assert dice(kept, large) > 0.97
    assert not kept[small].any()


def test_the_largest_part_is_kept():
    mask = np.zeros((9, 3, 3), bool)
    mask[:2], mask[4:9] = True, True
    assert largest_part(mask).sum() == 45
    assert not largest_part(np.zeros((2, 2, 2), bool)).any()


def test_threshold_and_whole(head, noisy):
    found = first_mask(noisy, MaskSettings(method="threshold"))
    assert dice(found, head.mask) > 0.98
    assert first_mask(noisy, MaskSettings(method="whole")).all()


def test_refinement_drops_a_noisy_rim_and_keeps_a_noisy_island(head, noisy):
    """Signal dies at one end of the brain (a sinus) and in its middle (a bleeding)."""
    magnitude, phase = noisy.magnitude.copy(), noisy.phase.copy()
    rng = np.random.default_rng(1)
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in head.grid.shape], indexing="ij")
    rim = (y > 0.5) & head.mask
    island = x**2 + (y + 0.2) ** 2 + z**2 < 0.15**2
    for where in (rim, island):
        magnitude[:, where] = 0.001
        phase[:, where] = rng.uniform(-np.pi, np.pi, (4, int(where.sum())))
    echoes = Echoes(phase, magnitude, head.grid, noisy.echo_times, 3.0, "scan")
    fit = fit_field(echoes, head.mask, FieldFitSettings())
    refined = refine(head.mask, fit, MaskSettings(), echoes)
    assert refined[rim].mean() < 0.05
    assert refined[island].all()
    assert refined[head.mask & ~rim].mean() > 0.95
    assert not refine(head.mask, fit, MaskSettings(fill_holes=False), echoes)[island].any()
    with pytest.raises(InputError, match="scan: the phase is noise everywhere"):
        refine(head.mask, fit, MaskSettings(min_coherence=1.0, max_noise=1e-9), echoes)
