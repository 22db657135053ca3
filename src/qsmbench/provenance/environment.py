"""What a job ran on: packages, hardware, and every setting of threads, as one JSON object that equals another's where
the two are the same."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import Any

# What decides how many threads the libraries below numpy, scipy and torch start, and with which instructions.
THREAD_VARIABLES = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"),
    *("NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS", "OMP_PROC_BIND", "OMP_SCHEDULE", "MKL_CBWR", "OPENBLAS_CORETYPE"),
    *("ATEN_CPU_CAPABILITY", "MKL_ENABLE_INSTRUCTIONS", "ONEDNN_MAX_CPU_ISA", "NPY_DISABLE_CPU_FEATURES"),
    *("CUBLAS_WORKSPACE_CONFIG", "CUDA_VISIBLE_DEVICES", "PYTHONHASHSEED"),
)


def environment() -> dict[str, Any]:
    """Return Python, packages, operating system, processor, libraries and thread variables; nothing that a run changes.

    GPUs and torch's settings are told where torch is loaded: loading it to ask takes seconds.
    """
    return {
        "python": platform.python_version(),
        "packages": packages(),
        "system": f"{platform.system()} {platform.machine()}",
        "libc": " ".join(platform.libc_ver()).strip(),
        "hardware": {"processor": processor(), "cores": os.cpu_count(), "gpus": gpus()},
        "libraries": libraries(),
        "thread_variables": {name: os.environ[name] for name in THREAD_VARIABLES if name in os.environ},
    }


def packages() -> dict[str, str]:
    """Installed packages with their versions, from the names of their folders: reading each takes a third of a second.

    >>> packages()["numpy"].split(".")[0]
    '2'
    """
    found: dict[str, str] = {}
    for place in sys.path:
        for path in Path(place or ".").glob("*.dist-info"):
            # PEP 427: name and version are escaped, so that one hyphen is between them.
            name, _, number = path.name.removesuffix(".dist-info").partition("-")
            # The first on the path is the one that is imported.
            found.setdefault(name.lower().replace("_", "-"), number)
    return dict(sorted(found.items()))


def processor() -> str:
    """The processor's model.

    >>> processor() != ""
    True
    """
    path = Path("/proc/cpuinfo")
    if path.is_file():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def gpus() -> list[str]:
    """Names of the CUDA devices, where torch is loaded."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return []
    return [f"{torch.cuda.get_device_name(i)}, CUDA {torch.version.cuda}" for i in range(torch.cuda.device_count())]


def libraries() -> list[str]:
    """The BLAS and OpenMP libraries that are loaded, with the processor's kind that they compute for."""
    from threadpoolctl import threadpool_info

    found = {
        " ".join(str(info[key]) for key in ("internal_api", "version", "architecture") if info.get(key))
        for info in threadpool_info()
    }
    return sorted(found)


def threads() -> dict[str, int]:
    """How many threads the loaded libraries use now, by library."""
    from threadpoolctl import threadpool_info

    found = {str(info["internal_api"]): int(info["num_threads"]) for info in threadpool_info()}
    torch = sys.modules.get("torch")
    if torch is not None:
        found["torch"] = int(torch.get_num_threads())
    return dict(sorted(found.items()))
