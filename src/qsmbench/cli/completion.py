"""`qsmbench completion SHELL`: a script by which bash, zsh or tcsh complete commands, options, methods and files."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from qsmbench.core.errors import InputError

SHELLS = ("bash", "zsh", "tcsh")
_NAMES = "_qsmbench_methods"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help=", ".join(SHELLS))
    parser.epilog = (
        "bash: qsmbench completion bash > ~/.local/share/bash-completion/completions/qsmbench; "
        "zsh: qsmbench completion zsh > FOLDER/_qsmbench, with FOLDER in $fpath; "
        "the script knows the methods that are installed when it is made."
    )


def run(arguments: argparse.Namespace) -> None:
    """Print the script."""
    print(script(arguments.shell))


def script(shell: str) -> str:
    """Return the completion script, which shtab makes from the parsers of all commands.

    Raises:
        InputError: shtab is not installed.
    """
    try:
        import shtab
    except ModuleNotFoundError as error:
        raise InputError("completion needs shtab: pip install shtab") from error
    from qsmbench.cli.main import whole_parser
    from qsmbench.methods.registry import METHODS

    names = " ".join(METHODS)
    methods = {"bash": _NAMES, "zsh": f"({names})", "tcsh": f"@({'|'.join(METHODS)})@"}
    parser = whole_parser()
    for action in _actions(parser):
        if action.dest in ("method", "methods"):
            action.complete = methods  # type: ignore[attr-defined]
        elif action.type is Path:
            folder = action.metavar == "DIR" or action.dest.endswith(("_dir", "folder"))
            action.complete = shtab.DIRECTORY if folder else shtab.FILE  # type: ignore[attr-defined]
    preamble = {"bash": f'{_NAMES}() {{\n  compgen -W "{names}" -- "$1"\n}}\n'}
    text: str = shtab.complete(parser, shell, preamble=preamble)  # type: ignore[arg-type]
    return text


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Every argument of a parser and of those below it."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from _actions(below)
        else:
            yield action
