"""All parts of the audit, one after another, and the verdict."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import BadZipFile, ZipFile

import pandas as pd

from qsmbench.audit.chain import check_chain
from qsmbench.audit.check import Check, Finding
from qsmbench.audit.contents import check_contents, check_scores
from qsmbench.audit.environment import check_environment
from qsmbench.audit.integrity import check_crate, check_files
from qsmbench.audit.run_folder import RunFolder
from qsmbench.audit.tables import check_tables
from qsmbench.core.errors import InputError
from qsmbench.core.seeds import generator_for
from qsmbench.provenance.crate import crate_digest
from qsmbench.provenance.manifest import CRATE, MANIFEST
from qsmbench.provenance.version import code_version


@dataclass(frozen=True)
class Options:
    """What an audit looks at.

    Attributes:
        recompute: things of each kind that are made again; 0 for none.
        seed: of the choice.
        samples: of a set whose voxels are read.
        threads: files that are hashed at a time.
        withheld: patterns of files that were left out on purpose.
        source: files of heads that are not in the folder.
        digest: that the folder should have.
        device: of torch.
    """

    recompute: int = 2
    seed: int = 0
    samples: int = 200
    threads: int = 2
    withheld: Sequence[str] = ()
    source: Sequence[Path] = ()
    digest: str | None = None
    device: str = "cpu"


@dataclass
class Verdict:
    """What came out.

    Attributes:
        name: of the folder.
        digest: of everything.
        title: of the run's report.
        made_by: version of the code that audited.
        options: of the audit.
        checks: in order.
        cells: one row a cell of the summary, with the subjects behind it.
    """

    name: str
    digest: str
    title: str
    made_by: str
    options: Options
    checks: list[Check] = field(default_factory=list)
    cells: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def findings(self) -> list[Finding]:
        """Of all checks."""
        return [finding for check in self.checks for finding in check.findings]

    @property
    def passed(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        options = asdict(self.options)
        options["source"] = [path.name for path in self.options.source]
        options["withheld"] = list(self.options.withheld)
        return {
            "format": "qsmbench-audit-1",
            "verdict": "pass" if self.passed else "findings",
            "results": self.name,
            "title": self.title,
            "digest": self.digest,
            "code_version": self.made_by,
            "options": options,
            "n_findings": len(self.findings),
            "checks": [asdict(check) for check in self.checks],
        }


def audit(results: Path, options: Options, say: Callable[[str], None] | None = None) -> Verdict:
    """Audit a results folder or a zip of one.

    Args:
        results: folder with a crate, or a zip file that holds one.
        options: what to look at.
        say: is told of each part as it ends.

    Raises:
        InputError: no such folder, or one without a crate and manifest.
    """
    with opened(results) as folder:
        run = RunFolder(folder, options.threads)
        digest = crate_digest(folder)
        verdict = Verdict(results.resolve().name, digest, "", code_version(), options)
        try:
            # Before anything else: without it there is nothing to hold the files to.
            _ = run.listed
        except InputError as error:
            if not (folder / MANIFEST).is_file():
                raise
            damaged = Check("files", "Is every file the one that the manifest lists?")
            damaged.find("changed", MANIFEST, f"{error}; nothing else was looked at")
            verdict.checks.append(damaged)
            return verdict

        def tables() -> Check:
            check, verdict.cells = check_tables(run)
            return check

        def recomputation() -> Check:
            # Methods, metrics and torch take seconds to load; an audit without recomputation does without.
            from qsmbench.audit.recompute import check_recomputation

            return check_recomputation(run, options.recompute, options.seed, options.source, options.device)

        rng = generator_for(options.seed, "audit/contents", 0)
        parts: list[Callable[[], Check]] = [
            partial(check_files, run, options.withheld, options.digest),
            partial(check_crate, run),
            partial(check_chain, run),
        ]
        try:
            verdict.title = run.config.report.title
        except InputError as error:
            broken = Check("configuration", "Can the configuration be read?")
            broken.find("changed", "provenance/config.json", f"{error}; tables and numbers were not looked at")
            verdict.checks.append(broken)
        else:
            parts += [partial(check_contents, run, rng, options.samples), partial(check_scores, run), tables]
            parts += [recomputation] if options.recompute > 0 else []
        parts.append(partial(check_environment, run))
        for look in parts:
            started = time.process_time()
            check = look()
            check.seconds = round(time.process_time() - started, 2)
            check.notes = list(dict.fromkeys(check.notes))
            verdict.checks.append(check)
            if say is not None:
                say(f"{check.name}: {check.n or '-'}; {_count(len(check.findings))}, {check.seconds:.1f} s")
    return verdict


def _count(n: int) -> str:
    return "no finding" if n == 0 else f"{n} finding{'s' if n > 1 else ''}"


@contextmanager
def opened(results: Path) -> Iterator[Path]:
    """The folder itself, or a zip's content in a temporary folder."""
    if results.is_dir():
        yield results
        return
    if not results.is_file():
        raise InputError(f"{results} does not exist; give a results folder or a zip of one")
    with TemporaryDirectory(prefix="qsmbench-audit-") as temporary:
        try:
            with ZipFile(results) as file:
                file.extractall(temporary)
        except BadZipFile as error:
            raise InputError(f"{results} is neither a folder nor a zip file ({error})") from error
        found = sorted(Path(temporary).rglob(CRATE), key=lambda path: len(path.parts))
        if not found:
            raise InputError(f"{results} holds no {CRATE}; zip a whole results folder")
        yield found[0].parent
