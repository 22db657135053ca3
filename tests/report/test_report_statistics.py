import numpy as np
import pandas as pd
import pytest
from scipy import stats

from qsmbench.core.errors import InputError
from qsmbench.report.comparisons import compare, rank_biserial
from qsmbench.report.display import Display
from qsmbench.report.scores import check_scores, failures
from qsmbench.report.statistics import bootstrap_interval, summarise


def pick(summary: pd.DataFrame, method: str, metric: str, set_name: str = "synthetic/test") -> pd.Series:
    rows = summary[(summary["set"] == set_name) & (summary["method"] == method) & (summary["metric"] == metric)]
    assert len(rows) == 1
    return rows.iloc[0]


def long_scores(n: int, differences: dict[str, list[float]]) -> pd.DataFrame:
    """RMSE 50, 51, ... for tkd, the same plus a difference for the others."""
    rows = [
        {"set": "one", "subject": f"{i}", "method": m, "metric": "rmse", "region": "mask"}
        | {"value": 50.0 + i + d[i], "unit": "%", "status": "ok", "message": ""}
        for m, d in ({"tkd": [0.0] * n} | differences).items()
        for i in range(n)
    ]
    return pd.DataFrame(rows)


def test_summary_against_hand_computation(scores: pd.DataFrame, display: Display) -> None:
    summary = summarise(scores, display)
    tkd = pick(summary, "tkd", "rmse")
    # 30 32 34 36 38: deviations -4 -2 0 2 4, squares 40, / 4 = 10.
    assert (tkd["n"], tkd["mean"], tkd["median"]) == (5, 34.0, 34.0)
    assert tkd["sd"] == pytest.approx(np.sqrt(10.0))
    assert tkd["unit"] == "%"
    assert np.isnan(tkd["ci_low"])


def test_failures_are_counted_and_the_rest_averaged(scores: pd.DataFrame, display: Display) -> None:
    net = pick(summarise(scores, display), "net", "rmse")
    assert (net["n"], net["n_failed"], net["n_undefined"], net["mean"]) == (4, 1, 0, 13.0)


def test_an_undefined_score_is_no_failure(scores: pd.DataFrame, display: Display) -> None:
    l2 = pick(summarise(scores, display), "l2", "ssim")
    assert (l2["n"], l2["n_failed"], l2["n_undefined"]) == (4, 0, 1)
    assert l2["mean"] == pytest.approx(0.825)


def test_a_row_that_is_not_there_counts_as_a_failure(scores: pd.DataFrame, display: Display) -> None:
    gone = (scores["method"] == "tkd") & (scores["subject"] == "00004") & (scores["set"] == "synthetic/test")
    tkd = pick(summarise(scores[~gone], display), "tkd", "rmse")
    assert (tkd["n"], tkd["n_failed"]) == (4, 1)


def test_no_success_at_all(scores: pd.DataFrame, display: Display) -> None:
    scores.loc[:, "status"] = "failed"
    scores.loc[:, "value"] = np.nan
    summary = summarise(scores, display)
    assert (summary["n"] == 0).all()
    assert summary[["mean", "sd", "median", "ci_low", "ci_high"]].isna().all(axis=None)
    assert compare(scores, display).empty


def test_one_subject_has_a_mean_and_no_sd(scores: pd.DataFrame, display: Display) -> None:
    tkd = pick(summarise(scores, display), "tkd", "rmse", "one")
    assert tkd["mean"] == 30.0
    assert np.isnan(tkd["sd"])


def test_order_of_rows_does_not_matter(scores: pd.DataFrame, display: Display) -> None:
    shuffled = scores.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(summarise(scores, display), summarise(shuffled, display), check_exact=True)
    pd.testing.assert_frame_equal(check_scores(scores, display), check_scores(shuffled, display))


def test_bootstrap_interval_is_seeded_by_names_and_near_the_normal_one() -> None:
    values = np.random.default_rng(2).normal(10, 2, size=200)
    low, high = bootstrap_interval(values, "set", "method")
    assert (low, high) == bootstrap_interval(values, "set", "method")
    assert (low, high) != bootstrap_interval(values, "set", "other")
    half = stats.norm.ppf(0.975) * values.std(ddof=1) / np.sqrt(len(values))
    assert low == pytest.approx(values.mean() - half, abs=0.06)
    assert high == pytest.approx(values.mean() + half, abs=0.06)


def test_comparison_and_holm_against_hand_computation(display: Display) -> None:
    better = [-3.0, -1.0, -2.0, -4.0, -5.0, -6.0]
    mixed = [-1.0, 2.0, -3.0, 4.0, -5.0, 6.0]
    table = compare(long_scores(6, {"l2": better, "net": mixed}), display).set_index("method")
    # All six signs agree: 2 / 2^6. Holm doubles the smaller of two p values.
    assert table.loc["l2", "p"] == pytest.approx(2 / 64)
    assert table.loc["l2", "p_holm"] == pytest.approx(4 / 64)
    assert table.loc["l2", "median_difference"] == -3.5
    # RMSE: lower is better, so negative differences speak for the method. Ranks of `mixed` sum to 3 of 21.
    assert table.loc["l2", "effect"] == 1.0
    assert table.loc["net", "effect"] == pytest.approx(-3 / 21)
    assert table.loc["net", "p_holm"] == table.loc["net", "p"] > 0.5


def test_no_comparison_below_six_pairs(display: Display) -> None:
    assert compare(long_scores(5, {"l2": [-1.0] * 5}), display).empty


def test_equal_scores_are_no_difference(display: Display) -> None:
    noise = [1e-9, -1e-9, 2e-9, 1e-9, 1e-9, 1e-9]
    row = compare(long_scores(6, {"l2": noise}), display).iloc[0]
    assert (row["p"], row["effect"], row["median_difference"]) == (1.0, 0.0, 0.0)


def test_rank_biserial_bounds() -> None:
    assert rank_biserial(np.array([1.0, 2.0, 3.0])) == 1.0
    assert rank_biserial(np.array([-1.0, -2.0])) == -1.0
    assert rank_biserial(np.zeros(3)) == 0.0


def test_failures_are_listed_once(scores: pd.DataFrame, display: Display) -> None:
    listed = failures(check_scores(scores, display))
    assert listed.to_dict("records") == [
        {"set": "synthetic/test", "method": "net", "subject": "00001", "message": "diverged at <step 3>"}
    ]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda s: s.drop(columns="status"), "lacks the column status"),
        (lambda s: s.assign(method="tdk"), "method 'tdk'"),
        (lambda s: pd.concat([s, s.iloc[:1]]), "two rows"),
        (lambda s: s.assign(status="fine"), "status 'fine'"),
        (lambda s: s.assign(status="failed", value=1.0), "write NaN"),
    ],
)
def test_bad_scores_are_refused(scores: pd.DataFrame, display: Display, change, match: str) -> None:
    with pytest.raises(InputError, match=match):
        check_scores(change(scores), display)
