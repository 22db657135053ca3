"""What passes for the same, and what does not."""

import numpy as np

from qsmbench.audit.tolerance import (
    MAP_SHARE,
    SCORE_RELATIVE,
    compare_labels,
    compare_scores,
    compare_steps,
    compare_volumes,
)

RNG = np.random.default_rng(4)
MAP = RNG.standard_normal((6, 5, 4)).astype(np.float32)


def verdict(found):
    return found.identical, found.tolerated


def test_maps():
    noise = RNG.standard_normal(MAP.shape).astype(np.float32)
    noise *= np.linalg.norm(MAP) / np.linalg.norm(noise)
    assert verdict(compare_volumes(MAP.copy(), MAP)) == (True, True)
    assert verdict(compare_volumes(MAP + 0.5 * MAP_SHARE * noise, MAP)) == (False, True)
    assert verdict(compare_volumes(MAP + 2 * MAP_SHARE * noise, MAP)) == (False, False)
    hole = MAP.copy()
    hole[0, 0, 0] = np.nan
    assert verdict(compare_volumes(hole, MAP)) == (False, False)
    assert verdict(compare_volumes(hole, hole)) == (True, True)
    assert verdict(compare_volumes(MAP[:3], MAP)) == (False, False)
    assert verdict(compare_volumes(np.ones((2, 2, 2), np.float32), np.zeros((2, 2, 2), np.float32))) == (False, False)


def test_steps():
    stored = RNG.integers(-100, 100, (4, 4, 4)).astype(np.int16)
    assert verdict(compare_steps(stored.copy(), stored)) == (True, True)
    assert verdict(compare_steps(stored + np.int16(1), stored)) == (False, True)
    assert verdict(compare_steps(stored + np.int16(2), stored)) == (False, False)
    low, high = np.array([-32767], np.int16), np.array([32767], np.int16)
    assert verdict(compare_steps(low, high)) == (False, False), "no overflow hides a difference"


def test_labels():
    stored = np.zeros((50, 50, 50), np.uint8)
    few, many = stored.copy(), stored.copy()
    few.flat[:5] = 1
    many.flat[:50] = 1
    assert verdict(compare_labels(stored, stored)) == (True, True)
    assert verdict(compare_labels(few, stored)) == (False, True)
    assert verdict(compare_labels(many, stored)) == (False, False)


def test_scores():
    assert verdict(compare_scores(80.0, 80.0)) == (True, True)
    assert verdict(compare_scores(float("nan"), float("nan"))) == (True, True)
    assert verdict(compare_scores(80 * (1 + SCORE_RELATIVE / 2), 80.0)) == (False, True)
    assert verdict(compare_scores(80.1, 80.0)) == (False, False)
    assert verdict(compare_scores(float("nan"), 80.0)) == (False, False)
    assert verdict(compare_scores(5e-7, 0.0)) == (False, True)
