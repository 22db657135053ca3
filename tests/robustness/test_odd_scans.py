"""Scans that claim what they are not: little memory, seconds, one line, and nothing written."""

import gzip
import subprocess
import sys
import warnings

import nibabel as nib
import numpy as np
import pytest
from little_bids import write_bids

from qsmbench.cli.main import main
from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid
from qsmbench.data.nifti import read_volume
from qsmbench.preparation.bids_files import find_acquisitions
from qsmbench.preparation.echoes import Echoes

DATA = np.ones((6, 6, 6), np.float32)
QUICK = ["--option", "mask.method=whole", "--option", "background.radius=3", "--option", "background.max_iterations=2"]


def header(kind=nib.Nifti1Image, **fields):
    """The bytes of a small image whose header says something else."""
    image = kind(DATA, np.diag([2.0, 2.0, 2.0, 1.0]))
    content = bytearray(image.to_bytes())
    for name, value in fields.items():
        dtype, start = image.header.template_dtype.fields[name][:2]
        stored = np.full(dtype.shape or (1,), value, dtype.base).tobytes() if np.ndim(value) == 0 else np.array(
            value, dtype.base).tobytes()  # fmt: skip
        content[start : start + len(stored)] = stored
    return bytes(content)


HUGE = [3, 1000, 1000, 1000, 1, 1, 1, 1]
SCANS = {
    "a thousand cubed in a kilobyte": header(dim=HUGE),
    "a thousand cubed, packed": gzip.compress(header(dim=HUGE)),
    "more voxels than any number": header(nib.Nifti2Image, dim=[3, 2**62, 2**62, 2**62, 1, 1, 1, 1]),
    "no voxels": header(dim=[3, 0, 6, 6, 1, 1, 1, 1]),
    "negative lengths": header(dim=[3, -6, 6, 6, 1, 1, 1, 1]),
    "more than it claims": gzip.compress(header() + bytes(200 << 20)),
    "an unknown unit": header(xyzt_units=7),
    "an offset without end": header(vox_offset=np.inf),
    "an offset behind its end": header(vox_offset=1e9),
    "voxels that are none": header(pixdim=np.nan),
    "axes beyond squares": header(nib.Nifti2Image, sform_code=1, srow_x=1e300),
    "values beyond measure": header(scl_slope=1e30),
}


@pytest.mark.parametrize("kind", SCANS)
def test_a_scan_that_lies_is_refused_before_memory_is_taken_for_it(tmp_path, kind, capfd):
    path = tmp_path / ("a.nii.gz" if SCANS[kind][:2] == b"\x1f\x8b" else "a.nii")
    path.write_bytes(SCANS[kind])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InputError) as found:
            read_volume(path)
    assert str(path) in str(found.value) and len(str(found.value).splitlines()) == 1
    assert capfd.readouterr().err == "", "libraries print nothing of their own"


def test_all_of_them_together_take_little(tmp_path):
    """A process of 1 GB beyond what is loaded, which a thousand cubed of four bytes is far above."""
    for number, content in enumerate(SCANS.values()):
        (tmp_path / f"{number}.nii{'.gz' if content[:2] == gzip.compress(b'')[:2] else ''}").write_bytes(content)
    # VmHWM is the process's own; ru_maxrss begins with the peak of whoever started it.
    code = (
        "import sys\nfrom pathlib import Path\nfrom qsmbench.core.errors import InputError\n"
        "from qsmbench.data.nifti import read_volume\nimport nibabel, numpy\n"
        "for path in sorted(Path(sys.argv[1]).iterdir()):\n"
        "    try:\n        read_volume(path)\n    except InputError:\n        continue\n    sys.exit(str(path))\n"
        "print(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 1_000_000, "kB"


@pytest.fixture
def bids(tmp_path):
    shape = (8, 9, 7)
    rng = np.random.default_rng(0)
    phase = rng.uniform(-1, 1, (2, *shape)).astype(np.float32)
    echoes = Echoes(phase, np.ones((2, *shape), np.float32), Grid(shape, (2.0, 2.0, 2.0)), (0.005, 0.010), 3.0, "s")
    return write_bids(tmp_path / "raw", echoes)


def with_one_voxel(bids, part, value):
    path = bids / f"sub-01/anat/sub-01_echo-1_part-{part}_MEGRE.nii.gz"
    image = nib.load(path)
    data = np.asarray(image.dataobj, np.float64)
    data[3, 3, 3] = value
    nib.save(nib.Nifti1Image(data.astype(np.float32), image.affine), path)
    return path


@pytest.mark.parametrize(("part", "value"), [("phase", 2e34), ("mag", 1e38), ("mag", np.inf)])
def test_a_voxel_that_nothing_measures_ends_preparation_with_nothing_written(bids, tmp_path, part, value, capsys):
    path, out = with_one_voxel(bids, part, value), tmp_path / "out"
    assert main(["prepare", "--bids", str(bids), "--out-dir", str(out), *QUICK]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert path.name in said[-1], said
    assert not out.exists() or not [p for p in out.rglob("*") if p.is_file()]


@pytest.mark.parametrize("echo", ["²", "x", "-1"])
def test_an_echo_that_is_no_number_is_named(bids, echo):
    path = bids / "sub-01/anat/sub-01_echo-1_part-phase_MEGRE.nii.gz"
    path.rename(path.with_name(f"sub-01_echo-{echo}_part-phase_MEGRE.nii.gz"))
    with pytest.raises(InputError, match="echo"):
        find_acquisitions(bids)


@pytest.mark.parametrize("value", ["1" + "0" * 400, "[" * 50_000, "1e999"], ids=["400 digits", "deep", "infinite"])
def test_a_sidecar_of_strange_numbers_is_one_line(bids, tmp_path, value, capsys):
    path = bids / "sub-01/anat/sub-01_echo-1_part-phase_MEGRE.json"
    path.write_text(f'{{"EchoTime": {value}}}')
    assert main(["prepare", "--bids", str(bids), "--out-dir", str(tmp_path / "out"), *QUICK]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert "Traceback" not in "".join(said) and "echo-1_part-phase" in said[-1], said
