"""Phases and complex parts whose scale is not what files say."""

import json
from dataclasses import replace

import numpy as np
import pytest
from little_bids import save, write_bids
from little_scan import TIMES, little

from qsmbench.core.errors import InputError
from qsmbench.preparation.bids import load
from qsmbench.preparation.bids_files import find_acquisitions
from qsmbench.preparation.complex_parts import check_parts
from qsmbench.preparation.loose_files import in_order
from qsmbench.preparation.phase_units import Declared, to_radians
from qsmbench.preparation.pipeline import prepare
from qsmbench.preparation.settings import PhaseSettings, PreparationSettings


def smooth(largest):
    """A masked phase without a wrap."""
    _, mask = little()
    field = np.linspace(-1, 1, mask.shape[0])[:, None, None] * mask
    return np.stack([largest * field * (j + 1) / 3 for j in range(3)]).astype(np.float32)


@pytest.mark.parametrize(("phase", "doubted"), [(smooth(2.5), False), (smooth(0.8), True), (0.5 + smooth(0.3), True)])
def test_a_phase_in_radians_that_fills_little_of_a_turn_is_said(phase, doubted):
    found = to_radians(phase, "scan", declared=Declared("rad"))
    np.testing.assert_array_equal(found.phase, phase)
    assert any("--phase-scale pi or 2*pi" in line for line in found.warnings) == doubted


@pytest.mark.parametrize("gain", [1.0, 1.2, 3.0, 0.2])
def test_parts_of_different_gain_are_said(gain):
    echoes, _ = little()
    signal = echoes.magnitude * np.exp(1j * echoes.phase)
    said = check_parts(signal.real.astype(np.float32), (gain * signal.imag).astype(np.float32), "scan")
    assert any("scaled one by one" in line for line in said) == (gain in (3.0, 0.2))


def test_parts_of_a_dataset_are_looked_at(tmp_path):
    echoes, _ = little()
    root = write_bids(tmp_path / "raw", echoes)
    anat = root / "sub-01" / "anat"
    signal = echoes.magnitude * np.exp(1j * echoes.phase)
    for part, old, parts in (("real", "mag", signal.real), ("imag", "phase", 4 * signal.imag)):
        (root / f"part-{old}_MEGRE.json").rename(root / f"part-{part}_MEGRE.json")
        for j, volume in enumerate(parts):
            stem = f"sub-01_echo-{j + 1}_part-"
            save(anat / f"{stem}{part}_MEGRE.nii.gz", volume.astype(np.float32), echoes.grid.matrix)
            (anat / f"{stem}{old}_MEGRE.nii.gz").unlink()
            (anat / f"{stem}{old}_MEGRE.json").rename(anat / f"{stem}{part}_MEGRE.json")
    (found,) = find_acquisitions(root)
    assert any("scaled one by one" in line for line in load(found, PhaseSettings()).warnings)


@pytest.mark.parametrize(("key", "values"), [("Units", ("rad", "deg")), ("B0_dir", ([0, 0, 1], [0, 1, 0]))])
def test_sidecars_of_loose_phases_that_differ_are_refused(tmp_path, key, values):
    paths = [tmp_path / f"p{n}.nii.gz" for n in (1, 2, 3)]
    for n, path in enumerate(paths):
        path.touch()
        (tmp_path / f"p{n + 1}.json").write_text(json.dumps({key: values[0]}))
    assert in_order(paths, paths, TIMES)[3] == {key: values[0]}
    (tmp_path / "p2.json").write_text(json.dumps({key: values[1]}))
    with pytest.raises(InputError, match=f"{key} differs between the phase's sidecars"):
        in_order(paths, paths, TIMES)


@pytest.mark.parametrize(("scale", "doubted"), [(1.0, False), (30.0, True)])
def test_a_local_field_of_no_tissue_is_said(scale, doubted):
    echoes, mask = little()
    other = replace(echoes, echo_times=tuple(t / scale for t in TIMES))
    said = prepare(other, PreparationSettings(swi=None), mask).warnings
    assert any("not one of tissue" in line and "--phase-scale" in line for line in said) == doubted


@pytest.mark.parametrize(
    ("per_unit", "scale", "doubted"),
    [
        (1.0, "rad", False),
        (1.0, "deg", True),
        (180 / np.pi, "deg", False),
        (180 / np.pi, "rad", True),
        (4096 / np.pi, "pi/4096", False),
        (4096 / np.pi, "pi/2048", True),
        (2048 / np.pi, "pi/4096", True),
    ],
)
def test_a_scale_that_contradicts_the_wraps_is_used_and_said(per_unit, scale, doubted):
    rng = np.random.default_rng(0)
    phase = rng.uniform(-np.pi, np.pi, (2, 16, 17, 18)).astype(np.float32)
    found = to_radians(phase * np.float32(per_unit), "scan", scale)
    assert any("is the scale right?" in line for line in found.warnings) == doubted
    assert not any("is the scale right?" in line for line in to_radians(smooth(4.0), "scan", "rad").warnings)


@pytest.mark.parametrize("zero", [0, 2048])
def test_a_scale_that_only_the_maker_tells_is_said(zero):
    stored = np.rint(smooth(1.0) * (4096 if zero == 0 else 2048) / np.pi + zero).astype(np.float32)
    found = to_radians(stored, "scan", declared=Declared(manufacturer="Siemens"))
    np.testing.assert_allclose(found.phase, smooth(1.0), atol=2e-3)
    assert ["by its maker" in line for line in found.warnings] == [True]
