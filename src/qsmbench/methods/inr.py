"""INR-QSM: chi of one subject as a neural field, fitted through the dipole model; no training data.

    theta = argmin sum_p loss( D_p chi_theta, field_p - field of chi outside p ),    chi(x) = 0.05 ppm network_theta(x)

Zhang 2024, doi 10.1016/j.media.2024.103173. The loss is in `field_loss`, patches and phase compensation in
`physics.patches`, the fit in `neural_fit`. Two presets set what is not given:

`paper`: a SIREN (Sitzmann 2020) of 10 layers of 512 on patches of 96 x 96 x 48, as published.

`fast`: for a CPU. Features on nested grids mixed by a small network (after Mueller 2022, doi 10.1145/3528223.3530127)
start from a map of `spectral_tv` (the authors start from another subject's weights), the variation counts as L1, and
the error of the field, estimated from the scan, sets the data term and every weight (`inr_noise`). A head fits into one
patch; nothing is outside then, and nothing needs compensation.

Chi is zero outside the mask: a local field has its sources inside. That also settles the constant that the field does
not show. As the field is continuous, it can be sampled between the voxels: `upsample`.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from qsmbench.core.damage import shown
from qsmbench.core.errors import InputError
from qsmbench.core.scan import Scan
from qsmbench.core.seeds import seed_for
from qsmbench.methods.contract import Reconstruction, ReconstructionError
from qsmbench.methods.convergence import Convergence
from qsmbench.methods.crop import Box, crop_scan, mask_box, uncrop
from qsmbench.methods.echo_spacing import radians_per_ppm
from qsmbench.methods.fastqsm import fast_qsm
from qsmbench.methods.field_error import FieldError, field_error
from qsmbench.methods.field_loss import UNIT, FieldLoss, Terms, edge_weights, noise_level
from qsmbench.methods.inr_noise import colour_of, variation_tau
from qsmbench.methods.inr_settings import INRSettings, patch_shape
from qsmbench.methods.l2 import L2
from qsmbench.methods.neural_fit import NeuralFit, Schedule, lattice_axes
from qsmbench.methods.notes import gathered_notes, note
from qsmbench.methods.place import Place
from qsmbench.methods.spectral_tv import SpectralTV
from qsmbench.networks.lattice import pieces
from qsmbench.networks.snapshot import load_snapshot, save_snapshot
from qsmbench.physics.dipole import DipoleConvolution
from qsmbench.physics.patches import even_stride, patch_boxes

if TYPE_CHECKING:
    from qsmbench.networks.neural_field import NeuralField

FORMAT = "qsmbench-neural-field-1"
# Of the regularization that follows white noise: its factor is 1 at the first, grows with this power, and has a least
# value. Gaussian noise with a fixed prior would have it grow with the square; on the 2016 head 1.5 suits better.
REFERENCE_NOISE, NOISE_POWER, LEAST_NOISE_FACTOR = 0.0025, 1.5, 0.15
_PATHS = ("checkpoint", "save", "warm_start")


@dataclass(frozen=True, init=False)
class INRQSM(INRSettings):
    """Implicit neural representation of chi (Zhang 2024); options left out are the preset's."""

    def invert(self, scan: Scan) -> tuple[torch.Tensor, tuple[Convergence, ...]]:
        """Fit, and sample the field at the voxels."""
        network, cropped, box, courses = self.fit(scan)
        chi = network.sample(lattice_axes(cropped.grid), cropped.mask, self.chunk)
        return uncrop(chi.mul_(UNIT), box, scan.grid), courses

    def reconstruct(self, scan: Scan) -> Reconstruction:
        """See `Method.reconstruct`; with ``upsample`` the map has a finer grid of its own."""
        if self.upsample == 1:
            return super().reconstruct(scan)
        n = self.upsample
        place = Place.of(scan, self.margin)
        with torch.no_grad(), gathered_notes() as lines:
            network, cropped, box, courses = self.fit(place.scan)
            mask = cropped.mask
            for axis in range(3):
                mask = mask.repeat_interleave(n, dim=axis)
            chi = network.sample(lattice_axes(cropped.grid, n), mask, self.chunk).mul_(UNIT)
        if not bool(torch.isfinite(chi).all()):
            raise ReconstructionError(f"{type(self).__name__} gave non-finite voxels")
        x, y, z = (slice(s.start * n, s.stop * n) for s in box)
        fine = uncrop(chi, (x, y, z), place.scan.grid.refined(n))
        return Reconstruction(place.restore(fine, n), courses, scan.grid.refined(n)).with_notes(lines)

    def fit(self, scan: Scan) -> tuple[NeuralField, Scan, Box, tuple[Convergence, ...]]:
        """Fit the network; return it with the scan on the mask's box, that box, and the courses of the fit.

        The network's values are in units of 0.05 ppm, its coordinates in mm from the box's centre.
        """
        box = mask_box(scan.mask)
        work = crop_scan(scan, box)
        whole = DipoleConvolution(work.grid, self.padding, scan.device)
        maps = {kind: _first_map(kind, work, whole) for kind in {self.edges, self.start} - {"none", "random"}}
        boxes = patches(work.mask, self)
        error = field_error(work) if self.noise_model == "spectrum" else None
        if error is not None:
            note(error.note)
        loss = self._loss(work, whole, maps, error, boxes[0])
        network = self._network(work)
        if self.warm_start is not None:
            self._load(network)
        elif self.start != "random":
            _start_from(network, maps[self.start], work, self)
        fit = NeuralFit(
            work,
            network=network,
            optimiser=torch.optim.Adam(_groups(network, self.learning_rate), betas=_BETAS[self.network], eps=1e-12),
            whole=whole,
            loss=loss,
            boxes=boxes,
            schedule=self._schedule(scan.device),
            checkpoint=self.checkpoint,
            identity=self._identity(scan),
        )
        courses = fit.run()
        if self.save is not None:
            content = {"format": FORMAT, "about": self._about(), "network": network.state_dict()}
            save_snapshot(Path(self.save), content)
        return network, work, box, courses

    def _loss(
        self,
        work: Scan,
        whole: DipoleConvolution,
        maps: dict[str, torch.Tensor],
        error: FieldError | None,
        box: Box,
    ) -> FieldLoss:
        tau, colour = self.tv_weight, None
        if error is not None:
            tau = variation_tau(error, self.variation, min(work.grid.voxel_size))
            start = maps.get(self.start)
            x, y, z = (s.stop - s.start for s in box)
            residual = None if start is None else work.local_field - whole(start)
            colour = colour_of(work, error, self.spectrum, residual, (x, y, z))
        elif self.noise_model == "white":
            tau *= max((noise_level(work) / REFERENCE_NOISE) ** NOISE_POWER, LEAST_NOISE_FACTOR)
        phase = radians_per_ppm(work, None) if self.data_term == "nonlinear" else None
        terms = Terms(tau, self.tv_norm, self.tv_smoothing, self.gradient_weight, phase)
        edges = _edges(self, maps.get(self.edges), work)
        return FieldLoss(work, terms, edges, self.held_out, self.seed, self.held_out_block, colour)

    def _network(self, scan: Scan) -> NeuralField:
        from qsmbench.networks.grid_field import GridField
        from qsmbench.networks.siren import Siren

        # A generator of its own for the weights would have to be handed down to every layer of torch.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_for(self.seed, "network") % 2**63)
            network: NeuralField
            if self.network == "siren":
                network = Siren(max(scan.grid.extent), self.layers, self.width, self.omega)
            else:
                grid = scan.grid
                network = GridField(grid.shape, grid.voxel_size, self.levels, self.features, self.width)
        return network.to(scan.device)

    def _about(self) -> dict[str, Any]:
        names = ("layers", "width", "omega") if self.network == "siren" else ("levels", "features", "width")
        return {"network": self.network, **{name: getattr(self, name) for name in names}}

    def _load(self, network: NeuralField) -> None:
        content = load_snapshot(Path(str(self.warm_start)), "the warm start")
        if content.get("format") != FORMAT:
            raise InputError(f"the warm start {self.warm_start} is no file written with --option save=FILE")
        if content.get("about") != self._about():
            other = shown(repr(content.get("about")))[:200]
            raise InputError(f"the warm start {self.warm_start} is of {other}, not {self._about()}")
        try:
            network.load_state_dict(content["network"])
        except (KeyError, TypeError, AttributeError, RuntimeError) as error:
            raise InputError(
                f"the warm start {self.warm_start} is of another volume: grids fit their own shape; use network=siren"
            ) from error

    def _schedule(self, device: torch.device) -> Schedule:
        return Schedule(
            epochs=self.epochs,
            final_rate=self.final_rate,
            tolerance=self.tolerance,
            patience=self.patience,
            refresh=self.refresh if self.compensation else 0,
            informed=self.start != "random" or self.warm_start is not None,
            chunk=self.chunk,
            mixed=self.precision == "mixed" or (self.precision == "auto" and device.type == "cuda"),
            seed=self.seed,
        )

    def _identity(self, scan: Scan) -> str:
        """All that the fitted network follows from; sampling and file names are no part of it."""
        digest = hashlib.sha256()
        for volume in (scan.local_field, scan.mask, scan.field_noise):
            digest.update(b"" if volume is None else np.ascontiguousarray(volume.cpu().numpy()).tobytes())
        if self.warm_start is not None and Path(self.warm_start).is_file():
            digest.update(Path(self.warm_start).read_bytes())
        kept = {k: v for k, v in asdict(self).items() if k not in {*_PATHS, "preset", "upsample"}}
        return f"{digest.hexdigest()} {scan.grid} {scan.b0} {scan.echo_times} {sorted(kept.items())}"


