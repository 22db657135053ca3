"""Work on many things that do not need each other: here one after the other, elsewhere on the workers of a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Spread(Protocol):
    """Does one thing to many."""

    def __call__(self, function: Callable[[Item], Result], items: Iterable[Item], /) -> Iterator[tuple[Item, Result]]:
        """Yield every item with ``function`` of it, in any order; what the function raises is raised here."""
        ...


def one_by_one(function: Callable[[Item], Result], items: Iterable[Item], /) -> Iterator[tuple[Item, Result]]:
    """Yield every item with ``function`` of it, computed when it is asked for.

    >>> list(one_by_one(abs, [-2, 3]))
    [(-2, 2), (3, 3)]
    """
    for item in items:
        yield item, function(item)
