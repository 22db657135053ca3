"""The `qsmbench` command: one thin module a subcommand, loaded only when it is called."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Container, Sequence
from importlib.metadata import version

from qsmbench.core import parent
from qsmbench.core.damage import line_shown, shown
from qsmbench.core.errors import InputError
from qsmbench.core.lazy import load_lazily
from qsmbench.provenance.record import recorded

# Subcommand, module, one line for the overview. Those below the gap are the steps that the workflow's rules call.
COMMANDS = (
    ("methods", "qsmbench.cli.methods", "list the methods: name, label, DOI, parameters with defaults"),
    (
        "reconstruct",
        "qsmbench.cli.reconstruct",
        "reconstruct chi from a local field, a total field or echoes (NIfTI, ppm)",
    ),
    ("forward", "qsmbench.cli.forward", "compute the field of a susceptibility map (NIfTI, ppm)"),
    (
        "prepare",
        "qsmbench.cli.prepare",
        "from a scanner's phase to the local field: a BIDS dataset, loose files, or a total field",
    ),
    ("cosmos", "qsmbench.cli.cosmos", "compute chi from several orientations to B0 (NIfTI in and out, ppm)"),
    ("score", "qsmbench.cli.score", "score a susceptibility map against a reference: one JSON object"),
    ("acquire", "qsmbench.cli.acquire", "simulate acquisitions of whole heads as a BIDS dataset, with their truth"),
    ("inspect", "qsmbench.cli.inspect", "draw samples and drawn parameters of a synthetic set"),
    ("audit", "qsmbench.cli.audit", "check a results folder: every file and table cell, and make a part of it again"),
    ("diff", "qsmbench.cli.diff", "compare two results folders: settings, versions, inputs, and scores that moved"),
    ("crate", "qsmbench.cli.crate", "describe a results folder as an RO-Crate: hashes, jobs, what made what"),
    ("report", "qsmbench.cli.report", "make the report of a results folder again: tables, figures, the page"),
    ("serve", "qsmbench.cli.serve", "show results folders in this machine's browser, every volume included"),
    ("new-method", "qsmbench.cli.new_method", "start a package with a method of your own"),
    ("check-method", "qsmbench.cli.check_method", "check that a method keeps the contract, a verdict a line"),
    ("export-qsmci", "qsmbench.cli.export_qsmci", "write a method of ours as a folder that QSM-CI runs"),
    ("config", "qsmbench.cli.config", "check a configuration, or write its documentation"),
    ("run", "qsmbench.cli.run", "run the workflow in this folder: sets, networks, reconstructions, scores, report"),
    ("init", "qsmbench.cli.init", "write a configuration: for a BIDS folder of yours, or a benchmark of methods"),
    ("doctor", "qsmbench.cli.doctor", "tell what works on this machine, what is missing, and what to type"),
    ("completion", "qsmbench.cli.completion", "print what lets a shell complete these commands"),
    ("plan", "qsmbench.cli.plan", "tell what a configuration will cost: jobs, hours, memory, disk"),
    ("step", "qsmbench.cli.step", "do one job of the workflow, as its rules call it"),
)

# What is not among the core dependencies, and the part of qsmbench that brings it (pyproject.toml; a test compares).
EXTRA_OF = {
    "dask": "workflow",
    "distributed": "dask",
    "jinja2": "report",
    "matplotlib": "report",
    "nilearn": "workflow",
    "pandas": "report",
    "PIL": "report",
    "pyarrow": "report",
    "rocrate": "workflow",
    "snakemake": "workflow",
    "statsmodels": "report",
    "tabulate": "report",
    "tensorboardX": "train",
    "xarray": "report",
    "zarr": "train",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; return its exit status: 0 done, 1 failed or findings, 2 bad input, 130 interrupted."""
    if argv is None:
        load_lazily()
    arguments = list(sys.argv[1:] if argv is None else argv)
    wanted = next((a for a in arguments if not a.startswith("-")), None)
    called = " ".join(a for a in arguments[: 2 if wanted == "step" else 1] if not a.startswith("-"))
    parent.end_with_parent()
    try:
        parsed = _parsed(arguments, wanted)
        with recorded(str(wanted), arguments) as facts:
            facts.update(parsed.facts_(parsed))
            status: int = parsed.do_(parsed) or 0
            return status
    except InputError as error:
        for line in str(error).splitlines():
            print(f"qsmbench {called}: {line_shown(line)}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        extra = EXTRA_OF.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        print(
            f"qsmbench {called}: {error.name} is not installed: pip install 'qsmbench[{extra}]' (docs/installation.md)",
            file=sys.stderr,
        )
        return 2
    except OSError as error:
        place = f" ({shown(str(error.filename))})" if error.filename else ""
        print(f"qsmbench {called}: {error.strerror or error}{place}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"qsmbench {called}: interrupted", file=sys.stderr)
        return 130


def whole_parser() -> argparse.ArgumentParser:
    """Return the parser with every command's arguments: for completion and the manual; it imports all of them."""
    return _parser({name for name, _, _ in COMMANDS})


def _parser(wanted: Container[str | None]) -> argparse.ArgumentParser:
    """Return the parser with the arguments of the wanted commands; of the others it knows the names."""
    parser = argparse.ArgumentParser(
        prog="qsmbench",
        description="A reproducible benchmark platform for Quantitative Susceptibility Mapping.",
        epilog="'qsmbench COMMAND --help' tells more of each.",
    )
    parser.add_argument("--version", action="version", version=f"qsmbench {version('qsmbench')}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, module, text in COMMANDS:
        subparser = subparsers.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        # Modules bring torch and others along: importing all of them to run one would cost seconds.
        if name in wanted:
            command = importlib.import_module(module)
            command.add_arguments(subparser)
            # Not under names that a command may have for arguments of its own.
            subparser.set_defaults(do_=command.run, facts_=getattr(command, "facts", lambda parsed: {}))
    return parser


def _parsed(arguments: list[str], wanted: str | None) -> argparse.Namespace:
    parser = _parser((wanted,))
    passed_on: list[str] = []
    if wanted == "run" and "--" in arguments:
        dashes = arguments.index("--")
        arguments, passed_on = arguments[:dashes], arguments[dashes + 1 :]
    parsed = parser.parse_args(arguments)
    parsed.passed_on = passed_on
    return parsed


if __name__ == "__main__":
    sys.exit(main())
