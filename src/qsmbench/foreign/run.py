"""Runs a foreign method's folder on files: as a local command, in docker, or in apptainer, within limits.

A local command is not isolated: it may read what the user may, and reach the network. Containers get neither.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from qsmbench.core.errors import InputError
from qsmbench.foreign.manifest import Manifest

RUNNERS = ("local", "docker", "apptainer")
# Lines of the tool's own output that a failure quotes.
_LAST_LINES = 5


class ForeignError(RuntimeError):
    """A foreign method failed: its status, its limits or its output."""


@dataclass(frozen=True)
class Limits:
    """What a foreign method may take.

    Attributes:
        seconds: of wall time.
        memory_mb: of memory; apptainer without cgroups does not hold it.
    """

    seconds: float = 7200.0
    memory_mb: int = 16000


def environment(params: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, str]:
    """Return the variables through which a script learns of the acquisition without reading JSON.

    >>> environment({"B0_dir": [0, 0, 1], "voxel_size": [1, 1, 2]}, {"threshold": 0.1})["QSMCI_SET_THRESHOLD"]
    '0.1'
    """
    found: dict[str, str] = {}
    if params.get("TE"):
        found["QSMCI_TE"] = " ".join(map(str, params["TE"]))
        found["QSMCI_TE0"] = str(params["TE"][0])
    if "B0" in params:
        found["QSMCI_B0"] = str(params["B0"])
    found["QSMCI_B0_DIR"] = " ".join(map(str, params["B0_dir"]))
    found["QSMCI_VOXEL_SIZE"] = " ".join(map(str, params["voxel_size"]))
    return found | {f"QSMCI_SET_{name.upper()}": str(value) for name, value in overrides.items()}


def local_environment() -> dict[str, str]:
    """Return this process's environment, in which `python3` is the Python that runs qsmbench, whoever started it.

    A job of the workflow, a cluster's and the audit's then find the same packages.
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return {**os.environ, "PATH": path}


def command_line(
    manifest: Manifest,
    *,
    runner: str,
    inputs: Path,
    outputs: Path,
    variables: Mapping[str, str],
    limits: Limits,
    name: str,
) -> list[str]:
    """Return the command that runs the method; its folders are mounted, or given as arguments to a local command.

    Raises:
        InputError: an unknown runner, a container without an image, a runner that is not installed.
    """
    if runner not in RUNNERS:
        raise InputError(f"runner '{runner}' is not one of {', '.join(RUNNERS)}")
    if runner == "local":
        script = f'ulimit -v {limits.memory_mb * 1024} && {manifest.run} "$@"'
        return ["bash", "-c", script, manifest.slug, str(inputs), str(outputs)]
    if not manifest.image:
        raise InputError(f"{manifest.folder}: algorithm.yml names no image; run it with runner local")
    if shutil.which(runner) is None:
        raise InputError(f"{runner} is not installed here; install it, or run the method with runner local")
    inside = [*manifest.run.split()]
    folders = [(manifest.folder.resolve(), "/algo", "ro"), (inputs, "/input", "ro"), (outputs, "/output", "rw")]
    if runner == "docker":
        command = [
            "docker",
            "run",
            "--rm",
            "--name",
            name,
            "--network",
            "none",
            "--user",
            f"{os.getuid()}:{os.getgid()}",
        ]
        command += ["--memory", f"{limits.memory_mb}m", "--workdir", "/algo"]
        command += [text for key, value in variables.items() for text in ("--env", f"{key}={value}")]
        command += [text for host, there, mode in folders for text in ("--volume", f"{host}:{there}:{mode}")]
        return [*command, manifest.image, *inside]
    command = ["apptainer", "exec", "--no-home", "--cleanenv", "--containall", "--net", "--network", "none"]
    command += ["--pwd", "/algo"]
    command += [text for key, value in variables.items() for text in ("--env", f"{key}={value}")]
    command += [text for host, there, mode in folders for text in ("--bind", f"{host}:{there}:{mode}")]
    return [*command, f"docker://{manifest.image}", *inside]


def run_folder(
    manifest: Manifest, *, runner: str, inputs: Path, outputs: Path, overrides: Mapping[str, Any], limits: Limits
) -> None:
    """Run the method once.

    Raises:
        InputError: it cannot be started here.
        ForeignError: it ended with another status than 0, or beyond its limits; with its last lines.
    """
    params = json.loads((inputs / "params.json").read_text(encoding="utf-8"))
    variables = environment(params, overrides)
    name = f"qsmbench-{uuid4().hex[:12]}"
    folders = {"inputs": inputs, "outputs": outputs}
    command = command_line(manifest, runner=runner, variables=variables, limits=limits, name=name, **folders)
    log = outputs / ".output.log"
    with (
        log.open("wb") as file,
        subprocess.Popen(
            command,
            cwd=manifest.folder,
            env=local_environment() | variables if runner == "local" else None,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        try:
            status = process.wait(limits.seconds)
        except subprocess.TimeoutExpired as error:
            raise ForeignError(f"{manifest.slug} took longer than {limits.seconds:g} s and was ended") from error
        finally:
            # Whatever it left running goes with it, on success too.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            if runner == "docker" and process.returncode != 0:
                subprocess.run(["docker", "kill", name], capture_output=True, check=False)
    if status != 0:
        how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
        said = " | ".join(last_lines(log)) or "none"
        # Where its files lay for a while says nothing, and differs from run to run.
        for host, there in ((inputs, "/input"), (outputs, "/output")):
            said = said.replace(str(host), there)
        raise ForeignError(f"{manifest.slug} {how}; its last lines: {said}")


def last_lines(log: Path) -> list[str]:
    """Return the last lines of a tool's output, without control characters."""
    with log.open(encoding="utf-8", errors="replace") as file:
        lines: Sequence[str] = deque((line.strip()[:300] for line in file if line.strip()), maxlen=_LAST_LINES)
    return ["".join(c for c in line if c.isprintable()) for line in lines]