# Second moments over 100 steps where there are some hundred in all; else Adam's defaults.
_BETAS = {"siren": (0.9, 0.999), "grid": (0.9, 0.99)}
# The mixing network's learning rate over that of the grids, whose gradients touch a node now and then.
_MIXER_RATE = 0.05
# Passes over the volume that fit a SIREN to a map before the field is looked at.
_START_EPOCHS = 5


def _groups(network: NeuralField, rate: float) -> list[dict[str, Any]]:
    from qsmbench.networks.grid_field import GridField

    if not isinstance(network, GridField):
        return [{"params": list(network.parameters()), "lr": rate}]
    grids = {id(p) for p in network.grids}
    mixer = [p for p in network.parameters() if id(p) not in grids]
    return [{"params": list(network.grids), "lr": rate}, {"params": mixer, "lr": rate * _MIXER_RATE}]


def _first_map(kind: str, scan: Scan, whole: DipoleConvolution) -> torch.Tensor:
    if kind == "fastqsm":
        return fast_qsm(scan, whole) * scan.mask
    # What the map's own method has to say is none of the fit's.
    with gathered_notes():
        return (SpectralTV() if kind == "spectral-tv" else L2())(scan) * scan.mask


def _edges(settings: INRSettings, chi: torch.Tensor | None, scan: Scan) -> torch.Tensor:
    flat = chi is None
    volume = torch.zeros(scan.grid.shape, device=scan.device) if chi is None else chi
    percents = (100.0, 100.0) if flat else (settings.edge_low, settings.edge_high)
    return edge_weights(volume, scan.mask, scan.grid.voxel_size, percents, settings.edge_floor)


