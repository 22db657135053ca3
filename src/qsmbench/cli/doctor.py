"""`qsmbench doctor`: what works on this machine, what is missing, and what to type."""

import argparse
import json
from dataclasses import asdict

WORDS = {"ok": "ok     ", "lacks": "lacks  ", "bad": "BAD    "}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.epilog = (
        "Exit status 0 where chi maps can be made from scans, whatever else is lacking, and 1 where they cannot."
    )


def run(arguments: argparse.Namespace) -> int:
    """Look, print a line for each thing; 1 where the main job, chi maps from scans, cannot be done."""
    from qsmbench.cli.doctor_checks import look

    findings = look()
    bad = [finding for finding in findings if finding.state == "bad"]
    if arguments.json:
        print(json.dumps({"works": not bad, "findings": [asdict(finding) for finding in findings]}, indent=2))
        return 1 if bad else 0
    for finding in findings:
        print(f"{WORDS[finding.state]} {finding.what:10} {finding.text}")
        if finding.todo:
            print(f"{'':18} -> {finding.todo}")
    lacking = [finding.what for finding in findings if finding.state == "lacks"]
    print("Chi maps from scans: " + (f"no, first mend {', '.join(f.what for f in bad)}" if bad else "yes"))
    if not bad:
        print("The whole benchmark (qsmbench run): " + ("no, see workflow" if "workflow" in lacking else "yes"))
    return 1 if bad else 0
