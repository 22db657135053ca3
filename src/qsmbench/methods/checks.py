"""What every method must do, as checks that `qsmbench check-method` runs on anybody's method and the tests on ours.

A check takes a `Candidate` and raises `BrokenContractError` with what is wrong; it returns False where it does not
apply. The scan is small, non-cubic, anisotropic and oblique.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid, Shape
from qsmbench.core.scan import Scan
from qsmbench.methods.contract import Method, Reconstruction, ReconstructionError
from qsmbench.methods.registry import METHODS, build
from qsmbench.physics.dipole import forward_field


class BrokenContractError(AssertionError):
    """A method does not keep the contract."""


@dataclass(frozen=True)
class Candidate:
    """A method to check, with the options that make it quick enough, and the scan it is checked on."""

    name: str
    options: Mapping[str, Any]
    weights: Path | None
    scan: Scan

    @cached_property
    def method(self) -> Method:
        """The method, built."""
        return build(self.name, self.options, self.weights)

    @cached_property
    def found(self) -> Reconstruction:
        """What it makes of the scan."""
        return self.method.reconstruct(self.scan)

    @property
    def largest(self) -> float:
        """Largest |chi| in ppm."""
        return float(self.found.chi.abs().max())


class Outcome(NamedTuple):
    """The outcome of one check: None where it does not apply."""

    check: str
    passed: bool | None
    message: str


EXAMPLE_GRID = Grid((30, 25, 18), (0.8, 1.0, 2.2), (0.31, -0.22, 0.92))


def ellipsoid(shape: Shape, fraction: float) -> NDArray[np.bool_]:
    """Return a body that fills ``fraction`` of each axis."""
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    inside: NDArray[np.bool_] = (x / fraction) ** 2 + (y / fraction) ** 2 + (z / fraction) ** 2 < 1
    return inside


def example_chi(grid: Grid = EXAMPLE_GRID) -> NDArray[np.float32]:
    """Return a smooth random susceptibility of about 0.05 ppm in an ellipsoid."""
    chi = gaussian_filter(np.random.default_rng(5).standard_normal(grid.shape), 1.5)
    chi *= 0.05 / chi.std()
    return np.where(ellipsoid(grid.shape, 0.85), chi, 0).astype(np.float32)


def example(grid: Grid = EXAMPLE_GRID) -> Scan:
    """Return the scan of the checks: the field of `example_chi` with 1 ppb of noise, and a magnitude of its edges."""
    chi = example_chi(grid)
    field = forward_field(torch.from_numpy(chi), grid).numpy()
    noise = np.random.default_rng(6).normal(scale=1e-3, size=field.shape)
    return Scan(
        local_field=torch.from_numpy((field + noise).astype(np.float32)),
        mask=torch.from_numpy(ellipsoid(grid.shape, 0.8)),
        grid=grid,
        magnitude=torch.from_numpy((1 + 4 * np.abs(chi)).astype(np.float32)),
        field_noise=torch.full(grid.shape, 1e-3),
        b0=3.0,
        echo_times=(0.005, 0.010, 0.015),
    )


def form(case: Candidate) -> None:
    """chi has the scan's shape, is float32 and finite, zero outside the mask, and not zero throughout."""
    chi, mask = case.found.chi, case.scan.mask
    if chi.shape != case.scan.grid.shape or chi.dtype != torch.float32:
        raise BrokenContractError(
            f"chi is {chi.dtype} of shape {tuple(chi.shape)}, wanted float32 of {case.scan.grid.shape}"
        )
    if not bool(torch.isfinite(chi).all()):
        raise BrokenContractError("chi is not finite everywhere")
    if bool((chi[~mask] != 0).any()):
        raise BrokenContractError("chi is not zero outside the mask")
    if not bool((chi[mask] != 0).any()):
        raise BrokenContractError("chi is zero throughout the mask")


def deterministic(case: Candidate) -> None:
    """The same scan gives the same bits again."""
    if not torch.equal(case.method(case.scan), case.found.chi):
        raise BrokenContractError("a second run gave other values; fix the seeds of what it draws")


