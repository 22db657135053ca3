"""Kill a small run at random moments in random ways, each time go on with the very same command, compare the bytes.

    python benchmarks/kills.py FOLDER --kills 40

Kinds: SIGKILL, SIGTERM or SIGINT to Snakemake; SIGKILL to one of its jobs, to its whole process group, or to
`qsmbench run`, which started it. After each, jobs that live on are counted after 10 s. A run that ends is compared with
one that nobody killed, byte for byte but for times and what holds times, and the next one begins from nothing.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "tests/helpers"))
from little_run import configuration
from unchanging import contents

KINDS = ("kill snakemake", "kill a job", "kill the group", "kill qsmbench run", "term snakemake", "interrupt snakemake")


def processes(folder: Path) -> dict[int, str]:
    """Command lines of processes that work in a folder, zombies left out."""
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            if not entry.name.isdigit() or (entry / "cwd").readlink() != folder:
                continue
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            if line:
                found[int(entry.name)] = line
        except OSError:
            continue
    return found


def start(folder: Path) -> subprocess.Popen[bytes]:
    """The command, which never changes."""
    command = [sys.executable, "-m", "qsmbench.cli.main", "run", "little.yaml", "--cores", "2"]
    with (folder / "log.txt").open("ab") as file:
        return subprocess.Popen(command, cwd=folder, stdout=file, stderr=file, start_new_session=True)


def strike(kind: str, run: subprocess.Popen[bytes], folder: Path, draw: random.Random) -> bool:
    """Kill in one way; whether there was something to kill."""
    there = processes(folder)
    mains = [pid for pid, line in there.items() if "-m snakemake" in line and "bash" not in line]
    jobs = [pid for pid, line in there.items() if "qsmbench step" in line and "bash -c" not in line]
    try:
        if kind == "kill the group":
            os.killpg(run.pid, signal.SIGKILL)
        elif kind == "kill qsmbench run":
            run.kill()
        elif kind == "kill a job":
            if not jobs:
                return False
            os.kill(draw.choice(jobs), signal.SIGKILL)
        else:
            if not mains:
                return False
            number = {"kill": signal.SIGKILL, "term": signal.SIGTERM, "interrupt": signal.SIGINT}[
                kind.split(maxsplit=1)[0]
            ]
            os.kill(min(mains), number)
    except ProcessLookupError:
        return False
    return True


class Count:
    """What happened so far."""

    def __init__(self) -> None:
        self.kills: Counter[str] = Counter()
        self.ends: Counter[str] = Counter()
        self.orphans = 0

    def wait(self, kind: str, run: subprocess.Popen[bytes], folder: Path) -> None:
        """Wait for what was struck; count what lives on 10 s later, where the whole run was meant to die."""
        self.kills[kind] += 1
        whole = kind.startswith("kill") and kind != "kill a job"
        with suppress(subprocess.TimeoutExpired):
            run.wait(10.0 if whole else 900.0)
        if whole:
            time.sleep(10)
            left = processes(folder)
            self.orphans += len(left)
            for pid, line in left.items():
                print(f"lives on after '{kind}': {pid} {line}", flush=True)
        print(f"{self.kills.total()}: {kind}, status {run.poll()}", flush=True)


def main() -> None:
    """Kill, go on, compare, and print what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seed", type=int, default=24)
    parser.add_argument("--longest", type=float, default=45.0, help="s from a start to its kill")
    arguments = parser.parse_args()
    draw, folder = random.Random(arguments.seed), arguments.folder.resolve()
    sound = undisturbed(folder)
    print(f"{len(sound)} files to come out again", flush=True)
    count, fresh = Count(), True
    while count.kills.total() < arguments.kills or not fresh:
        if fresh:
            empty(folder)
        fresh = False
        run = start(folder)
        if count.kills.total() < arguments.kills:
            kind = draw.choice(KINDS)
            with suppress(subprocess.TimeoutExpired):
                run.wait(draw.uniform(1.0, arguments.longest))
            if run.poll() is None and strike(kind, run, folder, draw):
                count.wait(kind, run, folder)
                continue
        status = run.wait()
        count.ends[f"status {status}"] += 1
        if status == 0:
            found, fresh = contents(folder / "results"), True
            differs = sorted(n for n in {*found, *sound} if found.get(n) != sound.get(n))
            print("the same bytes" if not differs else f"DIFFERS: {differs[:5]}", flush=True)
            count.ends["other bytes" if differs else "the same bytes"] += 1
    print(f"\n{count.kills.total()} kills ({dict(count.kills)}); runs that ended: {dict(count.ends)};", end=" ")
    print(f"processes that lived on after 10 s: {count.orphans}")


def empty(folder: Path) -> None:
    """Begin from nothing."""
    for name in ("results", ".snakemake"):
        shutil.rmtree(folder / name, ignore_errors=True)


def undisturbed(folder: Path) -> dict[str, str]:
    """What the run gives that nobody kills."""
    folder.mkdir(parents=True, exist_ok=True)
    content = configuration(folder) | {"results": "results", "source": {"kind": "nifti", "chi": "head.nii.gz"}}
    (folder / "little.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    empty(folder)
    status = start(folder).wait()
    if status != 0:
        sys.exit(f"the run that nobody kills ended with status {status}: {folder / 'log.txt'}")
    return contents(folder / "results")


if __name__ == "__main__":
    main()
