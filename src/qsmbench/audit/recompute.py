"""A random part of the numbers made again from what they were made of, and compared within stated tolerances.

The table of steps says which steps' results can be made again, and by what. What is chosen is a function of the audit's
seed alone. Training is not repeated: it is the run itself that repeats it.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from threadpoolctl import threadpool_limits

from qsmbench.audit.again.contract import Again
from qsmbench.audit.check import Check
from qsmbench.audit.contents import DAMAGE
from qsmbench.audit.run_folder import RunFolder
from qsmbench.benchmark.compute import set_up
from qsmbench.benchmark.steps.registry import STEPS


def check_recomputation(run: RunFolder, k: int, seed: int, source: Sequence[Path] = (), device: str = "cpu") -> Check:
    """Make ``k`` things of each kind again and compare.

    Args:
        run: the folder.
        k: how many.
        seed: of the choice.
        source: files of the heads that came from a user's file and are not in the folder, by any name.
        device: of torch, for maps.
    """
    # As the workflow's jobs do: on one thread, with torch's deterministic algorithms.
    threadpool_limits(limits=1)
    set_up(1, device)
    check = Check("recomputation", "Does a random part still come out the same?")
    again = Again(run, check, k, seed, source, device)
    done: list[str] = []
    for step in STEPS.values():
        if not step.again:
            continue
        module, name = step.again.split(":")
        kind = name.replace("_", " ")
        try:
            found = getattr(import_module(module), name)(again)
        except DAMAGE as error:
            check.find("recomputed", kind, f"cannot be made again: {' '.join(str(error).split())[:300]}")
            continue
        if found:
            done.append(f"{kind}: {len(found)} compared, {sum(a.identical for a in found)} the same bits")
    check.n = "; ".join(done) or "nothing"
    return check
