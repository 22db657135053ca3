"""What others expect of a project is there and true: forms, GitHub Actions, citation, badges, catalogue."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
FORMS = sorted(path for path in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml")


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ("github-workflows", ".github/workflows/ci.yml"),
        ("github-issue-config", ".github/ISSUE_TEMPLATE/config.yml"),
        ("citation-file-format", "CITATION.cff"),
        *(("github-issue-forms", str(path.relative_to(ROOT))) for path in FORMS),
    ],
)
def test_files_of_others_formats_keep_their_schemas(schema, path):
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", str(ROOT / path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_workflow_of_actions_runs_what_is_there():
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]
    commands = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    assert ".ci/run" in commands
    for command in commands:
        if command.startswith("make "):
            assert f"\n{command.split()[1]}: " in (ROOT / "Makefile").read_text()
        else:
            assert os.access(ROOT / command, os.X_OK)
    # Nothing may run for six hours, and nothing may write to the repository.
    assert all(job["timeout-minutes"] <= 180 for job in jobs.values())
    assert "contents: read" in (ROOT / ".github/workflows/ci.yml").read_text()


def test_badges_are_true():
    text = (ROOT / "README.md").read_text()
    low, high = re.search(r"badge/python-([\d.]+)_to_([\d.]+)-", text).groups()
    assert PROJECT["requires-python"] == f">={low},<3.{int(high.split('.')[1]) + 1}"
    licence = re.search(r"badge/licence-(.+?)-blue", text).group(1).replace("--", "-")
    assert licence == PROJECT["license"]
    workflow = re.search(r"actions/workflows/(\S+?)/badge.svg", text).group(1)
    assert (ROOT / ".github/workflows" / workflow).is_file()


def test_links_and_pictures_of_readme_and_contributing_are_there():
    for name in ("README.md", "CONTRIBUTING.md"):
        links = re.findall(r"\]\((?!https?:|#|\.\./\.\./actions)([^)\s]+)\)", (ROOT / name).read_text())
        assert links
        assert [link for link in links if not (ROOT / link).exists()] == []


def test_one_version_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == PROJECT["version"]
    first = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE).group(1)
    assert first == PROJECT["version"]


def test_snakemakes_catalogue_finds_the_workflow():
    assert (ROOT / "Snakefile").is_file()
    assert list((ROOT / "rules").glob("*.smk"))
    text = (ROOT / "README.md").read_text().lower()
    assert "snakemake" in text
    assert "workflow" in text
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    rules = "".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    assert usage["software-stack-deployment"]["conda"] == ("    conda:" in rules)
    assert usage["software-stack-deployment"]["apptainer"] == ("container: IMAGE" in (ROOT / "Snakefile").read_text())
    assert usage["report"] == ("report(" in rules)
