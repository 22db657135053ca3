"""Write docs/licences.md: the licence of every package that requirements.lock names, as pip-licenses finds it.

    pipx run pip-licenses --python .venv/bin/python --format json --with-urls > licences.json
    .venv/bin/python tools/write_licences.py licences.json

What a package's metadata do not say is taken from its licence file's first line. A licence that would bind who passes
this package on (GPL, AGPL, LGPL, or none at all) ends it with an error, but for what is named below with its reason.
"""

import argparse
import json
import re
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Free to choose among several licences, or known from its own site.
CHOSEN = {
    "docutils": "public domain, BSD-2-Clause (one GPL file, an Emacs mode, is not installed)",
}
_WORDS = {
    "Permission is hereby granted": "MIT",
    "Redistribution and use in source": "BSD",
    "Apache License": "Apache-2.0",
}
BINDING = re.compile(r"\b[AL]?GPL|GNU|UNKNOWN|proprietary|NVIDIA", re.IGNORECASE)


def canonical(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def from_files(name: str) -> str:
    """The first line of a package's licence file that says something."""
    try:
        files = distribution(name).files or []
    except PackageNotFoundError:
        return "UNKNOWN"
    for file in files:
        if re.search(r"(licen[cs]e|copying)", file.name, re.IGNORECASE):
            text = Path(str(file.locate())).read_text(encoding="utf-8", errors="replace")
            line = next((line.strip() for line in text.splitlines() if line.strip()), "")
            known = {
                "Permission is hereby granted": "MIT",
                "Redistribution and use in source": "BSD",
                "Apache License": "Apache",
            }
            return next((kind for words, kind in known.items() if words in text), line) + " (licence file)"
    return "UNKNOWN"


def main() -> None:
    """Write the list."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("licences", type=Path, metavar="JSON", help="what pip-licenses wrote")
    given = parser.parse_args().licences
    found = {canonical(p["Name"]): p for p in json.loads(given.read_text(encoding="utf-8"))}
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").split()
    names = [match.group(1) for line in lines if (match := re.match(r"([A-Za-z0-9._-]+)==", line))]
    rows, bad = [], []
    for name in sorted(names, key=str.lower):
        about = found.get(canonical(name), {"License": "UNKNOWN", "URL": "UNKNOWN"})
        licence = CHOSEN.get(canonical(name)) or about["License"]
        licence = from_files(name) if licence == "UNKNOWN" else licence
        if BINDING.search(licence) and canonical(name) not in CHOSEN:
            bad.append(f"{name}: {licence}")
        rows.append(f"| {name} | {licence} |")
    head = (
        "# Licences of what qsmbench uses\n\nqsmbench itself is BSD-3-Clause. Nothing below is part of it: pip gets\n"
        "each from its own maker. What the package does carry of others are three libraries in the report's "
        "page, with their licences beside them: NiiVue (BSD-2-Clause), the viewer, and Observable Plot and D3 (ISC), "
        "the plots. On Linux PyPI's torch asks pip for NVIDIA's CUDA libraries, under NVIDIA's own terms; its CPU "
        "build does not. Written by tools/write_licences.py from `requirements.lock`.\n\n"
        "| package | licence |\n|---|---|\n"
    )
    (ROOT / "docs/licences.md").write_text(head + "\n".join(rows) + "\n", encoding="utf-8")
    if bad:
        sys.exit("not to be combined with BSD-3-Clause without a look: " + "; ".join(bad))


if __name__ == "__main__":
    main()
