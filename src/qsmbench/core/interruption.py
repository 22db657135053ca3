"""A signal as a wish: what runs long ends at its next safe point, where it can leave a checkpoint.

SLURM sends SIGTERM some seconds before it kills; Ctrl-C is SIGINT.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StoppedError(RuntimeError):
    """Ended by a signal, with a checkpoint from which the same command goes on."""


class Stop:
    """Whether a signal has asked to stop.

    Args:
        patient: a further signal of the kind waits as well; else it ends the process as it would have.
    """

    def __init__(self, *, patient: bool = False) -> None:
        self.asked, self.patient = False, patient

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        del frame
        self.asked = True
        if not self.patient:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


@contextmanager
def stop_on(*signals: int, patient: bool = False) -> Iterator[Stop]:
    """Within the block these signals set `Stop.asked`; only the main thread can receive them, elsewhere none comes."""
    stop = Stop(patient=patient)
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, stop) for number in signals}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
