"""INR-QSM: chi of one subject as a neural field, fitted through the dipole model; no training data.

    theta = argmin sum_p loss( D_p chi_theta, field_p - field of chi outside p ),    chi(x) = 0.05 ppm network_theta(x)

Zhang 2024, doi 10.1016/j.media.2024.103173. The loss is in `field_loss`, patches and phase compensation in
`physics.patches`, the fit in `neural_fit`. Two presets set what is not given:

`paper`: a SIREN (Sitzmann 2020) of 10 layers of 512 on patches of 96 x 96 x 48, as published.

`fast`: for a CPU. Features on nested grids mixed by a small network (after Mueller 2022, doi 10.1145/3528223.3530127)
start from the closed-form L2 map (Bilgic 2014), and the variation counts as L1, in proportion to the field's noise. A
head fits into one patch; nothing is outside then, and nothing needs compensation.

Chi is zero outside the mask: a local field has its sources inside. That also settles the constant that the field does
not show. As the field is continuous, it can be sampled between the voxels: `upsample`.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Shape
from qsmbench.core.scan import Scan
from qsmbench.core.seeds import seed_for
from qsmbench.methods.contract import Method, Reconstruction, ReconstructionError, parameter
from qsmbench.methods.convergence import Convergence
from qsmbench.methods.crop import Box, crop_scan, mask_box, uncrop
from qsmbench.methods.echo_spacing import radians_per_ppm
from qsmbench.methods.fastqsm import fast_qsm
from qsmbench.methods.field_loss import UNIT, FieldLoss, Terms, edge_weights, noise_level
from qsmbench.methods.inr_presets import PRESETS
from qsmbench.methods.l2 import L2
from qsmbench.methods.neural_fit import NeuralFit, Schedule, lattice_axes
from qsmbench.methods.place import Place
from qsmbench.networks.grid_field import GridField
from qsmbench.networks.neural_field import NeuralField, pieces
from qsmbench.networks.siren import Siren
from qsmbench.networks.snapshot import load_snapshot, save_snapshot
from qsmbench.physics.dipole import DipoleConvolution
from qsmbench.physics.patches import even_stride, patch_boxes

FORMAT = "qsmbench-neural-field-1"
# Of the regularisation that follows the noise: its factor is 1 at the first, grows with this power, and has a least
# value. Gaussian noise with a fixed prior would have it grow with the square; on the 2016 head 1.5 suits better.
REFERENCE_NOISE, NOISE_POWER, LEAST_NOISE_FACTOR = 0.0025, 1.5, 0.15
_PATHS = ("checkpoint", "save", "warm_start")


@dataclass(frozen=True)
class INRQSM(Method):
    """Implicit neural representation of chi (Zhang 2024); options left out are the preset's."""

    preset: str = parameter("fast", "what other options default to", choices=("fast", "paper"))
    network: str | None = parameter(None, "siren, or grid: nested grids of features", choices=("siren", "grid"))
    layers: int | None = parameter(None, "siren: sine layers (paper: 10)", at_least=1)
    width: int | None = parameter(None, "siren: of its layers (paper: 512); grid: of its hidden layer", at_least=0)
    omega: float | None = parameter(None, "siren: w0 (paper: 40)", above=0)
    levels: int | None = parameter(None, "grid: number of nested grids, each twice as fine as the last", at_least=1)
    features: int | None = parameter(None, "grid: numbers at each node", at_least=1)
    patch: str | None = parameter(None, "size of patches, voxels (paper: 96x96x48); an axis is cut to the volume's")
    overlap: float | None = parameter(
        None, "share of a patch that neighbours share (paper: 2/3)", at_least=0, at_most=0.95
    )
    min_tissue: float | None = parameter(
        None, "patches with a smaller share of tissue are skipped if others cover it (paper: 0.3)", at_least=0, below=1
    )
    compensation: bool | None = parameter(None, "subtract the field of what lies outside a patch (paper: true)")
    refresh: int | None = parameter(None, "epochs between two predictions for the compensation (paper: 5)", at_least=1)
    epochs: int | None = parameter(None, "most passes over the patches (paper: 50)", at_least=1)
    learning_rate: float | None = parameter(None, "of Adam at the start (paper: 1e-5)", above=0)
    final_rate: float | None = parameter(None, "at the end over that at the start (paper: 0.02)", above=0, at_most=1)
    tv_weight: float | None = parameter(None, "of the edge-weighted variation (paper: 0.15)", at_least=0)
    tv_norm: str | None = parameter(None, "l2 (paper), or l1: total variation", choices=("l1", "l2"))
    tv_smoothing: float | None = parameter(None, "of l1 near zero, in units of 0.05 ppm a voxel", above=0)
    noise_scaling: bool | None = parameter(None, "tv_weight grows as noise to the power 1.5; as given at 2.5 ppb")
    gradient_weight: float | None = parameter(None, "of the gradient of the field's residual (paper: 1)", at_least=0)
    edges: str | None = parameter(
        None, "map whose edges count less: fastqsm (paper), l2, none", choices=("fastqsm", "l2", "none")
    )
    edge_low: float | None = parameter(
        None, "percentile of |gradient| where weights begin to fall (paper: 50)", at_least=0, at_most=100
    )
    edge_high: float | None = parameter(None, "percentile where they end to (paper: 70)", at_least=0, at_most=100)
    edge_floor: float | None = parameter(None, "least weight of an edge (paper: 0)", at_least=0, at_most=1)
    start: str | None = parameter(
        None, "random (paper), or fitted to a map first: l2, fastqsm", choices=("random", "l2", "fastqsm")
    )
    data_term: str = parameter(
        "linear", "linear in the field, or nonlinear: complex exponentials", choices=("linear", "nonlinear")
    )
    held_out: float = parameter(0.01, "share of voxels kept from the data terms to watch the fit", at_least=0, below=1)
    tolerance: float | None = parameter(None, "stop when their residual changes by less, relatively, over patience")
    patience: int | None = parameter(None, "epochs over which that change is measured", at_least=1)
    padding: float | None = parameter(None, "zero-padding of the volume's convolution against wrap-around", at_least=1)
    chunk: int | None = parameter(None, "points of the network held at once: memory", at_least=1)
    precision: str = parameter(
        "auto",
        "single; mixed: network in bfloat16; auto: mixed on a GPU alone",
        choices=("auto", "single", "mixed"),
    )
    seed: int = parameter(0, "of weights, order of patches, held-out voxels", at_least=0)
    upsample: int = parameter(1, "sample chi on voxels this many times smaller along every axis", at_least=1)
    checkpoint: str | None = parameter(None, "folder: a fit that is stopped leaves its state there and goes on from it")
    save: str | None = parameter(None, "file to write the fitted network to")
    warm_start: str | None = parameter(None, "file written by save, of this or another subject, to start from")

    def __post_init__(self) -> None:
        super().__post_init__()
        options = self.resolved()
        _patch_shape(options.patch)
        if options.edge_low > options.edge_high:
            raise InputError(f"option edge_low must be <= edge_high, got {options.edge_low} and {options.edge_high}")
        if options.network == "siren" and options.width < 1:
            raise InputError("option width must be >= 1 for network=siren")

    def resolved(self) -> Any:
        """Return the parameters with the preset's in place of those left out."""
        missing = {f.name: PRESETS[self.preset][f.name] for f in fields(self) if getattr(self, f.name) is None}
        return _Options({**asdict(self), **{k: v for k, v in missing.items() if k not in _PATHS}})

    def invert(self, scan: Scan) -> tuple[torch.Tensor, tuple[Convergence, ...]]:
        """Fit, and sample the field at the voxels."""
        network, cropped, box, courses = self.fit(scan)
        chi = network.sample(lattice_axes(cropped.grid), cropped.mask, self.resolved().chunk)
        return uncrop(chi.mul_(UNIT), box, scan.grid), courses

    def reconstruct(self, scan: Scan) -> Reconstruction:
        """See `Method.reconstruct`; with ``upsample`` the map has a finer grid of its own."""
        if self.upsample == 1:
            return super().reconstruct(scan)
        n = self.upsample
        place = Place.of(scan, self.margin)
        with torch.no_grad():
            network, cropped, box, courses = self.fit(place.scan)
            mask = cropped.mask
            for axis in range(3):
                mask = mask.repeat_interleave(n, dim=axis)
            chi = network.sample(lattice_axes(cropped.grid, n), mask, self.resolved().chunk).mul_(UNIT)
        if not bool(torch.isfinite(chi).all()):
            raise ReconstructionError(f"{type(self).__name__} gave non-finite voxels")
        x, y, z = (slice(s.start * n, s.stop * n) for s in box)
        fine = uncrop(chi, (x, y, z), place.scan.grid.refined(n))
        return Reconstruction(place.restore(fine, n), courses, scan.grid.refined(n))

    def fit(self, scan: Scan) -> tuple[NeuralField, Scan, Box, tuple[Convergence, ...]]:
        """Fit the network; return it with the scan on the mask's box, that box, and the courses of the fit.

        The network's values are in units of 0.05 ppm, its coordinates in mm from the box's centre.
        """
        options = self.resolved()
        box = mask_box(scan.mask)
        work = crop_scan(scan, box)
        whole = DipoleConvolution(work.grid, options.padding, scan.device)
        tau = options.tv_weight
        if options.noise_scaling:
            tau *= max((noise_level(work) / REFERENCE_NOISE) ** NOISE_POWER, LEAST_NOISE_FACTOR)
        phase = radians_per_ppm(scan, None) if self.data_term == "nonlinear" else None
        terms = Terms(tau, options.tv_norm, options.tv_smoothing, options.gradient_weight, phase)
        maps = {kind: _closed_form(kind, work, whole) for kind in {options.edges, options.start} - {"none", "random"}}
        edges = _edges(options, maps.get(options.edges), work)
        loss = FieldLoss(work, terms, edges, self.held_out, self.seed)
        network = self._network(options, work)
        if self.warm_start is not None:
            self._load(network, options)
        elif options.start != "random":
            _start_from(network, maps[options.start], work, options)
        fit = NeuralFit(
            work,
            network=network,
            optimiser=torch.optim.Adam(
                _groups(network, options.learning_rate), betas=_BETAS[options.network], eps=1e-12
            ),
            whole=whole,
            loss=loss,
            boxes=patches(work.mask, options),
            schedule=self._schedule(options, scan.device),
            checkpoint=self.checkpoint,
            identity=self._identity(scan, options),
        )
        courses = fit.run()
        if self.save is not None:
            content = {"format": FORMAT, "about": self._about(options), "network": network.state_dict()}
            save_snapshot(Path(self.save), content)
        return network, work, box, courses

    def _network(self, options: Any, scan: Scan) -> NeuralField:
        # A generator of its own for the weights would have to be handed down to every layer of torch.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_for(self.seed, "network") % 2**63)
            network: NeuralField
            if options.network == "siren":
                network = Siren(max(scan.grid.extent), options.layers, options.width, options.omega)
            else:
                grid = scan.grid
                network = GridField(grid.shape, grid.voxel_size, options.levels, options.features, options.width)
        return network.to(scan.device)

    def _about(self, options: Any) -> dict[str, Any]:
        names = ("layers", "width", "omega") if options.network == "siren" else ("levels", "features", "width")
        return {"network": options.network, **{name: getattr(options, name) for name in names}}

    def _load(self, network: NeuralField, options: Any) -> None:
        content = load_snapshot(Path(str(self.warm_start)), "the warm start")
        if content.get("format") != FORMAT:
            raise InputError(f"the warm start {self.warm_start} is no file written with --option save=FILE")
        if content["about"] != self._about(options):
            raise InputError(f"the warm start {self.warm_start} is of {content['about']}, not {self._about(options)}")
        try:
            network.load_state_dict(content["network"])
        except RuntimeError as error:
            raise InputError(
                f"the warm start {self.warm_start} is of another volume: grids fit their own shape; use network=siren"
            ) from error

    def _schedule(self, options: Any, device: torch.device) -> Schedule:
        return Schedule(
            epochs=options.epochs,
            final_rate=options.final_rate,
            tolerance=options.tolerance,
            patience=options.patience,
            refresh=options.refresh if options.compensation else 0,
            informed=options.start != "random" or self.warm_start is not None,
            chunk=options.chunk,
            mixed=self.precision == "mixed" or (self.precision == "auto" and device.type == "cuda"),
            seed=self.seed,
        )

    def _identity(self, scan: Scan, options: Any) -> str:
        """All that the fitted network follows from; sampling and file names are no part of it."""
        digest = hashlib.sha256()
        for volume in (scan.local_field, scan.mask, scan.field_noise):
            digest.update(b"" if volume is None else np.ascontiguousarray(volume.cpu().numpy()).tobytes())
        if self.warm_start is not None and Path(self.warm_start).is_file():
            digest.update(Path(self.warm_start).read_bytes())
        kept = {k: v for k, v in vars(options).items() if k not in {*_PATHS, "upsample"}}
        return f"{digest.hexdigest()} {scan.grid} {scan.b0} {scan.echo_times} {sorted(kept.items())}"


