"""What the jobs ran on, against each other and against this machine: differences are named, and are no mistake."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qsmbench.audit.check import Check
from qsmbench.audit.run_folder import RunFolder
from qsmbench.core.errors import InputError
from qsmbench.provenance.environment import environment
from qsmbench.provenance.record import ENVIRONMENTS
from qsmbench.provenance.version import code

_MOST = 12


def check_environment(run: RunFolder, check: Check) -> None:
    """Name differences in code, packages, hardware and threads; numbers made again may differ where these do."""
    if not run.jobs:
        check.skipped.append("There are no records of jobs.")
        return
    _compare_code(run, check)
    here = environment()
    names = sorted({str(job.content["environment"]) for job in run.jobs})
    recorded: dict[str, dict[str, Any]] = {}
    for name in names:
        try:
            recorded[name] = run.json(f"{ENVIRONMENTS}/{name}.json")
        except InputError as error:
            check.skipped.append(str(error))
    for name, there in recorded.items():
        n = sum(job.content["environment"] == name for job in run.jobs)
        lines = differences(there, here)
        place = f"Environment {name} ({n} job{'s' if n > 1 else ''})"
        check.notes.append(f"{place}: {'; '.join(lines)}." if lines else f"{place}: the same as here.")
    torch_threads: dict[int, int] = {}
    for job in run.jobs:
        used = job.content["threads"].get("torch")
        if used is not None:
            torch_threads[used] = torch_threads.get(used, 0) + 1
    text = ", ".join(f"{n} on {used} thread{'s' if used > 1 else ''}" for used, n in sorted(torch_threads.items()))
    if text:
        check.notes.append(f"Jobs that computed with torch: {text}.")
    check.n = f"{len(run.jobs)} jobs, {len(recorded)} environments"


def _compare_code(run: RunFolder, check: Check) -> None:
    versions: dict[str, int] = {}
    for job in run.jobs:
        made_by = job.content["code"]
        name = f"{made_by['release']}, commit {made_by['commit'] or 'unknown'}"
        name += f", source {made_by['source_sha256'][:12]}" + (
            " (with uncommitted changes)" if made_by["dirty"] else ""
        )
        versions[name] = versions.get(name, 0) + 1
    if len(versions) > 1:
        text = "; ".join(f"{name}: {n} jobs" for name, n in versions.items())
        check.notes.append(f"The jobs ran on {len(versions)} versions of the code: {text}.")
    else:
        check.notes.append(f"Every job ran on qsmbench {next(iter(versions))}.")
    sources = {job.content["code"]["source_sha256"] for job in run.jobs}
    own = code()
    if sources != {own.source_sha256}:
        text = f"{own.release}, commit {own.commit or 'unknown'}, source {own.source_sha256[:12]}"
        check.notes.append(f"This audit runs on another version of the code: {text}.")


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """What differs, in words.

    >>> differences({"python": "3.11.1", "packages": {"a": "1"}}, {"python": "3.11.2", "packages": {"a": "2"}})
    ['python 3.11.1, here 3.11.2', '1 package: a 1, here 2']
    """
    lines = []
    for key in ("python", "system", "libc", "hardware", "libraries", "thread_variables"):
        a, b = there.get(key), here.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            lines += [
                f"{name} {_plain(a.get(name))}, here {_plain(b.get(name))}"
                for name in dict.fromkeys([*a, *b])
                # GPUs are told by jobs that loaded torch alone.
                if a.get(name) != b.get(name) and (name != "gpus" or a.get(name))
            ]
        elif key == "libraries":
            # A library that a job did not load is no difference; one of another kind or processor is.
            if foreign := sorted(set(a or ()) - set(b or ())):
                lines.append(f"libraries {', '.join(foreign)}, here {_plain(b)}")
        elif a != b:
            lines.append(f"{key} {_plain(a)}, here {_plain(b)}")
    old, new = there.get("packages", {}), here.get("packages", {})
    changed = [name for name in dict.fromkeys([*old, *new]) if old.get(name) != new.get(name)]
    if changed:
        shown = [f"{name} {old.get(name, 'absent')}, here {new.get(name, 'absent')}" for name in changed[:_MOST]]
        more = f" and {len(changed) - _MOST} more" if len(changed) > _MOST else ""
        lines.append(f"{len(changed)} package{'s' if len(changed) > 1 else ''}: {'; '.join(shown)}{more}")
    return lines


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return "not set" if value is None else str(value)
