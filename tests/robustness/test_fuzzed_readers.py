"""Every reader, a few hundred damaged files each: a value or one line, no traceback (longer: benchmarks/fuzz.py)."""

import json
import subprocess
import sys
import time

import nibabel as nib
import numpy as np
import pytest
from mutations import damaged_text, readers
from tampering import linked_copy, replace

from qsmbench.audit.audit import Options, audit

N = 150
NAMES = (
    *("NIfTI-1", "NIfTI-1, gzip", "NIfTI-1, scaled", "NIfTI-2, echoes", "NIfTI-2, gzip", "JSON sidecar", "YAML"),
    *("configuration", "Zarr group", "Zarr array", "Zarr shard", "Zarr map", "Zarr chunk", "Parquet", "display"),
    *("manifest", "record of a job"),
)


@pytest.fixture(scope="module")
def attacked(results, tmp_path_factory):
    return {reader.name: reader for reader in readers(tmp_path_factory.mktemp("fuzz"), results)}


def test_every_reader_is_listed(attacked):
    assert set(attacked) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_damaged_files_end_in_a_value_or_in_one_line(attacked, name, capfd):
    started = time.process_time()
    counts = attacked[name].attack(N, seed=24)
    assert sum(counts.values()) == N and (counts["refused"] > 10 or name == "record of a job"), counts
    assert time.process_time() - started < 30
    assert capfd.readouterr().err == "", "libraries print nothing of their own"


def test_nibabel_says_nothing_of_its_own_outside_pytest(tmp_path):
    """Which keeps a logger from the handler that Python falls back to."""
    image = nib.Nifti1Image(np.zeros((3, 3, 3), np.float32), np.eye(4))
    content = bytearray(image.to_bytes())
    content[80:84] = bytes(4)
    (tmp_path / "a.nii").write_bytes(content)
    code = f"from qsmbench.data.nifti import read_volume; read_volume({str(tmp_path / 'a.nii')!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pixdim[1,2,3]" not in done.stderr


@pytest.mark.parametrize(
    "pattern",
    [
        *("provenance/config.json", "report/display.json", "reconstructions/test/tkd.json", "ro-crate-metadata.json"),
        *("provenance/jobs/reconstruct-*.json", "synthetic/test.hashes/0.json", "synthetic/test.zarr/chi/zarr.json"),
    ],
)
def test_an_audit_of_damaged_json_ends_with_a_verdict(results, tmp_path, pattern):
    folder = linked_copy(results, tmp_path / "run")
    path = min(folder.glob(pattern))
    sound = path.read_bytes()
    for number in range(6):
        content = damaged_text(sound, np.random.default_rng([7, number]))
        if content == path.read_bytes():
            continue
        replace(path, content)
        same = _value(content) == _value(sound)
        assert same or audit(folder, Options(recompute=0, threads=1)).findings, (pattern, number)


def _value(content):
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return content
