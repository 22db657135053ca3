"""`qsmbench init`: a first configuration, from flags or from answers on a terminal."""

import argparse
import sys
from pathlib import Path

from qsmbench.core.errors import InputError
from qsmbench.data.atomic import write_text_atomic

METHODS = ("tkd", "l2", "tv")
FILE = Path("my.yaml")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--bids", type=Path, metavar="DIR", help="chi maps of the scans in this BIDS folder")
    kind.add_argument("--benchmark", action="store_true", help="methods on synthetic fields whose chi is known")
    parser.add_argument("--methods", nargs="+", metavar="METHOD", help=f"which (default: {' '.join(METHODS)})")
    parser.add_argument("--out", type=Path, metavar="FILE", help=f"file to write (default: {FILE})")
    parser.add_argument("--results", type=Path, metavar="DIR", help="where runs write (default: results-<FILE's name>)")
    parser.add_argument("--label", metavar="TEXT", help="how the scans, or the benchmark, are called in the report")
    parser.add_argument("--force", action="store_true", help="replace FILE where it exists")
    of_bids = parser.add_argument_group("with --bids")
    of_bids.add_argument("--subjects", nargs="+", default=[], metavar="ID", help="only these (default: all)")
    of_benchmark = parser.add_argument_group("with --benchmark")
    of_benchmark.add_argument(
        "--head", type=Path, metavar="CHI", help="susceptibility map that samples are made of, ppm"
    )
    of_benchmark.add_argument("--samples", type=int, metavar="N", help="synthetic samples (default: 6)")
    of_benchmark.add_argument("--scans", action="store_true", help="also a simulated scan, from its echoes to chi")
    parser.epilog = "Without --bids or --benchmark it asks, on a terminal."


def run(arguments: argparse.Namespace) -> None:
    """Ask what is not told, write the file, say what to type next."""
    on_terminal = sys.stdin.isatty()
    if arguments.bids is None and not arguments.benchmark:
        if not on_terminal:
            raise InputError("give --bids DIR or --benchmark (questions are asked on a terminal alone)")
        ask_all(arguments)
    complete(arguments)
    kept = arguments.out.exists() and not arguments.force
    if kept and not (on_terminal and _yes(f"{arguments.out} exists. Replace it?")):
        raise InputError(f"{arguments.out} exists already; give another --out, or --force to replace it")
    from qsmbench.cli.init_text import configuration_text

    write_text_atomic(arguments.out, configuration_text(arguments))
    name = arguments.out
    print(f"{name} is written. Now:")
    for command, what in (("config check", "is it valid?"), ("plan", "what will it cost?"), ("run", "do it")):
        print(f"  {f'qsmbench {command} {name}':40} {what}")


def complete(arguments: argparse.Namespace) -> None:
    """Fill in the defaults.

    Raises:
        InputError: a flag of the other kind, no such folder or file, a folder without scans, or a bad number.
    """
    wrong = {
        "--subjects": arguments.bids is None and arguments.subjects,
        "--head": arguments.bids is not None and arguments.head is not None,
        "--samples": arguments.bids is not None and arguments.samples is not None,
        "--scans": arguments.bids is not None and arguments.scans,
    }
    if given := [name for name, is_wrong in wrong.items() if is_wrong]:
        raise InputError(f"{given[0]} goes with {'--bids' if arguments.bids is None else '--benchmark'} alone")
    if arguments.bids is not None:
        _check_folder(arguments.bids, arguments.subjects)
    if arguments.head is not None and not arguments.head.is_file():
        raise InputError(f"--head {arguments.head}: no such file")
    arguments.samples = 6 if arguments.samples is None else arguments.samples
    if arguments.samples < 1:
        raise InputError(f"--samples must be at least 1, got {arguments.samples}")
    arguments.methods = arguments.methods or list(METHODS)
    arguments.out = arguments.out or FILE
    arguments.results = arguments.results or Path(f"results-{arguments.out.stem}")
    arguments.label = arguments.label or ("My scans" if arguments.bids is not None else "My benchmark")


def _check_folder(folder: Path, subjects: list[str]) -> None:
    from qsmbench.preparation.bids_files import subjects_with_phase

    if not folder.is_dir():
        raise InputError(f"--bids {folder}: no such folder")
    found, without = subjects_with_phase(folder)
    if not found:
        what = f"{len(without)} subjects, none with phase" if without else "no sub-* folder"
        wanted = "sub-*/[ses-*/]anat/*_part-phase_MEGRE.nii.gz; see docs/preparation.md"
        raise InputError(f"--bids {folder}: {what}; scans are looked for at {wanted}")
    if missing := [subject for subject in subjects if subject not in found]:
        raise InputError(f"--subjects {missing[0]}: not among those of {folder} with phase: {', '.join(found)}")


def ask_all(arguments: argparse.Namespace) -> None:
    """Ask for the kind, and for what was not given with flags; answers go into the arguments."""
    print("What do you want?\n  1  chi maps from the scans in a BIDS folder of mine\n  2  a benchmark of methods")
    answer = ""
    while answer not in ("1", "2"):
        answer = input("1 or 2: ").strip()
    if answer == "1":
        while arguments.bids is None or not arguments.bids.is_dir():
            if arguments.bids is not None:
                print(f"There is no folder {arguments.bids}.")
            typed = input("The BIDS folder: ").strip()
            arguments.bids = Path(typed).expanduser() if typed else None
    else:
        arguments.benchmark = True
        if arguments.head is None and (typed := input("A chi map in ppm to make samples of [the phantom]: ").strip()):
            arguments.head = Path(typed).expanduser()
    if arguments.methods is None:
        arguments.methods = input(f"Methods, as `qsmbench methods` lists them [{' '.join(METHODS)}]: ").split() or None
    if arguments.out is None and (typed := input(f"File to write [{FILE}]: ").strip()):
        arguments.out = Path(typed).expanduser()


def _yes(question: str) -> bool:
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
