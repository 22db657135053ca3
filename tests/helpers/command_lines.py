"""Command lines of a page, and a place where they run as a reader would type them.

Every ``bash`` block of a page is typed line by line. A comment before a block says what a test does differently:
``<!-- test: dry run -->``, of what takes long, and ``<!-- test: exit status 1 -->``, of what shall fail.
"""

import os
import re
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"(?:<!-- test: ([^>]*?) -->\n+)?^```bash\n(.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Line:
    """A line to type; `note` is what the page says about testing it."""

    text: str
    note: str

    @property
    def typed(self) -> str:
        """What is really run: dry where the page says so."""
        if self.note != "dry run":
            return self.text
        for command, dry in (("make ", "make -n "), ("qsmbench run", "qsmbench run --dry-run")):
            if self.text.startswith(command):
                return self.text.replace(command, dry, 1)
        assert re.search(r"\bsnakemake\b", self.text), f"nothing is known to run this dry: {self.text}"
        return self.text.split("  #")[0] + " --dry-run --quiet"

    @property
    def status(self) -> int:
        """The exit status that the page promises."""
        return int(self.note.removeprefix("exit status ")) if self.note.startswith("exit status") else 0


def lines_of(page: Path) -> list[Line]:
    """The command lines of a page; what ends in a backslash goes on in the next line."""
    found = []
    for note, block in _BLOCK.findall(page.read_text(encoding="utf-8")):
        assert note in ("", "dry run") or re.fullmatch(r"exit status \d", note), note
        joined = block.replace("\\\n", " ")
        found += [Line(line.strip(), note) for line in joined.splitlines() if line.strip() and line[0] != "#"]
    return found


class Desk:
    """A folder with an environment of its own, with all that the tests' has; packages are installed there alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        python = folder / ".venv/bin/python"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / ".venv")], check=True)
        ask = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
        own = Path(subprocess.run(ask, check=True, capture_output=True, text=True).stdout.strip())
        # As `site` reads it: what is editable there is found too.
        there = sysconfig.get_path("purelib")
        (own / "tests.pth").write_text(f"import site; site.addsitedir({there!r})\n")
        for name, module in (
            ("pip", "pip"),
            ("pytest", "pytest"),
            ("snakemake", "snakemake"),
            ("qsmbench", "qsmbench.cli.main"),
        ):
            script = python.with_name(name)
            script.write_text(f'#!/bin/sh\nexec "{python}" -m {module} "$@"\n')
            script.chmod(0o755)
        keep = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "QSMBENCH", "COV_"))}
        self.environment = keep | {
            "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
            "VIRTUAL_ENV": str(folder / ".venv"),
            "PYTHONPATH": str(ROOT / "src"),
            "OMP_NUM_THREADS": "1",
            # No network: everything that a build needs is there already.
            "PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }  # fmt: skip

    def type(self, line: Line) -> str:
        """Run a line; return what it says."""
        done = subprocess.run(
            ["bash", "-c", line.typed],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        said = done.stdout + done.stderr
        assert done.returncode == line.status, f"$ {line.typed}\nexit status {done.returncode}\n{said[-3000:]}"
        return said
