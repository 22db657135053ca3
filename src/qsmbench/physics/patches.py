"""The dipole model on patches of a volume, and what the tissue outside a patch adds to the field inside it.

    field_p = D_p chi_p + R_p D (chi - E_p chi_p),      D_p = R_p D E_p,

with D the convolution on the whole volume, R_p the restriction to a patch, E_p its adjoint (zero-filling). The dipole
is not local: fitting D_p chi_p to the measured field ascribes the second term to sources inside the patch. Phase
compensation subtracts it, with chi the current estimate (Zhang 2024, doi 10.1016/j.media.2024.103173).

D_p is no kernel of the patch's own size: it takes the whole volume's kernel in real space, at the displacements that
occur inside a patch, on a grid that holds all of them (2 n - 1). So D_p is R_p D E_p to rounding, on any grid.
"""

from __future__ import annotations

import itertools
import math
from typing import TypeAlias

import scipy.fft
import torch

from qsmbench.core.grid import Shape
from qsmbench.physics.fourier import FourierFilter, irfftn, rfftn

Box: TypeAlias = tuple[slice, slice, slice]


def patch_boxes(shape: Shape, patch: Shape, stride: Shape) -> list[Box]:
    """Boxes of one size that cover a volume; the last along an axis ends with the volume.

    Args:
        shape: of the volume.
        patch: size of a box; an axis that is longer than the volume's is cut to it.
        stride: steps between boxes, at most the patch's size for full coverage.

    >>> [box[2] for box in patch_boxes((4, 4, 10), (4, 4, 4), (4, 4, 3))]
    [slice(0, 4, None), slice(3, 7, None), slice(6, 10, None)]
    """
    spans = []
    for n, size, step in zip(shape, patch, stride, strict=True):
        length = min(n, size)
        last = n - length
        starts = [*range(0, last, min(step, length)), last]
        spans.append([slice(start, start + length) for start in starts])
    x, y, z = spans
    return list(itertools.product(x, y, z))


def patch_filter(whole: FourierFilter, patch: Shape) -> FourierFilter:
    """Return D_p = R_p D E_p for patches of a size, from D on the whole volume; exact but for rounding.

    Args:
        whole: a convolution with an even kernel (`DipoleConvolution`), whatever its padding.
        patch: size, no axis longer than the volume's.
    """
    if patch == whole.shape:
        return whole
    spectrum = whole.multiplier.to(torch.complex128)
    kernel = irfftn(spectrum, whole.padded, whole.padded)
    nx, ny, nz = (int(scipy.fft.next_fast_len(2 * n - 1, real=True)) for n in patch)
    held = torch.zeros((nx, ny, nz), dtype=torch.float64, device=kernel.device)
    spans = [(_front(n), _back(n)) for n in patch]
    for corner in itertools.product(*spans):
        held[corner] = kernel[corner]
    multiplier = rfftn(held, (nx, ny, nz)).real.to(whole.multiplier.dtype)
    return FourierFilter(multiplier.contiguous(), patch, (nx, ny, nz))


def outside_field(chi: torch.Tensor, field: torch.Tensor, box: Box, inside: FourierFilter) -> torch.Tensor:
    """Field that chi outside ``box`` makes inside it, in ppm, the shape of the box.

    Args:
        chi: (x, y, z) of the whole volume, ppm.
        field: D chi on the whole volume.
        box: the patch.
        inside: `patch_filter` for its size.
    """
    return field[box] - inside(chi[box].contiguous())


def even_stride(shape: Shape, patch: Shape, overlap: float) -> Shape:
    """Return the largest strides that overlap neighbours by ``overlap`` of a patch at least, spread evenly.

    >>> even_stride((100, 64, 10), (64, 64, 64), 0.25)
    (36, 64, 10)
    """
    strides = []
    for n, size in zip(shape, patch, strict=True):
        length = min(n, size)
        n_steps = math.ceil((n - length) / max(1, math.floor(length * (1 - overlap))))
        strides.append(math.ceil((n - length) / n_steps) if n_steps else length)
    x, y, z = strides
    return (x, y, z)


def _front(n: int) -> slice:
    return slice(0, n)


def _back(n: int) -> slice:
    # Negative displacements stand at the end of an axis; a patch of one voxel has none.
    return slice(1 - n, None) if n > 1 else slice(0, 0)
