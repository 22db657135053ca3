"""The workers of a dask cluster that the user has (`--dask ADDRESS`), as a way to spread work over them.

Results are the same bits as without: a worker does to one scan what a lone process does, with one thread, and must have
the same code and packages. It sees the same files under the same names (a shared file system); which of them it read is
told to the job, whose record lists them as its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qsmbench.core.errors import InputError
from qsmbench.core.spread import Item, Result, Spread, one_by_one
from qsmbench.provenance.environment import packages
from qsmbench.provenance.record import also_read, followed
from qsmbench.provenance.version import code_version

# s; a scheduler that is there answers in a fraction of a second.
_PATIENCE = 20


@contextmanager
def spread_over(address: str | None) -> Iterator[Spread]:
    """Yield a way to spread work over the cluster at ``address``, or to do it here where that is None.

    Args:
        address: of the scheduler, as `dask scheduler` prints it: tcp://HOST:PORT.

    Raises:
        InputError: no scheduler there, one without workers, workers with several threads (what a job read could not be
            told apart), or with another code or other packages than this process.
    """
    if address is None:
        yield one_by_one
        return
    import distributed

    # Its classes are not typed.
    cluster: Any = distributed
    try:
        client = cluster.Client(address, timeout=_PATIENCE, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"--dask {address}: no dask scheduler answers there ({error})") from error
    with client:
        _check(client, address)

        def spread(function: Callable[[Item], Result], items: Iterable[Item], /) -> Iterator[tuple[Item, Result]]:
            # Every item is a task of its own, done again elsewhere where a worker is lost.
            waiting = list(items)
            folder = str(Path.cwd())
            futures = [client.submit(_do, function, item, folder, pure=False) for item in waiting]
            place = {future.key: item for future, item in zip(futures, waiting, strict=True)}
            for future, (result, read) in cluster.as_completed(futures, loop=client.loop, with_results=True):
                also_read(read)
                yield place[future.key], result
                future.release()

        yield spread


def _do(function: Callable[[Item], Result], item: Item, folder: str) -> tuple[Result, list[str]]:
    """On a worker: the result, and the files that were read for it."""
    import torch

    if not Path(folder).is_dir():
        raise InputError(f"--dask: a worker does not see {folder}; its files must be there too (a shared file system)")
    os.chdir(folder)
    torch.set_num_threads(1)
    with followed() as opened:
        result = function(item)
    return result, sorted(os.path.realpath(path) for path in opened.read)


def _about() -> dict[str, Any]:
    return {"code": code_version(), "packages": packages()}


def _check(client: Any, address: str) -> None:
    start = f"dask worker {address} --nthreads 1"
    workers = client.scheduler_info(n_workers=-1)["workers"]
    if not workers:
        raise InputError(
            f"--dask {address}: the cluster has no workers; start some: dask worker {address} --nthreads 1"
        )
    if any(worker["nthreads"] != 1 for worker in workers.values()):
        raise InputError(f"--dask {address}: workers with several threads; start more of one each: {start}")
    own = _about()
    for worker, about in client.run(_about).items():
        if about["code"] != own["code"]:
            raise InputError(
                f"--dask {address}: worker {worker} has another version of qsmbench's code; start it from this one"
            )
        others = sorted(name for name, number in own["packages"].items() if about["packages"].get(name) != number)
        if others:
            raise InputError(
                f"--dask {address}: worker {worker} has other versions of {', '.join(others[:5])}"
                f"{' and more' if len(others) > 5 else ''}; start it in the same environment"
            )
