"""Several mistakes in one dataset are one error, one line each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from qsmbench.core.errors import InputError


class Mistakes:
    """Collects what is wrong, to be raised together."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, line: str) -> None:
        """Note one mistake, once."""
        if line not in self.lines:
            self.lines.append(line)

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Note the InputError that the block raises, and go on after it."""
        try:
            yield
        except InputError as error:
            for line in str(error).splitlines():
                self.add(line)

    def check(self) -> None:
        """Raise what was noted, if anything was."""
        if self.lines:
            raise InputError("\n".join(self.lines))