def _start_from(network: NeuralField, chi: torch.Tensor, scan: Scan, settings: INRSettings) -> None:
    from qsmbench.networks.grid_field import GridField

    if isinstance(network, GridField):
        network.start_from(chi / UNIT)
        return
    axes = lattice_axes(scan.grid)
    optimiser = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    with torch.enable_grad():
        for _ in range(_START_EPOCHS):
            for index in pieces(scan.mask, settings.chunk):
                optimiser.zero_grad(set_to_none=True)
                error = network.on_lattice(axes, index) - chi.view(-1)[index] / UNIT
                torch.autograd.backward(error.square().mean())
                optimiser.step()


def patches(mask: torch.Tensor, settings: INRSettings) -> list[Box]:
    """Patches with enough tissue, and as many of the others as it takes to cover every voxel of the mask."""
    x, y, z = mask.shape
    size = patch_shape(settings.patch)
    boxes = patch_boxes((x, y, z), size, even_stride((x, y, z), size, settings.overlap))
    share = [float(mask[box].float().mean()) for box in boxes]
    kept = [box for box, s in zip(boxes, share, strict=True) if s >= settings.min_tissue]
    missing = mask.clone()
    for box in kept:
        missing[box] = False
    rest = sorted((i for i, s in enumerate(share) if s < settings.min_tissue), key=lambda i: -share[i])
    for i in rest:
        if missing[boxes[i]].any():
            kept.append(boxes[i])
            missing[boxes[i]] = False
    return kept
