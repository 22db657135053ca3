"""A real SLURM of one node for the tests of this folder, started once and stopped whatever happens."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "tools/one_node_slurm"


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(item.fspath).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.slurm)
            # One cluster, so one process of pytest-xdist.
            item.add_marker(pytest.mark.xdist_group("slurm"))


@pytest.fixture(scope="session")
def cluster():
    """Environment with which sbatch, srun and squeue reach the cluster."""
    if shutil.which("slurmctld", path=os.environ["PATH"] + ":/usr/sbin") is None:
        pytest.skip("SLURM is not installed (tools/one_node_slurm install)")
    # A socket's path must be short: not pytest's own folder.
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    try:
        subprocess.run([TOOL, "start", folder], check=True, timeout=60)
        (folder / "site.yaml").write_text("cpu_partition: cpu\ngpu_partition: gpu\ngpus_per_node: 4\n")
        yield os.environ | {
            "SLURM_CONF": str(folder / "slurm.conf"),
            "PATH": f"{folder / 'bin'}:/usr/sbin:{os.environ['PATH']}",
            "QSMBENCH_SITE": str(folder / "site.yaml"),
            "OMP_NUM_THREADS": "1",
        }
    finally:
        subprocess.run([TOOL, "stop", folder], check=True, timeout=60)
        shutil.rmtree(folder)
