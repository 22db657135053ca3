import numpy as np
import pytest

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid
from qsmbench.preparation.echoes import Echoes
from qsmbench.preparation.pipeline import prepare
from qsmbench.preparation.polarity import SUSPICIOUS, asymmetry
from qsmbench.preparation.settings import MaskSettings, PreparationSettings

SETTINGS = PreparationSettings(mask=MaskSettings(method="threshold"))


@pytest.fixture(scope="module")
def prepared(noisy):
    return prepare(noisy, SETTINGS)


def test_the_local_field_is_near_the_truth(head, prepared):
    inside = prepared.volumes["local_mask"]
    found, truth = prepared.volumes["local_field"][inside], head.local_field[inside]
    found, truth = found - found.mean(), truth - truth.mean()
    assert np.linalg.norm(found - truth) / np.linalg.norm(truth) < 0.35
    assert 0.5 < inside.sum() / head.mask.sum() < 1


def test_volumes_are_zero_outside_their_masks_and_float32(prepared):
    mask = prepared.volumes["mask"]
    for name in ("total_field", "field_noise", "offset", "r2star"):
        assert (prepared.volumes[name][~mask] == 0).all(), name
        assert prepared.volumes[name].dtype == np.float32, name
    assert prepared.volumes["local_mask"].dtype == bool
    assert prepared.volumes["swi"].dtype == np.float32
    assert not prepared.warnings


def test_the_same_input_gives_the_same_bytes(noisy, prepared):
    again = prepare(noisy, SETTINGS)
    for name, volume in prepared.volumes.items():
        assert volume.tobytes() == again.volumes[name].tobytes(), name


def test_a_given_mask_is_used_as_it_is(head, noisy):
    result = prepare(noisy, PreparationSettings(), head.mask)
    np.testing.assert_array_equal(result.volumes["mask"], head.mask)
    assert result.report["MaskSource"] == "given"
    with pytest.raises(InputError, match="mask is empty"):
        prepare(noisy, PreparationSettings(), np.zeros_like(head.mask))
    with pytest.raises(InputError, match="mask has shape"):
        prepare(noisy, PreparationSettings(), head.mask[1:])


def test_flipped_phase_is_noticed(head, noisy):
    flipped = Echoes(-noisy.phase, noisy.magnitude, noisy.grid, noisy.echo_times, noisy.b0, "scan")
    result = prepare(flipped, SETTINGS)
    (warning,) = result.warnings
    assert "scan: veins and deep grey matter look diamagnetic" in warning
    assert "--flip-phase" in warning


def test_asymmetry_of_the_truth(head):
    right = asymmetry(np.where(head.mask, head.local_field, 0), head.mask, head.grid)
    assert right > 0.5
    assert asymmetry(np.where(head.mask, -head.local_field, 0), head.mask, head.grid) == pytest.approx(-right, rel=1e-3)
    assert SUSPICIOUS < 0


def test_a_single_echo_goes_through_and_says_what_it_lacks(head):
    result = prepare(head.echoes((0.02,), 0.02), SETTINGS)
    assert any("one echo only" in w for w in result.warnings)
    assert "r2star" not in result.volumes
    assert "offset" not in result.volumes


def test_without_swi(noisy):
    volumes = prepare(noisy, SETTINGS.model_copy(update={"swi": None})).volumes
    assert "swi" not in volumes
    assert "minip" not in volumes


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"echo_times": (10.4, 17.4, 24.4, 31.4)}, "look like milliseconds"),
        ({"echo_times": (0.0174, 0.0104, 0.0244, 0.0314)}, "must rise"),
        ({"echo_times": (-0.01, 0.0174, 0.0244, 0.0314)}, "must be positive"),
        ({"echo_times": ()}, "no echo times"),
        ({"echo_times": (0.0104, 0.0174)}, "there are 2 echo times"),
        ({"b0": 30000.0}, "B0 must be a field strength in tesla"),
        ({"grid": Grid((3, 3, 3), (1.0, 1.0, 1.0))}, "phase has shape"),
    ],
)
def test_echoes_that_cannot_be_are_refused(noisy, change, message):
    given = {name: getattr(noisy, name) for name in ("phase", "magnitude", "grid", "echo_times", "b0")}
    with pytest.raises(InputError, match=message):
        Echoes(**(given | change))


def test_volumes_that_cannot_be_are_refused(noisy):
    rest = (noisy.grid, noisy.echo_times, noisy.b0, "scan")
    bad = noisy.phase.copy()
    bad[0, 3, 3, 3] = np.nan
    with pytest.raises(InputError, match="scan: phase has 1 NaN or infinite voxels"):
        Echoes(bad, noisy.magnitude, *rest)
    with pytest.raises(InputError, match="magnitude is negative"):
        Echoes(noisy.phase, noisy.phase, *rest)
    with pytest.raises(InputError, match="magnitude is zero throughout"):
        Echoes(noisy.phase, np.zeros_like(noisy.magnitude), *rest)
