"""Which container image ran: a tag may move, so that its digest is what a record holds."""

from __future__ import annotations

import re
import subprocess

from qsmbench.foreign.manifest import Manifest

_DIGEST = re.compile(r"@(sha256:[0-9a-f]{64})$")
_SECONDS = 60


def image_facts(manifest: Manifest, runner: str) -> dict[str, str]:
    """Return the image that a runner takes, with its digest where that can be known; empty for a local command.

    An image that is named by its digest (``name@sha256:...``) is that one with every runner. Of a tag docker tells
    which image it stands for on this machine; apptainer keeps no digest of what it made its own file from.
    """
    if runner == "local":
        return {}
    found = {"image": manifest.image}
    if named := _DIGEST.search(manifest.image):
        return found | {"image_digest": named.group(1)}
    if runner == "docker" and (digest := _asked(manifest.image)):
        return found | {"image_digest": digest}
    return found


def _asked(image: str) -> str:
    """What docker says: the registry's digest, or the id of an image that was built here."""
    form = "{{.Id}}{{range .RepoDigests}} {{.}}{{end}}"
    try:
        done = subprocess.run(
            ["docker", "image", "inspect", "--format", form, image],
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    # The id comes first, and is what is left where the image was never in a registry.
    digests = [found.group(1) for word in done.stdout.split() if (found := _DIGEST.search(f"@{word.split('@')[-1]}"))]
    return digests[-1] if done.returncode == 0 and digests else ""


def image_note(facts: dict[str, str]) -> str:
    """What a map's notes say of the image.

    >>> image_note({"image": "me/qsm:1"})
    'Image me/qsm:1, whose digest is not known here: name it by its digest (name@sha256:...) to fix it.'
    """
    if "image_digest" in facts:
        return f"Image {facts['image'].partition('@')[0]}, {facts['image_digest']}."
    return f"Image {facts['image']}, whose digest is not known here: name it by its digest (name@sha256:...) to fix it."
