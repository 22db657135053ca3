"""Threads, determinism and device of a process that computes."""

from __future__ import annotations

from qsmbench.core.errors import InputError


def set_up(threads: int | None = 1, device: str = "auto") -> str:
    """Fix threads and determinism; return the device's name for torch.

    Args:
        threads: of the CPU; None leaves them. Results on a CPU are the same bits for the same number.
        device: auto, cpu or cuda.

    Raises:
        InputError: CUDA asked for and not there, or no positive number of threads.
    """
    import torch

    if threads is not None:
        if threads < 1:
            raise InputError(f"--threads must be at least 1, got {threads}")
        torch.set_num_threads(threads)
    # What `use_deterministic_algorithms(True, warn_only=True)` sets, which imports torch's compiler besides: 1.3 s.
    torch.set_deterministic_debug_mode("warn")
    if device == "cpu":
        return "cpu"
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise InputError("--device cuda: torch finds no CUDA device; use --device cpu, or see docs/installation.md")
    return "cuda" if available else "cpu"
