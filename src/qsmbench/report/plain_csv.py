"""Tables as CSV that a spreadsheet opens as text and numbers: no cell of a label is a formula to it.

OWASP, CSV injection: what begins with one of = + - @, a tab or a carriage return is computed, whatever quotes it.
"""

from __future__ import annotations

import pandas as pd

# Six significant digits: beyond what any of the metrics can mean, short of where processors differ.
FLOAT_FORMAT = "%.6g"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_text(table: pd.DataFrame) -> str:
    """Return a table as CSV; a text that would be a formula gets an apostrophe before it.

    >>> csv_text(pd.DataFrame({"label": ["=1+1", "a"], "x": [-1.0, 2.0]}))
    "label,x\\n'=1+1,-1\\na,2\\n"
    """
    plain = table.rename(columns=_text)
    for name in plain.columns:
        if not pd.api.types.is_numeric_dtype(plain[name]):
            plain[name] = plain[name].map(_text)
    return str(plain.to_csv(index=False, float_format=FLOAT_FORMAT, lineterminator="\n"))


def _text(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
