"""Choosing parameters: the best mean, never a point that failed, the first among equals."""

import json

import pandas as pd
import pytest

from qsmbench.benchmark.tuning import select_parameters
from qsmbench.config.model import Tuning
from qsmbench.core.errors import InputError


@pytest.fixture
def pick(tmp_path):
    """Choose among (threshold, metric, scores) triples and return the JSON and the table."""

    def run(points, fixed=None):
        paths = []
        for i, (threshold, metric, scores) in enumerate(points):
            known = None if None in scores else sum(scores) / len(scores)
            point = {"options": {"threshold": threshold, **(fixed or {})}, "metric": metric, "mean": known}
            point |= {"scores": scores, "failures": ["sample 0: it broke"] if None in scores else []}
            paths.append(tmp_path / f"{i}.json")
            paths[-1].write_text(json.dumps(point))
        out, table = tmp_path / "chosen.json", tmp_path / "table.csv"
        select_parameters(paths, tuned_on="tune", fixed=fixed or {}, out=out, table=table)
        return json.loads(out.read_text()), pd.read_csv(table)

    return run


def test_lower_is_better_for_an_error(pick):
    chosen, table = pick([(0.1, "rmse", [40, 50]), (0.2, "rmse", [30, 31]), (0.3, "rmse", [35, 36])])
    assert chosen["options"] == {"threshold": 0.2}
    assert chosen["score"] == 30.5
    assert chosen["at_edge_of_grid"] == []
    assert list(table["rmse"]) == [45.0, 30.5, 35.5]


def test_higher_is_better_for_a_similarity_and_an_end_of_the_grid_is_said(pick):
    chosen, _ = pick([(0.1, "xsim", [0.4]), (0.2, "xsim", [0.5]), (0.3, "xsim", [0.6])], fixed={"fill": "zero"})
    assert chosen["options"] == {"threshold": 0.3, "fill": "zero"}
    assert chosen["tuned"] == ["threshold"]
    assert chosen["at_edge_of_grid"] == ["threshold"]


def test_a_point_that_failed_is_never_chosen(pick):
    chosen, table = pick([(0.1, "rmse", [1, None]), (0.2, "rmse", [30, 31])])
    assert chosen["options"] == {"threshold": 0.2}
    assert list(table["n_failed"]) == [1, 0]
    with pytest.raises(InputError, match="every point of the grid failed on 'tune'; first: sample 0: it broke"):
        pick([(0.1, "rmse", [None])])


def test_the_first_among_equals(pick):
    assert pick([(0.1, "rmse", [3]), (0.2, "rmse", [3])])[0]["options"] == {"threshold": 0.1}


def test_a_grid_is_every_combination_in_order():
    points = Tuning(set="tune", grid={"threshold": (0.1, 0.2), "fill": ("sign", "zero")}).points
    assert [tuple(p.values()) for p in points] == [(0.1, "sign"), (0.1, "zero"), (0.2, "sign"), (0.2, "zero")]