class _Options:
    """The parameters, none of them missing."""

    def __init__(self, values: dict[str, Any]) -> None:
        vars(self).update(values)


# Second moments over 100 steps where there are some hundred in all; else Adam's defaults.
_BETAS = {"siren": (0.9, 0.999), "grid": (0.9, 0.99)}
# The mixing network's learning rate over that of the grids, whose gradients touch a node now and then.
_MIXER_RATE = 0.05
# Passes over the volume that fit a SIREN to a map before the field is looked at.
_START_EPOCHS = 5


def _groups(network: NeuralField, rate: float) -> list[dict[str, Any]]:
    if not isinstance(network, GridField):
        return [{"params": list(network.parameters()), "lr": rate}]
    grids = {id(p) for p in network.grids}
    mixer = [p for p in network.parameters() if id(p) not in grids]
    return [{"params": list(network.grids), "lr": rate}, {"params": mixer, "lr": rate * _MIXER_RATE}]


def _closed_form(kind: str, scan: Scan, whole: DipoleConvolution) -> torch.Tensor:
    chi = fast_qsm(scan, whole) if kind == "fastqsm" else L2()(scan)
    return chi * scan.mask


def _edges(options: Any, chi: torch.Tensor | None, scan: Scan) -> torch.Tensor:
    flat = chi is None
    volume = torch.zeros(scan.grid.shape, device=scan.device) if chi is None else chi
    percents = (100.0, 100.0) if flat else (options.edge_low, options.edge_high)
    return edge_weights(volume, scan.mask, scan.grid.voxel_size, percents, options.edge_floor)


