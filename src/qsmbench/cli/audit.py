"""`qsmbench audit`: does a results folder hold what it claims?"""

import argparse
import secrets
import sys
from pathlib import Path

from qsmbench.audit.audit import Options, audit
from qsmbench.audit.page import write_verdict
from qsmbench.audit.unpack import limit_memory
from qsmbench.core.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("results", type=Path, metavar="RESULTS", help="a results folder, or a zip of one")
    parser.add_argument(
        "--recompute",
        type=int,
        default=2,
        metavar="K",
        help="samples, maps and scans to make again, of each kind, and a map of every method; 0 for nothing at all "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--rescore", type=int, metavar="N", help="maps of each kind of set to score again (default: every one)"
    )
    parser.add_argument("--seed", type=int, help="of what is chosen (default: drawn at random, and printed)")
    parser.add_argument("--output", type=Path, default=Path("audit"), metavar="DIR", help="default: %(default)s")
    parser.add_argument(
        "--samples", type=int, default=200, metavar="N", help="of a set whose voxels are read (default: %(default)s)"
    )
    parser.add_argument(
        "--source", type=Path, action="append", default=[], metavar="FILE", help="a head that is not in the folder"
    )
    parser.add_argument(
        "--withheld",
        action="append",
        default=[],
        metavar="PATTERN",
        help="files left out on purpose, such as 'source/*'",
    )
    parser.add_argument("--digest", metavar="HEX", help="SHA-256 that the crate should have, as published elsewhere")
    parser.add_argument("--verify-key", type=Path, metavar="PUB", help="public SSH key that should have signed the run")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="for maps (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="files hashed at a time (default: %(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Audit; write `audit.html`, `audit.json` and `cells.csv`; return 0 where nothing was found, 1 otherwise."""
    results, output = arguments.results.resolve(), arguments.output.resolve()
    if output == results or results in output.parents:
        raise InputError(f"--output {arguments.output} lies in the folder that is audited; give another")
    missing = [path for path in arguments.source if not path.exists()]
    if missing:
        raise InputError(f"--source {missing[0]} does not exist")
    if arguments.recompute < 0 or arguments.samples < 1 or (arguments.rescore or 0) < 0:
        raise InputError("--recompute and --rescore take 0 or more, --samples 1 or more")
    # A seed that a forger can know says which parts may be forged.
    seed = secrets.randbelow(2**31) if arguments.seed is None else arguments.seed
    if seed < 0:
        raise InputError(f"--seed takes 0 or more, got {seed}")
    print(f"what is made again is chosen by --seed {seed}", flush=True)
    options = Options(
        recompute=arguments.recompute,
        rescore=arguments.rescore,
        seed=seed,
        samples=arguments.samples,
        threads=max(1, arguments.threads),
        withheld=tuple(arguments.withheld),
        source=tuple(arguments.source),
        digest=arguments.digest,
        key=arguments.verify_key,
        device=arguments.device,
    )
    if arguments.device == "cpu":
        limit_memory()
    verdict = audit(arguments.results, options, lambda line: print(line, flush=True))
    write_verdict(verdict, output)
    shown = 20
    for finding in verdict.findings[:shown]:
        print(f"{finding.kind}: {finding.where}: {finding.text}", file=sys.stderr)
    if len(verdict.findings) > shown:
        print(f"... and {len(verdict.findings) - shown} more", file=sys.stderr)
    print(f"digest of everything: {verdict.digest}")
    print(f"{'passed' if verdict.passed else 'FINDINGS'}: {output / 'audit.html'}")
    return 0 if verdict.passed else 1
