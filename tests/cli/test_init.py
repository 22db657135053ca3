"""`qsmbench init`: valid, commented configurations from flags or answers, nothing replaced unasked."""

import argparse
import subprocess
import sys
from pathlib import Path

import pytest
from little_bids import write_bids
from little_scan import little

from qsmbench.benchmark.registry_checks import check_against_registries
from qsmbench.cli import init, run
from qsmbench.cli.main import main
from qsmbench.cli.run import command_line
from qsmbench.config.load import read_config
from qsmbench.methods.registry import METHODS

WITHOUT_FOLDER = [n for n, e in METHODS.own.items() if n != "command" and (not e.needs_weights or e.shipped_weights)]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder to be in, with a dataset of one subject."""
    monkeypatch.chdir(tmp_path)
    write_bids(tmp_path / "my data", little()[0])
    return tmp_path


def valid(name="my.yaml"):
    config = read_config(Path(name))
    check_against_registries(config, name)
    return config


def test_a_bids_folder(here, capsys):
    assert main(["init", "--bids", "my data", "--label", "a: 'b' #c", "--subjects", "01"]) == 0
    assert "qsmbench run my.yaml" in capsys.readouterr().out
    config = valid()
    assert config.acquisitions["mine"].folder == Path("my data")
    assert config.acquisitions["mine"].subjects == ("01",)
    assert config.acquisitions["mine"].label == config.report.title == "a: 'b' #c"
    assert list(config.methods) == list(init.METHODS)
    assert str(config.results) == "results-my"
    # What is commented out is valid too.
    text = Path("my.yaml").read_text()
    for key in ("phase: {", "mask: {", "background: {"):
        text = text.replace(f"    #   {key}", f"      {key}")
    Path("more.yaml").write_text(text.replace("    # preparation:", "    preparation:"))
    assert valid("more.yaml").acquisitions["mine"].preparation.phase.flipped


def test_a_benchmark_of_every_method_that_needs_no_file(here):
    words = ["--benchmark", "--scans", "--samples", "5", "--methods", *WITHOUT_FOLDER, "--out", "b.yaml"]
    assert main(["init", *words]) == 0
    config = valid("b.yaml")
    assert list(config.methods) == WITHOUT_FOLDER
    assert config.synthetic["test"].n_samples == 5
    assert set(config.acquisitions) == {"research"}
    # The options that comments show are the defaults, and YAML.
    text = Path("b.yaml").read_text()
    assert "#   options: { threshold: 0.2, " in text
    assert all(len(line) <= 120 for line in text.splitlines())


@pytest.mark.workflow
def test_a_benchmark_with_scans_dry_runs(here):
    """The tutorials' test (tests/site) runs a folder's."""
    assert main(["init", "--benchmark", "--scans"]) == 0
    parser = argparse.ArgumentParser()
    run.add_arguments(parser)
    done = subprocess.run(
        command_line(parser.parse_args(["my.yaml", "--dry-run", "--cores", "1"])),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert "reconstruct" in done.stdout


def test_nothing_is_replaced_unless_told(here, capsys):
    Path("my.yaml").write_text("mine\n")
    assert main(["init", "--benchmark"]) == 2
    assert "my.yaml exists already" in capsys.readouterr().err
    assert Path("my.yaml").read_text() == "mine\n"
    assert main(["init", "--benchmark", "--force"]) == 0
    assert valid()


def terminal(monkeypatch, *lines):
    """Standard input as a terminal on which these lines are typed."""
    answers = iter(lines)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda question: next(answers))


def test_it_asks_on_a_terminal(here, monkeypatch):
    terminal(monkeypatch, "", "1", "nowhere", "my data", "tkd rts", "scans.yaml")
    assert main(["init"]) == 0
    assert list(valid("scans.yaml").methods) == ["tkd", "rts"]
    terminal(monkeypatch, "2", "", "", "scans.yaml", "n")
    assert main(["init"]) == 2
    terminal(monkeypatch, "2", "", "", "scans.yaml", "y")
    assert main(["init"]) == 0
    assert valid("scans.yaml").source.kind == "phantom"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "give --bids DIR or --benchmark"),
        (["--bids", "none"], "none: no such folder"),
        (["--bids", "empty"], "see docs/preparation.md"),
        (["--bids", "my data", "--subjects", "07"], "not among those"),
        (["--bids", "my data", "--scans"], "--scans goes with --benchmark alone"),
        (["--benchmark", "--subjects", "01"], "--subjects goes with --bids alone"),
        (["--benchmark", "--samples", "0"], "--samples must be at least 1"),
        (["--benchmark", "--methods", "tdk"], "did you mean 'tkd'?"),
        (["--benchmark", "--methods", "qsmnet"], "without weights of its own here"),
        (["--benchmark", "--results", "a{b}"], "a path must not have"),
        (["--benchmark", "--head", "none.nii"], "none.nii: no such file"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(here, capsys, words, said):
    Path("empty").mkdir()
    assert main(["init", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert not Path("my.yaml").exists()


def test_subjects_without_phase_are_no_scans(here, capsys):
    for path in Path("my data").rglob("*_part-phase_*"):
        path.unlink()
    assert main(["init", "--bids", "my data"]) == 2
    assert "1 subjects, none with phase" in capsys.readouterr().err
