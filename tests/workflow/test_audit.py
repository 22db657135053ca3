"""The audit of a real run: sound where it is, and every tampering found and named."""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from tampering import WAYS, linked_copy, tamper

from qsmbench.audit.audit import Options, audit
from qsmbench.cli.main import main
from qsmbench.provenance.manifest import CRATE, MANIFEST, files_of
from qsmbench.provenance.record import makers, read_jobs

pytestmark = pytest.mark.workflow

N_TAMPERINGS = 30
LOOK_ONLY = Options(recompute=0, threads=1)


@pytest.fixture(scope="module")
def results(finished):
    return finished / "results"


def test_a_copy_elsewhere_passes_and_part_of_it_is_made_again(results, tmp_path, capsys):
    copy = tmp_path / "sent by mail" / "their results"
    shutil.copytree(results, copy)
    out = tmp_path / "verdict"
    head = results.parent / "head.nii.gz"
    status = main(["audit", str(copy), "--recompute", "1", "--output", str(out), "--source", str(head)])
    found = json.loads((out / "audit.json").read_text())
    assert [f for c in found["checks"] for f in c["findings"]] == []
    assert (status, found["verdict"]) == (0, "pass")
    by_name = {check["name"]: check for check in found["checks"]}
    # The same machine: not a bit differs, and every kind of thing was made again.
    kinds = by_name["recomputation"]["n"].split("; ")
    assert [k.split(":")[0] for k in kinds] == [
        *("heads", "samples", "simulated scans", "prepared scans", "maps", "scores")
    ]
    for kind in kinds:
        compared, same = (int(word) for word in kind.split() if word.isdigit())
        assert compared == same > 0, kind
    assert by_name["recomputation"]["skipped"] == []
    assert by_name["tables"]["n"].endswith("cells of 15 tables")
    assert found["digest"] in capsys.readouterr().out
    page = (out / "audit.html").read_text()
    assert "Passed: no finding" in page
    assert "http" not in page.replace("http-equiv", ""), "the page asks for nothing from elsewhere"
    cells = (out / "cells.csv").read_text().splitlines()
    assert cells[0] == "set,method,metric,region,n,mean,subjects,data,weights"
    assert any("test,meta,rmse,mask,3," in line and "00000 00001 00002" in line for line in cells)


def test_a_zip_passes_and_what_is_not_there_is_said(results, tmp_path):
    packed = tmp_path / "results.zip"
    with zipfile.ZipFile(packed, "w") as file:
        for path in sorted(results.rglob("*")):
            file.write(path, Path("run") / path.relative_to(results))
    verdict = audit(packed, Options(recompute=1, threads=1))
    assert verdict.findings == []
    skipped = [text for check in verdict.checks for text in check.skipped]
    # Samples and scans both need it; a line is said once.
    (text,) = skipped
    assert text.startswith("Source head.nii.gz (SHA-256 "), "its hash stands in the records"


