"""Doctests in docstrings as code: the parser knows them below "Examples:" alone, and ours stand where they fit."""

import re
from typing import Any

import griffe

_DOCTEST = re.compile(r"^>>> .*(?:\n(?!\n).+)*", re.MULTILINE)


class Doctests(griffe.Extension):
    """Fences every doctest before its docstring is read."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring of one object."""
        if obj.docstring is not None:
            obj.docstring.value = _DOCTEST.sub(lambda m: f"```pycon\n{m.group()}\n```", obj.docstring.value)
