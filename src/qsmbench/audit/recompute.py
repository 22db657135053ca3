"""A random part of the numbers made again from what they were made of, and compared within stated tolerances.

The table of steps says which steps' results can be made again, and by what. What is chosen is a function of the audit's
seed alone. Training is not repeated: it is the run itself that repeats it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib import import_module
from pathlib import Path

from threadpoolctl import threadpool_limits

from qsmbench.audit.again.contract import Again
from qsmbench.audit.check import Check
from qsmbench.audit.run_folder import RunFolder
from qsmbench.benchmark.compute import set_up
from qsmbench.benchmark.steps.registry import STEPS


def check_recomputation(
    run: RunFolder,
    check: Check,
    k: int,
    seed: int,
    *,
    rescore: int | None = None,
    source: Sequence[Path] = (),
    device: str = "cpu",
) -> None:
    """Make ``k`` things of each kind again and compare.

    Args:
        run: the folder.
        check: takes what is found.
        k: how many.
        seed: of the choice.
        rescore: maps of each kind of set that are scored again; None for all.
        source: files of the heads that came from a user's file and are not in the folder, by any name.
        device: of torch, for maps.
    """
    # As the workflow's jobs do: on one thread, with torch's deterministic algorithms.
    threadpool_limits(limits=1)
    set_up(1, device)
    again = Again(run, check, k, seed, rescore, source, device)
    done: list[str] = []
    for step in STEPS.values():
        if not step.again:
            continue
        module, name = step.again.split(":")
        kind = name.replace("_", " ")
        found = check.guarded(kind, partial(getattr(import_module(module), name), again), None, "recomputed")
        if found:
            done.append(f"{kind}: {len(found)} compared, {sum(a.identical for a in found)} the same bits")
    check.n = "; ".join(done) or "nothing"
    check.notes = [f"Chosen by the seed {seed}.", *again.odds(), *check.notes]
