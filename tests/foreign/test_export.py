"""Methods of ours as folders of QSM-CI's: its own command takes them, and scores what they make as ours does."""

import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import yaml
from qsm_ci.runner import _build_run_parser, _parse_manifest

import qsmbench
from qsmbench.cli.main import main
from qsmbench.foreign.manifest import read_manifest
from qsmbench.methods.registry import METHODS, build
from qsmbench.networks.shipped import resolve
from qsmbench.preparation.settings import BACKGROUNDS

SRC = Path(__file__).parents[2] / "src"
REMOVALS = [name for name in BACKGROUNDS if name != "command"]
INVERSIONS = [name for name, entry in METHODS.items() if name != "command"]
# What needs no weights, or weights that come with the package.
WITH_WEIGHTS = [n for n in INVERSIONS if not METHODS[n].needs_weights or METHODS[n].shipped_weights is not None]
RUNNABLE = [*WITH_WEIGHTS, *REMOVALS]
# Fewer iterations where a method has many: form is what is looked at.
QUICK = {"inr-qsm": {"epochs": 2}, "dip": {"max_iterations": 5, "channels": 2}, "medi": {"max_iterations": 2}}


def export(folder, name, *more):
    assert main(["export-qsmci", name, "--out-dir", str(folder), *more]) == 0
    return folder / f"qsmbench-{name}"


@pytest.mark.parametrize("name", RUNNABLE)
def test_every_method_becomes_a_folder_that_both_sides_read(name, tmp_path):
    entry = METHODS[name] if name in INVERSIONS else None
    made = export(tmp_path, name)
    manifest = read_manifest(made)
    assert manifest.stage == ("bfr" if entry is None else "dipole")
    parser = _build_run_parser(made.name, _parse_manifest(made))
    assert "--set" in parser.format_help()
    if entry is not None:
        assert set(manifest.parameters) == set(entry.options)
    for path in ("recon.py", "run.sh", "Dockerfile"):
        assert "$options" not in (made / path).read_text()
    compile((made / "recon.py").read_text(), "recon.py", "exec")
    image = yaml.safe_load((made / "algorithm.yml").read_text())["image"]
    assert image == f"ghcr.io/you/{made.name}:{qsmbench.__version__}"


@pytest.fixture
def files(tmp_path, small_scan, small_chi):
    """The small scan as files, with its truth."""
    volumes = {"localfield": small_scan.local_field.numpy(), "mask": small_scan.mask.numpy().astype(np.uint8)}
    volumes |= {"totalfield": (small_scan.local_field + 0.2 * small_scan.mask).numpy(), "chi": small_chi}
    for name, volume in volumes.items():
        nib.save(nib.Nifti1Image(volume, small_scan.grid.matrix), tmp_path / f"{name}.nii.gz")
    return tmp_path


