"""Registries: names until used, our own first, and those of other distributions by their entry points."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from qsmbench.core.errors import InputError
from qsmbench.core.registry import Registry


@dataclass(frozen=True)
class Thing:
    name: str


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry[Thing]:
    """One of our own, and a distribution with four entry points, found as installed ones are."""
    (tmp_path / "gardens.py").write_text(
        "from dataclasses import dataclass\n@dataclass\nclass E:\n    name: str\nROSE = E('rose')\nOAK = E('oak')\n"
    )
    info = tmp_path / "gardens-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: gardens\nVersion: 1.0\n")
    points = "rose = gardens:ROSE\noak = gardens:OAK\nlost = gardens:LOST\nwrong = gardens:ROSE\n"
    (info / "entry_points.txt").write_text(f"[tests.things]\n{points}")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "gardens", raising=False)
    return Registry("thing", "tests.things", (Thing("oak"), Thing("elm")))


def test_names_are_listed_without_import_and_ours_come_first(registry):
    assert list(registry) == ["oak", "elm", "lost", "rose", "wrong"]
    assert len(registry) == 5
    assert "rose" in registry
    assert isinstance(registry["oak"], Thing), "a plug-in does not replace what is ours"
    assert "gardens" not in sys.modules
    assert registry.find("rose").name == "rose"
    assert "gardens" in sys.modules


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("rosa", r"unknown thing 'rosa' \(did you mean 'rose'\?\); known: oak, elm"),
        ("lost", r"thing lost of gardens \(gardens:LOST\) cannot be imported"),
        ("wrong", r"thing wrong of gardens \(gardens:ROSE\) is not an entry named wrong"),
    ],
)
def test_what_cannot_be_found_is_said(registry, name, message):
    with pytest.raises(InputError, match=message):
        registry.find(name)


def test_listing_methods_imports_no_torch():
    code = (
        "import sys\nfrom qsmbench.methods.registry import METHODS\n"
        "text = [(e.label, e.doi, e.wants_gpu, e.linear, e.needs_weights) for e in METHODS.values()]\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert {"torch", "scipy", "numba", "nibabel", "pandas"}.isdisjoint(loaded)
