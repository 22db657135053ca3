import numpy as np
import pytest

from qsmbench.simulation.acquisition.head import excited_signal
from qsmbench.simulation.acquisition.protocol import CLINICAL
from qsmbench.simulation.acquisition.tissues import AIR_CHI, CALCIFICATION, HAEMATOMA, HEAD_TISSUES, static_dephasing


def test_values_are_the_published_ones():
    assert HEAD_TISSUES["air"].chi == AIR_CHI
    assert 9.2 <= AIR_CHI <= 9.5
    assert HEAD_TISSUES["bone"].chi == -2.1
    assert 0.5 < HAEMATOMA.chi < 1.0
    assert CALCIFICATION.chi == pytest.approx(-0.99)


def test_static_dephasing_is_yablonskiy_and_haackes_rate():
    # R2' = 2 pi / (3 sqrt 3) (4 pi / 3 in cgs) = 2 pi / (9 sqrt 3) gamma B0 chi in SI units
    assert static_dephasing(1.0) == pytest.approx(0.40307 * 2 * np.pi * 42.576 * 3, rel=1e-4)
    assert static_dephasing(-2.0, 1.5) == pytest.approx(static_dephasing(1.0, 3.0))


def test_signal_equation_against_an_iterated_steady_state():
    # Longitudinal magnetisation pulse by pulse, transverse magnetisation spoiled.
    t1, tr, flip = 0.83, CLINICAL.repetition_time, np.deg2rad(CLINICAL.flip_angle)
    magnetisation = 1.0
    for _ in range(2000):
        magnetisation = 1 - (1 - magnetisation * np.cos(flip)) * np.exp(-tr / t1)
    assert excited_signal(0.7, t1, CLINICAL) == pytest.approx(0.7 * magnetisation * np.sin(flip), rel=1e-9)


def test_signal_is_greatest_at_the_ernst_angle():
    t1 = 0.83
    ernst = np.rad2deg(np.arccos(np.exp(-CLINICAL.repetition_time / t1)))
    at = [
        excited_signal(1.0, t1, CLINICAL.model_copy(update={"flip_angle": ernst + step})) for step in (-2.0, 0.0, 2.0)
    ]
    assert at[1] > max(at[0], at[2])
