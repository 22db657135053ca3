"""One number a method, metric and set: mean, SD, median and a bootstrap interval of the mean.

The interval is the percentile bootstrap over subjects (Efron & Tibshirani 1993, doi 10.1201/9780429246593). With few
subjects it is too narrow (with five, a nominal 95 % covers about 83 % for normal data), so none is given below
`MIN_SUBJECTS`. It describes this set: samples cut from one head are no sample of heads.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from qsmbench.core.seeds import generator_for
from qsmbench.report.display import Display
from qsmbench.report.scores import check_scores

MIN_SUBJECTS = 6
N_RESAMPLES = 5000
CONFIDENCE = 0.95
COLUMNS = [
    "set",
    "method",
    "metric",
    "region",
    "n",
    "n_failed",
    "n_undefined",
    "mean",
    "sd",
    "median",
    "ci_low",
    "ci_high",
    "unit",
]


def summarise(scores: pd.DataFrame, display: Display) -> pd.DataFrame:
    """Summarise scores over the subjects of each set.

    Args:
        scores: tidy rows as in `qsmbench.report.scores`.
        display: order of sets, methods and metrics.

    Returns:
        One row a set, method, metric and region: ``n`` finite scores; ``n_failed`` reconstructions that failed (or
        that have no row although another method scored that subject); ``n_undefined`` scores that exist and are NaN;
        mean, SD (n - 1; NaN for n = 1), median, 95 % interval of the mean (NaN for n < 6), in the metric's unit.

    Raises:
        InputError: see `qsmbench.report.scores.check_scores`.
    """
    scores = check_scores(scores, display)
    n_subjects = scores.groupby(["set", "metric", "region"])["subject"].nunique().to_dict()
    rows = []
    for (set_name, method, metric, region), group in scores.groupby(
        ["set", "method", "metric", "region"], sort=False, observed=True
    ):
        ok = group["status"] == "ok"
        values = group.loc[ok & group["value"].notna(), "value"].to_numpy(np.float64)
        low, high = bootstrap_interval(values, str(set_name), str(method), str(metric), str(region))
        rows.append(
            {
                "set": set_name,
                "method": method,
                "metric": metric,
                "region": region,
                "n": len(values),
                "n_failed": int(n_subjects[set_name, metric, region]) - int(ok.sum()),
                "n_undefined": int(ok.sum()) - len(values),
                "mean": values.mean() if len(values) else np.nan,
                "sd": values.std(ddof=1) if len(values) > 1 else np.nan,
                "median": np.median(values) if len(values) else np.nan,
                "ci_low": low,
                "ci_high": high,
                "unit": display.metrics[str(metric)].unit,
            }
        )
    return pd.DataFrame(rows, columns=COLUMNS)


def bootstrap_interval(values: np.ndarray, *names: str) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean, its seed derived from ``names``; NaN for fewer than 6 values."""
    if len(values) < MIN_SUBJECTS:
        return np.nan, np.nan
    result = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=N_RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        batch=500,
        rng=generator_for("report/bootstrap", *names),
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)
