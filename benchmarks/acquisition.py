"""Time and peak memory of a simulated acquisition at a protocol's full matrix, on one thread.

python benchmarks/acquisition.py research healthy          # or: clinical, any case, --scale X Y Z
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import resource
import time

import torch

from qsmbench.core.seeds import generator_for
from qsmbench.simulation.acquisition.cases import CASES
from qsmbench.simulation.acquisition.head import phantom_head
from qsmbench.simulation.acquisition.object import make_object
from qsmbench.simulation.acquisition.protocol import PROTOCOLS
from qsmbench.simulation.acquisition.scan import simulate, whole_field


def main() -> None:
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("protocol", nargs="?", choices=PROTOCOLS, default="research")
    parser.add_argument("case", nargs="?", choices=CASES, default="healthy")
    parser.add_argument("--scale", type=float, nargs=3, metavar=("X", "Y", "Z"), help="of the voxels, coarser above 1")
    given = parser.parse_args()
    protocol, case = PROTOCOLS[given.protocol], CASES[given.case]
    if given.scale:
        protocol = protocol.scaled(tuple(given.scale))
    rows = []

    def timed(label, function):
        started = time.process_time()
        result = function()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        rows.append((label, time.process_time() - started, peak))
        return result

    head = timed("head at 1 mm", lambda: phantom_head(protocol, case.iron, 0))
    thing = timed("object on the fine grid", lambda: make_object(head, protocol, case))
    chi, grid = thing.chi, thing.grid
    # Only what the field needs, so that the peak is the whole simulation's own.
    del thing
    timed("one whole field", lambda: whole_field(chi, grid))
    print(f"{given.protocol}, {given.case}: image {protocol.matrix}, object {grid.shape}")
    timed("everything after the head", lambda: simulate(head, protocol, case, generator_for("benchmark")))
    print(f"{'step':28} {'CPU s':>8} {'peak GiB':>9}")
    for label, seconds, peak in rows:
        print(f"{label:28} {seconds:8.1f} {peak:9.2f}")


if __name__ == "__main__":
    main()
