"""INR-QSM's parameters, and what its presets set of them.

`fast`, whose values are the defaults, was chosen on simulated fields with errors as measured ones have them, see
docs/inr.md.

`paper` is Zhang 2024 (doi 10.1016/j.media.2024.103173) and its authors' configuration. What they leave open (padding,
chunks) cannot change the result by more than rounding or wrap-around. Their learning rate, 1e-5 to 2e-7, is that of a
field in ppm or radians; here the network's unit is 0.05 ppm, which Adam's steps do not notice but for the last layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Shape
from qsmbench.methods.contract import Method, parameter

# What differs from the defaults below.
PRESETS: dict[str, dict[str, Any]] = {
    "fast": {},
    "paper": {
        "network": "siren",
        "layers": 10,
        "width": 512,
        "omega": 40.0,
        "levels": 5,
        "patch": "96x96x48",
        "overlap": 2 / 3,
        "min_tissue": 0.3,
        "epochs": 50,
        "learning_rate": 1e-5,
        "final_rate": 0.02,
        "tv_weight": 0.15,
        "tv_norm": "l2",
        "noise_model": "fixed",
        "tv_smoothing": 0.03,
        "held_out_block": 0.0,
        "tolerance": 1e-3,
        "gradient_weight": 1.0,
        "edges": "fastqsm",
        "edge_low": 50.0,
        "edge_high": 70.0,
        "edge_floor": 0.0,
        "start": "random",
        "padding": 2.0,
        "chunk": 16384,
    },
}


@dataclass(frozen=True, init=False)
class INRSettings(Method):
    """The parameters, each with a value: the one given, or the preset's."""

    preset: str = parameter("fast", "what other options default to", choices=("fast", "paper"))
    network: str = parameter("grid", "siren (paper), or grid: nested grids of features", choices=("siren", "grid"))
    layers: int = parameter(4, "siren: sine layers (paper: 10)", at_least=1)
    width: int = parameter(16, "siren: of its layers (paper: 512); grid: of its hidden layer", at_least=0)
    omega: float = parameter(30.0, "siren: w0 (paper: 40)", above=0)
    levels: int = parameter(3, "grid: number of nested grids, each twice as fine as the last", at_least=1)
    features: int = parameter(2, "grid: numbers at each node", at_least=1)
    patch: str = parameter(
        "192x224x192", "size of patches, voxels (paper: 96x96x48); an axis is cut to the volume's length"
    )
    overlap: float = parameter(0.25, "share of a patch that neighbours share (paper: 2/3)", at_least=0, at_most=0.95)
    min_tissue: float = parameter(
        0.05, "patches with a smaller share of tissue are skipped if others cover it (paper: 0.3)", at_least=0, below=1
    )
    compensation: bool = parameter(True, "subtract the field of what lies outside a patch (paper: true)")
    refresh: int = parameter(5, "epochs between two predictions for the compensation (paper: 5)", at_least=1)
    epochs: int = parameter(40, "most passes over the patches (paper: 50)", at_least=1)
    learning_rate: float = parameter(0.02, "of Adam at the start (paper: 1e-5)", above=0)
    final_rate: float = parameter(0.1, "at the end over that at the start (paper: 0.02)", above=0, at_most=1)
    tv_weight: float = parameter(
        4e-3, "of the edge-weighted variation, for the other noise models (paper: 0.15)", at_least=0
    )
    tv_norm: str = parameter("l1", "l2 (paper), or l1: total variation", choices=("l1", "l2"))
    tv_smoothing: float = parameter(0.06, "of l1 near zero, in units of 0.05 ppm a voxel", above=0)
    noise_model: str = parameter(
        "spectrum",
        "spectrum: the field's error by frequency and depth sets data term and weights; white: tv_weight grows as "
        "noise to the power 1.5, as given at 2.5 ppb; fixed: tv_weight as it is (paper)",
        choices=("spectrum", "white", "fixed"),
    )
    variation: float = parameter(0.6, "noise_model=spectrum: weight of the variation over that of TV", at_least=0)
    spectrum: float = parameter(0.15, "noise_model=spectrum: weight of the tissue's spectrum", at_least=0)
    gradient_weight: float = parameter(0.0, "of the gradient of the field's residual (paper: 1)", at_least=0)
    edges: str = parameter(
        "none", "map whose edges count less: fastqsm (paper), l2, none", choices=("fastqsm", "l2", "none")
    )
    edge_low: float = parameter(
        80.0, "percentile of |gradient| where weights begin to fall (paper: 50)", at_least=0, at_most=100
    )
    edge_high: float = parameter(95.0, "percentile where they end to (paper: 70)", at_least=0, at_most=100)
    edge_floor: float = parameter(0.3, "least weight of an edge (paper: 0)", at_least=0, at_most=1)
    start: str = parameter(
        "spectral-tv",
        "random (paper), or fitted to a map first: l2, fastqsm, spectral-tv",
        choices=("random", "l2", "fastqsm", "spectral-tv"),
    )
    data_term: str = parameter(
        "linear", "linear in the field, or nonlinear: complex exponentials", choices=("linear", "nonlinear")
    )
    held_out: float = parameter(0.01, "share of voxels kept from the data terms to watch the fit", at_least=0, below=1)
    held_out_block: float = parameter(
        5.0, "edge of the blocks that these form, mm: what is known at a neighbour is no test; 0: single", at_least=0
    )
    tolerance: float = parameter(3e-3, "stop when their residual changes by less, relatively, over patience")
    patience: int = parameter(10, "epochs over which that change is measured", at_least=1)
    padding: float = parameter(1.25, "zero-padding of the volume's convolution against wrap-around", at_least=1)
    chunk: int = parameter(400_000, "points of the network held at once: memory", at_least=1)
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

    def __init__(self, **options: Any) -> None:
        """Take the options; those left out are the preset's.

        Raises:
            InputError: a value out of bounds, alone or beside others.
            TypeError: an option that there is not.
        """
        values = {f.name: f.default for f in fields(self)}
        if strange := sorted(set(options) - set(values)):
            raise TypeError(f"{type(self).__name__} has no option {', '.join(strange)}")
        for name, value in (values | self.completed(options)).items():
            object.__setattr__(self, name, value)
        self.__post_init__()

    @classmethod
    def completed(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options, and the preset's that differ from the defaults."""
        return {**PRESETS.get(str(options.get("preset", "fast")), {}), **options}

    def __post_init__(self) -> None:
        super().__post_init__()
        patch_shape(self.patch)
        if self.edge_low > self.edge_high:
            raise InputError(f"option edge_low must be <= edge_high, got {self.edge_low} and {self.edge_high}")
        if self.network == "siren" and self.width < 1:
            raise InputError("option width must be >= 1 for network=siren")


def patch_shape(text: str) -> Shape:
    """Return the sizes (x, y, z) that a text such as 96x96x48 stands for.

    Raises:
        InputError: any other text.
    """
    sizes = text.split("x")
    if len(sizes) != 3 or not all(s.isascii() and s.isdigit() and int(s) > 0 for s in sizes):
        raise InputError(f"option patch must be three sizes in voxels such as 96x96x48, got {text}")
    x, y, z = (int(s) for s in sizes)
    return (x, y, z)
