"""Unit conversions, by name, at the edge of the platform; inside it fields and chi are in ppm.

gamma/2pi of the proton in water is pinned here and nowhere else: 42.576 MHz/T (the shielded-proton value of CODATA
2018 is 42.576 384 74(46) MHz/T, doi 10.1103/RevModPhys.93.025010; QSM toolboxes truncate it in the same place).
"""

import math
from typing import TypeVar

import numpy as np
import torch

GAMMA_MHZ_PER_T = 42.576

T = TypeVar("T", float, "np.ndarray", "torch.Tensor")


def hz_to_ppm(field_hz: T, b0: float) -> T:
    """Convert a field in Hz into ppm of the main field ``b0`` (T).

    >>> round(hz_to_ppm(127.728, 3.0), 6)
    1.0
    """
    return field_hz / (GAMMA_MHZ_PER_T * b0)


def ppm_to_hz(field: T, b0: float) -> T:
    """Convert a field in ppm of ``b0`` (T) into Hz."""
    return field * (GAMMA_MHZ_PER_T * b0)


def ppm_to_rad(field: T, b0: float, echo_time: float) -> T:
    """Phase (rad) that a field in ppm of ``b0`` (T) gains in ``echo_time`` (s): +2 pi gamma b0 field TE."""
    return field * (2 * math.pi * GAMMA_MHZ_PER_T * b0 * echo_time)


def rad_to_ppm(phase: T, b0: float, echo_time: float) -> T:
    """Field in ppm of ``b0`` (T) behind an unwrapped phase (rad) after ``echo_time`` (s)."""
    return phase / (2 * math.pi * GAMMA_MHZ_PER_T * b0 * echo_time)
