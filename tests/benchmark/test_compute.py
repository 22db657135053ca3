"""Threads and determinism of a process that computes."""

import subprocess
import sys


def test_threads_wait_without_work_and_operations_are_deterministic():
    # In a process of its own: the library reads how to wait when it is loaded.
    script = """
import os, sys
os.environ.pop("OMP_WAIT_POLICY", None)
from qsmbench.benchmark.compute import set_up
assert "torch" not in sys.modules
assert set_up(2, "cpu") == "cpu"
import torch
print(os.environ["OMP_WAIT_POLICY"], torch.get_num_threads(), torch.are_deterministic_algorithms_enabled())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["PASSIVE", "2", "True"]
