"""`qsmbench diff`: what differs between two runs, and which scores moved."""

import argparse
from pathlib import Path

from qsmbench.audit.difference import compare
from qsmbench.audit.difference_page import as_text, render
from qsmbench.audit.unpack import limit_memory
from qsmbench.core.errors import InputError
from qsmbench.data.atomic import write_json_atomic, write_text_atomic


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("a", type=Path, metavar="RESULTS_A", help="a results folder, or a zip of one")
    parser.add_argument("b", type=Path, metavar="RESULTS_B", help="another")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that differs as JSON")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write it as a self-contained HTML page")
    parser.epilog = "Ends with 0 where the runs are equal, 1 where they differ, 2 for input that is no results folder."


def run(arguments: argparse.Namespace) -> int:
    """Compare and print; return 0 where nothing differs but machines, 1 otherwise.

    Raises:
        InputError: no results, or an output that would lie in them.
    """
    for output in (arguments.json, arguments.page):
        for results in (arguments.a.resolve(), arguments.b.resolve()):
            if output is not None and (output.resolve() == results or results in output.resolve().parents):
                raise InputError(f"{output} lies in the results that are compared; give another")
    if (
        arguments.json is not None
        and arguments.page is not None
        and arguments.json.resolve() == arguments.page.resolve()
    ):
        raise InputError("--json and --page name one file; give two")
    limit_memory()
    found = compare(arguments.a, arguments.b)
    if arguments.json is not None:
        write_json_atomic(arguments.json, found.to_json())
    if arguments.page is not None:
        write_text_atomic(arguments.page, render(found))
    print(as_text(found))
    return 0 if found.equal else 1
