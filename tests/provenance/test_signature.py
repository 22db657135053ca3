"""Signing the digest of everything with an SSH key, by OpenSSH itself."""

import shutil
import subprocess
from pathlib import Path

import pytest

from qsmbench.core.errors import InputError
from qsmbench.provenance.manifest import CRATE, SIGNATURE, files_of
from qsmbench.provenance.signature import sign, verify

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs OpenSSH's ssh-keygen")


def key(folder: Path, name: str) -> Path:
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "somebody", "-f", str(folder / name)]
    subprocess.run(command, check=True)
    return folder / name


@pytest.fixture
def results(tmp_path):
    (tmp_path / "a run é").mkdir()
    (tmp_path / "a run é" / CRATE).write_text('{"@graph": []}\n')
    return tmp_path / "a run é"


def test_a_signature_is_of_one_key_one_purpose_and_these_bytes(results, tmp_path):
    own, other = key(tmp_path, "own"), key(tmp_path, "other")
    assert verify(results, own.with_suffix(".pub")) == "is missing: nobody signed this run"
    assert sign(results, own) == results / SIGNATURE
    assert verify(results, own.with_suffix(".pub")) is None
    assert "is not that of this key" in verify(results, other.with_suffix(".pub"))
    assert files_of(results) == [], "a signature is no part of what it signs"
    sound = (results / CRATE).read_bytes()
    (results / CRATE).write_bytes(sound + b" ")
    assert "is not that of this key" in verify(results, own.with_suffix(".pub"))
    (results / CRATE).write_bytes(sound)
    # Signed by the same key for something else: a file, or git.
    command = ["ssh-keygen", "-Y", "sign", "-q", "-n", "file", "-f", str(own)]
    with (results / CRATE).open("rb") as metadata:
        made = subprocess.run(command, stdin=metadata, capture_output=True, check=True)
    (results / SIGNATURE).write_bytes(made.stdout)
    assert "is not that of this key" in verify(results, own.with_suffix(".pub"))
    (results / SIGNATURE).write_bytes(b"\x1b[31m" + bytes(100))
    assert verify(results, own.with_suffix(".pub")).isprintable()


def test_what_is_no_key_is_refused_in_one_line(results, tmp_path):
    (tmp_path / "text").write_text("no key\n")
    with pytest.raises(InputError, match="does not exist"):
        sign(results, tmp_path / "none")
    with pytest.raises(InputError, match="cannot sign with it"):
        sign(results, tmp_path / "text")
    assert not (results / SIGNATURE).exists()
    # No options, principals or certificates come in through the file.
    for text in ("no key", "", "ssh-ed25519 AAAA\x00", 'cert-authority,namespaces="*" ssh-ed25519 AAAA'):
        (tmp_path / "k.pub").write_text(text)
        try:
            assert verify(results, tmp_path / "k.pub") is not None
        except InputError as error:
            assert "holds no public SSH key" in str(error)
