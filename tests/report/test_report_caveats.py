"""What methods said of their maps: footnotes at rows, shares that converged, lines of subjects."""

import json

import pandas as pd
import pytest

from qsmbench.data.layout import RunLayout
from qsmbench.report.build import build_report
from qsmbench.report.caveats import Footnotes, footnotes, read_said
from qsmbench.report.display import read_display


def course(name="MEDI", tolerance=0.01, converged=True):
    return {"name": name, "quantity": "update", "tolerance": tolerance, "values": [0.1], "converged": converged}


def scan(name, notes=(), courses=(), status="ok"):
    return {"scan": name, "status": status, "notes": list(notes), "convergence": list(courses)}


@pytest.fixture
def results(stored_run, tmp_path):
    """A results folder of scores alone, whose methods said something."""
    layout = RunLayout(tmp_path / "results")
    layout.report.mkdir(parents=True)
    layout.display.write_text(stored_run.layout.display.read_text().replace("synthetic/test", "test"))
    scores = pd.read_parquet(stored_run.layout.all_scores).replace({"set": {"synthetic/test": "test"}})
    scores.to_parquet(layout.all_scores)
    said = {
        ("test", "tkd"): [scan("0", ["no magnitude <b>"]), scan("1", ["no magnitude <b>"]), scan("2", status="failed")],
        ("test", "l2"): [
            scan("0", ["lambda 1.5e-3 from the field", "no magnitude <b>"], [course(), course("CG", converged=False)]),
            scan("1", ["lambda 0.02 from the field"], [course(), course("loss", 0.0, converged=False)]),
            scan("2", [], [course("loss", 0.0, converged=False)]),
        ],
    }
    for key, scans in said.items():
        path = layout.map_status(*key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"scans": scans}))
    return layout


def test_lines_that_differ_in_numbers_are_one_caveat(results):
    said = read_said(results, read_display(results.display))
    assert list(said) == [("test", "tkd"), ("test", "l2")]
    (same,) = said["test", "tkd"].caveats
    assert same.sentence == "no magnitude <b> (all of 2 subjects)"
    varied, same = said["test", "l2"].caveats
    assert varied.sentence == "lambda 1.5e-3 from the field (2 of 3 subjects; numbers of the first)"
    assert same.sentence == "no magnitude <b> (1 of 3 subjects)"


def test_the_share_that_converged_counts_iterations_with_a_tolerance(results):
    said = read_said(results, read_display(results.display))
    assert said["test", "tkd"].converged == "–"
    assert said["test", "l2"].converged == "1 of 2"


def test_a_line_has_one_number_in_a_table(results):
    said = read_said(results, read_display(results.display))
    notes = footnotes(said | {("test", "net"): said["test", "tkd"]}, ["test"], ["tkd", "l2", "net"])
    assert notes.marks == {"tkd": (1,), "l2": (2, 3), "net": (1,)}
    assert len(notes.lines) == 3


def test_numbers_at_a_row_are_in_order_and_ranges_where_they_follow_each_other():
    notes = Footnotes({"a": (5, 6, 7, 1, 9, 10), "b": ()})
    assert notes.at("a") == "1, 5–7, 9, 10"
    assert notes.at("b") == notes.at("c") == ""


def test_the_page_shows_them_as_text(results):
    page = build_report(results, read_display(results.display), {}, results.report).read_text()
    assert "no magnitude &lt;b&gt; (all of 2 subjects)" in page
    assert "<b>" not in page
    assert '<sup class="mark-note">1</sup>' in page
    assert "<td>1 of 2</td>" in page
    notes = pd.read_csv(results.report / "notes.csv", dtype=str)
    assert len(notes) == 5
    assert set(notes["set"]) == {"test"}
    assert notes[notes["method"] == "l2"]["note"].tolist()[0] == "lambda 1.5e-3 from the field"
