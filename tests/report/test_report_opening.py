"""The first screen in numbers and words, which subjects are shown, and the cards: checked against scores made here."""

import dataclasses

import pandas as pd
import pytest

from qsmbench.report.cards import make_cards, paper
from qsmbench.report.chosen import choose_subjects, difficulty
from qsmbench.report.display import Display
from qsmbench.report.opening import Ranking, lead_set, other_sets, rank_set
from qsmbench.report.statistics import summarise
from qsmbench.report.tables import build_table


def rows(values: dict[str, list[float]], set_name: str = "one", metric: str = "rmse") -> pd.DataFrame:
    """Scores of each method on subjects 0, 1, ...; None is a failure."""
    return pd.DataFrame(
        [
            {
                "set": set_name, "subject": str(i), "method": method, "metric": metric, "region": "mask",
                "value": float("nan") if value is None else value, "unit": "%",
                "status": "failed" if value is None else "ok", "message": "no luck" if value is None else "",
            }
            for method, column in values.items()
            for i, value in enumerate(column)
        ]
    )  # fmt: skip


def ranked(scores: pd.DataFrame, display: Display, set_name: str = "one") -> Ranking:
    found = rank_set(scores, summarise(scores, display), display, set_name)
    assert found is not None
    return found


def test_places_wins_and_a_difference_that_is_told(display: Display) -> None:
    base = [30.0, 31.0, 32.0, 33.0, 34.0, 35.0, 36.0]
    scores = rows({"tkd": base, "l2": [v - 1.0 - 0.1 * i for i, v in enumerate(base)], "net": [*base[:-1], None]})
    found = ranked(scores, display)
    assert [(r.method, r.place, r.wins, r.failed) for r in found.rows] == [
        ("l2", 1, "7 of 7", ""), ("tkd", 2, "", ""), ("net", None, "", "1 of 7"),
    ]  # fmt: skip
    assert found.rows[0].low is not None and found.rows[0].low < found.rows[0].at < found.rows[0].high
    text = " ".join(found.found)
    assert "L2 & more has the lowest RMSE: 31.7 % on average over 7 subjects (95% interval" in text
    assert "TKD with 33.0 % follows." in text
    assert "Without a place" in text and "Meta|QSM (no value on 1 of 7)" in text
    doubts = " ".join(found.uncertain)
    assert "better than TKD on 7 of 7 (Wilcoxon signed rank, p = 0.016, not corrected), so the two are told" in doubts


def test_subjects_that_do_not_tell_two_methods_apart(display: Display) -> None:
    scores = rows({"tkd": [30.0, 31, 32, 33, 34, 35], "l2": [31.0, 30, 33, 32, 35, 33]})
    assert "do not tell the two apart" in " ".join(ranked(scores, display).uncertain)


def test_one_subject_is_no_ranking(display: Display) -> None:
    found = ranked(rows({"tkd": [30.0], "l2": [20.0]}), display)
    assert not found.is_ranking
    assert [r.interval for r in found.rows] == ["", ""]
    assert found.found[0] == "On One head, L2 & more has the lowest RMSE: 20.0 %."
    assert "an observation on one scan and no ranking" in found.uncertain[0]


def test_what_prints_alike_shares_a_place(display: Display) -> None:
    found = ranked(rows({"tkd": [30.01, 30.0], "l2": [30.0, 30.02], "net": [40.0, 41.0]}), display)
    assert [r.place for r in found.rows] == [1, 1, 3]
    assert "share the lowest RMSE" in found.found[0]
    assert "2 subjects are too few" in found.uncertain[-1]


def test_nothing_but_failures_has_no_ranking(display: Display) -> None:
    scores = rows({"tkd": [None], "l2": [None]})
    assert rank_set(scores, summarise(scores, display), display, "one") is None
    assert lead_set(scores, display) is None


def test_other_sets_agree_or_do_not(display: Display) -> None:
    here = rows({"tkd": [30.0] * 6, "l2": [20.0] * 6}, "synthetic/test")
    for better, text in (
        ("l2", "is first on One head (one subject) as well"),
        ("tkd", "first is TKD on One head (one"),
    ):
        scores = pd.concat([here, rows({better: [10.0], "net": [15.0]})])
        assert lead_set(scores, display) == "synthetic/test"
        both = [ranked(scores, display, name) for name in display.sets]
        assert text in other_sets(both, both[0])
    assert other_sets(both[:1], both[0]) == ""
    # Who is first on several sets is named once.
    again = dataclasses.replace(both[1], set_name="two", set_label="Another")
    assert "first is TKD on One head (one subject) and Another (one subject)." in other_sets([*both, again], both[0])


def test_the_median_subject_is_shown_first_then_the_ends(display: Display) -> None:
    # Five subjects in another order than their errors; one method has no value on the easiest.
    scores = rows({"tkd": [50.0, 10, 40, 20, 30], "l2": [5.0, None, 4, 2, 3]})
    assert difficulty(scores, display, "one").index.tolist() == ["1", "3", "4", "2", "0"]
    chosen = choose_subjects(scores, display, "one", ["0", "1", "2", "3", "4", "5"])
    assert [(c.name, c.why) for c in chosen] == [
        ("4", "median error"), ("0", "largest error"), ("1", "smallest error"), ("3", "place 2 of 5 by error"),
        ("2", "place 4 of 5 by error"), ("5", "no score"),
    ]  # fmt: skip
    assert [c.index for c in chosen] == [4, 0, 1, 3, 2, 5]
    two = choose_subjects(scores[scores["subject"].isin(["0", "1"])], display, "one", ["0", "1"])
    assert [(c.name, c.why) for c in two] == [("1", "smallest error"), ("0", "largest error")]


def test_a_set_without_scores_is_shown_in_its_order(display: Display) -> None:
    chosen = choose_subjects(rows({"tkd": [1.0]}), display, "synthetic/test", ["a", "b"])
    assert [(c.name, c.why, c.scored) for c in chosen] == [("a", "number 1 of 2", False), ("b", "number 2 of 2", False)]
    (alone,) = choose_subjects(rows({"tkd": [1.0]}), display, "synthetic/test", ["a"])
    assert (alone.why, alone.scored) == ("the only subject", False)


def test_a_card_says_where_a_method_wins_and_fails(display: Display) -> None:
    scores = rows({"tkd": [30.0, 40.0], "l2": [20.0, 25.0], "net": [50.0, None]})
    summary = summarise(scores, display)
    tables = {"one": (build_table(summary, display, "one", None, "whole"),)}
    tkd, l2, net = make_cards(display, scores=scores, tables=tables, spent=[], said={}, maps={})
    assert l2.best == (("One head", "RMSE"),)
    assert net.last == (("One head", "RMSE"),)
    assert net.failures == ("One head, subject 1: no luck",)
    assert net.places == ("One head: RMSE 50.0 %; failed on 1 of 2, no place (n = 1)",)
    assert tkd.places == ("One head: RMSE 35.0 ± 7.1 %, place 2 of 2 (n = 2)",)
    assert tkd.hardest == ("One head: subject 1, RMSE 40.0 %",)
    assert tkd.paper.startswith("Shmueli et al. (2009). Magnetic susceptibility mapping")


@pytest.mark.parametrize("entry", ["", "@misc{x, doi = {1}}"])
def test_a_paper_that_is_not_known_is_empty(entry: str) -> None:
    assert paper(entry) == ""
