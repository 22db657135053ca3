"""Every paper that a method or a metric names can be cited."""

import pytest

from qsmbench.methods.registry import METHODS
from qsmbench.metrics.registry import METRICS
from qsmbench.report.bibliography import known_references

DOIS = sorted({entry.doi for entry in (*METHODS.own.values(), *METRICS.own.values()) if entry.doi})


@pytest.mark.parametrize("doi", DOIS)
def test_every_methods_and_metrics_paper_is_in_the_bibliography(doi):
    entry = known_references()[doi.lower()]
    assert all(f" {key} = {{" in entry for key in ("author", "title", "year"))


def test_every_method_names_its_paper():
    """But for those that have none of their own: what runs somebody else's method."""
    without = {name for name, entry in METHODS.own.items() if not entry.doi.startswith("10.")}
    assert without == {"command"}