def leaves_the_scan(case: Candidate) -> None:
    """The scan is left as it was."""
    before = case.scan.local_field.clone(), case.scan.mask.clone()
    case.method(case.scan)
    if not (torch.equal(case.scan.local_field, before[0]) and torch.equal(case.scan.mask, before[1])):
        raise BrokenContractError("the run changed the scan's own volumes; work on copies")


def nothing_outside(case: Candidate) -> None:
    """What the field is outside the mask does not matter."""
    dirty = torch.where(case.scan.mask, case.scan.local_field, torch.tensor(1e3))
    if not torch.equal(case.method(replace(case.scan, local_field=dirty)), case.found.chi):
        raise BrokenContractError("values outside the mask changed the result")


def bare(case: Candidate) -> None:
    """Field and mask are enough, or the lack of more is said as an input error."""
    scan = Scan(case.scan.local_field, case.scan.mask, case.scan.grid)
    try:
        chi = case.method(scan)
    except InputError:
        return
    if not bool(torch.isfinite(chi).all()):
        raise BrokenContractError("without magnitude, noise, B0 and echo times chi is not finite")


def linear(case: Candidate) -> bool:
    """A method that is registered as linear in the field is."""
    if not METHODS[case.name].linear:
        return False
    a = case.scan.local_field
    b = torch.from_numpy(np.random.default_rng(0).normal(scale=0.02, size=a.shape).astype(np.float32))
    left = case.method(replace(case.scan, local_field=2 * a - 3 * b))
    right = 2 * case.found.chi - 3 * case.method(replace(case.scan, local_field=b))
    error = float((left - right).abs().max() / right.abs().max())
    if error > 2e-6:
        raise BrokenContractError(f"registered as linear, but chi(2a - 3b) is not 2 chi(a) - 3 chi(b): {error:.1e}")
    return True


def convergence_is_json(case: Candidate) -> None:
    """What it tells of its iterations and its notes can be written as JSON."""
    for course in case.found.convergence:
        if not course.values:
            raise BrokenContractError(f"{course.name}: no value of the iteration was kept")
        json.dumps(asdict(course), allow_nan=False)
    if not all(isinstance(note, str) and "\n" not in note for note in case.found.notes):
        raise BrokenContractError("notes are lines of text")


def threads(case: Candidate) -> None:
    """Two threads give the same map but for rounding."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        error = float((case.method(case.scan) - case.found.chi).abs().max())
    finally:
        torch.set_num_threads(before)
    if error > 1e-5 * case.largest:
        raise BrokenContractError(f"with two threads chi differs by {error:.1e} ppm")


def text_options(case: Candidate) -> None:
    """Every option takes its default as text, as the command line gives it, and an unknown one is refused."""
    entry = METHODS[case.name]
    given = {key: str(value) for key, value in entry.options.items() if value is not None and key not in case.options}
    if build(case.name, {**given, **case.options}, case.weights) != case.method:
        raise BrokenContractError("its options given as text make another method")
    try:
        build(case.name, {**case.options, "no-such-option": 1}, case.weights)
    except InputError:
        return
    raise BrokenContractError("an unknown option is accepted")


CHECKS: tuple[Callable[[Candidate], object], ...] = (
    form,
    deterministic,
    leaves_the_scan,
    nothing_outside,
    bare,
    linear,
    convergence_is_json,
    threads,
    text_options,
)


def run_checks(case: Candidate) -> Iterator[Outcome]:
    """Run every check; any error of the method is a verdict, not an end."""
    for check in CHECKS:
        text = " ".join((check.__doc__ or check.__name__).split())
        try:
            applied = check(case)
        except (BrokenContractError, InputError, ReconstructionError) as error:
            yield Outcome(text, False, str(error))
        # A stranger's code may raise anything; its author wants to see which check that was.
        except Exception as error:  # noqa: BLE001
            yield Outcome(text, False, f"{type(error).__name__}: {error}")
        else:
            yield Outcome(text, None if applied is False else True, "")
