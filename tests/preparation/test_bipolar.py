"""Readouts of alternating polarity."""

import numpy as np
import pytest

from qsmbench.core.errors import InputError
from qsmbench.preparation import bipolar
from qsmbench.preparation.pipeline import prepare
from qsmbench.preparation.settings import FieldFitSettings, Lbv, PreparationSettings


def alternating(echoes, constant, gradient):
    """The same echoes, read with gradients of either sign in turn."""
    return bipolar.take_off(echoes, bipolar.Alternation(-constant, tuple(-g for g in gradient), 0, 0))


@pytest.mark.parametrize("n_echoes", [3, 4])
@pytest.mark.parametrize(
    ("constant", "gradient"), [(0.3, (0.02, 0.0, 0.0)), (-0.5, (-0.03, 0.01, 0.004)), (0.7, (0.0, 0.0, 0.0))]
)
def test_the_phase_put_in_is_found(head, n_echoes, constant, gradient):
    times = (0.0104, 0.0174, 0.0244, 0.0314)[:n_echoes]
    found = bipolar.find(alternating(head.echoes(times, noise=0.03), constant, gradient), head.mask)
    np.testing.assert_allclose(found.gradient, gradient, atol=2e-4)
    assert found.constant == pytest.approx(constant, abs=2e-3)
    assert found.share > 0.9


def test_what_readouts_of_one_polarity_have_is_small(noisy, head):
    assert bipolar.find(noisy, head.mask).size < bipolar.SIZE


def test_two_echoes_or_unequal_ones_cannot_tell(head):
    assert bipolar.find(head.echoes((0.005, 0.010)), head.mask) is None
    assert bipolar.find(head.echoes((0.005, 0.010, 0.016)), head.mask) is None


def test_the_maps_are_those_of_one_polarity(head, noisy):
    settings = PreparationSettings(background=Lbv(kind="lbv"), swi=None)
    bad = alternating(noisy, 0.4, (0.025, -0.01, 0.003))
    plain, mended = (prepare(e, settings, head.mask) for e in (noisy, bad))
    assert plain.report["Bipolar"]["Corrected"] is False
    assert mended.report["Bipolar"]["Corrected"] is True
    ignored = prepare(bad, settings.model_copy(update={"fit": FieldFitSettings(bipolar="off")}), head.mask)
    inside = plain.volumes["local_mask"]
    spread = plain.volumes["local_field"][inside].std()
    difference = (mended.volumes["local_field"] - plain.volumes["local_field"])[inside].std()
    assert difference < 0.02 * spread
    assert mended.report["SignalNoise"] == pytest.approx(plain.report["SignalNoise"], rel=0.05)
    assert ignored.report["SignalNoise"] > 3 * plain.report["SignalNoise"]


def test_on_without_a_way_to_tell_is_refused(head):
    settings = PreparationSettings(fit=FieldFitSettings(bipolar="on"), swi=None)
    with pytest.raises(InputError, match="needs three equally spaced echoes"):
        prepare(head.echoes((0.005, 0.010)), settings, head.mask)
