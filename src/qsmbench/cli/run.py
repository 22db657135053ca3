"""`qsmbench run`: the whole workflow in the current folder, from a checkout or from an installed package."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from pathlib import Path

from qsmbench.core.errors import InputError

WORKFLOW_FILES = ("Snakefile", "config.yaml", "rules")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("configuration", nargs="?", type=Path, metavar="CONFIG", help="YAML (default: the small run)")
    parser.add_argument("--cores", type=int, help="cores to use (default: all of this machine)")
    parser.add_argument("--dry-run", "-n", action="store_true", help="only count jobs (--verbose: list them)")
    parser.add_argument("--verbose", action="store_true", help="show what Snakemake prints, not one line of progress")
    parser.epilog = "What follows a lone '--' goes to Snakemake: qsmbench run my.yaml -- --until report"
    parser.set_defaults(passed_on=[])


def workflow_folder() -> Path:
    """Return the folder with the Snakefile: inside the installed package, or the checkout that it is imported from.

    Raises:
        InputError: neither has it.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "workflow", package.parents[1]):
        if all((folder / name).exists() for name in WORKFLOW_FILES):
            return folder
    raise InputError(f"{package} has no workflow beside it; install qsmbench from its wheel or a checkout")


def command_line(arguments: argparse.Namespace) -> list[str]:
    """Return Snakemake's command for these arguments.

    Raises:
        InputError: no such configuration, or no positive number of cores.
    """
    folder = workflow_folder()
    config = arguments.configuration or folder / "config.yaml"
    if not config.is_file():
        raise InputError(f"{config}: no such configuration file")
    cores = arguments.cores if arguments.cores is not None else len(os.sched_getaffinity(0))
    if cores < 1:
        raise InputError(f"--cores must be at least 1, got {cores}")
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(folder / "Snakefile")]
    command += ["--configfile", str(config), "--cores", str(cores), "--rerun-incomplete"]
    if arguments.dry_run:
        # The table of jobs without every job's files.
        command += ["--dry-run"] if arguments.verbose else ["--quiet", "rules", "--dry-run"]
    return [*command, *arguments.passed_on]


def run(arguments: argparse.Namespace) -> int:
    """Run Snakemake and pass its exit status on."""
    missing = [name for name in ("snakemake", "rocrate", "statsmodels") if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f"the workflow needs {', '.join(missing)}: pip install 'qsmbench[workflow]'; see docs/installation.md"
        )
    command = command_line(arguments)
    if arguments.verbose or arguments.dry_run:
        os.execv(sys.executable, command)
    from qsmbench.cli.progress import run_with_progress

    status = run_with_progress(command)
    if status == 0 and (page := page_of(arguments.configuration or workflow_folder() / "config.yaml")).is_file():
        print(f"qsmbench run: the page is {page}", file=sys.stderr)
    return status


def page_of(config: Path) -> Path:
    """Return where the report of a run of this valid configuration lies."""
    from qsmbench.core.yaml_text import read_mapping

    return Path(read_mapping(config).get("results", "results")) / "report/index.html"
