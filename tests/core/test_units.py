"""Units: numbers that a physicist can check by hand, and round trips."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qsmbench.core import units

field_strengths = st.floats(0.05, 12)
echo_times = st.floats(1e-4, 0.1)
fields = st.floats(-1e3, 1e3)


def test_gamma_is_pinned():
    assert units.GAMMA_MHZ_PER_T == 42.576


def test_numbers():
    # 1 ppm at 3 T is 127.728 Hz; over 10 ms that is 1.27728 turns.
    assert units.ppm_to_hz(1.0, 3.0) == pytest.approx(127.728, rel=1e-12)
    assert units.hz_to_ppm(-298.032, 7.0) == pytest.approx(-1.0, rel=1e-12)
    assert units.ppm_to_rad(1.0, 3.0, 0.010) == pytest.approx(2 * math.pi * 1.27728, rel=1e-12)
    assert units.rad_to_ppm(math.pi, 3.0, 0.010) == pytest.approx(0.5 / 1.27728, rel=1e-12)


def test_phase_grows_with_a_paramagnetic_field():
    assert units.ppm_to_rad(0.1, 3.0, 0.005) > 0
    assert units.ppm_to_rad(0.1, 3.0, 0.010) > units.ppm_to_rad(0.1, 3.0, 0.005)


@given(fields, field_strengths, echo_times)
@settings(derandomize=True, database=None)
def test_round_trips(field, b0, echo_time):
    assert units.hz_to_ppm(units.ppm_to_hz(field, b0), b0) == pytest.approx(field, rel=1e-14)
    assert units.rad_to_ppm(units.ppm_to_rad(field, b0, echo_time), b0, echo_time) == pytest.approx(field, rel=1e-14)
    turns = units.ppm_to_rad(field, b0, echo_time) / (2 * math.pi)
    assert turns == pytest.approx(units.ppm_to_hz(field, b0) * echo_time, rel=1e-12)


@pytest.mark.parametrize("make", [lambda v: np.array(v, np.float32), lambda v: torch.tensor(v, dtype=torch.float32)])
def test_arrays_keep_their_kind_and_precision(make):
    values = make([-0.1, 0.0, 0.2])
    for converted in (
        units.hz_to_ppm(values, 3.0),
        units.ppm_to_hz(values, 3.0),
        units.ppm_to_rad(values, 3.0, 0.01),
        units.rad_to_ppm(values, 3.0, 0.01),
    ):
        assert type(converted) is type(values)
        assert converted.dtype == values.dtype
    assert float(units.ppm_to_hz(values, 3.0)[2]) == pytest.approx(25.5456, rel=1e-6)
