"""DIP: an untrained U-Net's output, fitted to the field of one scan; the comparator of INR-QSM.

    theta = argmin  mean_m w |D U_theta(z) - field|^2 + tau TV(U_theta(z)),   chi = m 0.05 ppm U_theta(z),   z noise

Ulyanov 2018, doi 10.1109/CVPR.2018.00984: convolutions learn structure before noise, so that stopping early is the
regularization. Which step that is, held-out voxels tell: their residual falls while the network learns the field and
rises when it learns its noise. The map of the best one so far is kept. The loss is that of INR-QSM (`field_loss`) and,
by default, without variation: that prior is not the network's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from qsmbench.core.scan import Scan
from qsmbench.core.seeds import seed_for
from qsmbench.methods.contract import Method, ReconstructionError, parameter
from qsmbench.methods.convergence import Convergence, Iteration
from qsmbench.methods.crop import crop_scan, mask_box, uncrop
from qsmbench.methods.field_loss import UNIT, FieldLoss, Terms, edge_weights
from qsmbench.physics.dipole import DipoleConvolution


@dataclass(frozen=True)
class DIP(Method):
    """Deep image prior (Ulyanov 2018) on the dipole model."""

    channels: int = parameter(8, "feature maps of the first level, doubled at each further one", at_least=1)
    levels: int = parameter(3, "resolutions of the U-Net", at_least=1)
    max_iterations: int = parameter(300, "most steps", at_least=1)
    learning_rate: float = parameter(3e-3, "of Adam (Ulyanov 2018: 0.01, at which a head's fit stood still)", above=0)
    tv_weight: float = parameter(0.0, "of total variation, as INR-QSM's", at_least=0)
    held_out: float = parameter(0.01, "share of voxels kept from the data term to stop by", above=0, below=1)
    patience: int = parameter(50, "steps without a new least held-out residual after which the fit ends", at_least=1)
    padding: float = parameter(1.25, "zero-padding of the convolution against wrap-around", at_least=1)
    seed: int = parameter(0, "of the input, the weights and the held-out voxels", at_least=0)

    def invert(self, scan: Scan) -> tuple[torch.Tensor, tuple[Convergence, ...]]:
        """Fit on the mask's box; return the map with the least held-out residual."""
        box = mask_box(scan.mask)
        work = crop_scan(scan, box)
        grid = work.grid
        whole = DipoleConvolution(grid, self.padding, scan.device)
        edges = edge_weights(torch.zeros(grid.shape, device=scan.device), work.mask, grid.voxel_size, (100, 100), 0)
        loss_of = FieldLoss(work, Terms(self.tv_weight, "l1", 0.03, 0.0), edges, self.held_out, self.seed)
        everything = (slice(None), slice(None), slice(None))
        # Torch's layers draw from the global generator; drawn on the CPU, weights and input are the same everywhere.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_for(self.seed, "deep image prior") % 2**63)
            from qsmbench.networks.deep_prior import DeepPrior

            network = DeepPrior(self.channels, self.levels).to(scan.device)
            noise = torch.rand(1, self.channels, *grid.shape).mul_(0.1).to(scan.device)
        optimiser = torch.optim.Adam(network.parameters(), lr=self.learning_rate)
        held = loss_of.held_out
        if not held.any():
            held = work.mask
        best, best_chi, since = math.inf, torch.zeros(grid.shape, device=scan.device), 0
        losses = []
        with Iteration("DIP", "held-out residual, ppb", 0.0, self.max_iterations) as iteration, torch.enable_grad():
            for step in range(self.max_iterations):
                chi = network(noise) * work.mask
                loss, residual = loss_of(chi, whole(chi), everything)
                optimiser.zero_grad(set_to_none=True)
                torch.autograd.backward(loss)
                optimiser.step()
                losses.append(float(loss.detach()))
                if not math.isfinite(losses[-1]):
                    raise ReconstructionError(f"the loss became {losses[-1]} at step {step}; lower learning_rate")
                now = 1000 * UNIT * math.sqrt(float(residual[held].double().square().mean()))
                since += 1
                if now < best:
                    best, best_chi, since = now, chi.detach(), 0
                if iteration.step(now, converged=since >= self.patience, shown={"loss": f"{losses[-1]:.3g}"}):
                    break
        course = Convergence("DIP loss", "loss", 0.0, tuple(losses), iteration.converged)
        return uncrop(best_chi * UNIT, box, scan.grid), (iteration.convergence, course)
