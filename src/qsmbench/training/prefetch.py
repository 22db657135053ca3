"""Batches read ahead by threads, while the device computes; their order is the steps', whatever thread is first."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

import torch

T = TypeVar("T")


@contextmanager
def prefetch(load: Callable[[int], T], steps: range, n_threads: int) -> Generator[Iterator[T]]:
    """Yield the batches of ``steps`` in order, ``n_threads`` of them being read while one is used; 0: none.

    What ``load`` raises is raised where its batch would have come.
    """
    if n_threads == 0:
        yield map(load, steps)
        return
    # Inside a thread torch would start as many threads as there are cores.
    own = torch.get_num_threads()
    with ThreadPoolExecutor(n_threads, initializer=torch.set_num_threads, initargs=(own,)) as pool:
        waiting: deque[Future[T]] = deque()
        try:
            yield _in_order(pool, load, steps, n_threads, waiting)
        finally:
            for future in waiting:
                future.cancel()


def _in_order(
    pool: ThreadPoolExecutor, load: Callable[[int], T], steps: range, n_threads: int, waiting: deque[Future[T]]
) -> Iterator[T]:
    numbers = iter(steps)
    waiting.extend(pool.submit(load, step) for step in islice(numbers, n_threads))
    while waiting:
        batch = waiting.popleft().result()
        waiting.extend(pool.submit(load, step) for step in islice(numbers, 1))
        yield batch
