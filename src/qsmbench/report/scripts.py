"""The page's scripts: our own, the libraries in `vendor/`, and the policy that lets a browser run these and no others.

The content security policy names each script by its SHA-256 (https://www.w3.org/TR/CSP3/#script-src): text from a
results folder that became a script, by whatever mistake of ours, would not run. Libraries lie in the page as text and
become scripts when their section is first looked at, so that a page opens before megabytes are compiled.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from qsmbench.core.errors import InputError

# By part of the page, in the order in which they run.
OURS = {"page": ("page",), "plots": ("explorer", "plots"), "viewer": ("volumes", "viewer")}
LIBRARIES = {"plots": ("d3", "plot"), "viewer": ("niivue",)}


@dataclass(frozen=True)
class Script:
    """A script, and where it is a library its package, version and licence."""

    name: str
    text: str
    package: str = ""
    version: str = ""
    license: str = ""

    @property
    def source(self) -> str:
        """What a policy lists: the hash of the element's text."""
        digest = hashlib.sha256(self.text.encode("utf-8")).digest()
        return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


@cache
def library(name: str) -> Script:
    """Return one library of `vendor/`.

    Raises:
        InputError: the file is not the recorded one, or could not stand in a page.
    """
    folder = files("qsmbench.report") / "vendor"
    record = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    content = (folder / record["file"]).read_bytes()
    if hashlib.sha256(content).hexdigest() != record["sha256"]:
        raise InputError(f"{record['file']} is not version {record['version']}: run tools/vendor_javascript.py again")
    return Script(name, _embeddable(content.decode("utf-8"), record["file"]), *(
        record[key] for key in ("package", "version", "license")
    ))  # fmt: skip


@cache
def own_script(name: str) -> Script:
    """Return one script of `templates/`."""
    text = (files("qsmbench.report") / "templates" / f"{name}.js").read_text(encoding="utf-8")
    return Script(name, _embeddable(f"\n{text}", f"{name}.js"))


def _embeddable(text: str, file: str) -> str:
    # HTML parsers make one line feed of these, and a browser hashes what the parser made.
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "</script" in text.lower() or "<!--" in text:
        raise InputError(f"{file} holds a tag that would end its script in a page; take another version")
    return text


def policy(scripts: list[Script], *, connect: str = "data: blob:", images: str = "data: blob:") -> str:
    """Return the content security policy of a page with these scripts."""
    sources = " ".join(dict.fromkeys(script.source for script in scripts))
    return (
        f"default-src 'none'; img-src {images}; connect-src {connect}; style-src 'unsafe-inline'; "
        f"script-src {sources}; base-uri 'none'; form-action 'none'"
    )
