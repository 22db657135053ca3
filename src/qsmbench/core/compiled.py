"""Loops in machine code by numba, which is imported at the first call: a module that has some loads at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Any, TypeVar, cast

Function = TypeVar("Function", bound=Callable[..., Any])


class _Kernel:
    """A function that becomes numba's dispatcher when it is first called."""

    def __init__(self, function: Callable[..., Any], options: dict[str, Any]) -> None:
        update_wrapper(self, function)
        self.function, self.options = function, options
        self.made: Any = None

    @property
    def dispatcher(self) -> Any:
        """Numba's, made when first asked for; it takes the kernel's place in its module, and so do those it calls."""
        if self.made is None:
            from numba import njit

            self.made = njit(**self.options)(self.function)
            names = self.function.__globals__
            for name in self.function.__code__.co_names:
                if isinstance(inner := names.get(name), _Kernel):
                    names[name] = inner.dispatcher
            if names.get(self.function.__name__) is self:
                names[self.function.__name__] = self.made
        return self.made

    def __call__(self, *arguments: Any) -> Any:
        return self.dispatcher(*arguments)


def compiled(*, nogil: bool = False, fastmath: bool = False) -> Callable[[Function], Function]:
    """Compile a function of arrays and numbers at its first call; the machine code is kept on disk for later runs.

    Args:
        nogil: let other threads run meanwhile.
        fastmath: let sums be reordered, as vector units need it.

    >>> @compiled()
    ... def total(values):
    ...     found = 0.0
    ...     for value in values:
    ...         found += value
    ...     return found
    """
    options = {"cache": True, "nogil": nogil, "fastmath": fastmath}

    def decorate(function: Function) -> Function:
        return cast(Function, _Kernel(function, options))

    return decorate
