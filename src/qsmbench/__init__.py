"""qsmbench: a reproducible benchmark platform for Quantitative Susceptibility Mapping.

    import qsmbench

    scan = qsmbench.load_scan("localfield.nii.gz", "mask.nii.gz")
    chi = qsmbench.reconstruct("tv", scan)
    qsmbench.score(chi, "chi_true.nii.gz", scan.mask)["rmse"]

Names are imported when they are used, so that `import qsmbench` costs nothing. It sets OMP_WAIT_POLICY to PASSIVE where
that is not set.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qsmbench.api import Map, example_scan, forward_field, load_scan, load_set, methods, prepare, reconstruct, score
    from qsmbench.api_background import remove_background
    from qsmbench.core.errors import InputError
    from qsmbench.core.grid import Grid
    from qsmbench.core.scan import Reference, Scan

# Torch's threads would otherwise keep their cores busy while they wait, and those of the FFT find none: two threads
# were as slow as one (benchmarks/speed.md). The OpenMP library reads it when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

_PLACES = {
    "Grid": "qsmbench.core.grid",
    "InputError": "qsmbench.core.errors",
    "Map": "qsmbench.api",
    "Reference": "qsmbench.core.scan",
    "Scan": "qsmbench.core.scan",
    "example_scan": "qsmbench.api",
    "forward_field": "qsmbench.api",
    "load_scan": "qsmbench.api",
    "load_set": "qsmbench.api",
    "prepare": "qsmbench.api",
    "reconstruct": "qsmbench.api",
    "remove_background": "qsmbench.api_background",
    "score": "qsmbench.api",
}

__all__ = [
    "Grid",
    "InputError",
    "Map",
    "Reference",
    "Scan",
    "example_scan",
    "forward_field",
    "load_scan",
    "load_set",
    "methods",
    "prepare",
    "reconstruct",
    "remove_background",
    "score",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("qsmbench")
    if name == "methods":
        # The folder of that name, which can be called: importing any method puts it here anyway.
        return importlib.import_module("qsmbench.methods")
    if name not in _PLACES:
        raise AttributeError(f"module 'qsmbench' has no attribute '{name}'")
    return getattr(importlib.import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
