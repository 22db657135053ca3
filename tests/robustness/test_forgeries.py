"""Forgeries that are consistent at every level: found by what is made again, by the configuration, or by the digest."""

import shutil
import subprocess

import pytest
from forger import FORGERIES, forged
from little_run import ROOT, quiet
from tampering import linked_copy

from qsmbench.audit.audit import Options, audit
from qsmbench.cli.main import main

# One of each way of finding; benchmarks/forgeries.py counts all of them.
KINDS = (
    "rmse of a method times 0.999", "all maps of a method are the truth", "one map times 0.9",
    "another option", "labels of methods", "a claim on the page",
)  # fmt: skip


def made_again(results, folder, **more):
    return audit(folder, Options(source=(results.parent / "head.nii.gz",), threads=1, **more))


def test_an_untouched_run_passes_and_says_what_could_be_missed(results):
    verdict = made_again(results, results, seed=3)
    assert verdict.findings == []
    notes = next(check.notes for check in verdict.checks if check.name == "recomputation")
    assert "Chosen by the seed 3." in notes
    odds = "one forged among them stays unseen with probability"
    assert any(f"maps of Samples: 2 of 6; {odds} 0.67" in line for line in notes)
    assert any(f"scores of Samples: 6 of 6; {odds} 0.00" in line for line in notes)


@pytest.mark.parametrize("kind", KINDS)
def test_a_consistent_forgery_is_found_as_documented(results, tmp_path, kind):
    digest = audit(results, Options(recompute=0)).digest
    folder = linked_copy(results, tmp_path / "forged")
    forged(folder, kind)
    how = FORGERIES[kind][1]
    looked = audit(folder, Options(recompute=0, threads=1))
    if how is True:
        assert not made_again(results, folder, seed=12345).passed
    elif how == "digest":
        assert looked.passed
    if how == "chance":
        # All maps made again: certainly.
        assert not made_again(results, folder, recompute=6, seed=1).passed
    assert not audit(folder, Options(recompute=0, digest=digest, threads=1)).passed


def test_the_seed_is_drawn_and_said(results, tmp_path, capsys):
    seeds = set()
    for number in range(3):
        out = tmp_path / str(number)
        assert main(["audit", str(results), "--recompute", "0", "--output", str(out)]) == 0
        seeds.add(capsys.readouterr().out.splitlines()[0])
    assert len(seeds) == 3 and all("--seed" in line for line in seeds)


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs OpenSSH's ssh-keygen")
def test_a_signed_run_is_held_to_its_key(results, tmp_path):
    folder = linked_copy(results, tmp_path / "signed")
    for name in ("own", "other"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)], check=True)
    quiet("crate", str(folder), "--workflow", str(ROOT), "--sign", str(tmp_path / "own"))
    verify = ["audit", str(folder), "--recompute", "0", "--output", str(tmp_path / "v"), "--verify-key"]
    assert main([*verify, str(tmp_path / "own.pub")]) == 0
    assert main([*verify, str(tmp_path / "other.pub")]) == 1
    forged(folder, "a claim on the page")
    assert main([*verify, str(tmp_path / "own.pub")]) == 1, "who makes the crate again has not the key"