def qsm_ci(folder, files, scan, *more):
    """Run a folder by QSM-CI's own command; return the scores that it prints."""
    command = [str(Path(sys.executable).parent / "qsm-ci"), "run", str(folder), "--runner", "local"]
    command += ["--mask", str(files / "mask.nii.gz"), "--b0-dir", *map(str, scan.grid.b0_dir), *more]
    paths = os.pathsep.join([str(SRC), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"QSMBENCH_PYTHON": sys.executable, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {name: float(value) for name, value in re.findall(r"^  (\w+) +(-?[0-9.]+)$", done.stdout, re.MULTILINE)}


@pytest.mark.parametrize("name", RUNNABLE)
def test_every_folders_script_makes_our_map(name, files, small_scan, monkeypatch):
    options = QUICK.get(name, {})
    made = export(files / "algorithms", name, *(f"--option={key}={value}" for key, value in options.items()))
    (files / "params.json").write_text(json.dumps({"B0": 3.0, "B0_dir": small_scan.grid.b0_dir, "TE": [0.005, 0.01]}))
    monkeypatch.setattr(sys, "argv", ["recon.py", str(files), str(files)])
    runpy.run_path(str(made / "recon.py"))
    told = {"b0_dir": small_scan.grid.b0_dir}
    if name in REMOVALS:
        ours, _ = qsmbench.remove_background(files / "totalfield.nii.gz", files / "mask.nii.gz", name, **told)
        (files / "localfield.nii.gz").replace(files / "chimap.nii.gz")
    else:
        told |= {"b0": 3.0, "echo_times": (0.005, 0.01)}
        scan = qsmbench.load_scan(files / "localfield.nii.gz", files / "mask.nii.gz", **told)
        ours = qsmbench.reconstruct(name, scan, **options).chi
    assert ours.any()
    assert np.array_equal(nib.load(files / "chimap.nii.gz").get_fdata(dtype=np.float32), ours)


def test_an_inversion_scores_there_as_it_scores_here(files, small_scan):
    made = export(files / "algorithms", "l2", "--option", "regularization=0.1")
    inputs = ["--localfield", str(files / "localfield.nii.gz"), "--truth", str(files / "chi.nii.gz")]
    out = files / "theirs.nii.gz"
    theirs = qsm_ci(made, files, small_scan, *inputs, "--out", str(out))
    scan = qsmbench.load_scan(files / "localfield.nii.gz", files / "mask.nii.gz", b0_dir=small_scan.grid.b0_dir)
    ours = qsmbench.reconstruct("l2", scan, regularization=0.1)
    assert np.array_equal(nib.load(out).get_fdata(dtype=np.float32), ours.chi)
    scores = qsmbench.score(ours, files / "chi.nii.gz", scan.mask)
    assert theirs["nrmse"] == pytest.approx(scores["nrmse_demeaned"], rel=1e-3)
    assert theirs["nrmse_detrend"] == pytest.approx(scores["nrmse_detrended"], rel=1e-3)
    # Their window is a box of 5 voxels, ours the paper's Gaussian of 7.
    assert theirs["xsim"] == pytest.approx(scores["xsim"], abs=0.02)
    # What they override goes over what the folder was written with.
    assert theirs != qsm_ci(made, files, small_scan, *inputs, "--out", str(out), "--set", "regularization=1.0")


def test_a_background_removal_gives_there_what_it_gives_here(files, small_scan):
    made = export(files / "algorithms", "lbv")
    inputs = ["--totalfield", str(files / "totalfield.nii.gz"), "--truth", str(files / "localfield.nii.gz")]
    scores = qsm_ci(made, files, small_scan, *inputs, "--out", str(files / "local.nii.gz"))
    assert {"nrmse", "correlation"} <= set(scores)
    total, mask = files / "totalfield.nii.gz", files / "mask.nii.gz"
    local, known = qsmbench.remove_background(total, mask, "lbv", b0_dir=small_scan.grid.b0_dir)
    assert np.array_equal(nib.load(files / "local.nii.gz").get_fdata(dtype=np.float32), local)
    assert known.any()
    assert not local[~known].any()


def test_a_network_takes_its_weights_along_and_runs_under_our_own_command_too(tmp_path, small_scan, monkeypatch):
    weights = tmp_path / "mine.pt"
    weights.write_bytes(resolve("shipped:meta-qsm-tv").read_bytes())
    made = export(tmp_path, "meta-qsm-tv", "--weights", str(weights))
    assert (made / "weights.pt").read_bytes() == weights.read_bytes()
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(SRC), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    theirs = build("command", {"folder": str(made)})(small_scan)
    ours = build("meta-qsm-tv", {}, weights)(small_scan)
    assert (theirs - ours).abs().max() < 1e-3 * ours.abs().max()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["tkdd"], "did you mean 'tkd'"),
        (["command"], "no method or background removal of ours"),
        (["tkd", "--option", "treshold=1"], "no option 'treshold'"),
        (["lbv", "--option", "peel=-1"], "lbv: peel"),
        (["lbv", "--weights", "w"], "takes no --weights"),
        (["meta-qsm-tv", "--weights", "nowhere.pt"], "nowhere.pt"),
    ],
)
def test_what_cannot_be_exported_is_refused_before_anything_is_written(tmp_path, capsys, words, message):
    assert main(["export-qsmci", *words, "--out-dir", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    export(tmp_path, "tkd")
    assert main(["export-qsmci", "tkd", "--out-dir", str(tmp_path)]) == 2
