"""Completion as a shell does it, and that what messages name of the manual is there."""

import ast
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from qsmbench.cli.completion import SHELLS, script
from qsmbench.cli.main import COMMANDS, main, whole_parser

ROOT = Path(__file__).parents[2]


def completed(script_path, *words):
    """What bash offers after these words."""
    text = (
        'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}; '
        "_shtab_qsmbench; printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    command = ["bash", "-c", text, "bash", str(script_path), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


@pytest.fixture(scope="module")
def bash(tmp_path_factory):
    path = tmp_path_factory.mktemp("completion") / "qsmbench"
    path.write_text(script("bash"))
    return path


def test_bash_completes_commands_options_methods_and_files(bash, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "field.nii.gz").touch()
    assert completed(bash, "qsmbench", "rec") == ["reconstruct"]
    assert completed(bash, "qsmbench", "config", "ch") == ["check"]
    assert completed(bash, "qsmbench", "reconstruct", "tk") == ["tkd"]
    assert completed(bash, "qsmbench", "reconstruct", "tkd", "--local") == ["--local-field"]
    assert completed(bash, "qsmbench", "reconstruct", "tkd", "--local-field", "fi") == ["field.nii.gz"]


@pytest.mark.parametrize("shell", SHELLS)
def test_every_command_is_in_the_script_of_every_shell(shell, capsys):
    assert main(["completion", shell]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name, _, _ in COMMANDS)
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=text, text=True, check=True)


def test_the_whole_parser_has_every_command_with_its_arguments():
    text = whole_parser().format_help()
    assert all(f"    {name}" in text for name, _, _ in COMMANDS)


def test_pages_that_messages_name_are_there():
    named = {}
    for path in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                for page in re.findall(r"docs/[\w.-]+\.\w+", node.value):
                    named.setdefault(page, path.name)
    assert {page: where for page, where in named.items() if not (ROOT / page).is_file()} == {}
    assert "docs/installation.md" in named
