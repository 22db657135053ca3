import numpy as np

from qsmbench.core.grid import Grid
from qsmbench.preparation.echoes import Echoes
from qsmbench.preparation.settings import SwiSettings
from qsmbench.preparation.swi import choose_echo, highpass_phase, minimum_projection, swi


def vein_scan(sign=1.0):
    """A vein along z on a slowly varying phase; magnitude one."""
    shape = (64, 64, 12)
    x, y = np.meshgrid(np.arange(64), np.arange(64), indexing="ij")
    phase = 0.12 * x[:, :, None] + np.zeros(shape)
    vein = ((x - 32) ** 2 + (y - 30) ** 2 < 2**2)[:, :, None] & np.ones(shape, bool)
    phase += sign * 1.5 * vein
    wrapped = np.angle(np.exp(1j * phase)).astype(np.float32)
    echoes = Echoes(
        np.stack([0.5 * wrapped, wrapped]),
        np.ones((2, *shape), np.float32),
        Grid(shape, (1.0, 1.0, 2.0)),
        (0.01, 0.02),
        3.0,
    )
    return echoes, vein


def test_paramagnetic_veins_are_dark_and_diamagnetic_ones_are_not():
    echoes, vein = vein_scan()
    image = swi(echoes, SwiSettings())
    inner = np.s_[8:-8, 8:-8]
    tissue = ~vein
    tissue[:8], tissue[-8:], tissue[:, :8], tissue[:, -8:] = False, False, False, False
    assert image[vein].mean() < 0.4
    assert image[tissue].mean() > 0.85
    assert image[inner].max() <= 1
    echoes, vein = vein_scan(sign=-1.0)
    assert swi(echoes, SwiSettings())[vein].mean() > 0.95


def test_the_highpass_takes_slow_phase_away():
    slow = np.broadcast_to(0.05 * np.arange(64)[:, None, None], (64, 64, 2)).astype(np.float32)
    high = highpass_phase(np.ones_like(slow), slow, (1.0, 1.0, 1.0), 0.125)
    assert np.abs(high[10:-10]).max() < 0.05


def test_the_echo_nearest_to_the_time_asked_for():
    echoes, _ = vein_scan()
    assert choose_echo(echoes, SwiSettings(echo_time=0.014)) == 0
    assert choose_echo(echoes, SwiSettings(echo_time=0.05)) == 1


def test_minimum_projection_over_a_slab():
    image = np.ones((3, 3, 11), np.float32)
    image[1, 1, 5] = 0
    projected = minimum_projection(image, 2.0, 6.0)
    np.testing.assert_array_equal(projected[1, 1], [1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1])
    assert projected[0, 0].all()
    np.testing.assert_array_equal(minimum_projection(image, 30.0, 6.0), image)
