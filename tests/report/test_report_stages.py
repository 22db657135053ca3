"""Which stage makes the error: shares from scores, pairs of background removal and inversion, in tables and page."""

import json
from math import isnan

import pandas as pd
import pytest

from qsmbench.report.all_tables import all_tables
from qsmbench.report.display import Display

ACQUISITIONS = {
    "scans": {"kind": "simulated", "preparation": {"background": {"kind": "resharp"}}},
    "scans-isolated": {"kind": "isolated", "of": "scans"},
    "scans-lbv": {"kind": "removal", "of": "scans", "background": {"kind": "lbv"}},
    "scans-lbv-2": {"kind": "removal", "of": "scans", "background": {"kind": "lbv"}},
}
LABELS = {name: {"label": f"The {name}|", "description": ""} for name in ACQUISITIONS}
# Errors of two methods on two scans. TKD has 3 and 4 of 5 and 12: (9 + 16) / (25 + 144).
ERRORS = {
    ("scans-isolated", "tkd"): (3.0, 4.0),
    ("scans", "tkd"): (5.0, 12.0),
    ("scans-lbv", "tkd"): (4.0, 5.0),
    ("scans-lbv-2", "tkd"): (6.0, 6.0),
    ("scans-isolated", "l2"): (8.0, 8.0),
    ("scans", "l2"): (7.0, 7.0),
    ("scans-isolated", "net"): (float("nan"), 6.0),
    ("scans", "net"): (1.0, 12.0),
}


@pytest.fixture
def shown(display) -> dict[str, object]:
    content = display.model_dump()
    content["config"]["acquisitions"] = ACQUISITIONS
    return {**content, "sets": {**content["sets"], **LABELS}}


@pytest.fixture
def rows(scores) -> pd.DataFrame:
    like = scores.iloc[0].to_dict()
    return pd.DataFrame(
        {**like, "set": name, "method": method, "subject": f"s{i}", "value": value, "status": status}
        for (name, method), values in ERRORS.items()
        for i, value in enumerate(values)
        for status in ["failed" if isnan(value) else "ok"]
    )


@pytest.fixture
def made(rows, shown):
    return all_tables(rows, Display.model_validate(shown))


def test_squared_errors_of_the_same_scans_give_the_share(made):
    (table,) = made.stages
    assert table.name == "scans"
    rows = {row.method: row for row in table.rows}
    assert rows["tkd"].share == pytest.approx(100 * 25 / 169)
    assert (rows["tkd"].isolated, rows["tkd"].composed) == (3.5, 8.5)
    # Worse on the true field than on the prepared one: no share.
    assert rows["l2"].share is None
    # A scan that failed on one of the two counts in neither.
    assert (rows["net"].n, rows["net"].composed, rows["net"].share) == (1, 12.0, pytest.approx(25))


def test_pairs_have_the_preparations_own_removal_first_and_labels_where_removals_repeat(made):
    pairs = made.stages[0].pairs
    assert pairs.removals == ("resharp", "The scans-lbv|", "The scans-lbv-2|")
    assert pairs.methods == ("tkd",)
    assert pairs.errors.tolist() == [[8.5], [4.5], [6.0]]
    assert pairs.best == ("The scans-lbv|", "TKD", 4.5)
    assert [pairs.is_best(i, 0) for i in range(3)] == [False, True, False]


def test_tables_say_it_in_numbers_and_words(made):
    numbers = made.texts["scans-stages.csv"].splitlines()
    assert numbers[0] == "set,method,background,n,true_field,prepared_field,share_of_inversion_percent"
    assert numbers[-2].startswith("scans,tkd,The scans-lbv|,,,4.5")
    words = made.texts["scans-stages.md"]
    assert "| TKD " in words and "15 % |" in words and "85 % |" in words
    assert r"The scans-lbv\|" in words and "**4.5**" in words
    assert "Least of all: The scans-lbv\\| and TKD, 4.5." in words


def test_the_page_has_both_tables_where_there_are_stages_only(run, rows, shown, tmp_path):
    before = run.build(tmp_path / "before").read_text()
    assert 'id="stages"' not in before
    pd.concat([pd.read_parquet(run.layout.all_scores), rows]).to_parquet(run.layout.all_scores)
    run.layout.display.write_text(json.dumps(shown), encoding="utf-8")
    page = run.build(tmp_path / "after").read_text()
    assert '<a href="#stages">Stages</a>' in page and '<section id="stages">' in page
    assert '<td class="number" data-value="8.5">8.5</td>' in page
    assert "The scans|: pairs of background removal and inversion" in page
    assert (tmp_path / "after/tables/scans-stages.csv").is_file()
