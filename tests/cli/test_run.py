"""`qsmbench run`: the command it gives to Snakemake, its progress line, and a real dry run from an empty folder."""

import argparse
import re
import sys

import pytest

from qsmbench.cli import progress, run
from qsmbench.cli.main import main
from qsmbench.core.errors import InputError


def arguments(*words):
    parser = argparse.ArgumentParser()
    run.add_arguments(parser)
    return parser.parse_args(words)


def test_the_default_is_the_workflows_own_configuration_and_all_cores():
    command = run.command_line(arguments())
    folder = run.workflow_folder()
    assert command[:3] == [sys.executable, "-m", "snakemake"]
    assert command[command.index("--configfile") + 1] == str(folder / "config.yaml")
    assert int(command[command.index("--cores") + 1]) >= 1
    assert "--rerun-incomplete" in command


def test_what_follows_two_dashes_goes_to_snakemake(tmp_path, monkeypatch):
    mine = tmp_path / "a b é.yaml"
    mine.write_text("seed: 1\n")
    monkeypatch.chdir(tmp_path)
    seen = []
    monkeypatch.setattr(progress, "run_with_progress", lambda command: seen.extend(command) or 0)
    assert main(["run", str(mine), "--cores", "3", "--", "--until", "source"]) == 0
    assert seen[-2:] == ["--until", "source"]
    assert str(mine) in seen


def test_a_dry_run_counts_jobs_and_lists_them_if_asked():
    assert run.command_line(arguments("--dry-run"))[-3:] == ["--quiet", "rules", "--dry-run"]
    assert "--quiet" not in run.command_line(arguments("--dry-run", "--verbose"))


@pytest.mark.parametrize("words", [("none.yaml",), ("--cores", "0")])
def test_bad_arguments_are_refused_in_one_line(words):
    with pytest.raises(InputError):
        run.command_line(arguments(*words))


@pytest.mark.workflow
def test_a_dry_run_in_an_empty_folder_plans_the_default_run(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    status = progress.run_with_progress([*run.command_line(arguments("--cores", "1")), "--dry-run"])
    assert status == 0
    log = (tmp_path / progress.LOG).read_text()
    assert re.search(r"^total +\d+$", log, re.MULTILINE)
    assert "disk: about" in capfd.readouterr().err


def test_a_mistake_in_the_configuration_ends_with_its_line_and_status(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text("sead: 1\n")
    assert main(["run", "mine.yaml", "--cores", "1"]) != 0
    assert "sead" in capfd.readouterr().err


def test_progress_says_how_far_and_how_long_still():
    seen = progress.Progress()
    for line in ("localrule a:", "rule b:", "Finished jobid: 1 (Rule: a)", "1 of 11 steps (9%) done"):
        seen.read(line)
    assert seen.text(30) == "1 of 11 jobs, 30 s, about 5 min left: b"


def test_the_end_is_said_once_and_with_the_pages_place(tmp_path, monkeypatch, capsys):
    progress.show(["1 of 1 steps (100%) done", "Complete log(s): a", ""])
    assert capsys.readouterr().err == "1 jobs, 0 s: done\n"
    (tmp_path / "mine.yaml").write_text("results: there\n")
    monkeypatch.chdir(tmp_path)
    assert str(run.page_of(tmp_path / "mine.yaml")) == "there/report/index.html"