def test_sha256sum_alone_can_check_the_manifest(results):
    done = subprocess.run(["sha256sum", "--quiet", "-c", MANIFEST], cwd=results, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("part", range(3))
def test_thirty_tamperings_are_found_and_named(results, tmp_path, part):
    """Each is a random way at a random level of forgery: from the file alone to its hashes and its maker's record."""
    ways = list(WAYS)
    for number in range(part, N_TAMPERINGS, 3):
        rng = np.random.default_rng([2026, number])
        way = ways[number % len(ways)]
        folder = linked_copy(results, tmp_path / str(number))
        level, names = tamper(folder, rng, way)
        found = audit(folder, LOOK_ONLY).findings
        where = [finding.where for finding in found]
        assert any(name in place for name in names for place in where), (number, way.__name__, level, names, where)
        shutil.rmtree(folder)


def test_a_digest_from_elsewhere_finds_what_was_forged_throughout(results, tmp_path):
    digest = audit(results, LOOK_ONLY).digest
    folder = linked_copy(results, tmp_path / "forged")
    assert audit(folder, Options(recompute=0, digest=digest)).passed
    # Made anew by the command itself: every hash fits.
    page = folder / "report/index.html"
    text = page.read_text()
    page.unlink()
    page.write_text(text.replace("QSM benchmark", "QSM Benchmark"))
    jobs, _ = read_jobs(folder)
    record = folder / makers(jobs)["report/index.html"].path
    record.unlink()
    assert main(["crate", str(folder), "--workflow", str(Path(__file__).parents[2])]) == 0
    found = audit(folder, Options(recompute=0, digest=digest)).findings
    assert any(finding.where == CRATE for finding in found)


def test_numbers_that_do_not_come_out_again_are_found(results, tmp_path):
    """Against a forger of every hash the recomputation is what is left."""
    import zarr

    folder = tmp_path / "copy"
    shutil.copytree(results, folder)
    store = folder / "reconstructions/test/tkd/maps.zarr"
    array = zarr.open_array(store / "chi", mode="r+")
    array[:] = np.asarray(array[:]) * np.float32(1.1)
    found = audit(folder, Options(recompute=12, threads=1)).findings
    assert any(
        f.kind == "recomputed" and f.where.startswith("reconstructions/test/tkd/maps.zarr, sample") for f in found
    )
    assert any(f.kind == "recomputed" and "test / tkd / 00001: rmse" in f.where for f in found)


def test_every_file_is_in_the_crate_or_left_out_for_a_reason(results):
    listed = {line.split("  ", 1)[1] for line in (results / MANIFEST).read_text().splitlines()}
    there = {p.relative_to(results).as_posix() for p in results.rglob("*") if p.is_file()}
    left_out = {p for p in there - listed if not p.startswith("logs/") and not p.endswith(".snakemake_timestamp")}
    assert left_out == {CRATE, MANIFEST, ".qsmbench-run.lock", ".qsmbench-jobs.lock"}
    assert listed == set(files_of(results))
    jobs, broken = read_jobs(results)
    assert broken == []
    known = makers(jobs)
    unmade = {p for p in listed - set(known) if not p.startswith(("benchmarks/", "provenance/"))}
    assert unmade == {"README.md"}


def test_records_say_what_each_job_read_wrote_and_ran_on(results):
    jobs, _ = read_jobs(results)
    by_command = {job.command: job for job in jobs}
    train = by_command["train"].content
    assert set(train["outputs"]) == {"networks/net.pt", "networks/net.csv"}
    assert "synthetic/train.zarr/chi/c/1/0/0/0" in train["inputs"]
    assert train["threads"]["torch"] == 1
    assert {"release", "commit", "dirty", "source_sha256"} == set(train["code"])
    source = by_command["source"].content
    assert [a["name"] for a in source["external"]] == ["head.nii.gz"]
    assert str(results) not in json.dumps(source["external"])
    environment = json.loads((results / f"provenance/environments/{train['environment']}.json").read_text())
    assert environment["packages"]["torch"]
    assert environment["hardware"]["processor"]
    # Who scores reads the truth, who reconstructs never does.
    for job in jobs:
        if job.command == "reconstruct":
            assert not any("test.zarr/chi/c/" in path for path in job.inputs)


def test_the_audit_needs_no_checkout(results, tmp_path):
    """From an empty folder, as a command, with nothing of the run but its results."""
    command = [sys.executable, "-m", "qsmbench.cli.main", "audit", str(results), "--recompute", "0"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "audit/audit.html").is_file()
    assert "RuntimeWarning" not in done.stderr


def test_bad_input_ends_with_one_line_and_status_2(results, tmp_path, capsys):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert main(["audit", str(empty), "--output", str(tmp_path / "out")]) == 2
    assert "has no ro-crate-metadata.json" in capsys.readouterr().err
    assert main(["audit", str(results), "--output", str(results / "audit")]) == 2
    assert "lies in the folder" in capsys.readouterr().err
