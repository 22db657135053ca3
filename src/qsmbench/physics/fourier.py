"""Zero-padded Fourier filtering of volumes, as fast as one core allows.

A padded filter needs only the part of each transform that is not known to be zero (before) or about to be cropped
(after), so every axis is padded just before its own one-dimensional pass and cropped right after its inverse one.
On the CPU the passes are scipy's (pocketfft beats torch's FFT on these sizes and gives the same bits for any number of
workers); on a GPU torch's.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.fft
import torch

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Shape


def n_workers() -> int:
    """Threads for scipy's FFT: what this process may use; results do not depend on it."""
    # Linux alone tells which cores this process may use.
    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(torch.get_num_threads(), n_cores)


def padded_shape(shape: Sequence[int], padding: float) -> Shape:
    """Return the fast FFT sizes that hold ``padding`` times each axis (``padding`` = 1 keeps the shape as it is).

    Raises:
        InputError: padding below 1.
    """
    if not padding >= 1:
        raise InputError(f"padding is a factor of at least 1, got {padding}")
    if padding == 1:
        nx, ny, nz = shape
    else:
        nx, ny, nz = (int(scipy.fft.next_fast_len(math.ceil(n * padding - 1e-9), real=True)) for n in shape)
    return (nx, ny, nz)


def rfftn(x: torch.Tensor, padded: Shape) -> torch.Tensor:
    """Transform the last three axes of a real ``x``, zero-padded at the end to ``padded``; half spectrum along z."""
    if x.device.type != "cpu":
        half = torch.fft.rfft(x, n=padded[2], dim=-1)
        full: torch.Tensor = torch.fft.fft(torch.fft.fft(half, n=padded[1], dim=-2), n=padded[0], dim=-3)
        return full
    workers = n_workers()
    spectrum: Any = scipy.fft.rfft(x.numpy(), n=padded[2], axis=-1, workers=workers)
    spectrum = scipy.fft.fft(spectrum, n=padded[1], axis=-2, workers=workers, overwrite_x=True)
    spectrum = scipy.fft.fft(spectrum, n=padded[0], axis=-3, workers=workers, overwrite_x=True)
    result: torch.Tensor = torch.from_numpy(spectrum)
    return result


def irfftn(spectrum: torch.Tensor, padded: Shape, shape: Sequence[int]) -> torch.Tensor:
    """Invert :func:`rfftn` and crop to ``shape``; a CPU ``spectrum`` may be overwritten."""
    if spectrum.device.type != "cpu":
        x = torch.fft.ifft(spectrum, dim=-3)[..., : shape[0], :, :]
        x = torch.fft.ifft(x, dim=-2)[..., : shape[1], :]
        cropped: torch.Tensor = torch.fft.irfft(x, n=padded[2], dim=-1)[..., : shape[2]]
        return cropped.contiguous()
    workers = n_workers()
    data: Any = scipy.fft.ifft(spectrum.numpy(), axis=-3, workers=workers, overwrite_x=True)[..., : shape[0], :, :]
    data = scipy.fft.ifft(data, axis=-2, workers=workers, overwrite_x=True)[..., : shape[1], :]
    data = scipy.fft.irfft(data, n=padded[2], axis=-1, workers=workers)[..., : shape[2]]
    result: torch.Tensor = torch.from_numpy(np.ascontiguousarray(data))
    return result


class FourierFilter:
    """The linear operator x -> crop(F^-1[m F[pad(x)]]) for a real, even multiplier m; it is its own adjoint.

    Args:
        multiplier: real half spectrum of shape (X, Y, Z // 2 + 1) on the padded grid; even in k, so that the filter
            maps real to real and is self-adjoint.
        shape: the unpadded shape of the volumes.
        padded: the padded shape (X, Y, Z).

    Differentiable: the gradient of a self-adjoint operator is the operator itself.
    """

    def __init__(self, multiplier: torch.Tensor, shape: Shape, padded: Shape) -> None:
        self.multiplier, self.shape, self.padded = multiplier, shape, padded

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Filter the last three axes of ``x`` (..., x, y, z)."""
        if tuple(x.shape[-3:]) != self.shape:
            raise InputError(f"volume has shape {tuple(x.shape)}, but the filter was made for {self.shape}")
        if not (x.requires_grad and torch.is_grad_enabled()):
            return self.filtered(x)
        from qsmbench.physics.self_adjoint import apply

        return apply(self.filtered, x)

    def filtered(self, x: torch.Tensor) -> torch.Tensor:
        """Do so without a gradient."""
        spectrum = rfftn(x.detach(), self.padded)
        spectrum *= self.multiplier
        return irfftn(spectrum, self.padded, self.shape)
