"""A folder as a method: made by `qsm-ci new`, filled with a TKD, run for real; and every way in which it can fail."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from foreign_folder import THEIR_REMOVAL, stand_in, their_folder, their_qsm

import qsmbench
from qsmbench.cli.main import main
from qsmbench.core.errors import InputError
from qsmbench.foreign.images import image_facts, image_note
from qsmbench.foreign.manifest import read_manifest
from qsmbench.foreign.run import Limits, command_line
from qsmbench.methods.contract import ReconstructionError
from qsmbench.methods.registry import build
from qsmbench.preparation.background.contract import Total
from qsmbench.preparation.background.remove import remove
from qsmbench.preparation.settings import ForeignRemoval


@pytest.fixture
def folder(tmp_path):
    """What `qsm-ci new` makes, with an inversion in place of its placeholder."""
    return their_qsm(tmp_path)


def shell(folder, text):
    (folder / "run.sh").write_text(text)


def test_it_makes_the_map_that_ours_makes_of_the_same_formula(folder, small_scan):
    theirs = build("command", {"folder": str(folder), "parameters": '{"threshold": 0.15}'}).reconstruct(small_scan)
    ours = build("tkd", {"threshold": 0.15, "padding": 1}).reconstruct(small_scan)
    # Ours works on a box of its own: the same but for wrap-around.
    both = np.stack([theirs.chi[small_scan.mask], ours.chi[small_scan.mask]])
    assert np.corrcoef(both)[0, 1] > 0.9
    assert theirs.notes[0].startswith("Their QSM by the folder their-qsm, SHA-256 ")
    assert any("not isolated" in note for note in theirs.notes)
    default = build("command", {"folder": str(folder)})(small_scan)
    assert not torch.equal(default, theirs.chi)


def test_the_command_line_writes_the_map_and_says_what_ran(folder, tmp_path, capsys):
    scan, _ = qsmbench.example_scan(6.0)
    field, mask = tmp_path / "f.nii.gz", tmp_path / "m.nii.gz"
    qsmbench.Map(scan.local_field.numpy(), scan.grid, "").save(field)
    qsmbench.Map(scan.mask.numpy().astype(np.float32), scan.grid, "").save(mask)
    out = tmp_path / "chi.nii.gz"
    words = ["reconstruct", "command", "--option", f"folder={folder}", "--local-field", str(field), "--mask", str(mask)]
    assert main([*words, "--out", str(out)]) == 0
    beside = json.loads(out.with_name("chi.json").read_text())
    assert beside["parameters"]["folder"] == str(folder)
    assert "SHA-256" in beside["notes"][0]


def test_a_local_command_finds_the_packages_of_this_python_whoever_started_it(folder, small_scan, monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    shell(folder, 'python3 -c "import nibabel, sys; print(sys.prefix, file=sys.stderr)"; python3 recon.py "$1" "$2"')
    assert build("command", {"folder": str(folder)})(small_scan).any()


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo a >&2; echo nobody home >&2; exit 3", "ended with status 3; its last lines: a | nobody home"),
        ("kill -9 $$", "ended by signal 9"),
        ("sleep 60 & sleep 60", "longer than 2 s"),
        ("true", "wrote no chimap.nii.gz"),
        ("echo hello > $2/chimap.nii.gz", "cannot be read"),
        ("cp $1/mask.nii.gz $2/chimap.nii.gz; python3 -c 'x = bytearray(10**10)'", "MemoryError"),
    ],
)
def test_what_fails_ends_with_its_reason(folder, small_scan, script, message):
    shell(folder, script)
    method = build("command", {"folder": str(folder), "seconds": 2, "memory_mb": 2000})
    with pytest.raises(ReconstructionError, match=message.replace("|", r"\|")):
        method(small_scan)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("chi = image.get_fdata() * np.nan", "non-finite voxels"),
        ("chi = image.get_fdata() * 0", "zeros throughout"),
        ("chi = image.get_fdata() * 1e6", "another unit"),
        ("chi = image.get_fdata()[1:]", "voxels for"),
        ("chi = image.get_fdata(); image = nibabel.Nifti1Image(chi, np.diag([9, 9, 9, 1]))", "another affine"),
    ],
)
def test_what_it_writes_is_checked(folder, small_scan, line, message):
    save = 'nibabel.save(nibabel.Nifti1Image(chi.astype(np.float32), image.affine), f"{sys.argv[2]}/chimap.nii.gz")'
    head = 'import sys, nibabel, numpy as np\nimage = nibabel.load(f"{sys.argv[1]}/localfield.nii.gz")'
    (folder / "recon.py").write_text("\n".join([head, line, save]))
    with pytest.raises(ReconstructionError, match=message):
        build("command", {"folder": str(folder)})(small_scan)


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        ("", "name. is missing"),
        ("a: [", "is not valid YAML"),
        ("{name: a, slug: a, run: bash run.sh}", "'stage' is missing"),
        ("{name: a, slug: a, run: bash run.sh, stage: chi-separation}", "cannot be run here"),
        ("{name: a, slug: a, run: bash run.sh, stage: bfr}", "its stage is bfr"),
    ],
)
def test_a_bad_manifest_is_refused(folder, manifest, message):
    (folder / "algorithm.yml").write_text(manifest)
    with pytest.raises(InputError, match=message):
        build("command", {"folder": str(folder)})
    with pytest.raises(InputError, match="cannot be read"):
        build("command", {"folder": str(folder / "nowhere")})


def test_an_undeclared_parameter_and_a_missing_magnitude_are_refused(folder, small_scan):
    with pytest.raises(InputError, match="no parameter 'treshold'"):
        build("command", {"folder": str(folder), "parameters": {"treshold": 1}})(small_scan)
    with (folder / "algorithm.yml").open("a") as file:
        file.write("inputs: [localfield, mask, params, magnitude]\n")
    bare = qsmbench.Scan(small_scan.local_field, small_scan.mask, small_scan.grid)
    with pytest.raises(InputError, match="needs magnitude"):
        build("command", {"folder": str(folder)})(bare)


def test_containers_get_no_network_read_only_inputs_and_their_limits(folder, tmp_path, monkeypatch):
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("docker", "apptainer"):
        (tools / name).write_text("#!/bin/sh\n")
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tools))
    manifest, variables = read_manifest(folder), {"QSMCI_B0": "3.0"}
    inputs, outputs = tmp_path / "in put", tmp_path / "out"
    rest = {"inputs": inputs, "outputs": outputs, "variables": variables, "limits": Limits(9, 1234), "name": "job"}
    docker = command_line(manifest, runner="docker", **rest)
    assert docker[:3] == ["docker", "run", "--rm"]
    assert docker[-3:] == ["ghcr.io/you/your-image:v1", "bash", "run.sh"]
    assert all(word in docker for word in (f"{inputs}:/input:ro", f"{outputs}:/output:rw", "1234m", "QSMCI_B0=3.0"))
    assert docker[docker.index("--network") + 1] == "none"
    apptainer = command_line(manifest, runner="apptainer", **rest)
    assert apptainer[-3:] == ["docker://ghcr.io/you/your-image:v1", "bash", "run.sh"]
    assert f"{folder.resolve()}:/algo:ro" in apptainer
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="docker is not installed"):
        command_line(manifest, runner="docker", **rest)


@pytest.mark.parametrize("runner", ["docker", "apptainer"])
def test_what_a_container_is_told_to_do_makes_the_map_and_its_image_is_recorded(
    folder, tmp_path, small_scan, monkeypatch, runner
):
    monkeypatch.setenv("PATH", f"{stand_in(tmp_path, runner)}:/usr/bin:/bin")
    method = build("command", {"folder": str(folder), "runner": runner, "parameters": '{"threshold": 0.15}'})
    found = method.reconstruct(small_scan)
    local = build("command", {"folder": str(folder), "parameters": '{"threshold": 0.15}'}).reconstruct(small_scan)
    assert torch.equal(found.chi, local.chi)
    digest = {"image_digest": f"sha256:{64 * '2'}"} if runner == "docker" else {}
    assert method.ran_in == {"image": "ghcr.io/you/your-image:v1"} | digest
    (note,) = (note for note in found.notes if note.startswith("Image "))
    assert digest.get("image_digest", "digest is not known here") in note
    assert not any("not isolated" in note for note in found.notes)
    assert local.notes[1].startswith("It ran as a local command") and not any("Image" in n for n in local.notes)


def test_an_image_named_by_its_digest_is_that_one_and_one_that_docker_does_not_know_is_said(
    folder, tmp_path, monkeypatch
):
    monkeypatch.setenv("PATH", f"{stand_in(tmp_path, 'docker', known=False)}:/usr/bin:/bin")
    assert image_facts(read_manifest(folder), "docker") == {"image": "ghcr.io/you/your-image:v1"}
    text = (folder / "algorithm.yml").read_text()
    named = f"ghcr.io/you/your-image@sha256:{64 * '3'}"
    (folder / "algorithm.yml").write_text(text.replace("ghcr.io/you/your-image:v1", named))
    for runner in ("docker", "apptainer"):
        facts = image_facts(read_manifest(folder), runner)
        assert facts == {"image": named, "image_digest": f"sha256:{64 * '3'}"}
    assert image_note(facts) == f"Image ghcr.io/you/your-image, sha256:{64 * '3'}."
    assert image_facts(read_manifest(folder), "local") == {}


def test_a_container_that_hangs_is_killed_by_its_name(folder, tmp_path, small_scan, monkeypatch):
    monkeypatch.setenv("PATH", f"{stand_in(tmp_path, 'docker')}:/usr/bin:/bin")
    shell(folder, "sleep 60")
    with pytest.raises(ReconstructionError, match="longer than 2 s"):
        build("command", {"folder": str(folder), "runner": "docker", "seconds": 2})(small_scan)
    ran, killed = [line.split() for line in (tmp_path / "calls").read_text().splitlines()]
    assert killed == ["kill", ran[ran.index("--name") + 1]]


def test_a_background_removal_in_a_container_has_its_image_in_the_report(tmp_path, small_scan, monkeypatch):
    removal = their_folder(tmp_path, "their-removal", "bfr", THEIR_REMOVAL)
    monkeypatch.setenv("PATH", f"{stand_in(tmp_path, 'docker')}:/usr/bin:/bin")
    total = Total(small_scan.local_field + 0.3 * small_scan.mask, small_scan.mask, small_scan.grid)
    local = remove(total, ForeignRemoval(kind="command", folder=str(removal), runner="docker"))
    assert local.report["Image"] == "ghcr.io/you/your-image:v1"
    assert local.report["ImageDigest"] == f"sha256:{64 * '2'}"


@pytest.mark.skipif(shutil.which("octave-cli") is None, reason="Octave is not installed here")
def test_ten_lines_of_octave_are_a_method(tmp_path, small_scan):
    (tmp_path / "algorithm.yml").write_text("{name: Octave TKD, slug: octave-tkd, stage: dipole, run: bash run.sh}")
    (tmp_path / "run.sh").write_text('set -e\ncd "$(dirname "$0")"\noctave-cli --quiet tkd.m "$1" "$2"\n')
    (tmp_path / "tkd.m").write_text((Path(__file__).parent / "tkd.m").read_text())
    made = build("command", {"folder": str(tmp_path)}).reconstruct(small_scan)
    ours = build("tkd", {}).reconstruct(small_scan)
    both = np.stack([made.chi[small_scan.mask], ours.chi[small_scan.mask]])
    assert np.corrcoef(both)[0, 1] > 0.9
