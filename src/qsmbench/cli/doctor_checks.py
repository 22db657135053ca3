"""What `qsmbench doctor` looks at: each thing is looked at as it is used, and nothing is changed."""

from __future__ import annotations

import importlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path
from typing import Literal, NamedTuple

from qsmbench.core.errors import InputError

State = Literal["ok", "lacks", "bad"]

# What each part is for; `pip install 'qsmbench[PART]'` brings it (pyproject.toml).
PARTS = {
    "report": "tables, figures, the page",
    "train": "training networks",
    "workflow": "qsmbench run",
    "slurm": "jobs on a cluster with SLURM",
}
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "firefox", "safari", "microsoft-edge", "xdg-open", "open")
_MANUAL = "see docs/installation.md"


@dataclass(frozen=True)
class Observation:
    """One thing that was looked at.

    Attributes:
        what: a word.
        state: ok; lacks, where something optional is not there; bad, where no chi map can be made.
        text: what was found.
        todo: what to type or do; empty where there is nothing to do.
    """

    what: str
    state: State
    text: str
    todo: str = ""


def look() -> list[Observation]:
    """Look at everything."""
    return [
        interpreter(),
        *packages(),
        torch_and_gpu("torch"),
        torch_and_gpu("GPU"),
        cores(),
        memory(),
        *places(Path()),
        slurm(),
        browser(),
    ]


def interpreter() -> Observation:
    """Whether this Python is one of those that the package is for."""
    from packaging.specifiers import SpecifierSet

    wanted, here = metadata("qsmbench")["Requires-Python"], platform.python_version()
    text = f"{here} at {sys.executable}"
    if SpecifierSet(wanted).contains(here):
        return Observation("Python", "ok", text)
    return Observation(
        "Python", "bad", f"{text}; qsmbench is for {wanted}", f"make the environment again with one; {_MANUAL}"
    )


def packages() -> Iterator[Observation]:
    """The core's packages, those of each part, and how both differ from the lock."""
    missing, found = _needs(None)
    if missing:
        names = ", ".join(missing)
        yield Observation("packages", "bad", f"missing or too old: {names}", "pip install --upgrade qsmbench")
    else:
        yield Observation("packages", "ok", f"{len(found)} that maps need")
    for part, purpose in PARTS.items():
        missing, of_part = _needs(part)
        found |= of_part
        if missing:
            text = f"{purpose}: missing or too old: {', '.join(missing)}"
            yield Observation(part, "lacks", text, f"pip install 'qsmbench[{part}]'")
        else:
            yield Observation(part, "ok", purpose)
    yield _against_the_lock(found)


def _needs(part: str | None) -> tuple[list[str], dict[str, str]]:
    """What is missing of a part's packages, or with None of the core's, and the versions of those that are there."""
    from packaging.requirements import Requirement

    missing: list[str] = []
    found: dict[str, str] = {}
    for text in requires("qsmbench") or []:
        wanted = Requirement(text)
        asked = part is None if wanted.marker is None else wanted.marker.evaluate({"extra": part or ""})
        if not asked:
            continue
        if wanted.name == "qsmbench":
            for extra in sorted(wanted.extras):
                more, there = _needs(extra)
                missing += [name for name in more if name not in missing]
                found |= there
            continue
        try:
            installed = version(wanted.name)
        except PackageNotFoundError:
            missing.append(wanted.name)
            continue
        found[wanted.name] = installed
        if not wanted.specifier.contains(installed, prereleases=True):
            missing.append(f"{wanted.name} {installed} (wanted {wanted.specifier})")
    return missing, found


def _against_the_lock(found: Mapping[str, str]) -> Observation:
    from qsmbench.cli.run import workflow_folder

    try:
        path = workflow_folder() / "requirements.lock"
    except InputError as error:
        return Observation("lock", "lacks", str(error))
    pairs = (line.split("==") for line in path.read_text(encoding="utf-8").split() if "==" in line)
    locked = {_canonical(name): pinned for name, pinned in pairs}
    # A CUDA or CPU build adds a local part (2.13.0+cpu) to the version that the lock pins.
    other = [
        f"{name} {here} (lock {locked[_canonical(name)]})"
        for name, here in found.items()
        if _canonical(name) in locked and here.partition("+")[0] != locked[_canonical(name)]
    ]
    if not other:
        return Observation("lock", "ok", f"the versions that the tests ran with, {len(found)} compared")
    text = f"other versions than the tests ran with: {', '.join(other)}"
    return Observation("lock", "lacks", text, f"pip install --constraint {path} qsmbench, for the same numbers")


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def torch_and_gpu(what: Literal["torch", "GPU"]) -> Observation:
    """Whether torch can be loaded, and what it computes on."""
    try:
        torch = importlib.import_module("torch")
        devices = torch.cuda.is_available()
    except (ImportError, OSError, AttributeError) as error:
        if what == "GPU":
            return Observation("GPU", "lacks", "not asked, since torch does not load")
        return Observation(
            "torch", "bad", f"does not load: {error}", f"pip install --force-reinstall torch; {_MANUAL}, GPU"
        )
    if what == "torch":
        return Observation("torch", "ok", f"{torch.__version__}, {torch.get_num_threads()} threads")
    if devices:
        names = [
            f"{torch.cuda.get_device_name(i)}, {torch.cuda.get_device_properties(i).total_memory / 1e9:.0f} GB"
            for i in range(torch.cuda.device_count())
        ]
        return Observation("GPU", "ok", f"{'; '.join(names)} (CUDA {torch.version.cuda})")
    if (driver := _said("nvidia-smi", "-L")) is not None:
        built = torch.version.cuda or "no CUDA at all"
        return Observation(
            "GPU", "lacks", f"{driver}, but this torch is built for {built}", f"another torch; {_MANUAL}, GPU"
        )
    return Observation(
        "GPU", "lacks", "none: all runs on the CPU, where neural fields and trainings are slow (docs/methods.md)"
    )


