"""All parts of the audit, one after another, and the verdict."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from qsmbench.audit.chain import check_chain
from qsmbench.audit.check import Check, Finding
from qsmbench.audit.contents import check_contents, check_scores
from qsmbench.audit.environment import check_environment
from qsmbench.audit.integrity import check_crate, check_files
from qsmbench.audit.run_folder import RunFolder
from qsmbench.audit.tables import check_tables
from qsmbench.audit.unpack import opened
from qsmbench.core.damage import shown
from qsmbench.core.errors import InputError
from qsmbench.core.seeds import generator_for
from qsmbench.data.regular import Odd
from qsmbench.provenance.crate import crate_digest
from qsmbench.provenance.crate_graph import CONFIG
from qsmbench.provenance.manifest import MANIFEST
from qsmbench.provenance.version import code_version


@dataclass(frozen=True)
class Options:
    """What an audit looks at.

    Attributes:
        recompute: things of each kind that are made again; 0 for none.
        rescore: maps of each kind of set that are scored again, where anything is made again; None for all.
        seed: of the choice.
        samples: of a set whose voxels are read.
        threads: files that are hashed at a time.
        withheld: patterns of files that were left out on purpose.
        source: files of heads that are not in the folder.
        digest: that the folder should have.
        key: public key that should have signed it.
        device: of torch.
    """

    recompute: int = 2
    rescore: int | None = None
    seed: int = 0
    samples: int = 200
    threads: int = 2
    withheld: Sequence[str] = ()
    source: Sequence[Path] = ()
    digest: str | None = None
    key: Path | None = None
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
        options["key"] = None if self.options.key is None else self.options.key.name
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
    """Audit a results folder or a zip of one. Nothing is written but what a zip holds, into a temporary folder.

    Args:
        results: folder with a crate, or a zip file that holds one.
        options: what to look at.
        say: is told of each part as it ends.

    Raises:
        InputError: no such folder, or one without a crate and manifest.
    """
    with opened(results) as (folder, found):
        verdict = Verdict(shown(results.resolve().name), "", "", code_version(), options)
        run = RunFolder(folder, options.threads)
        if not (odd := found):
            verdict.digest = crate_digest(folder)
            odd = _unlisted(run)
        if odd:
            # What is no regular file hangs or misleads whoever opens it; without the list there is nothing to hold
            # the files to.
            check = Check("folder", "Is it a folder of plain files, with a list of them?")
            for entry in odd:
                check.find("changed", entry.path, f"{entry.text}; nothing else was looked at")
            check.close(0.0)
            verdict.checks.append(check)
            return verdict
        for check, look in _parts(run, verdict):
            started = time.process_time()
            check.guarded(check.name, partial(look, check), None)
            check.close(time.process_time() - started)
            verdict.checks.append(check)
            if say is not None:
                left = f", {len(check.skipped)} left out (see the page)" if check.skipped else ""
                say(f"{check.name}: {check.n or '-'}; {_count(len(check.findings))}{left}, {check.seconds:.1f} s")
        return verdict


def _unlisted(run: RunFolder) -> list[Odd]:
    """Why there is no list of files to hold the folder to; nothing where there is one."""
    try:
        _ = run.listed
    except InputError as error:
        if not (run.path / MANIFEST).is_file():
            raise
        return [Odd(MANIFEST, str(error))]
    return []


def _parts(run: RunFolder, verdict: Verdict) -> Iterator[tuple[Check, Callable[[Check], None]]]:
    """Every part in its order, empty, and what looks; a look that breaks is a finding, and the next part follows."""
    options = verdict.options
    look = partial(check_files, run, options.withheld, options.digest, options.key)
    yield Check("files", "Is every file the one that the manifest lists?"), look
    yield Check("crate", "Does the crate's metadata describe these files?"), partial(check_crate, run)
    yield Check("chain", "Did each job write and read these very files?"), partial(check_chain, run)
    try:
        verdict.title = shown(run.config.report.title)
    except InputError as error:
        text = f"{error}; tables and numbers were not looked at"
        yield (
            Check("configuration", "Can the configuration be read?"),
            lambda check: check.find("changed", CONFIG, text),
        )
    else:
        rng = generator_for(options.seed, "audit/contents", 0)
        title = "Do samples, maps, weights and scores belong together?"
        yield Check("contents", title), partial(check_contents, run, rng, options.samples)
        title = "Does every score belong to its data, its method and its weights?"
        yield Check("scores", title), partial(check_scores, run)
        yield Check("tables", "Does every cell of the tables follow from the scores?"), partial(_tables, run, verdict)
        if options.recompute > 0:
            yield Check("recomputation", "Do the numbers still come out the same?"), partial(_recompute, run, options)
    title = "Was it made on the same code, packages, hardware and threads as here?"
    yield Check("environment", title), partial(check_environment, run)


def _tables(run: RunFolder, verdict: Verdict, check: Check) -> None:
    verdict.cells = check_tables(run, check)


def _recompute(run: RunFolder, options: Options, check: Check) -> None:
    # Methods, metrics and torch take seconds to load; an audit without recomputation does without.
    from qsmbench.audit.recompute import check_recomputation

    check_recomputation(
        run,
        check,
        options.recompute,
        options.seed,
        rescore=options.rescore,
        source=options.source,
        device=options.device,
    )


def _count(n: int) -> str:
    return "no finding" if n == 0 else f"{n} finding{'s' if n > 1 else ''}"
