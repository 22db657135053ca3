"""The Python face of qsmbench: arrays or NIfTI paths in, plain objects out. Import it as `import qsmbench`.

Volumes are (x, y, z) in NIfTI voxel order, float32; fields and chi are in ppm, lengths in mm, times in s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qsmbench.api_inputs import acquisition_of, grid_of, said_mask, scan_of, volume_of
from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid

if TYPE_CHECKING:
    from qsmbench.core.scan import Reference, Scan
    from qsmbench.preparation.pipeline import Prepared

Source: TypeAlias = "ArrayLike | str | PathLike[str]"


@dataclass(frozen=True, eq=False)
class Map:
    """A susceptibility map and how it came about; numpy takes it for its values (`np.asarray(chi_map)`).

    Attributes:
        chi: (x, y, z) float32, ppm, zero outside the mask.
        grid: its geometry.
        method: what made it.
        parameters: every parameter with its value.
        notes: what the method assumed, lacked or doubted, a line each.
        converged: whether each of its loops met its tolerance; empty for a closed form.
    """

    chi: NDArray[np.float32]
    grid: Grid
    method: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    converged: tuple[bool, ...] = ()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.chi, dtype=dtype, copy=copy)

    def __repr__(self) -> str:
        inside = self.chi[self.chi != 0]
        spread = f"{inside.min():.3f} to {inside.max():.3f} ppm" if inside.size else "zero everywhere"
        notes = f", {len(self.notes)} notes" if self.notes else ""
        return f"<Map by {self.method}: {_size(self.grid)}, {spread}{notes}>"

    def save(self, path: str | PathLike[str]) -> Path:
        """Write the map as NIfTI; return the path."""
        from qsmbench.data.nifti import write_volume

        write_volume(Path(path), self.chi, self.grid.matrix, f"chi, ppm, {self.method}")
        return Path(path)


def methods() -> dict[str, str]:
    """Return the names of all methods, those of other installed packages included, with their labels.

    >>> methods()["tkd"]
    'TKD'
    """
    from qsmbench.methods.registry import METHODS

    return {name: entry.label for name, entry in METHODS.items()}


def load_scan(
    local_field: Source,
    mask: Source,
    *,
    magnitude: Source | None = None,
    field_noise: Source | None = None,
    voxel_size: Sequence[float] | None = None,
    b0_dir: Sequence[float] | None = None,
    b0: float | None = None,
    echo_times: Sequence[float] = (),
) -> Scan:
    """Bring together what a reconstruction may see, from NIfTI paths, arrays, or some of each.

    Args:
        local_field: (x, y, z), ppm.
        mask: (x, y, z), non-zero inside; probabilities count from one half on, which is said.
        magnitude: (x, y, z), any unit.
        field_noise: (x, y, z), standard deviation of the field, ppm.
        voxel_size: mm; only where no volume is a NIfTI file, whose header says it.
        b0_dir: direction of B0 in voxel axes; by default the scanner's z axis through the affine, or (0, 0, 1).
        b0: main field, T.
        echo_times: s.

    Raises:
        InputError: a damaged file, grids that differ, a voxel size that is missing or given twice, volumes that
            `qsmbench.Scan` refuses.

    >>> import numpy as np
    >>> mask = np.ones((8, 8, 6), bool)
    >>> load_scan(np.zeros(mask.shape), mask, voxel_size=(1, 1, 2), b0=3)
    <Scan: 8x8x6 voxels of 1x1x2 mm, B0 3 T along (0, 0, 1), 384 voxels inside, local field of SD 0.0 ppb>
    """
    return scan_of(
        {"local_field": local_field, "magnitude": magnitude, "field_noise": field_noise},
        mask,
        voxel_size=voxel_size,
        b0_dir=b0_dir,
        b0=b0,
        echo_times=echo_times,
    )


def reconstruct(
    name: str, scan: Scan, *, weights: str | PathLike[str] | None = None, device: str = "cpu", **options: Any
) -> Map:
    """Run a method on a scan.

    Args:
        name: of `methods`.
        scan: of `load_scan`, or a `qsmbench.Scan`.
        weights: of a network: a file or "shipped:NAME"; by default those of its name that come with qsmbench.
        device: of torch.
        options: the method's parameters (`qsmbench methods` lists them); the others keep their defaults.

    Raises:
        InputError: an unknown method or option, a value out of bounds, a scan that lacks what the method needs.
        ReconstructionError: the method did not come to a finite map.

    >>> import numpy as np
    >>> mask = np.ones((8, 8, 8), bool)
    >>> scan = load_scan(np.random.default_rng(0).normal(0, 0.01, mask.shape), mask, voxel_size=(1, 1, 1))
    >>> reconstruct("tkd", scan, threshold=0.15).chi.shape
    (8, 8, 8)
    """
    from dataclasses import asdict

    from qsmbench.methods.registry import METHODS, build

    chosen = Path(weights) if weights is not None else METHODS.find(name).shipped_weights
    method = build(name, options, chosen)
    found = method.reconstruct(scan.to(device))
    return Map(
        chi=found.chi.cpu().numpy(),
        grid=found.grid or scan.grid,
        method=name,
        parameters=asdict(method),
        notes=found.notes,
        converged=tuple(c.converged for c in found.convergence),
    )


def forward_field(
    chi: Source | Map,
    *,
    voxel_size: Sequence[float] | None = None,
    b0_dir: Sequence[float] | None = None,
    padding: float = 2.0,
) -> NDArray[np.float32]:
    """Return the field of a susceptibility map, (x, y, z), ppm, by the padded dipole convolution.

    Args:
        chi: (x, y, z), ppm: array, NIfTI path or `Map`.
        voxel_size: mm; only for an array.
        b0_dir: direction of B0 in voxel axes; by default that of the map, or the scanner's z axis.
        padding: zero-padding factor against wrap-around.

    Raises:
        InputError: a damaged file, or a voxel size that is missing or given twice.

    >>> import numpy as np
    >>> chi = np.zeros((16, 16, 16)); chi[8, 8, 8] = 1
    >>> field = forward_field(chi, voxel_size=(1, 1, 1))
    >>> bool(field[8, 8, 10] > 0 > field[10, 8, 8])
    True
    """
    import torch

    from qsmbench.physics.dipole import forward_field as convolve

    if isinstance(chi, Map):
        if voxel_size is not None:
            raise InputError("voxel_size: the map says its own; leave it out")
        grid = chi.grid if b0_dir is None else Grid.from_affine(chi.grid.shape, chi.grid.matrix, b0_dir)
        values = chi.chi
    else:
        affines: list[NDArray[np.float64]] = []
        values = volume_of(chi, affines)
        grid = grid_of(values.shape, affines, voxel_size, b0_dir)
    field: NDArray[np.float32] = convolve(torch.from_numpy(np.ascontiguousarray(values)), grid, padding).numpy()
    return field


def prepare(
    phase: Source | Sequence[Source],
    magnitude: Source | Sequence[Source],
    *,
    echo_times: Sequence[float],
    b0: float,
    mask: Source | None = None,
    voxel_size: Sequence[float] | None = None,
    b0_dir: Sequence[float] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Prepared:
    """Take one scan from the phase of its echoes to the local field.

    Args:
        phase: an array (n_echoes, x, y, z) in rad, or NIfTI paths: one an echo, or one with the echoes along its
            fourth axis, in any scale that `qsmbench prepare` knows.
        magnitude: likewise.
        echo_times: s, in the order of the volumes.
        b0: T.
        mask: (x, y, z), non-zero inside, used as it is; probabilities count from one half on, which is said; by
            default made from the magnitude.
        voxel_size: mm; only for arrays.
        b0_dir: direction of B0 in voxel axes; by default the scanner's z axis.
        settings: those of docs/preparation.md that differ from the defaults, {"background": {"kind": "lbv"}} say.

    Returns:
        `volumes` by name (local_field and total_field in ppm, mask, local_mask, field_noise, magnitude, r2star, swi,
        ...), `grid`, a `report` of numbers, `warnings`.

    Raises:
        InputError: everything that is wrong with the input, a line each.
    """
    from qsmbench.preparation.pipeline import prepare as run
    from qsmbench.preparation.settings import PreparationSettings

    chosen = PreparationSettings.model_validate(dict(settings or {}))
    echoes, inside, said = acquisition_of(
        phase, magnitude, mask, chosen.phase, echo_times=echo_times, b0=b0, voxel_size=voxel_size, b0_dir=b0_dir
    )
    found = run(echoes, chosen, inside)
    return replace(found, warnings=(*said, *found.warnings))


def score(
    estimate: Source | Map,
    reference: Source | Map,
    mask: Source,
    *,
    voxel_size: Sequence[float] | None = None,
    metrics: Sequence[str] | None = None,
) -> dict[str, float]:
    """Score a map against its reference.

    Args:
        estimate: (x, y, z), ppm; what lies outside the mask does not matter.
        reference: (x, y, z), ppm.
        mask: where to score, (x, y, z), non-zero inside; probabilities count from one half on, which is said.
        voxel_size: mm; only where neither map says it.
        metrics: names (`qsmbench methods --metrics`); by default all that compare two maps.

    Returns:
        One number a metric, `coverage` always among them; nan where a metric is undefined for this estimate.

    Raises:
        InputError: an unknown metric, volumes that differ in shape, an empty mask, a reference that is zero in it.

    >>> import numpy as np
    >>> chi = np.linspace(-0.1, 0.1, 64).reshape(4, 4, 4)
    >>> score(chi, chi, np.ones((4, 4, 4)), voxel_size=(1, 1, 1), metrics=["rmse"])
    {'rmse': 0.0, 'coverage': 1.0}
    """
    from qsmbench.metrics.registry import score as score_maps

    affines: list[NDArray[np.float64]] = []
    volumes = []
    for source in (reference, estimate):
        if isinstance(source, Map):
            affines.append(source.grid.matrix)
            volumes.append(source.chi)
        else:
            volumes.append(volume_of(source, affines))
    inside = said_mask(mask, affines)
    grid = grid_of(volumes[0].shape, affines, voxel_size, None)
    return score_maps(volumes[1], volumes[0], inside, grid.voxel_size, metrics)


def example_scan(voxel_size: float = 3.0, seed: int = 0) -> tuple[Scan, Reference]:
    """Return a scan to try things on, and its truth: the head phantom, its field with the errors of a measured one.

    Args:
        voxel_size: edge of the voxels, mm, rounded to whole ones; at 1 mm the head takes seconds and 150 MB.
        seed: another one is another head and another error of the field.

    Raises:
        InputError: a voxel size that is not 1 to 6 mm.

    >>> scan, truth = example_scan(6.0)
    >>> scan.grid.voxel_size, truth.chi.shape == scan.grid.shape
    ((6.0, 6.0, 6.0), True)
    """
    import torch
    from skimage.measure import block_reduce

    from qsmbench.core.scan import Reference, Scan
    from qsmbench.core.seeds import generator_for
    from qsmbench.simulation.error_model import measured_like
    from qsmbench.simulation.phantom import head_phantom

    if not 1 <= voxel_size <= 6:
        raise InputError(f"voxel_size of the example must be 1 to 6 mm, got {voxel_size}")
    head = head_phantom(seed)
    # The phantom's voxels are 1 mm: blocks of them.
    block = round(voxel_size)
    sums = (block_reduce(volume, block) for volume in (head.chi, head.magnitude, head.mask))  # type: ignore[no-untyped-call]
    chi, magnitude, share = (np.asarray(total / block**3, np.float32) for total in sums)
    mask = share >= 0.5
    chi = np.where(mask, chi / np.maximum(share, np.float32(0.5)), np.float32(0))
    grid = Grid((chi.shape[0], chi.shape[1], chi.shape[2]), (float(block),) * 3)
    made = measured_like(chi, mask, grid, generator_for("example", seed), magnitude=magnitude)
    chi = np.where(made.mask, chi, np.float32(0))
    noise = None if made.field_noise is None else torch.from_numpy(made.field_noise)
    volumes = (torch.from_numpy(made.local_field), torch.from_numpy(made.mask))
    scan = Scan(*volumes, grid, magnitude=torch.from_numpy(magnitude), field_noise=noise, b0=3.0, echo_times=(0.02,))
    return scan, Reference(chi, made.mask, grid)


def load_set(path: str | PathLike[str]) -> Any:
    """Open a synthetic set (a folder `results/synthetic/<name>.zarr`): `len`, `scan(i)`, `reference(i)`.

    Raises:
        InputError: the folder is no such set.
    """
    from qsmbench.data.store import StoredSet

    return StoredSet(Path(path))


def _size(grid: Grid) -> str:
    return f"{'x'.join(map(str, grid.shape))} voxels of {'x'.join(f'{v:g}' for v in grid.voxel_size)} mm"
