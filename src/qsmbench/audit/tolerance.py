"""How far a number made again may be from the stored one. docs/reproducibility.md tells how each was measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# One step of the store, 1e-4 ppm: a value on the edge between two steps may round either way on another processor.
SAMPLE_PPM = 1e-4
# Of a mask, labels, or any other count: share of voxels that may differ.
VOXEL_SHARE = 1e-4
# Maps: norm of the difference over the norm of the stored map. Other instructions change it by up to 1e-6 (measured);
# an iterative method stops where its criterion is met, which other rounding may shift by a step.
MAP_SHARE = 1e-3
# Scores, relative, or absolute where they are about zero.
SCORE_RELATIVE, SCORE_ABSOLUTE = 1e-4, 1e-6


@dataclass(frozen=True)
class Agreement:
    """How two things compare: the same bits, or a difference and whether it is within its tolerance."""

    identical: bool
    tolerated: bool
    text: str


def compare_volumes(made: np.ndarray, stored: np.ndarray, share: float = MAP_SHARE) -> Agreement:
    """Compare a map by the norm of the difference; NaN must be where NaN is.

    >>> compare_volumes(np.ones(3, np.float32), np.ones(3, np.float32)).text
    'the same bits'
    """
    if made.shape != stored.shape or not np.array_equal(np.isnan(made), np.isnan(stored)):
        return Agreement(False, False, f"shape or undefined voxels differ ({made.shape}, {stored.shape})")
    if made.dtype == stored.dtype and made.tobytes() == stored.tobytes():
        return Agreement(True, True, "the same bits")
    a, b = np.nan_to_num(made.astype(np.float64)), np.nan_to_num(stored.astype(np.float64))
    norm = float(np.linalg.norm(b))
    found = float(np.linalg.norm(a - b)) / (norm or 1.0)
    return Agreement(False, found <= share, f"differs by {found:.2g} of its norm (tolerated: {share:g})")


def compare_steps(made: np.ndarray, stored: np.ndarray, step: float = 1.0) -> Agreement:
    """Compare by the largest difference, one ``step`` at most."""
    if made.shape != stored.shape:
        return Agreement(False, False, f"shapes {made.shape} and {stored.shape} differ")
    if made.dtype == stored.dtype and made.tobytes() == stored.tobytes():
        return Agreement(True, True, "the same bits")
    found = float(np.abs(made.astype(np.float64) - stored.astype(np.float64)).max(initial=0.0))
    return Agreement(False, found <= step, f"differs by up to {found:.3g} (tolerated: {step:g})")


def compare_labels(made: np.ndarray, stored: np.ndarray) -> Agreement:
    """Compare masks and labels by the share of voxels that differ."""
    if made.shape != stored.shape:
        return Agreement(False, False, f"shapes {made.shape} and {stored.shape} differ")
    found = float(np.mean(made != stored))
    text = "the same bits" if found == 0 else f"{found:.2g} of its voxels differ (tolerated: {VOXEL_SHARE:g})"
    return Agreement(found == 0, found <= VOXEL_SHARE, text)


def compare_scores(made: float, stored: float) -> Agreement:
    """Compare two scores; NaN, a score that is not defined, equals NaN."""
    if made == stored or (np.isnan(made) and np.isnan(stored)):
        return Agreement(True, True, "the same bits")
    found = abs(made - stored)
    near = found <= max(SCORE_ABSOLUTE, SCORE_RELATIVE * abs(stored))
    return Agreement(False, bool(near), f"is {made:.8g} instead of {stored:.8g}")
