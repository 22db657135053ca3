"""The whole way of one acquisition, arrays in and arrays out.

mask -> field fit in it -> mask refined by the fit -> background removal -> local field; R2*, SWI, minIP beside it
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid
from qsmbench.core.orientation import Orientation
from qsmbench.data.field_units import implausible
from qsmbench.data.mask_values import thin
from qsmbench.preparation import bipolar, swi
from qsmbench.preparation.background.contract import Local, RemovalError, Total
from qsmbench.preparation.background.remove import check_spheres, remove
from qsmbench.preparation.echo_checks import check_distinct, corrected_slices, misfit
from qsmbench.preparation.echo_growth import growth_doubts
from qsmbench.preparation.echoes import Echoes
from qsmbench.preparation.field_fit import fit_field
from qsmbench.preparation.mask import first_mask, refine
from qsmbench.preparation.mask_checks import mask_doubts
from qsmbench.preparation.polarity import asymmetry, sign_doubts
from qsmbench.preparation.relaxation import fit_r2star
from qsmbench.preparation.settings import PreparationSettings
from qsmbench.preparation.two_pass import continued, strict_mask

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Prepared:
    """What preparation gives; all volumes (x, y, z), on ``grid``, zero outside their mask.

    Attributes:
        volumes: by name: `mask` (bool), `local_mask` (bool, where the local field holds), `total_field`, `local_field`,
            `field_noise` (ppm), `offset` (rad), `magnitude` (root of the echoes' summed squares), and where there are
            the echoes and settings for it `r2star` (1/s), `swi`, `minip`.
        grid: geometry.
        report: numbers for the sidecars.
        warnings: one line each.
    """

    volumes: Mapping[str, NDArray[np.float32] | NDArray[np.bool_]]
    grid: Grid
    report: Mapping[str, object]
    warnings: tuple[str, ...] = field(default=())


def prepare(
    echoes: Echoes,
    settings: PreparationSettings,
    mask: NDArray[np.bool_] | None = None,
    *,
    failures_kept: bool = False,
) -> Prepared:
    """Prepare one acquisition.

    Args:
        echoes: what the scanner gave, paramagnetic positive.
        settings: every choice.
        mask: (x, y, z) bool, used as it is; by default made as the settings say and refined by the fit.
        failures_kept: where somebody else's background removal fails, an empty field whose report says why.

    Raises:
        InputError: an empty mask, or nothing left of it; a background removal that failed.
    """
    if mask is not None:
        echoes.grid.check_shape(f"{echoes.name}: mask", mask.shape)
        if not mask.any():
            raise InputError(f"{echoes.name}: the mask is empty; give one with the brain set to 1")
    check_spheres(settings.background, echoes.grid, echoes.name)
    doubts = check_distinct(echoes)
    if mask is not None:
        doubts += mask_doubts(echoes, mask)
    stored_grid = echoes.grid
    # Nothing may depend on the order in which voxels were stored: slices, windows, which of two equals comes first.
    orientation = Orientation.of(echoes.grid)
    echoes, said = corrected_slices(echoes.reordered(orientation), orientation)
    said = [*doubts, *said]
    found = _prepare(echoes, settings, None if mask is None else orientation.apply(mask), failures_kept)
    volumes = {name: orientation.undo(volume) for name, volume in found.volumes.items()}
    said += thin(np.asarray(volumes["mask"], np.bool_), f"{echoes.name}: the mask")
    for line in said:
        logger.warning(line)
    return replace(found, volumes=volumes, grid=stored_grid, warnings=(*said, *found.warnings))


def _prepare(
    echoes: Echoes, settings: PreparationSettings, mask: NDArray[np.bool_] | None, failures_kept: bool
) -> Prepared:
    """Prepare echoes whose voxels are in the world's order."""
    warnings: list[str] = []
    given = mask is not None
    inside = first_mask(echoes, settings.mask) if mask is None else mask
    echoes, alternation = _one_polarity(echoes, inside, settings)
    fit = fit_field(echoes, inside, settings.fit)
    if not given and settings.mask.method != "whole":
        inside = refine(inside, fit, settings.mask, echoes)
    total_field = np.where(inside, fit.total_field, 0)
    noise = np.where(inside, fit.field_noise, 0)
    strict = inside
    if settings.mask.two_pass:
        strict = strict_mask(inside, fit, settings.mask)
        total_field = continued(total_field, strict, inside, echoes.grid.voxel_size)
        noise = np.where(inside & ~strict, noise.max(), noise)
    magnitude = np.sqrt(np.einsum("exyz,exyz->xyz", echoes.magnitude, echoes.magnitude))
    total = Total(
        torch.from_numpy(total_field),
        torch.from_numpy(inside),
        echoes.grid,
        noise=torch.from_numpy(noise),
        magnitude=torch.from_numpy(magnitude),
        b0=echoes.b0,
        echo_times=echoes.echo_times,
    )
    try:
        local = remove(total, settings.background)
    except RemovalError as error:
        if not failures_kept:
            raise InputError(f"{echoes.name}: background removal: {error}") from error
        warnings.append(f"{echoes.name}: background removal failed: {error}")
        local = Local(torch.zeros_like(total.field), torch.zeros_like(total.mask), {"Failure": str(error)})
    local_field, local_mask = local.field.numpy(), local.mask.numpy()
    warnings += misfit(echoes, fit, inside)
    warnings += growth_doubts(echoes, fit, inside)
    size = implausible(local_field, local_mask, total=False)
    if size:
        warnings.append(f"{echoes.name}: {size}; check the phase's scale (--phase-scale), the echo times and B0")
    skewness = asymmetry(local_field, local_mask, echoes.grid) if local_mask.any() else 0.0
    warnings += sign_doubts(
        skewness, echoes.name, "if the scanner counts phase the other way, prepare again with --flip-phase"
    )
    if echoes.n_echoes == 1:
        warnings.append(
            f"{echoes.name}: one echo only: the coil's offset phase cannot be told from the field and is left in it"
        )
    volumes: dict[str, NDArray[np.float32] | NDArray[np.bool_]] = {
        "mask": inside,
        "local_mask": local_mask,
        "total_field": total_field,
        "local_field": local_field,
        "field_noise": noise,
        "magnitude": magnitude,
    }
    if echoes.n_echoes > 1:
        volumes["offset"] = np.where(inside, fit.offset, 0)
        volumes["r2star"] = fit_r2star(echoes.magnitude, echoes.echo_times, inside)
    report: dict[str, object] = {
        "MaskSource": "given" if given else settings.mask.method,
        "ContinuedFraction": round(1 - int(strict.sum()) / int(inside.sum()), 6),
        "Background": dict(local.report),
        "SignalNoise": fit.noise,
        "ChiSkewness": round(skewness, 4),
        "Bipolar": alternation,
    }
    if settings.swi is not None:
        weighted = swi.swi(echoes, settings.swi)
        volumes["swi"] = weighted
        axis = swi.slice_axis(echoes)
        volumes["minip"] = swi.minimum_projection(weighted, echoes.grid.voxel_size[axis], settings.swi.slab, axis)
        report["SwiEchoTime"] = echoes.echo_times[swi.choose_echo(echoes, settings.swi)]
    for warning in warnings:
        logger.warning(warning)
    return Prepared(volumes, echoes.grid, report, tuple(warnings))


def _one_polarity(
    echoes: Echoes, mask: NDArray[np.bool_], settings: PreparationSettings
) -> tuple[Echoes, dict[str, object]]:
    """Take the phase that alternates between echoes off, where the settings say so and there is any."""
    found = bipolar.find(echoes, mask) if settings.fit.bipolar != "off" else None
    if found is None:
        if settings.fit.bipolar == "on":
            raise InputError(f"{echoes.name}: fit.bipolar=on needs three equally spaced echoes; set it to auto or off")
        return echoes, {}
    report: dict[str, object] = {
        "AlternatingPhase": round(found.constant, 5),
        "AlternatingPhaseGradient": [round(g, 7) for g in found.gradient],
        "AlternatingPhaseSize": round(found.size, 5),
        "AlternatingPhaseShare": round(found.share, 4),
        "Corrected": settings.fit.bipolar == "on" or (found.size > bipolar.SIZE and found.share > bipolar.SHARE),
    }
    if not report["Corrected"]:
        return echoes, report
    logger.info(
        "%s: phase alternates between odd and even echoes by +-%.2f rad (root mean square), as bipolar readouts make "
        "it; its constant and linear part was taken off (--option fit.bipolar=off leaves it)",
        echoes.name,
        found.size,
    )
    return bipolar.take_off(echoes, found), report
