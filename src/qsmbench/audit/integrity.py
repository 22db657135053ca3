"""Every file against the manifest, and the manifest against the crate's metadata: what is missing, changed or added."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from qsmbench.audit.check import Check
from qsmbench.audit.run_folder import RunFolder
from qsmbench.benchmark.steps.registry import folder_texts
from qsmbench.core.errors import InputError
from qsmbench.data.download import sha256_of
from qsmbench.provenance.crate import as_text, crate_digest
from qsmbench.provenance.crate_graph import describe
from qsmbench.provenance.manifest import CRATE, MANIFEST, SIGNATURE, tree_digest
from qsmbench.provenance.signature import verify


def check_files(run: RunFolder, withheld: Sequence[str], digest: str | None, key: Path | None, check: Check) -> None:
    """Compare every file with its hash.

    Args:
        run: the folder.
        withheld: patterns of files that were left out on purpose; their absence is noted.
        digest: that the folder should have, from elsewhere.
        key: public key that should have signed the crate.
        check: takes what is found.
    """
    left_out = 0
    for path, expected in run.listed.items():
        if path not in run.hashes:
            if any(fnmatch(path, pattern) for pattern in withheld):
                left_out += 1
            else:
                check.find("missing", path, "is listed and not there")
        elif run.hashes[path] != expected:
            check.find("changed", path, f"is not the file that was listed: SHA-256 {run.hashes[path][:12]}..., "
                       f"listed {expected[:12]}...")  # fmt: skip
    for path in run.hashes:
        if path not in run.listed:
            check.find("added", path, "is there and not listed")
    if left_out:
        check.notes.append(f"{left_out} files that match {', '.join(withheld)} were left out on purpose.")
    found = crate_digest(run.path)
    if digest is not None and digest.lower().removeprefix("sha256:") != found:
        check.find("changed", CRATE, f"the digest of everything is {found}, not {digest}: another or a changed run")
    if key is not None:
        if (wrong := verify(run.path, key)) is not None:
            check.find("changed", SIGNATURE, wrong)
        else:
            check.notes.append(f"The digest of everything is signed by the key of {key.name}.")
    elif (run.path / SIGNATURE).is_file():
        check.notes.append("The run is signed; --verify-key PUB compares the signature with a key that you trust.")
    if digest is None and key is None:
        text = "No digest or key from elsewhere was given (--digest, --verify-key)"
        check.notes.append(f"{text}: a folder forged throughout looks sound but for what is made again.")
    check.n = f"{len(run.listed)} files"


def check_crate(run: RunFolder, check: Check) -> None:
    """Compare the crate's metadata with the manifest: each says every hash, so that one cannot be edited alone."""
    try:
        graph = run.json(CRATE)["@graph"]
        entities: dict[str, dict[str, Any]] = {entity["@id"]: entity for entity in graph}
        if len(entities) != len(graph):
            check.find("changed", CRATE, "describes one thing twice: which of the two is meant cannot be known")
    except (InputError, KeyError, TypeError) as error:
        check.find("changed", CRATE, f"cannot be read as an RO-Crate ({error})")
        return
    described = 0
    covered: set[str] = set()
    for identifier, entity in entities.items():
        kinds = entity.get("@type", [])
        kinds = [kinds] if isinstance(kinds, str) else kinds
        if "sha256" not in entity or not {"File", "Dataset"} & set(kinds):
            continue
        path = unquote(identifier)
        described += 1
        if path == MANIFEST:
            if entity["sha256"] != sha256_of(run.path / MANIFEST):
                check.find("changed", MANIFEST, "is not the manifest that the crate's metadata describes")
        elif path.endswith("/"):
            covered |= {p for p in run.listed if p.startswith(path)}
            if entity["sha256"] != tree_digest(run.listed, path):
                check.find("contradiction", path, "its files' hashes in the manifest are not those of the crate")
        else:
            covered.add(path)
            if path not in run.listed:
                check.find("missing", path, "is described by the crate and not in the manifest")
            elif run.listed[path] != entity["sha256"]:
                check.find("contradiction", path, "its hash in the manifest is not that of the crate")
            elif path in run.hashes and str((run.path / path).stat().st_size) != entity.get("contentSize"):
                check.find("contradiction", path, "its size is not that of the crate")
    for path in run.listed:
        if path not in covered:
            check.find("added", path, "is in the manifest and not described by the crate")
    _check_again(run, check, entities)
    check.n = f"{described} items for {len(run.listed)} files"


def _check_again(run: RunFolder, check: Check, entities: dict[str, dict[str, Any]]) -> None:
    """The metadata made again from manifest, records and configuration: no word of it stands for itself."""
    if not run.same_code:
        check.skipped.append("The crate's metadata was not made again: another version of the code made it.")
        return
    if check.findings or any(path not in run.hashes for path in run.listed):
        # Told above, by name; made again it would only be told once more.
        return
    try:
        content = describe(run.path, run.listed, run.resolved, folder_texts())
    except (InputError, KeyError, TypeError, ValueError) as error:
        check.find("changed", CRATE, f"cannot be made again: {error}")
        return
    made = {entity["@id"]: entity for entity in content["@graph"]}
    for identifier in dict.fromkeys([*made, *entities]):
        if made.get(identifier) != entities.get(identifier):
            check.find("changed", f"{CRATE}, {identifier}", "is described otherwise than files and records give")
    if not check.findings and as_text(content) != (run.path / CRATE).read_text(encoding="utf-8"):
        check.find("changed", CRATE, "is not what files and records give, outside its descriptions")
