"""What live samples are made of; plain dataclasses, so that a machine without pydantic can read them.

`paper` is the recipe of Meta-QSM (Liu & Koch 2019, doi 10.48550/arXiv.1908.00206), as `qsmbench.simulation.recipe` has
it. `measured-like` is the same heads with far fewer shapes and with the errors that fields of real scans have
(error.py). A mixture draws one of its recipes for each sample.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from qsmbench.core.errors import InputError

Range = tuple[float, float]


@dataclass(frozen=True)
class LiveRecipe:
    """Ranges of one kind of sample; each is drawn uniformly unless said otherwise.

    Attributes:
        name: of the recipe.
        weight: of this recipe in the mixture.
        rotation: degrees about each axis.
        scale: factor on the head's size.
        aspect: further factor for each axis.
        spacing: of the elastic lattice in mm.
        amplitude: of its coefficients as a share of the spacing; 0.4 at most, so that nothing folds.
        gain: factor on chi.
        gamma: exponent of the curve over the head's range of chi.
        tissue_gain: factor for each label.
        tissue_offset: ppm for each label.
        texture: SD in ppm of a random field added to chi.
        no_shapes: probability of a sample without shapes.
        shapes: fewest and most in a head, otherwise.
        shape_size: largest half-axis in mm, log-uniform.
        shape_chi: size of a shape's chi in ppm.
        shape_chi_log: whether that is log-uniform.
        white: SD of white noise in ppm.
        gain_error: factor on the field.
        coloured: SD in ppm of coloured error everywhere (error.py).
        rim: of that at the mask's rim.
        rim_depth: mm over which it falls.
        sources: of that in strong sources.
        erosion: mm of the mask's rim that is lost, with its field, as background removal loses it.
    """

    name: str = "paper"
    weight: float = 1.0
    rotation: Range = (-10.0, 10.0)
    scale: Range = (0.9, 1.1)
    aspect: Range = (0.95, 1.05)
    spacing: Range = (24.0, 40.0)
    amplitude: Range = (0.0, 0.4)
    gain: Range = (0.5, 1.5)
    gamma: Range = (0.7, 1.4)
    tissue_gain: Range = (0.8, 1.2)
    tissue_offset: Range = (-0.02, 0.02)
    texture: Range = (0.0, 0.0)
    no_shapes: float = 0.0
    shapes: tuple[int, int] = (0, 16)
    shape_size: Range = (1.0, 12.0)
    shape_chi: Range = (0.1, 2.0)
    shape_chi_log: bool = False
    white: Range = (0.0, 0.0)
    gain_error: Range = (1.0, 1.0)
    coloured: Range = (0.0, 0.0)
    rim: Range = (0.0, 0.0)
    rim_depth: Range = (2.0, 4.0)
    sources: Range = (0.0, 0.0)
    erosion: Range = (0.0, 0.0)

    @property
    def measured(self) -> bool:
        """Whether fields have more errors than white noise."""
        return max(self.coloured[1], self.rim[1], self.sources[1]) > 0


PAPER = LiveRecipe()
RECIPES: dict[str, LiveRecipe] = {
    "paper": PAPER,
    # The paper's with the noise of a good scan, up to 5 ppb, as the tables of docs/networks.md have it.
    "noisy": replace(PAPER, name="noisy", white=(0.0, 0.005)),
    "measured-like": replace(
        PAPER,
        name="measured-like",
        texture=(0.0, 0.015),
        no_shapes=0.5,
        shapes=(1, 6),
        shape_size=(1.0, 8.0),
        shape_chi=(0.1, 2.0),
        shape_chi_log=True,
        # Around those of `qsmbench.simulation.error_recipe`, which are of measured heads, and wider: scans differ.
        white=(0.001, 0.007),
        gain_error=(0.95, 1.1),
        coloured=(0.001, 0.005),
        rim=(0.004, 0.02),
        sources=(0.004, 0.02),
        erosion=(-2.0, 3.0),
    ),
    # Tissue with little noise: what a network can learn of the inversion itself.
    "tissue": replace(
        PAPER, name="tissue", texture=(0.0, 0.015), no_shapes=0.8, shapes=(1, 4), shape_chi_log=True, white=(0.0, 0.004)
    ),
}


@dataclass(frozen=True)
class LiveSet:
    """A mixture of recipes on one window.

    Attributes:
        recipes: what samples are made by.
        voxel_min: smallest voxel size along x, y, z in mm.
        voxel_max: largest, likewise.
        window: voxels of a sample.
        guard: mm at the window's rim where the field is less exact and no patch lies.
        seed: of all draws.
        first_map: method whose maps come with the field (`qsmbench.methods.network_input`); empty: none, as published.
        first_map_regularization: strength of each of them.
    """

    recipes: tuple[LiveRecipe, ...] = (RECIPES["paper"],)
    voxel_min: tuple[float, float, float] = (0.5, 0.5, 1.0)
    voxel_max: tuple[float, float, float] = (1.6, 1.6, 4.0)
    window: tuple[int, int, int] = (160, 160, 80)
    guard: float = 12.0
    seed: int = 2019
    first_map: str = ""
    first_map_regularization: tuple[float, ...] = ()

    @property
    def n_first_maps(self) -> int:
        """How many first maps come with a field."""
        return (len(self.first_map_regularization) or 1) if self.first_map else 0

    @property
    def first_map_options(self) -> dict[str, Any]:
        """What a file of weights says of first maps, if there are any."""
        if not self.first_map:
            return {}
        strengths = self.first_map_regularization
        given = {"first_map_regularization": list(strengths)} if strengths else {}
        return {"first_map": self.first_map} | given


def recipes_from(mixture: Mapping[str, Any]) -> tuple[LiveRecipe, ...]:
    """Read a mixture: names of recipes, each with its weight or with values that differ from the named one's.

    >>> [r.weight for r in recipes_from({"paper": 1, "measured-like": {"weight": 3, "no_shapes": 0.7}})]
    [1.0, 3.0]

    Raises:
        InputError: an unknown recipe or value.
    """
    known = {f.name for f in fields(LiveRecipe)}
    found = []
    for name, given in mixture.items():
        if name not in RECIPES:
            raise InputError(f"no live recipe is named '{name}'; known: {', '.join(RECIPES)}")
        values: dict[str, Any] = dict(given) if isinstance(given, Mapping) else {"weight": given}
        unknown = set(values) - known | {"name"} & set(values)
        if unknown:
            raise InputError(f"recipe {name} has no '{min(unknown)}'; known: {', '.join(sorted(known))}")
        values = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
        if "weight" in values:
            values["weight"] = float(values["weight"])
        found.append(replace(RECIPES[name], **values))
    if not found or min(r.weight for r in found) < 0 or sum(r.weight for r in found) <= 0:
        raise InputError("a mixture needs recipes with weights of at least 0, one of them above")
    return tuple(found)
