"""The page on preparation tells every setting as it is."""

from pathlib import Path

from qsmbench.config.document import _describe
from qsmbench.preparation.outputs import OUTPUTS
from qsmbench.preparation.settings import PreparationSettings

PAGE = (Path(__file__).parents[2] / "docs" / "preparation.md").read_text(encoding="utf-8").splitlines()


def test_every_setting_is_described_with_its_default():
    rows: list[str] = []
    _describe(PreparationSettings, "", rows)
    assert [row for row in rows if row not in PAGE] == []


def test_every_output_is_named():
    for name, (ending, _, _) in OUTPUTS.items():
        assert any(f"| `{name}` | `{ending}` |" in line for line in PAGE), name
