"""Every choice of the preparation, its default and where the default comes from.

This module is configuration: it imports neither numpy nor torch, so that a command line can read it at once.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from qsmbench.core.section import Section


class PhaseSettings(Section):
    """How stored phase becomes radians with paramagnetic positive."""

    units: Literal["auto", "rad"] = Field(
        "auto",
        description="auto: radians, scanner integers or any linear scale, told by wraps, header and sidecar; "
        "rad: as it is",
    )
    scale: str | None = Field(
        None,
        description="what a stored unit is, over everything that files say: rad, deg, or radians as a number or like "
        "pi/4096",
    )
    flipped: bool = Field(False, description="the scanner counts phase the other way: negate it")


class MaskSettings(Section):
    """The mask in which the field is fitted."""

    method: Literal["bet", "threshold", "whole"] = Field(
        "bet",
        description="bet: brain extraction (Smith 2002); threshold: Otsu on the magnitude; whole: every voxel. "
        "A mask that is given takes the place of all three",
    )
    fractional_intensity: float = Field(
        0.5, gt=0, lt=1, description="of bet: smaller values give a larger brain (Smith 2002: 0.5)"
    )
    max_noise: float | None = Field(
        3.0,
        gt=0,
        description="leave out what is connected to the rim and has a field noise above this multiple of the median "
        "(ours); none keeps the mask as it is",
    )
    min_coherence: float = Field(
        0.8,
        ge=0,
        le=1,
        description="leave out, likewise, where the phase gained between echoes is less coherent over 3x3x3 voxels",
    )
    fill_holes: bool = Field(True, description="fill what the mask encloses")
    two_pass: bool = Field(
        False,
        description="a strict mask for the field, a filled one for chi: where the signal is gone (by max_noise) the "
        "total field is continued from around as a harmonic function",
    )


class FieldFitSettings(Section):
    """Unwrapping and the fit of a field to the echoes."""

    model: Literal["complex", "linear"] = Field(
        "complex",
        description="complex: nonlinear fit of the complex signal (Kressler 2010, Liu 2013); linear: weighted straight "
        "line through the phase unwrapped in time",
    )
    unwrapping: Literal["romeo", "path", "laplacian"] = Field(
        "romeo",
        description="romeo: minimum spanning tree of pairs weighted by phase, magnitude and echoes (Dymerska 2021); "
        "path: 3-D path following (Abdul-Rahman 2007, scikit-image); laplacian: Schofield & Zhu 2003",
    )
    bipolar: Literal["auto", "on", "off"] = Field(
        "auto",
        description="phase that alternates between odd and even echoes, constant and linear in space (Li 2015): auto "
        "takes it off where three equally spaced echoes or more show it; on: whatever its size; off: never",
    )
    max_iterations: int = Field(10, ge=1, description="at most so many steps of the complex fit in a voxel")


class Resharp(Section):
    """RESHARP: Tikhonov-regularized spherical mean value filtering (Sun & Wilman 2014, doi 10.1002/mrm.24765)."""

    kind: Literal["resharp"] = Field("resharp", description="use RESHARP")
    radius: float = Field(6.0, gt=0, description="of the sphere, mm; as much is eroded (Meta-QSM: 6 mm)")
    regularization: float = Field(
        1e-4, ge=0, description="Tikhonov parameter (the authors' code: 1e-4; their paper: 5e-4 to 1e-2 in vivo)"
    )
    preconditioner: float = Field(
        0.01,
        ge=0,
        description="mu of the preconditioner (C^2 + mu)^-1 in k-space (ours); 0: plain conjugate gradients, as the "
        "authors, which need about 80 iterations",
    )
    tolerance: float = Field(1e-5, gt=0, description="conjugate gradients stop at this relative residual")
    max_iterations: int = Field(30, ge=1, description="at most so many steps; stopping early regularizes less")


class Vsharp(Section):
    """V-SHARP: spherical mean values of shrinking radius towards the rim (Li 2011; Schweser 2011)."""

    kind: Literal["vsharp"] = Field(description="use V-SHARP")
    radius: float = Field(8.0, gt=0, description="largest radius, mm")
    min_radius: float = Field(3.0, gt=0, description="smallest radius, mm; as much is eroded")
    step: float = Field(1.0, gt=0, description="difference of two radii, mm")
    threshold: float = Field(0.1, gt=0, lt=1, description="inverse filter: smaller values in k-space are left out")


class Pdf(Section):
    """PDF: projection onto dipole fields of sources outside the mask (de Rochefort 2010; Liu 2011)."""

    kind: Literal["pdf"] = Field(description="use PDF")
    tolerance: float = Field(1e-3, gt=0, description="conjugate gradients stop at this relative residual")
    max_iterations: int = Field(30, ge=1, description="at most so many conjugate gradient steps")
    margin: float = Field(20.0, gt=0, description="how far around the mask's box sources may lie, mm (ours)")


class Lbv(Section):
    """LBV: Laplace's equation with the total field on the mask's rim as boundary values (Zhou 2014)."""

    kind: Literal["lbv"] = Field(description="use LBV")
    peel: int = Field(0, ge=0, description="leave out so many layers of voxels at the rim beforehand")
    largest_laplacian: float = Field(
        60.0,
        gt=1,
        description="voxels near the rim whose field curves more than so many times what is usual in depth are left "
        "out: what lies there is no brain, and its own field would be taken for background everywhere",
    )
    tolerance: float = Field(1e-4, gt=0, description="conjugate gradients stop at this relative residual")
    max_iterations: int = Field(50, ge=1, description="at most so many steps, a multigrid cycle each")


class Ismv(Section):
    """iSMV: the spherical mean value taken again and again until it stays (Wen 2014)."""

    kind: Literal["ismv"] = Field(description="use iSMV")
    radius: float = Field(5.0, gt=0, description="of the sphere, mm; as much is eroded")
    tolerance: float = Field(1e-3, gt=0, description="conjugate gradients stop at this relative residual")
    max_iterations: int = Field(60, ge=1, description="at most so many steps")


class Sharp(Section):
    """SHARP: the spherical mean value taken off, and the rest deconvolved (Schweser 2011)."""

    kind: Literal["sharp"] = Field(description="use SHARP")
    radius: float = Field(6.0, gt=0, description="of the sphere, mm; as much is eroded")
    threshold: float = Field(0.05, gt=0, lt=1, description="inverse filter: smaller values in k-space are left out")


class Joint(Section):
    """Sources inside and outside the mask fitted together, each with its likely spread (ours, after PDF)."""

    kind: Literal["joint"] = Field(description="use the joint fit")
    inside: float = Field(0.05, gt=0, description="likely spread of chi in the mask, ppm")
    outside: float = Field(1.5, gt=0, description="likely spread of chi around it, ppm")
    least_noise: float = Field(0.004, gt=0, description="what the noise of the field is at least taken for, ppm")
    erode: float = Field(0.0, ge=0, description="leave out what lies so near to the rim in the end, mm")
    tolerance: float = Field(1e-4, gt=0, description="conjugate gradients stop at this relative residual")
    max_iterations: int = Field(60, ge=1, description="at most so many conjugate gradient steps")
    margin: float = Field(20.0, gt=0, description="how far around the mask's box sources may lie, mm")


class ForeignRemoval(Section):
    """A folder of somebody else's, by QSM-CI's contract, stage bfr (docs/foreign.md)."""

    kind: Literal["command"] = Field(description="use a folder of somebody else's")
    folder: str = Field(description="the folder that holds algorithm.yml")
    runner: Literal["local", "docker", "apptainer"] = Field(
        "local", description="local: a plain command, not isolated; or a container"
    )
    parameters: dict[str, bool | int | float | str] = Field(
        default_factory=dict, description="values of parameters that algorithm.yml declares"
    )
    seconds: float = Field(7200.0, gt=0, description="wall time of one scan after which it is ended")
    memory_mb: int = Field(16000, ge=1, description="memory that it may take")


Background = Annotated[
    Resharp | Vsharp | Pdf | Lbv | Ismv | Sharp | Joint | ForeignRemoval, Field(discriminator="kind")
]
# The kinds by name. Radius and the like belong to one each: another kind starts from its own defaults.
BACKGROUNDS = ("resharp", "vsharp", "pdf", "lbv", "ismv", "sharp", "joint", "command")


class SwiSettings(Section):
    """Susceptibility-weighted image (Haacke 2004, doi 10.1002/mrm.20198)."""

    cutoff: float = Field(
        0.125,
        gt=0,
        description="of the homodyne low-pass, 1/mm (a central 64 of 512 samples at a field of view of 256 mm)",
    )
    power: int = Field(4, ge=1, description="how often the phase mask multiplies the magnitude")
    echo_time: float = Field(0.020, gt=0, description="the echo nearest to this time is used, s (20 ms at 3 T)")
    slab: float = Field(16.0, gt=0, description="thickness of the minimum-intensity projection across slices, mm")


class PreparationSettings(Section):
    """From a scanner's phase to the local field."""

    phase: PhaseSettings = Field(PhaseSettings(), description="phase as stored")
    mask: MaskSettings = Field(MaskSettings(), description="mask")
    fit: FieldFitSettings = Field(FieldFitSettings(), description="unwrapping and field fit")
    background: Background = Field(Resharp(), description="background removal")
    swi: SwiSettings | None = Field(SwiSettings(), description="susceptibility-weighted image; none: leave it out")
