"""Echoes that are not what they are said to be: by their times, their order, their scale, their slices."""

from dataclasses import replace

import numpy as np
import pytest
from little_scan import TIMES, little

from qsmbench.core.errors import InputError
from qsmbench.preparation.pipeline import prepare
from qsmbench.preparation.settings import PreparationSettings

SETTINGS = PreparationSettings(swi=None)


def wrapped(phase):
    return np.angle(np.exp(1j * phase)).astype(np.float32)


def warnings_of(echoes, mask):
    return prepare(echoes, SETTINGS, mask).warnings


@pytest.mark.parametrize("times", [(0.004, 0.008, 0.012), TIMES, (0.005, 0.008, 0.015), (0.003, 0.013, 0.023, 0.033)])
def test_echoes_of_the_times_given_are_not_doubted(times):
    echoes, mask = little(times)
    assert warnings_of(echoes, mask) == ()
    # Bipolar readouts alternate along a line, which is put right.
    along = np.linspace(-1, 1, mask.shape[0])[:, None, None]
    alternating = echoes.phase + np.array([1 if j % 2 else -1 for j in range(len(times))])[:, None, None, None] * along
    if times != (0.005, 0.008, 0.015):
        assert warnings_of(replace(echoes, phase=wrapped(alternating)), mask) == ()


def test_a_bleeding_without_signal_says_nothing_of_the_times():
    echoes, mask = little((0.004, 0.010, 0.016, 0.022))
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in mask.shape], indexing="ij")
    blood = (x + 0.2) ** 2 + (y + 0.3) ** 2 + z**2 < 0.06
    field = np.where(blood, 900 * (x + 0.2), 0)
    phase, magnitude = echoes.phase.copy(), echoes.magnitude.copy()
    for j, t in enumerate(echoes.echo_times):
        # Dephasing inside voxels bends the phase as it takes the signal.
        phase[j] = wrapped(phase[j] + field * t * (1 + 0.2 * j))
        magnitude[j] *= np.where(blood, np.exp(-250 * t), 1).astype(np.float32)
    said = warnings_of(replace(echoes, phase=phase, magnitude=magnitude), mask)
    assert not any("does not grow" in line for line in said)


@pytest.mark.parametrize(
    "wrong",
    [
        {"echo_times": (0.005, 0.010, 0.020)},
        {"echo_times": (0.005, 0.008, 0.015)},
        {"order": (0, 2, 1)},
        {"order": (1, 0, 2)},
        {"factors": (0.5, 1, 1)},
        {"factors": (1, 1, 1.25)},
        {"factors": (1, -1, 1)},
        {"factors": (1, 1, -1)},
    ],
    ids=str,
)
def test_a_phase_that_does_not_grow_with_the_times_is_said(wrong):
    echoes, mask = little()
    if "echo_times" in wrong:
        other = replace(echoes, **wrong)
    elif "order" in wrong:
        other = replace(echoes, phase=echoes.phase[list(wrong["order"])])
    else:
        other = replace(echoes, phase=(echoes.phase.T * np.float32(wrong["factors"])).T)
    assert any("does not grow with the echo times" in line for line in warnings_of(other, mask))


@pytest.mark.parametrize(("factor", "said"), [(1, False), (0.1, True), (20, True)])
def test_a_magnitude_that_decays_as_no_tissue_does_is_said(factor, said):
    echoes, mask = little()
    other = replace(echoes, echo_times=tuple(factor * t for t in TIMES))
    assert any("the magnitude decays by" in line for line in warnings_of(other, mask)) == said


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("step", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("slices", ["odd", "half"])
def test_slices_that_jump_in_a_later_echo_are_named(axis, step, slices):
    echoes, mask = little()
    n = mask.shape[axis]
    which = np.arange(n) % 2 == 1 if slices == "odd" else np.arange(n) >= n // 2
    phase = echoes.phase.copy()
    phase[2] = wrapped(phase[2] + step * which.reshape([-1 if a == axis else 1 for a in range(3)]))
    lines = [w for w in warnings_of(replace(echoes, phase=phase), mask) if "jumps from slice to slice" in w]
    assert [f"along axis {'xyz'[axis]}" in line and "in echo 3" in line for line in lines] == [True]


@pytest.mark.parametrize("echo", [0, 1, 2])
def test_an_echo_without_signal_is_refused_whatever_the_mask(echo):
    echoes, mask = little()
    magnitude = echoes.magnitude.copy()
    magnitude[echo] = 0
    for given in (mask, None):
        with pytest.raises(InputError, match=f"the magnitude of echo {echo + 1} is 0 everywhere"):
            prepare(replace(echoes, magnitude=magnitude), SETTINGS, given)


def test_one_magnitude_for_all_echoes_is_said():
    echoes, mask = little()
    same = replace(echoes, magnitude=np.repeat(echoes.magnitude[:1], 3, axis=0))
    assert any("echoes 1 and 2 have the same magnitude" in line for line in warnings_of(same, mask))


@pytest.mark.filterwarnings("error")
def test_the_unit_of_the_magnitude_changes_no_check():
    echoes, mask = little()
    phase = echoes.phase.copy()
    phase[1, :, :, 9] = wrapped(phase[1, :, :, 9] + 2.0)
    for unit in (1e-12, 1.0, 1e12):
        said = warnings_of(replace(echoes, phase=phase, magnitude=echoes.magnitude * np.float32(unit)), mask)
        assert any("along axis z" in line and " 9" in line for line in said)
