"""Parts of the audit that need no run: cells of tables, differences of environments, the page."""

import json

import pandas as pd

from qsmbench.audit.audit import Options, Verdict
from qsmbench.audit.check import Check
from qsmbench.audit.environment import differences
from qsmbench.audit.page import render, write_verdict
from qsmbench.audit.tables import _cells
from qsmbench.provenance.environment import environment, processor, threads

CSV = "method,label,rmse_mean\ntkd,TKD,71.5\nl2,L2,80.1\n"
MARKDOWN = """### Test

| Method   |   RMSE (%) ↓ |
|:---------|-------------:|
| TKD      |   71.5 ± 2.0 |
| L2       |   80.1 ± 1.0 |

Mean.
"""
LATEX = "\\toprule\nMethod & RMSE \\\\\n\\midrule\nTKD & 71.5 \\\\\nL2 & 80.1 \\\\\n\\bottomrule\n"


def test_cells_are_named_by_row_and_column():
    assert dict(_cells(CSV, ".csv"))["tkd", "rmse_mean"] == "71.5"
    assert dict(_cells(MARKDOWN, ".md"))["L2", "RMSE (%) ↓"] == "80.1 ± 1.0"
    assert dict(_cells(MARKDOWN, ".md"))["line 8", "text"] == "Mean."
    assert dict(_cells(LATEX, ".tex"))["TKD", "RMSE"] == "71.5"
    assert dict(_cells(LATEX, ".tex"))["line 1", "text"] == "\\toprule"


def test_a_changed_cell_is_the_only_one_that_differs():
    for text, suffix in ((CSV, ".csv"), (MARKDOWN, ".md"), (LATEX, ".tex")):
        old, new = dict(_cells(text, suffix)), dict(_cells(text.replace("80.1", "60.1"), suffix))
        changed = [key for key in old if old[key] != new.get(key)]
        assert len(changed) == 1 and changed[0][0].lower() == "l2"


def test_rows_that_repeat_are_told_apart():
    text = "method,x\na,1\na,2\n"
    assert dict(_cells(text, ".csv"))["a (2)", "x"] == "2"


def test_an_environment_equals_itself_and_differences_are_named():
    here = environment()
    assert differences(json.loads(json.dumps(here)), here) == []
    other = json.loads(json.dumps(here))
    other["packages"]["numpy"] = "1.0"
    other["hardware"]["processor"] = "Cray-1"
    other["thread_variables"] = {"OMP_NUM_THREADS": "64"}
    text = "\n".join(differences(other, here))
    assert f"processor Cray-1, here {processor()}" in text
    assert f"numpy 1.0, here {here['packages']['numpy']}" in text
    assert "OMP_NUM_THREADS 64, here" in text
    assert all(n >= 1 for n in threads().values())


def verdict():
    check = Check("files", "Is every file the one that was listed?", n="3 files")
    return Verdict("results", "f" * 64, "Mine", "0.1.0", Options(), [check], pd.DataFrame({"set": ["test"]}))


def test_the_page_says_passed_or_names_what_was_found(tmp_path):
    sound, broken = verdict(), verdict()
    broken.checks[0].find("changed", "a<b>.csv", "is not the file that was listed")
    assert "Passed: no finding" in render(sound)
    page = render(broken)
    assert "1 finding<" in page and "a&lt;b&gt;.csv" in page
    write_verdict(broken, tmp_path)
    content = json.loads((tmp_path / "audit.json").read_text())
    assert (content["verdict"], content["n_findings"]) == ("findings", 1)
    assert content["checks"][0]["findings"][0]["where"] == "a<b>.csv"
    assert (tmp_path / "cells.csv").read_text() == "set\ntest\n"
