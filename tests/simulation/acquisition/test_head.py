import numpy as np
import pytest

from qsmbench.simulation.acquisition.head import excited_signal, map_head, phantom_head
from qsmbench.simulation.acquisition.protocol import CLINICAL
from qsmbench.simulation.acquisition.tissues import AIR_CHI
from qsmbench.simulation.phantom.values import TISSUES


def at(head, volume, place):
    """Value of a volume nearest to a place in MNI mm."""
    voxel = np.linalg.inv(head.to_mm) @ [*place, 1.0]
    return float(volume[tuple(np.rint(voxel[:3]).astype(int))])


@pytest.fixture(scope="module")
def phantom():
    return phantom_head(CLINICAL, {"pallidum": 2.5}, seed=1)


def test_air_bone_and_skin_lie_where_they_belong(phantom):
    sinus, around, skull, temple = (0, 14, -36), (0, 100, 60), (0, 73.5, 20), (60, 0, 0)
    assert at(phantom, phantom.chi, sinus) == pytest.approx(AIR_CHI, abs=0.05)
    assert at(phantom, phantom.signal, sinus) < 0.01
    assert at(phantom, phantom.chi, around) == pytest.approx(AIR_CHI)
    assert at(phantom, phantom.chi, skull) == pytest.approx(-2.1, abs=0.05)
    assert at(phantom, phantom.r2star, skull) > 1000
    for sign in (-1, 1):
        canal = (sign * 74, -21, -43.5)
        assert at(phantom, phantom.chi, canal) > 6
    assert at(phantom, phantom.brain, temple) == 1.0


def test_no_air_comes_near_the_brain(phantom):
    from scipy.ndimage import distance_transform_edt

    far = distance_transform_edt(phantom.brain < 0.5)
    assert far[phantom.chi > 0.5 * AIR_CHI].min() >= 1.0


def test_the_head_ends_before_its_box_except_for_the_neck(phantom):
    for axis in (0, 1):
        for end in (0, -1):
            assert np.take(phantom.signal, end, axis).max() < 0.05 * phantom.signal.max()
    assert phantom.signal[:, :, -1].max() == 0


def test_contrast_follows_the_table(phantom):
    white = (28.0, -20.0, 32.0)
    tissue = TISSUES["white_matter"]
    wanted = excited_signal(tissue.proton_density, tissue.t1, CLINICAL)
    assert at(phantom, phantom.signal, white) == pytest.approx(wanted, rel=0.1)
    assert at(phantom, phantom.r2star, white) == pytest.approx(tissue.r2star, rel=0.05)


def test_iron_raises_chi_and_relaxation(phantom):
    plain = TISSUES["pallidum"]
    inside = (20.0, -3.0, 0.0)
    assert at(phantom, phantom.chi, inside) == pytest.approx(2.5 * plain.chi, abs=0.06)
    assert at(phantom, phantom.r2star, inside) == pytest.approx(plain.r2star + 125 * 1.5 * plain.chi, rel=0.1)


def test_a_map_is_turned_upright_and_put_into_the_templates_place(protocol, little_source):
    heads = [map_head(little_source(axes), protocol) for axes in ("RAS", "LPS")]
    assert np.allclose(heads[0].chi, heads[1].chi)
    brain = np.argwhere(heads[0].brain > 0.5)
    middle = (brain.min(0) + brain.max(0)) / 2
    assert (heads[0].to_mm[:3, :3] @ middle + heads[0].to_mm[:3, 3]) == pytest.approx([0, -17, 5], abs=3)
