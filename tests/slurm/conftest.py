"""A real SLURM of one node for the tests of this folder, started once and stopped whatever happens."""

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "tools/one_node_slurm"


def free_port() -> int:
    """A port that is free together with the next one."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):
                continue
            return port


@pytest.fixture(scope="session")
def cluster():
    """Folder of a running cluster, and the environment that reaches it and imports this checkout."""
    if os.environ.get("QSMBENCH_SKIP_SLURM") == "1":
        pytest.skip("QSMBENCH_SKIP_SLURM=1")
    if shutil.which("slurmctld", path=os.environ["PATH"] + ":/usr/sbin") is None:
        pytest.skip("SLURM is not installed (tools/one_node_slurm install)")
    # A socket's path must be short: not pytest's own folder.
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_XDIST", "SLURM"))}
    environment |= {"ONE_NODE_SLURM_PORT": str(free_port()), "OMP_NUM_THREADS": "1"}
    try:
        subprocess.run([TOOL, "start", folder], check=True, timeout=60, env=environment)
        (folder / "site.yaml").write_text("cpu_partition: cpu\ngpu_partition: gpu\n")
        yield (
            folder,
            environment
            | {
                "SLURM_CONF": str(folder / "slurm.conf"),
                "PATH": f"{folder / 'bin'}:/usr/sbin:{environment['PATH']}",
                "QSMBENCH_SITE": str(folder / "site.yaml"),
            },
        )
    finally:
        subprocess.run([TOOL, "stop", folder], check=True, timeout=60)
        shutil.rmtree(folder)
