"""Does a method differ from the baseline on the same subjects?

Wilcoxon's signed-rank test on the paired differences (Wilcoxon 1945, doi 10.2307/3001968), two-sided, corrected by
Holm's step-down procedure (Holm 1979, jstor.org/stable/4615733) over the methods that one metric compares on one set;
metrics, which describe the same errors, are not corrected for one another. The effect size is the matched-pairs
rank-biserial correlation (Kerby 2014, doi 10.2466/11.IT.3.1): the share of signed ranks in the method's favour minus
that in the baseline's, +1 where it wins on every subject.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.multitest import multipletests

from qsmbench.report.display import Display
from qsmbench.report.scores import check_scores

# Below six pairs a two-sided exact p cannot reach 0.05 even where every subject agrees (2 / 2^5 = 0.0625).
MIN_PAIRS = 6
ALPHA = 0.05
_SAME = 1e-6
COLUMNS = [
    "set",
    "method",
    "baseline",
    "metric",
    "region",
    "n_pairs",
    "median_difference",
    "effect",
    "p",
    "p_holm",
    "unit",
]


def compare(scores: pd.DataFrame, display: Display) -> pd.DataFrame:
    """Compare every method with the display's baseline, on subjects where both have a score.

    Returns:
        One row a set, method, metric and region with at least six pairs: the median of (method - baseline) in the
        metric's unit, the effect (positive: the method is better), p, and p after Holm over the methods. Metrics that
        are not ranked (coverage) are left out.

    Raises:
        InputError: see `qsmbench.report.scores.check_scores`.
    """
    scores = check_scores(scores, display)
    baseline = display.baseline_method
    rows = []
    for (set_name, metric, region), group in scores.groupby(["set", "metric", "region"], sort=False):
        if not display.is_ranked(str(metric)):
            continue
        values = group.pivot(index="subject", columns="method", values="value")
        if baseline not in values:
            continue
        for method in display.methods:
            if method == baseline or method not in values:
                continue
            pairs = values[[method, baseline]].dropna()
            if len(pairs) < MIN_PAIRS:
                continue
            difference = paired_difference(pairs[method].to_numpy(), pairs[baseline].to_numpy())
            sign = 1.0 if display.metrics[str(metric)].better == "higher" else -1.0
            rows.append(
                {
                    "set": set_name,
                    "method": method,
                    "baseline": baseline,
                    "metric": metric,
                    "region": region,
                    "n_pairs": len(pairs),
                    "median_difference": float(np.median(difference)),
                    "effect": rank_biserial(sign * difference),
                    "p": signed_rank_p(difference),
                    "unit": display.metrics[str(metric)].unit,
                }
            )
    table = pd.DataFrame(rows, columns=COLUMNS)
    for _, family in table.groupby(["set", "metric", "region"], sort=False):
        table.loc[family.index, "p_holm"] = multipletests(family["p"], method="holm")[1]
    return table


def paired_difference(values: np.ndarray, baseline: np.ndarray) -> np.ndarray:
    """Return values - baseline, zero where they agree to six digits: rounding in float32 maps is no difference."""
    return np.where(np.isclose(values, baseline, rtol=_SAME, atol=0.0), 0.0, values - baseline)


def signed_rank_p(difference: np.ndarray) -> float:
    """Two-sided p of Wilcoxon's signed-rank test; 1 where there is no difference at all."""
    if not difference.any():
        return 1.0
    return float(stats.wilcoxon(difference, zero_method="wilcox", alternative="two-sided").pvalue)


def rank_biserial(difference: np.ndarray) -> float:
    """Matched-pairs rank-biserial correlation, in [-1, 1]; zero differences have no rank.

    >>> rank_biserial(np.array([1.0, 2.0, 3.0, -4.0]))
    0.2
    """
    difference = difference[difference != 0]
    if not len(difference):
        return 0.0
    ranks = stats.rankdata(np.abs(difference))
    return float((ranks * np.sign(difference)).sum() / ranks.sum())
