"""A signature on the digest of everything: who signs the crate's metadata signs every file of the run.

OpenSSH does it (ssh-keygen -Y sign, -Y verify; PROTOCOL.sshsig): most people who run this have a key already, of a kind
that others can look up. The signature stands beside the metadata, in OpenSSH's own armour.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from qsmbench.core.damage import shown
from qsmbench.core.errors import InputError
from qsmbench.data.atomic import atomic_path
from qsmbench.provenance.manifest import CRATE, SIGNATURE

# What a signature is for: one made for another purpose does not count (sshsig's namespace).
_PURPOSE = "qsmbench-crate"
_MOST_BYTES = 1 << 16
_SECONDS = 60


def sign(results: Path, key: Path) -> Path:
    """Sign a folder's crate with a private SSH key; an agent or the terminal is asked where it has a passphrase.

    Raises:
        InputError: no OpenSSH, no such key, or one that cannot sign.
    """
    if not key.is_file():
        raise InputError(f"--sign {key} does not exist; give a private SSH key (ssh-keygen -t ed25519 makes one)")
    command = [_tool(), "-Y", "sign", "-q", "-f", str(key.absolute()), "-n", _PURPOSE]
    with (results / CRATE).open("rb") as metadata:
        done = subprocess.run(command, stdin=metadata, capture_output=True, check=False)
    if done.returncode != 0 or not done.stdout:
        raise InputError(f"--sign {key}: ssh-keygen cannot sign with it ({_said(done)})")
    with atomic_path(results / SIGNATURE) as temporary:
        temporary.write_bytes(done.stdout)
    return results / SIGNATURE


def verify(results: Path, key: Path) -> str | None:
    """Compare a folder's signature with a public key; what is wrong, or None where it is that key's.

    Raises:
        InputError: no OpenSSH, or no public key in the file.
    """
    tool, public = _tool(), _public(key)
    path = results / SIGNATURE
    if not path.is_file():
        return "is missing: nobody signed this run"
    if path.stat().st_size > _MOST_BYTES:
        return "is no signature"
    with tempfile.TemporaryDirectory(prefix="qsmbench-") as folder:
        allowed = Path(folder) / "allowed"
        allowed.write_text(f"signer {public}\n", encoding="ascii")
        command = [tool, "-Y", "verify", "-f", str(allowed), "-I", "signer", "-n", _PURPOSE, "-s", str(path.absolute())]
        with (results / CRATE).open("rb") as metadata:
            try:
                done = subprocess.run(command, stdin=metadata, capture_output=True, check=False, timeout=_SECONDS)
            except subprocess.TimeoutExpired:
                return "cannot be compared: ssh-keygen does not end"
    return None if done.returncode == 0 else f"is not that of this key on this run ({_said(done)})"


def _public(key: Path) -> str:
    """Type and body of a public key, nothing else of its file."""
    try:
        words = key.read_text(encoding="utf-8")[:_MOST_BYTES].split()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--verify-key {key} cannot be read ({error}); give a public SSH key (.pub)") from error
    if len(words) < 2 or not words[0].startswith(("ssh-", "ecdsa-", "sk-")) or not words[1].startswith("AAAA"):
        raise InputError(f"--verify-key {key} holds no public SSH key; give the signer's .pub file")
    return f"{words[0]} {words[1]}"


def _tool() -> str:
    found = shutil.which("ssh-keygen")
    if found is None:
        raise InputError("signatures need OpenSSH's ssh-keygen (8.1 or later), which is not installed here")
    return found


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    text = (done.stderr or done.stdout).decode(errors="replace")
    return shown(" ".join(text.split()))[:200] or f"status {done.returncode}"
