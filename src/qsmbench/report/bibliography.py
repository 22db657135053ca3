"""The papers of a report's methods and metrics as one BibTeX file, from `refs.bib` by DOI."""

from __future__ import annotations

import re
from importlib.resources import files

from qsmbench.report.display import Display


def known_references() -> dict[str, str]:
    """Return the entries of `refs.bib` by DOI, in lower case."""
    text = (files("qsmbench.report") / "refs.bib").read_text(encoding="utf-8")
    entries = {}
    for line in text.splitlines():
        found = re.search(r"doi = \{([^}]+)\}", line)
        if found:
            entries[found.group(1).lower()] = line
    return entries


def bibliography(display: Display) -> str:
    """Return the entries of all that the display names, once each, sorted; a DOI that is not known stands alone."""
    known = known_references()
    named = [info.doi for info in display.methods.values()] + [info.doi for info in display.metrics.values()]
    dois = {doi for doi in named if doi}
    entries = [known.get(doi.lower(), f"@misc{{{_key(doi)}, doi = {{{doi}}}}}") for doi in sorted(dois)]
    return "".join(entry + "\n" for entry in sorted(set(entries)))


def _key(doi: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", doi)
