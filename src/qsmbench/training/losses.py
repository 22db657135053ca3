"""What a network is trained to make small; all are means over the voxels inside the masks, in scaled units.

- l1: |chi^ - chi|, as Meta-QSM (Liu & Koch 2019);
- l2: (chi^ - chi)^2, as DeepQSM (Bollmann 2019, doi 10.1016/j.neuroimage.2019.03.060);
- qsmnet: l1 + 0.5 model + 0.1 gradient (Yoon 2018, doi 10.1016/j.neuroimage.2018.06.030): the model term compares the
  fields of both maps, |d * chi^ - d * chi|, the gradient term the sizes of their forward differences along each axis,
  ||G chi^| - |G chi||. Fields are divided by the standard deviation of the training fields, as the network's input is.
"""

from __future__ import annotations

import torch

from qsmbench.networks.scaling import Scaling
from qsmbench.physics.dipole import DipoleConvolution
from qsmbench.training.batches import Batch

# The authors' weights (their published training code).
MODEL_WEIGHT, GRADIENT_WEIGHT = 0.5, 0.1


def loss_of(name: str, estimate: torch.Tensor, batch: Batch, scaling: Scaling) -> torch.Tensor:
    """Return the loss named ``name`` of an ``estimate`` (B, 1, X, Y, Z) in units of chi's standard deviation."""
    error = (estimate - batch.chi) * batch.mask
    n = batch.mask.sum()
    if name == "l2":
        return (error**2).sum() / n
    absolute = error.abs().sum() / n
    if name == "l1":
        return absolute
    model = torch.stack([_field(e[0], batch, i) for i, e in enumerate(error)]).abs()
    field_unit = scaling.chi_std / scaling.field_std
    model_loss = field_unit * (model * batch.mask[:, 0]).sum() / n
    gradient_loss = torch.stack([_difference(estimate, batch, axis) for axis in (2, 3, 4)]).sum() / n
    return absolute + MODEL_WEIGHT * model_loss + GRADIENT_WEIGHT * gradient_loss


def _field(chi: torch.Tensor, batch: Batch, index: int) -> torch.Tensor:
    return DipoleConvolution(batch.grids[index], device=chi.device)(chi)


def _difference(estimate: torch.Tensor, batch: Batch, axis: int) -> torch.Tensor:
    """Sum of ||G chi^| - |G chi|| along an axis, over pairs of voxels inside the mask."""
    n = estimate.shape[axis] - 1
    pairs = batch.mask.narrow(axis, 1, n) & batch.mask.narrow(axis, 0, n)
    found, true = (x.diff(dim=axis).abs() for x in (estimate, batch.chi))
    return ((found - true).abs() * pairs).sum()
