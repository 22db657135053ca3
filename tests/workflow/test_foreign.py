"""Methods of others in the workflow: a package and folders of every stage, on every set, recorded and audited."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from foreign_folder import THEIR_REMOVAL, THEIR_WHOLE, installed_method, their_folder, their_qsm
from tiny_run import run, snakemake, tiny

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A run with a method of an installed package, folders of three stages, and folders that end with status 3."""
    folder = tmp_path_factory.mktemp("foreign")
    path = installed_method(folder)
    their_qsm(folder)
    their_qsm(folder / "broken").joinpath("run.sh").write_text("echo out of luck; exit 3")
    config = tiny(folder)
    for key in ("train", "tune"):
        del config["synthetic"][key]
    del config["networks"]
    their_folder(folder, "their-removal", "bfr", THEIR_REMOVAL)
    their_folder(folder, "whole-way", "end-to-end", THEIR_WHOLE)
    their_folder(folder, "broken-removal", "bfr", "").joinpath("run.sh").write_text("echo no luck in $1; exit 3")
    scans = config["acquisitions"]["scans"]
    scans["preparation"]["background"] = {"kind": "command", "folder": "their-removal"}
    removal = {"kind": "command", "folder": "broken-removal"}
    config["acquisitions"]["bare"] = scans | {"preparation": scans["preparation"] | {"background": removal}}
    config["methods"] = {
        "tkd": {},
        "my-own-qsm": {"options": {"threshold": 0.1}},
        "theirs": {"command": "their-qsm", "options": {"parameters": {"threshold": 0.15}}},
        "whole-way": {"command": "whole-way"},
        "broken": {"command": "broken/their-qsm", "label": "Broken"},
    }
    config["report"] = {"subjects_shown": 1}
    (folder / "tiny.yaml").write_text(yaml.safe_dump(config))
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([path, *([before] if before else [])])
    run(folder, "--cores", "2")
    yield folder
    os.environ.pop("PYTHONPATH") if before is None else os.environ.update(PYTHONPATH=before)


def test_every_set_has_their_scores_and_a_broken_one_its_reason(ran):
    scores = pd.read_parquet(ran / "results/scores.parquet")
    status = scores.groupby(["method", "set"])["status"].first()
    for name in ("test", "scans"):
        assert status["theirs", name] == status["my-own-qsm", name] == status["tkd", name] == "ok"
        assert status["broken", name] == "failed"
        assert status["whole-way", name] == {"test": "failed", "scans": "ok"}[name]
    message = scores.loc[scores["method"] == "broken", "message"].iloc[0]
    assert "their-qsm ended with status 3; its last lines: out of luck" in message
    page = (ran / "results/report/index.html").read_text()
    assert "Their QSM" in page
    assert "My Own QSM" in page


def test_what_lacks_the_echoes_and_what_has_no_field_are_rows_with_the_reason(ran):
    scores = pd.read_parquet(ran / "results/scores.parquet").set_index(["set", "method"])["message"]
    assert scores["test", "whole-way"].iloc[0] == (
        "whole-way needs phase and magnitude, and of this scan there is the local field alone"
    )
    for method in ("tkd", "theirs", "whole-way"):
        assert scores["bare", method].iloc[0] == (
            "background removal: broken-removal ended with status 3; its last lines: no luck in /input"
        )
    fields = pd.read_csv(ran / "results/scores/fields/bare.csv").set_index("field")["rms_error"]
    assert fields.isna().to_dict() == {"total": False, "local": True}
    assert pd.read_csv(ran / "results/scores/fields/scans.csv")["rms_error"].notna().all()
    about = next((ran / "results/prepared/scans").rglob("*desc-local_fieldmap.json"))
    assert json.loads(about.read_text())["BackgroundRemoval"]["Slug"] == "their-removal"


def test_what_made_them_is_recorded(ran):
    made = {
        m: json.loads((ran / f"results/reconstructions/test/{m}.json").read_text()) for m in ("theirs", "my-own-qsm")
    }
    assert len(made["theirs"]["origin"]["folder_sha256"]) == 64
    assert made["my-own-qsm"]["origin"]["distribution"] == "my-own-qsm"
    assert made["my-own-qsm"]["origin"]["version"] == "0.1.0"
    assert len(made["my-own-qsm"]["origin"]["source_sha256"]) == 64


def test_the_audit_passes(ran):
    command = [sys.executable, "-m", "qsmbench.cli.main", "audit", "results", "--recompute", "2"]
    done = subprocess.run(command, cwd=ran, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_without_the_package_the_audit_passes_and_says_what_it_left_out(ran, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(os.environ["PYTHONPATH"].split(os.pathsep)[1:]))
    words = ["audit", "results", "--recompute", "1", "--rescore", "0", "--output", "audit-2"]
    command = [sys.executable, "-m", "qsmbench.cli.main", *words]
    done = subprocess.run(command, cwd=ran, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    checks = json.loads((ran / "audit-2/audit.json").read_text())["checks"]
    skipped = [line for check in checks for line in check["skipped"]]
    assert "Maps of my-own-qsm: its package is not installed here; they need my-own-qsm 0.1.0." in skipped


def test_a_changed_folder_makes_its_own_maps_again_and_no_others(ran):
    before = {path: path.stat().st_mtime_ns for path in Path(ran / "results/reconstructions/test").glob("*.json")}
    script = ran / "their-qsm/recon.py"
    script.write_text(script.read_text() + "\n# changed\n")
    run(ran, "--cores", "2")
    changed = {path.stem for path, time in before.items() if path.stat().st_mtime_ns != time}
    assert changed == {"theirs"}


def test_a_changed_background_removal_makes_its_fields_again(ran):
    script = ran / "their-removal/recon.py"
    script.write_text(script.read_text() + "\n# changed\n")
    done = snakemake(ran, "--dry-run", "--cores", "1")
    # The table of jobs, which is shown before and after them.
    again = {line for line in (done.stdout + done.stderr).splitlines() if line.startswith(("prepare", "acquire"))}
    assert [line.split() for line in again] == [["prepare", "1"]]
