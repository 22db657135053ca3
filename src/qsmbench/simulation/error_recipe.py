"""What a scanner and its processing do to a field beyond white noise: every step, its range, and its switch.

Each step is off in the paper's recipe and on in the recipe ``measured-like``. Ranges are set so that the difference
between a synthetic field and the field of its chi has the statistics of measured heads against the field of their
COSMOS map: 5 to 7 ppb in all, falling with spatial frequency over a white floor, larger at the brain's rim and near
strong sources, as large in the kernel's cone as outside.

This module is configuration: it imports neither numpy nor torch.
"""

from pydantic import Field, model_validator

from qsmbench.simulation.ranges import Part, Range, within

# Deep in the brain a field is known to some ppb; beyond this a range is a mistake of units.
_MOST = 0.1


class Gain(Part):
    """Factor on the field: scale errors of the fit, of background removal and of the reference."""

    enabled: bool = Field(False, description="Scale the field.")
    factor: Range = Field((0.95, 1.1), description="Factor; slopes of measured fields on those of COSMOS maps.")

    @model_validator(mode="after")
    def _check(self) -> "Gain":
        within("error.gain.factor", self.factor, 0.1, 10)
        return self


class Erosion(Part):
    """The mask loses its rim, as background removal eats it; part of the lost tissue's field stays."""

    enabled: bool = Field(False, description="Erode the mask.")
    depth: Range = Field((0.0, 3.0), description="Depth in mm; that of background removal by small spheres.")
    left: Range = Field((0.0, 0.3), description="Share of the lost rim's field that is not removed; ours.")

    @model_validator(mode="after")
    def _check(self) -> "Erosion":
        within("error.erosion.depth", self.depth, 0, 50)
        within("error.erosion.left", self.left, 0, 1)
        return self


class Anisotropy(Part):
    """Susceptibility anisotropy of white matter along a smooth random fibre field (Liu 2010, doi 10.1002/mrm.22482)."""

    enabled: bool = Field(False, description="Add the field of the anisotropic part of white matter's tensor.")
    difference: Range = Field(
        (0.010, 0.020),
        description="Susceptibility along the fibres less that across them in ppm; 0.0136 to 0.0192 in spinal cord "
        "(van Gelderen 2015, doi 10.1002/mrm.25524).",
    )
    spacing: Range = Field((8.0, 20.0), description="Distance in mm over which fibres turn; ours.")

    @model_validator(mode="after")
    def _check(self) -> "Anisotropy":
        within("error.anisotropy.difference", self.difference, -_MOST, _MOST)
        within("error.anisotropy.spacing", self.spacing, 2, 200)
        return self


class Background(Part):
    """What background removal left: a field harmonic in the mask, of random sources outside it."""

    enabled: bool = Field(False, description="Add harmonic background.")
    sd: Range = Field((0.0005, 0.0020), description="Its standard deviation in the mask in ppm.")

    @model_validator(mode="after")
    def _check(self) -> "Background":
        within("error.background.sd", self.sd, 0, _MOST)
        return self


class Coloured(Part):
    """Error whose amplitude falls as a power of spatial frequency (motion, fit, what no model explains)."""

    enabled: bool = Field(False, description="Add coloured error.")
    sd: Range = Field((0.0020, 0.0034), description="Its standard deviation in ppm.")
    exponent: Range = Field((1.1, 1.5), description="Of the fall of the amplitude; 1.3 in measured heads.")

    @model_validator(mode="after")
    def _check(self) -> "Coloured":
        within("error.coloured.sd", self.sd, 0, _MOST)
        within("error.coloured.exponent", self.exponent, 0, 4)
        return self


class Rim(Part):
    """Coloured error that decays with depth under the mask's rim."""

    enabled: bool = Field(False, description="Add error at the rim.")
    sd: Range = Field((0.008, 0.018), description="Its standard deviation at the rim in ppm.")
    depth: Range = Field((2.0, 4.0), description="Depth in mm over which it falls to 1/e.")

    @model_validator(mode="after")
    def _check(self) -> "Rim":
        within("error.rim.sd", self.sd, 0, _MOST)
        within("error.rim.depth", self.depth, 0.1, 50)
        return self


class StrongSources(Part):
    """Error where |chi| is large: SD = sd (1 - exp(-|chi| / scale))."""

    enabled: bool = Field(False, description="Add error near strong sources.")
    sd: Range = Field((0.008, 0.018), description="Its standard deviation in the strongest sources in ppm.")
    scale: float = Field(0.1, gt=0, description="|chi| in ppm at which it has reached 63 % of that.")

    @model_validator(mode="after")
    def _check(self) -> "StrongSources":
        within("error.sources.sd", self.sd, 0, _MOST)
        return self


class MagnitudeNoise(Part):
    """White noise whose standard deviation follows 1 / magnitude, as the phase's does (Gudbjartsson & Patz 1995).

    doi 10.1002/mrm.1910340618.
    """

    enabled: bool = Field(False, description="Add noise.")
    sd: Range = Field((0.0034, 0.0046), description="Its standard deviation in ppm where the magnitude is its median.")
    largest: float = Field(0.05, gt=0, le=1, description="Standard deviation in ppm beyond which it does not grow.")

    @model_validator(mode="after")
    def _check(self) -> "MagnitudeNoise":
        within("error.noise.sd", self.sd, 0, _MOST)
        return self


class ErrorRecipe(Part):
    """Steps from the field of chi to a field as scanners measure it; each draws from a generator of its own."""

    gain: Gain = Field(Gain(), description="Factor on the field.")
    erosion: Erosion = Field(Erosion(), description="Loss of the mask's rim.")
    anisotropy: Anisotropy = Field(Anisotropy(), description="Susceptibility anisotropy of white matter.")
    background: Background = Field(Background(), description="Background that removal left.")
    coloured: Coloured = Field(Coloured(), description="Coloured error.")
    rim: Rim = Field(Rim(), description="Error at the rim.")
    sources: StrongSources = Field(StrongSources(), description="Error near strong sources.")
    noise: MagnitudeNoise = Field(MagnitudeNoise(), description="White noise that follows 1 / magnitude.")

    @property
    def enabled(self) -> tuple[str, ...]:
        """Names of the steps that are on."""
        return tuple(name for name in type(self).model_fields if getattr(self, name).enabled)


# Every step on; what the recipe `measured-like` adds to the paper's.
MEASURED_LIKE: dict[str, dict[str, bool]] = {name: {"enabled": True} for name in ErrorRecipe.model_fields}


def measured_like_errors() -> ErrorRecipe:
    """Every step on, at its default range."""
    return ErrorRecipe.model_validate(MEASURED_LIKE)
