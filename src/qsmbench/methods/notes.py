"""What a reader should know of how a map was made: what its method assumed, lacked or doubted, a line each.

Whatever runs inside a method says so with `note`; the contract gathers the lines and hands them on with the map, from
where they go to the sidecar, the status of a set and the report's footnotes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_gathered: ContextVar[list[str] | None] = ContextVar("notes", default=None)


def note(line: str) -> None:
    """Say a line of the map that is being made; the same line is kept once, and outside a method it goes nowhere."""
    lines = _gathered.get()
    if lines is not None and line not in lines:
        lines.append(line)


@contextmanager
def gathered_notes() -> Iterator[list[str]]:
    """Within the block lines are gathered in the list; a block within has a list of its own.

    >>> with gathered_notes() as lines:
    ...     note("3 T assumed")
    ...     with gathered_notes():
    ...         note("said of a map that this one starts from")
    >>> lines
    ['3 T assumed']
    """
    lines: list[str] = []
    token = _gathered.set(lines)
    try:
        yield lines
    finally:
        _gathered.reset(token)