def cores() -> Observation:
    """Cores that this process may use."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    text = f"{usable} of {os.cpu_count()}"
    # A container's share of time (cgroup 2): microseconds of work in a period.
    share = _first_line(Path("/sys/fs/cgroup/cpu.max")).split()
    if len(share) == 2 and share[0].isdigit() and (allowed := int(share[0]) / int(share[1])) < usable:
        return Observation(
            "cores", "ok", f"{text}, of which this container may keep {allowed:g} busy: give --cores no more"
        )
    return Observation("cores", "ok", text)


def memory() -> Observation:
    """Memory that is free, against the largest job of the default run."""
    free = _free_memory()
    if free is None:
        return Observation("memory", "ok", "not told by this system")
    default = _default_run()
    if default is None:
        return Observation("memory", "ok", f"{free / 1e9:.1f} GB free")
    need = default.memory
    text = f"{free / 1e9:.1f} GB free; the largest job of the default run takes {need / 1e9:.1f} GB"
    if free < need:
        return Observation(
            "memory", "lacks", text, "close other programs; `qsmbench plan CONFIG` tells what a run needs"
        )
    return Observation("memory", "ok", text)


def _free_memory() -> int | None:
    """Bytes that this process can still have: of the machine, or of the container where that is less."""
    kilobytes = [int(line.split()[1]) for line in _lines(Path("/proc/meminfo")) if line.startswith("MemAvailable:")]
    limit, used = (_first_line(Path(f"/sys/fs/cgroup/memory.{name}")) for name in ("max", "current"))
    left = [int(limit) - int(used)] if limit.isdigit() and used.isdigit() else []
    return min([*(1024 * n for n in kilobytes), *left], default=None)


class _Need(NamedTuple):
    """Bytes that a run takes: memory of its largest job, and disk."""

    memory: int
    disk: int


def _default_run() -> _Need | None:
    """What the default run takes; None where packages are missing that tell it."""
    try:
        from qsmbench.benchmark.costs import cost
        from qsmbench.benchmark.disk import disk_need
        from qsmbench.benchmark.run import Run
        from qsmbench.benchmark.site import Site
        from qsmbench.benchmark.steps.registry import jobs
        from qsmbench.cli.run import workflow_folder
        from qsmbench.config.load import read_config
    except ImportError:
        return None
    config = read_config(workflow_folder() / "config.yaml")
    largest = max(cost(job, config, Site()).memory_mb for job in jobs(Run(config)))
    return _Need(int(1e6 * largest), sum(disk_need(Run(config)).values()))


def places(here: Path) -> Iterator[Observation]:
    """Disk and the right to write, in a folder and where temporary files go."""
    free, default = shutil.disk_usage(here).free, _default_run()
    need = 0 if default is None else default.disk
    text = f"{free / 1e9:.1f} GB free in {here.resolve()}; the default run makes {need / 1e9:.1f} GB"
    enough = free >= need
    yield Observation("disk", "ok" if enough else "lacks", text, "" if enough else "make room, or go to another folder")
    for what, folder in (("folder", here), ("temporary", Path(tempfile.gettempdir()))):
        try:
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            todo = "set TMPDIR to a folder of yours" if what == "temporary" else "go to a folder of yours"
            yield Observation(what, "bad", f"{folder.resolve()} cannot be written: {error.strerror}", todo)
        else:
            yield Observation(what, "ok", f"{folder.resolve()} can be written")


def slurm() -> Observation:
    """Whether this machine can send jobs to SLURM."""
    said = _said("sbatch", "--version")
    if said is None:
        return Observation("SLURM", "lacks", "no sbatch here: runs use this machine alone")
    if shutil.which("squeue") is None:
        return Observation("SLURM", "lacks", f"{said}, but no squeue", "see docs/cluster.md")
    return Observation("SLURM", "ok", f"{said}; profiles/slurm sends jobs there (docs/cluster.md)")


def browser() -> Observation:
    """Whether something here opens the report."""
    found = next((name for name in BROWSERS if shutil.which(name)), None)
    if found is None:
        todo = "copy results/report/index.html, one file, to a computer with one"
        return Observation("browser", "lacks", "none here for the report", todo)
    return Observation("browser", "ok", f"{found} opens the report")


def _said(*command: str) -> str | None:
    """The first line that a program says, or None where it is not there or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = done.stdout.splitlines()
    return lines[0] if done.returncode == 0 and lines else None


def _lines(path: Path) -> Sequence[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _first_line(path: Path) -> str:
    return next(iter(_lines(path)), "")
