"""The scale of a stored phase is known, or it is refused with the option that states it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsmbench.core.errors import InputError
from qsmbench.preparation.phase_units import Declared, parse_scale, to_radians

SHAPE = (2, 20, 10, 12)


def full_phase():
    """Noise: every angle occurs, both ends of the range among them."""
    phase = np.random.default_rng(1).uniform(-np.pi, np.pi, SHAPE)
    phase.flat[:2] = -np.pi, np.pi
    return phase.astype(np.float32)


def smooth(largest, slope=(0.9, 0.5, 0.7)):
    """A phase without noise that stays below ``largest``, so that nothing wraps."""
    grid = np.meshgrid(*[np.linspace(-1, 1, n) for n in SHAPE[1:]], indexing="ij")
    one = sum(s * g for s, g in zip(slope, grid, strict=True))
    return (largest * np.stack([0.5 * one, one]) / np.abs(one).max()).astype(np.float32)


def apart(a, b):
    return np.abs(np.angle(np.exp(1j * (a.astype(np.float64) - b)))).max()


STORES = [
    (lambda p: p, "radians by their range (-3.14159 to 3.14159)"),
    (lambda p: np.round(p * 4096 / np.pi).clip(-4096, 4094), "integers of -4096 to 4096"),
    (lambda p: np.round((p + np.pi) * 2048 / np.pi).clip(0, 4095), "integers of 0 to 4095"),
    (lambda p: np.round(1000 * p), "a linear scale, 3141.59 being pi"),
    (lambda p: p * 0.0037 / np.pi, "a linear scale, 0.0037 being pi"),
    (lambda p: p * 180 / np.pi, "a linear scale, 180 being pi"),
    (lambda p: p / np.pi, "a linear scale, 1 being pi"),
    (lambda p: np.where(p < 0, p + 2 * np.pi, p), "radians by their range (0"),
    (lambda p: (p + np.pi) / (2 * np.pi), "a linear scale, 1 being 2 pi"),
]


@given(st.floats(-6, 8).map(lambda e: 10.0**e))
def test_any_symmetric_linear_scale(scale):
    phase = full_phase()
    found = to_radians((phase * scale).astype(np.float32), "scan")
    # A scale in use within a hundredth, or radians within a twentieth, is taken for what is in use.
    in_use = any(what in found.scaling for what in ("180 being pi", "scale, 1 being pi", "radians by"))
    assert apart(found.phase, phase) < (0.16 if in_use else 1e-4)


@pytest.mark.parametrize(("store", "said"), STORES)
def test_a_filled_range_tells_the_scales_in_use(store, said):
    phase = full_phase()
    found = to_radians(store(phase).astype(np.float32), "scan")
    assert said in found.scaling
    assert found.warnings == ()
    assert apart(found.phase, phase) < 2 * np.pi / 4096 * 1.5
    assert found.phase.dtype == np.float32


@pytest.mark.parametrize("largest", [0.4, 1.0, 2.4, 3.0, 9.7, 40.0])
@pytest.mark.parametrize("store", [s for s, _ in STORES], ids=lambda s: "")
def test_a_range_that_is_not_filled_is_right_warned_or_refused(store, largest):
    """The kinds of `scan_faults`: partial integers, short echoes, degrees and +-1, unwrapped phase."""
    phase = smooth(largest)
    stored = store(phase).astype(np.float32)
    try:
        found = to_radians(stored, "scan")
    except InputError as error:
        assert "--phase-scale" in str(error)
        return
    gain = float(np.vdot(found.phase - found.phase.mean(), phase - phase.mean()) / np.sum((phase - phase.mean()) ** 2))
    assert gain == pytest.approx(1, abs=0.02) or found.warnings or apart(found.phase, phase) < 0.01


@pytest.mark.parametrize(
    ("store", "scale"),
    [
        (lambda p: p, "rad"),
        (lambda p: p * 180 / np.pi, "deg"),
        (lambda p: np.round(p * 4096 / np.pi), "pi/4096"),
        (lambda p: np.round(1000 * p), "0.001"),
        (lambda p: p / np.pi, "pi"),
        (lambda p: p / (2 * np.pi), "2*pi"),
    ],
)
def test_the_user_states_the_scale(store, scale):
    phase = smooth(2.0)
    found = to_radians(store(phase).astype(np.float32), "scan", scale)
    assert apart(found.phase, phase) < 1e-3
    assert f"as the user says, {scale}" in found.scaling


def test_scales_that_are_none_are_refused():
    for text in ("", "4096pi/", "-1", "0", "nan", "inf", "two", "pi/0", "1e99"):
        with pytest.raises(InputError, match="--phase-scale"):
            parse_scale(text)
    with pytest.raises(InputError, match="did you mean pi/4096"):
        to_radians(np.round(full_phase() * 4096 / np.pi), "scan", "4096")


@pytest.mark.parametrize("inside", [True, False])
def test_padding_is_told_from_phase(inside):
    phase = full_phase() if inside else smooth(2.0)
    stored = np.round(phase * 4096 / np.pi).astype(np.float32)
    stored[:, :4] = -8192
    found = to_radians(stored, "scan", None if inside else "pi/4096")
    assert apart(found.phase[:, 4:], phase[:, 4:]) < 2e-3
    assert not found.phase[:, :4].any()
    assert "20 % of the phase is padding (-8192)" in found.warnings[0]


def test_declared_units_are_taken_and_contradictions_refused():
    phase, few = full_phase(), smooth(0.5)
    rad, deg = Declared("rad"), Declared("Degrees")
    np.testing.assert_array_equal(to_radians(few, "scan", declared=rad).phase, few)
    np.testing.assert_array_equal(to_radians(smooth(20.0), "scan", declared=rad).phase, smooth(20.0))
    assert apart(to_radians(few * np.float32(180 / np.pi), "scan", declared=deg).phase, few) < 1e-5
    for claimed in (phase * 180 / np.pi, phase / np.pi, np.round(phase * 4096 / np.pi), np.round(1000 * few)):
        with pytest.raises(InputError, match=r"said to be in rad.*--phase-scale"):
            to_radians(claimed.astype(np.float32), "scan", declared=rad)


def test_header_and_maker_tell_the_scale_of_a_range_that_is_not_filled():
    phase = smooth(0.5)
    stored = (2 * np.round(phase * 2048 / np.pi)).astype(np.float32)
    assert apart(to_radians(stored, "scan", declared=Declared(slope=2.0, intercept=-4096.0)).phase, phase) < 4e-3
    assert apart(to_radians(stored, "scan", declared=Declared(manufacturer="SIEMENS")).phase, phase) < 4e-3
    with pytest.raises(InputError, match="nothing tells its scale"):
        to_radians(stored, "scan", declared=Declared(manufacturer="GE"))


def test_a_lopsided_range_is_said():
    stored = full_phase() * 100
    stored[stored < -150] = -150
    found = to_radians(stored, "scan")
    assert "lopsided" in found.scaling
    assert "--phase-scale" in found.warnings[0]


def test_constant_phase_is_refused():
    with pytest.raises(InputError, match="scan: the phase is 0 everywhere"):
        to_radians(np.zeros((1, 3, 3, 3), np.float32), "scan")


def masked_head(largest, air=0.0):
    """An unwrapped phase from 0 to ``largest`` rad, largest at its rim, in an ellipsoid; outside noise of +-air."""
    shape = (24, 20, 18)
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    inside = x**2 + y**2 + z**2 < 0.8
    one = np.maximum(z, 0) ** 2 + 0.4 * x**2
    one = largest * (one - one[inside].min()) / np.ptp(one[inside])
    noise = np.random.default_rng(2).uniform(-air, air, (2, *shape))
    phase = np.where(inside, np.stack([0.5 * one, one]), noise).astype(np.float32)
    magnitude = np.where(inside, 100.0, np.random.default_rng(3).rayleigh(3.0, (2, *shape))).astype(np.float32)
    return phase, magnitude, inside


def wrapped(phase):
    return np.angle(np.exp(1j * phase.astype(np.float64))).astype(np.float32)


# What a file holds of radians.
AS = {
    "float": lambda p: p,
    "negative": lambda p: -p,
    "int16 of 4096": lambda p: np.round(p * 4096 / np.pi),
    "mrad": lambda p: np.round(1000 * p),
    "degrees": lambda p: p * 180 / np.pi,
    "thousandths of pi": lambda p: 1000 * p / np.pi,
}


@pytest.mark.parametrize("air", [0.0, np.pi])
@pytest.mark.parametrize("largest", [7.0, 8.2, 13.0, 33.0])
@pytest.mark.parametrize("store", AS)
def test_the_rim_of_an_unwrapped_phase_is_no_wrap(store, largest, air):
    phase, magnitude, _ = masked_head(largest, air)
    with pytest.raises(InputError, match="nothing tells its scale"):
        to_radians(AS[store](phase).astype(np.float32), "scan", magnitude=magnitude)


@pytest.mark.parametrize("air", [0.0, np.pi])
@pytest.mark.parametrize("largest", [13.0, 33.0])
@pytest.mark.parametrize("store", AS)
def test_wraps_inside_a_masked_head_tell_the_scale(store, largest, air):
    phase, magnitude, inside = masked_head(largest, air)
    stored = AS[store](wrapped(phase)).astype(np.float32)
    found = to_radians(stored, "scan", magnitude=magnitude)
    sign = -1 if store == "negative" else 1
    assert apart(sign * found.phase[:, inside], phase[:, inside]) < 0.1


@pytest.mark.parametrize("value", [-4096.0 - 300, -5000.0, -9999.0, 6000.0, 65535.0, -32768.0])
@pytest.mark.parametrize("share", [0.01, 0.2])
def test_padding_near_the_range_is_told_from_it(value, share):
    phase = full_phase()
    stored = np.round(phase * 4096 / np.pi).clip(-4096, 4094).astype(np.float32)
    out = np.random.default_rng(4).random(SHAPE) < share
    stored[out] = value
    found = to_radians(stored, "scan")
    assert apart(found.phase[~out], phase[~out]) < 3e-3
    assert f"padding ({value:g})" in found.warnings[0]


@pytest.mark.parametrize("filled", [True, False])
def test_degrees_that_are_radians_are_refused_and_ones_that_claim_radians_said(filled):
    phase = full_phase() if filled else smooth(3.0)
    with pytest.raises(InputError, match=r"said to be in degrees.*--phase-scale"):
        to_radians(phase, "scan", declared=Declared("deg"))
    near_one = to_radians(smooth(0.98), "scan", declared=Declared("rad"))
    assert "if 1 stands for pi or for a turn" in near_one.warnings[0]
    beyond = to_radians(smooth(160.0), "scan", declared=Declared("rad"))
    assert "goes beyond a turn" in beyond.warnings[0]


@pytest.mark.parametrize("factors", [(1.0, 0.5), (0.3, 1.0), (1.0, 3.0)])
def test_echoes_with_scales_of_their_own_are_refused_or_said(factors):
    phase = full_phase() * np.array(factors, np.float32)[:, None, None, None]
    with pytest.raises(InputError, match="echoes are scaled differently"):
        to_radians(phase, "scan")
    first, magnitude, _ = masked_head(5.8)
    both = wrapped(np.stack([0.9 * first[1] - 2.6, 3 * first[1]]))
    each = both / np.abs(both).max(axis=(1, 2, 3), keepdims=True)
    assert any("scaled one by one" in line for line in to_radians(each, "scan", magnitude=magnitude).warnings)
