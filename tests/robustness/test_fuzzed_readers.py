"""Every reader, a few hundred damaged files each: a value or one line, no traceback (longer: benchmarks/fuzz.py)."""

import json
import subprocess
import sys
import time

import nibabel as nib
import numpy as np
import pytest
import torch
from mutations import commands, damaged_text, little_network, readers
from tampering import linked_copy, replace

from qsmbench.audit.audit import Options, audit
from qsmbench.cli.main import main
from qsmbench.core.errors import InputError
from qsmbench.data.nifti import write_volume
from qsmbench.networks.weights import load_network

N = 150
NAMES = (
    *("NIfTI-1", "NIfTI-1, gzip", "NIfTI-1, scaled", "NIfTI-2, echoes", "NIfTI-2, gzip", "JSON sidecar", "YAML"),
    *("configuration", "Zarr group", "Zarr array", "Zarr shard", "Zarr map", "Zarr chunk", "Parquet", "display"),
    *("weights", "checkpoint", "manifest", "record of a job"),
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


COMMANDS = {
    **{"report, reconstructions/test/tkd.json": 5, "report, timings/test/tkd.csv": 4, "report, scores.parquet": 4},
    **{"report, synthetic/test.hashes/0.json": 3, "reconstruct, sidecar": 40, "settings of a training": 100},
}


@pytest.fixture(scope="module")
def commanded(results, tmp_path_factory):
    return {reader.name: reader for reader in commands(tmp_path_factory.mktemp("commands"), results)}


@pytest.mark.parametrize(("name", "n"), COMMANDS.items(), ids=COMMANDS)
def test_commands_on_damaged_files_end_in_a_result_or_in_one_line(commanded, name, n):
    assert sum(commanded[name].attack(n, seed=24).values()) == n


# What half an hour of benchmarks/fuzz.py found: lengths of 0, and keys of 5000 letters in a message.
FOUND = (("Zarr array", 1020551643), ("Zarr array", 1020553365), ("display", 1020553320), ("weights", 1020556715))


@pytest.mark.parametrize(("name", "seed"), FOUND)
def test_what_was_found_once_is_refused_ever_after(attacked, name, seed):
    assert attacked[name].attack(1, seed=seed) == {"read": 0, "refused": 1}


# By another hour: a direction and a unit of 5000 letters in a message, a text where a noise level is counted with.
# A configuration in display.json that lacks a set's smallest voxel size.
SIDECAR, DRAWN, DISPLAY = "reconstruct, sidecar", "report, synthetic/test.hashes/0.json", "report, report/display.json"
MET = ((SIDECAR, 20261144), (SIDECAR, 20261510), (DRAWN, 20261156), (DISPLAY, 71270))


@pytest.mark.parametrize(("name", "seed"), MET)
def test_what_commands_met_once_is_refused_ever_after(commanded, name, seed):
    assert commanded[name].attack(1, seed=seed) == {"read": 0, "refused": 1}


def test_a_flipped_bit_of_a_weights_file_is_refused_or_changes_no_weight(tmp_path):
    path = tmp_path / "network.pt"
    network = little_network()
    network.save(path)
    sound, rng, refused = path.read_bytes(), np.random.default_rng(24), 0
    for _ in range(300):
        at = int(rng.integers(len(sound)))
        path.write_bytes(sound[:at] + bytes([sound[at] ^ 1 << int(rng.integers(8))]) + sound[at + 1 :])
        try:
            read = load_network(path)
        except InputError as error:
            refused += 1
            assert len(str(error).splitlines()) == 1 and str(path) in str(error)
            continue
        assert (read.architecture, read.options, read.scaling) == (
            network.architecture,
            network.options,
            network.scaling,
        )
        assert all(torch.equal(value, network.state[key]) for key, value in read.state.items())
    # The rest are dates, modes and what fills a place between two entries.
    assert refused > 150


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"these are words\n", "train or fetch it again"), (b"", "train or fetch it again"), (None, "does not exist")],
)
def test_no_weights_end_the_command_in_one_line(tmp_path, capsys, content, said):
    path = tmp_path / "network.pt"
    if content is not None:
        path.write_bytes(content)
    field = tmp_path / "field.nii.gz"
    write_volume(field, np.full((8, 8, 8), 0.1, np.float32), np.eye(4))
    out = tmp_path / "chi.nii.gz"
    files = ["--local-field", str(field), "--mask", str(field), "--out", str(out), "--weights", str(path)]
    assert main(["reconstruct", "meta-qsm", *files]) == 2
    printed = capsys.readouterr().err
    assert said in printed and str(path) in printed and len(printed.strip().splitlines()) == 1
    assert not out.exists()


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
