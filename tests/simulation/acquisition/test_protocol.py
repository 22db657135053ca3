from typing import get_args

import numpy as np
import pytest

from qsmbench.simulation.acquisition.cases import CASES
from qsmbench.simulation.acquisition.protocol import CLINICAL, RESEARCH, CaseName


def test_protocols_are_those_of_the_papers():
    assert RESEARCH.voxel_size == (0.5, 0.5, 2.0)
    assert sorted(RESEARCH.matrix[:2]) == [256, 320]
    assert RESEARCH.echo_times == (0.0104, 0.0174, 0.0244, 0.0314)
    assert RESEARCH.repetition_time == 0.0586
    assert CLINICAL.voxel_size[:2] == pytest.approx((220 / 288, 220 / 288), abs=1e-4)
    assert CLINICAL.matrix[:2] == (288, 288)
    assert 46 <= CLINICAL.matrix[2] <= 54
    assert CLINICAL.echo_times[0] == 0.0126
    assert len(CLINICAL.echo_times) == 7
    assert np.diff(CLINICAL.echo_times) == pytest.approx([0.0041] * 6)
    assert (CLINICAL.repetition_time, CLINICAL.flip_angle) == (0.0397, 15.0)


def test_a_scaled_protocol_keeps_the_field_of_view():
    scaled = RESEARCH.scaled((2.0, 3.0, 1.5))
    assert scaled.matrix == (128, 107, 43)
    extent = np.array(RESEARCH.matrix) * RESEARCH.voxel_size
    assert np.array(scaled.matrix) * scaled.voxel_size == pytest.approx(extent)
    assert RESEARCH.scaled((1.0, 1.0, 1.0)) == RESEARCH


def test_cases_and_their_names_agree():
    assert tuple(CASES) == get_args(CaseName)
    assert len({case.head_pose for case in CASES.values()}) == len(CASES)
    assert CASES["oblique"].slice_tilt == 15.0


def test_larger_voxels_have_more_signal_than_fewer_lines_cost():
    scaled = RESEARCH.scaled((2.0, 2.0, 1.0))
    assert scaled.snr == pytest.approx(RESEARCH.snr * 4 / np.sqrt(2))
