"""What a map's reader must know of it is said: assumptions, what was lacking, limits of iterations."""

import json
from dataclasses import replace

import numpy as np
import pytest

from qsmbench.core.scan import Scan
from qsmbench.methods.convergence import Convergence
from qsmbench.methods.medi import MEDI
from qsmbench.methods.notes import gathered_notes, note
from qsmbench.methods.registry import build
from qsmbench.methods.selection import LAMBDAS, Tradeoff, by_gcv


@pytest.fixture
def bare(small_scan):
    return Scan(local_field=small_scan.local_field, mask=small_scan.mask, grid=small_scan.grid)


def said(method, scan, **options):
    return build(method, options).reconstruct(scan).notes


def test_medi_without_a_magnitude_is_said_to_be_total_variation(small_scan):
    lacking = replace(small_scan, magnitude=None)
    assert any("this is total variation" in line for line in said("medi", lacking, max_iterations=1))
    assert not any("total variation" in line for line in said("medi", small_scan, max_iterations=1))


@pytest.mark.parametrize("method", ["medi", "tv"])
def test_assumed_field_strength_echo_time_and_noise_are_said(method, small_scan, bare):
    lines = said(method, bare, max_iterations=1)
    assert "the main field is not known: 3 T assumed" in lines
    assert "echo times are not known: an echo spacing of 7 ms assumed" in lines
    assert "no noise of the field was given: every voxel counts alike" in lines
    known = said(method, small_scan, max_iterations=1)
    assert not any("assumed" in line or "no noise" in line for line in known)
    assert "an echo spacing" not in " ".join(said(method, bare, max_iterations=1, echo_spacing=0.01))


@pytest.mark.parametrize(
    ("method", "options", "name"),
    [
        ("medi", {"max_iterations": 1}, "MEDI"),
        ("tv", {"max_iterations": 2, "tolerance": 1e-9}, "TV"),
        ("rts", {"max_iterations": 1, "tolerance": 1e-9}, "RTS"),
        ("ilsqr", {"max_iterations": 1}, "iLSQR"),
        ("inr-qsm", {"epochs": 2}, "INR-QSM"),
        ("dip", {"max_iterations": 2, "channels": 2}, "DIP"),
    ],
)
def test_iterations_that_end_at_their_limit_are_said(small_scan, method, options, name):
    found = build(method, options).reconstruct(small_scan)
    limits = [line for line in found.notes if "ended at its limit" in line]
    assert limits[0].startswith(f"warning: {name}")
    assert "not converged" in limits[0]
    assert all("\n" not in line for line in found.notes)
    ended = [course for course in found.convergence if not course.converged and course.quantity != "loss"]
    assert len(limits) == len(ended)


def test_a_loop_that_met_its_tolerance_says_nothing():
    assert Convergence("A", "update", 0.1, (1.0, 0.05), True).limit_note is None
    assert Convergence("A", "loss", 0.0, (1.0, 0.5), False).limit_note is None
    line = Convergence("A", "update", 0.1, (1.0, 0.5), False).limit_note
    assert line == "warning: A ended at its limit of 2 iterations, not converged (update 0.5, tolerance 0.1)"


def test_a_choice_at_the_end_of_its_range_is_said():
    flat = np.ones(LAMBDAS.size)
    with gathered_notes() as lines:
        by_gcv(Tradeoff(flat, flat, flat))
    assert "the end of its range: do not rely on it" in lines[0]


def test_notes_are_kept_once_and_those_of_a_first_map_are_not_the_maps():
    note("outside a method this goes nowhere")
    with gathered_notes() as lines:
        note("a")
        note("b")
        note("a")
    assert lines == ["a", "b"]


def test_notes_are_json_and_lines(bare):
    notes = MEDI(max_iterations=1).reconstruct(bare).notes
    assert json.loads(json.dumps(notes)) == list(notes)
    assert len(set(notes)) == len(notes)
