"""How an iteration went: what was watched, its value after each step, and whether it met its tolerance.

An `Iteration` counts the steps of a loop and shows them on a terminal. What it leaves is a `Convergence`, which is
written beside the map; where the limit ended the loop, the map's notes say so.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType

from tqdm import tqdm

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Convergence:
    """How one iteration went.

    Attributes:
        name: of the method and step, "iLSQR inversion".
        quantity: what was watched, "relative update".
        tolerance: the value of it that ends the iteration.
        values: after each step.
        converged: whether the tolerance was met.
    """

    name: str
    quantity: str
    tolerance: float
    values: tuple[float, ...]
    converged: bool

    @property
    def limit_note(self) -> str | None:
        """One line where the limit of iterations ended it; a loss is followed beside what decides, and says nothing."""
        if self.converged or not self.values or self.quantity == "loss":
            return None
        wanted = f", tolerance {self.tolerance:.3g}" if self.tolerance > 0 else ""
        last = f"{self.quantity} {self.values[-1]:.3g}{wanted}"
        return f"warning: {self.name} ended at its limit of {len(self.values)} iterations, not converged ({last})"


class Iteration:
    """Watches a loop; a context, so that the bar on the terminal ends with it.

    Args:
        name: as in `Convergence`.
        quantity: as in `Convergence`.
        tolerance: at or below which the loop ends.
        limit: most steps.

    >>> with Iteration("Newton", "update", 0.1, 5) as iteration:
    ...     for update in (1.0, 0.3, 0.05, 0.01):
    ...         if iteration.step(update):
    ...             break
    >>> iteration.convergence.values, iteration.convergence.converged
    ((1.0, 0.3, 0.05), True)
    """

    def __init__(self, name: str, quantity: str, tolerance: float, limit: int) -> None:
        self.name, self.quantity, self.tolerance, self.limit = name, quantity, tolerance, limit
        self.values: list[float] = []
        self.converged = False

    def __enter__(self) -> Iteration:
        self._bar = tqdm(total=self.limit, desc=self.name, unit="step", leave=False, disable=None)
        return self

    def step(self, value: float, converged: bool = False, shown: Mapping[str, str] | None = None) -> bool:
        """Note the value after a step; True where it, or ``converged``, ends the iteration; ``shown`` is only shown."""
        self.values.append(value)
        self.converged = converged or value <= self.tolerance
        self._bar.set_postfix({self.quantity: f"{value:.3g}", **(shown or {})}, refresh=False)
        self._bar.update()
        logger.debug("%s %d: %s %.3g", self.name, len(self.values), self.quantity, value)
        return self.converged

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    @property
    def convergence(self) -> Convergence:
        """What there is to say."""
        return Convergence(self.name, self.quantity, self.tolerance, tuple(self.values), self.converged)
