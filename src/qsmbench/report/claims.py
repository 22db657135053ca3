"""What the two papers claim of their methods, and whether the scores of a run bear it out, by paired tests."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from qsmbench.report.comparisons import ALPHA, compare, paired_difference
from qsmbench.report.display import Display
from qsmbench.report.scores import WHOLE_MASK

META = "Liu & Koch 2019, [arXiv:1908.00206](https://arxiv.org/abs/1908.00206)"
INR = "Zhang 2024, doi [10.1016/j.media.2024.103173](https://doi.org/10.1016/j.media.2024.103173)"
RANDOM, RESEARCH, CLINICAL = "test-random", "test-0p5x0p5x2p0", "test-0p76x0p76x3p0"
CLASSICAL = ("tkd", "ilsqr", "medi")
PERTURBED = ("inr-noise", "inr-resolution", "inr-lesion", "inr-tilt")
_METRICS = ("rmse", "hfen", "ssim")


@dataclass(frozen=True)
class Claim:
    """One thing that a paper says.

    Attributes:
        text: in our words.
        paper: whose.
        method: that the claim is about.
        others: it is compared with.
        sets: on which.
        kind: the method is better than the others, or no worse.
        untested: why a run of this size does not test it; the numbers are told all the same.
    """

    text: str
    paper: str
    method: str
    others: tuple[str, ...]
    sets: tuple[str, ...]
    kind: Literal["better", "no worse"] = "better"
    untested: str = ""


_CUT = "cut off long before it was done, as a step takes seconds of a core"
_FROM_TV = "Both correct a TV map here."
CLAIMS = (
    Claim("Meta-QSM beats TKD, iLSQR and MEDI at random voxel sizes.", META, "meta-qsm", CLASSICAL, (RANDOM,)),
    Claim("It does so at 0.5 x 0.5 x 2.0 mm.", META, "meta-qsm", CLASSICAL, (RESEARCH,)),
    Claim("It does so at 0.7639 x 0.7639 x 3.0 mm.", META, "meta-qsm", CLASSICAL, (CLINICAL,)),
    Claim(
        f"At its twin's own voxel size, 0.5 x 0.5 x 2.0 mm, it is as good as the twin. {_FROM_TV}",
        META, "meta-qsm-tv", ("mesa-research",), (RESEARCH,), "no worse",
    ),
    Claim(
        f"So it is at 0.7639 x 0.7639 x 3.0 mm. {_FROM_TV}",
        META, "meta-qsm-tv", ("mesa-clinical",), (CLINICAL,), "no worse",
    ),
    Claim(
        f"Away from its twins' voxel sizes it is better than they are. {_FROM_TV}",
        META, "meta-qsm-tv", ("mesa-research", "mesa-clinical"), (RANDOM,),
    ),
    Claim(
        "On scans its maps are better than those of TKD, iLSQR and MEDI.",
        META, "meta-qsm", CLASSICAL, ("research", "clinical"), untested="one scan each, which no test can judge",
    ),
    Claim("INR-QSM beats TKD, iLSQR and MEDI.", INR, "inr-qsm", CLASSICAL, ("inr-base",)),
    Claim(
        "It beats supervised networks where noise, voxel size, a lesion or B0's direction differ from what they were "
        "trained on.",
        INR, "inr-qsm", ("qsmnet", "deepqsm", "meta-qsm"), PERTURBED,
    ),
    Claim("It beats TKD, iLSQR and MEDI there too.", INR, "inr-qsm", CLASSICAL, PERTURBED),
    Claim("It beats a deep image prior.", INR, "inr-qsm", ("dip",), ("inr-base",), untested=f"DIP was {_CUT}"),
    Claim(
        "With the paper's own values (preset `paper`) it beats TKD, iLSQR and MEDI.",
        INR, "inr-qsm-paper", CLASSICAL, ("inr-base",), untested=f"it was {_CUT}",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Judgement:
    """A claim's verdict, in words, and the pairs it rests on.

    Attributes:
        claim: judged.
        verdict: "holds", "holds in part", "does not hold" or "not tested".
        told: the counts behind it.
        pairs: a row a set, metric and other method: the median of (method - other), effect in the method's favour, p
            after Holm over the claim's other methods, word.
    """

    claim: Claim
    verdict: str
    told: str
    pairs: pd.DataFrame


def judge(claim: Claim, scores: pd.DataFrame, display: Display) -> Judgement:
    """Test one claim, set by set and metric by metric, as the report tests differences from its baseline."""
    metrics = [m for m in _METRICS if m in display.metrics]
    shown = display.model_copy(
        update={
            "methods": {m: display.methods[m] for m in display.methods if m in (claim.method, *claim.others)},
            "sets": {name: display.sets[name] for name in claim.sets},
            "metrics": {m: display.metrics[m] for m in metrics},
            "tables": {},
            "baseline": claim.method,
        }
    )
    own = scores[scores["set"].isin(shown.sets) & scores["metric"].isin(metrics) & scores["method"].isin(shown.methods)]
    own = own[own["region"] == WHOLE_MASK]
    compared = compare(own, shown)
    rows = []
    for name in claim.sets:
        for metric in metrics:
            values = own[(own["set"] == name) & (own["metric"] == metric)]
            table = values.pivot(index="subject", columns="method", values="value")
            for other in claim.others:
                both = table.reindex(columns=[claim.method, other]).dropna()
                key = (compared["set"] == name) & (compared["metric"] == metric) & (compared["method"] == other)
                sign = 1.0 if display.metrics[metric].better == "higher" else -1.0
                rows.append({"set": name, "metric": metric, "other": other, **_pair(both, compared[key], sign)})
    pairs = pd.DataFrame(rows)
    words = Counter(pairs["word"])
    told = ", ".join(f"{word} in {n}" for word, n in words.items()) + f" of {len(pairs)} comparisons"
    return Judgement(claim, _verdict(claim, words, len(pairs)), told, pairs)


def _pair(both: pd.DataFrame, tested: pd.DataFrame, sign: float) -> dict[str, object]:
    """A method (first column) against another: what is said of it. ``sign`` is 1 where higher is better."""
    difference = paired_difference(both.iloc[:, 0].to_numpy(), both.iloc[:, 1].to_numpy())
    gain = sign * difference
    p = float(tested["p_holm"].iloc[0]) if len(tested) else None
    if p is not None and p < ALPHA:
        # The test's baseline is the claim's method: an effect above zero is the other's.
        word = "worse" if float(tested["effect"].iloc[0]) > 0 else "better"
    elif p is not None:
        word = "not told apart"
    elif not len(both):
        word = "without a score"
    else:
        word = "better, untested" if (gain > 0).all() else "worse, untested" if (gain < 0).all() else "mixed, untested"
    median = float(pd.Series(difference).median()) if len(both) else None
    return {"n": len(both), "wins": int((gain > 0).sum()), "p": p, "difference": median, "word": word}


def _verdict(claim: Claim, words: Counter[str], n: int) -> str:
    if claim.untested:
        return "not tested"
    if claim.kind == "no worse":
        return "does not hold" if words["worse"] else "holds"
    if words["better"] == n:
        return "holds"
    return "holds in part" if words["better"] > words["worse"] else "does not hold"
