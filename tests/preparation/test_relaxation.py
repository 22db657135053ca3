import numpy as np
import pytest

from qsmbench.core.errors import InputError
from qsmbench.preparation.relaxation import fit_r2star


def test_r2star_is_exact_without_noise(head):
    echoes = head.echoes()
    found = fit_r2star(echoes.magnitude, echoes.echo_times, head.mask)
    np.testing.assert_allclose(found[head.mask], head.r2star[head.mask], rtol=1e-4)
    assert (found[~head.mask] == 0).all()


def test_r2star_with_noise_is_unbiased_and_not_negative(head, noisy):
    found = fit_r2star(noisy.magnitude, noisy.echo_times, head.mask)
    assert (found >= 0).all()
    assert abs((found - head.r2star)[head.mask].mean()) < 0.5


def test_an_echo_without_signal_counts_nothing(head):
    magnitude = head.echoes().magnitude.copy()
    magnitude[3] = 0
    found = fit_r2star(magnitude, head.echoes().echo_times, head.mask)
    np.testing.assert_allclose(found[head.mask], head.r2star[head.mask], rtol=1e-4)


def test_one_echo_has_no_decay(head):
    with pytest.raises(InputError, match="at least two echoes"):
        fit_r2star(head.echoes((0.02,)).magnitude, (0.02,), head.mask)
