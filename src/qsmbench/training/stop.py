"""SIGTERM as a wish: what runs finishes its step, saves, and ends; SLURM sends it some seconds before it kills."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StoppedError(RuntimeError):
    """Ended by SIGTERM, with a checkpoint from which the same command goes on."""


class StopRequest:
    """Whether the end was asked for."""

    asked = False

    def ask(self, number: int, frame: FrameType | None) -> None:
        """Handle the signal."""
        self.asked = True


@contextmanager
def stop_on_term() -> Iterator[StopRequest]:
    """Take SIGTERM as a wish inside the block; signals reach the main thread alone, elsewhere nothing changes."""
    stop = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = signal.signal(signal.SIGTERM, stop.ask)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGTERM, before)