def _start_from(network: NeuralField, chi: torch.Tensor, scan: Scan, options: Any) -> None:
    if isinstance(network, GridField):
        network.start_from(chi / UNIT)
        return
    axes = lattice_axes(scan.grid)
    optimiser = torch.optim.Adam(network.parameters(), lr=options.learning_rate)
    with torch.enable_grad():
        for _ in range(_START_EPOCHS):
            for index in pieces(scan.mask, options.chunk):
                optimiser.zero_grad(set_to_none=True)
                error = network.on_lattice(axes, index) - chi.view(-1)[index] / UNIT
                torch.autograd.backward(error.square().mean())
                optimiser.step()


def patches(mask: torch.Tensor, options: Any) -> list[Box]:
    """Patches with enough tissue, and as many of the others as it takes to cover every voxel of the mask."""
    x, y, z = mask.shape
    size = _patch_shape(options.patch)
    boxes = patch_boxes((x, y, z), size, even_stride((x, y, z), size, options.overlap))
    share = [float(mask[box].float().mean()) for box in boxes]
    kept = [box for box, s in zip(boxes, share, strict=True) if s >= options.min_tissue]
    missing = mask.clone()
    for box in kept:
        missing[box] = False
    rest = sorted((i for i, s in enumerate(share) if s < options.min_tissue), key=lambda i: -share[i])
    for i in rest:
        if missing[boxes[i]].any():
            kept.append(boxes[i])
            missing[boxes[i]] = False
    return kept


def _patch_shape(text: str) -> Shape:
    sizes = text.split("x")
    if len(sizes) != 3 or not all(s.isascii() and s.isdigit() and int(s) > 0 for s in sizes):
        raise InputError(f"option patch must be three sizes in voxels such as 96x96x48, got {text}")
    x, y, z = (int(s) for s in sizes)
    return (x, y, z)
