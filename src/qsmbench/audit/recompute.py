"""A random part of the numbers made again from what they were made of, and compared within stated tolerances.

Heads from their origin, samples from recipe, seed and head, maps from fields, method, options and weights, scores from
maps and truth, simulated scans and prepared fields from their own beginnings. What is chosen is a function of the
audit's seed alone. Training is not repeated: it is the run itself that repeats it.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import xarray as xr
import zarr
from threadpoolctl import threadpool_limits
from zarr.errors import ZarrUserWarning

from qsmbench.audit.check import Check
from qsmbench.audit.contents import DAMAGE
from qsmbench.audit.run_folder import RunFolder
from qsmbench.audit.tolerance import (
    SAMPLE_PPM,
    Agreement,
    compare_labels,
    compare_scores,
    compare_steps,
    compare_volumes,
)
from qsmbench.benchmark.acquisition import acquire_subject, read_truth
from qsmbench.benchmark.evaluation import score_sample
from qsmbench.benchmark.source import head_and_draws, load_heads, make_source
from qsmbench.benchmark.subjects import scan_of, score_scan
from qsmbench.benchmark.synthesis import sample_of
from qsmbench.config.model import ChallengeSource, MixtureSource, NiftiSource, PhantomSource
from qsmbench.core.errors import InputError
from qsmbench.core.scan import Scan
from qsmbench.core.seeds import generator_for
from qsmbench.data.layout import OPTIONAL, VECTORS, VOLUMES
from qsmbench.data.nifti import read_volume
from qsmbench.data.prepared import PreparedScan, prepared_scans
from qsmbench.data.store import STEP, StoredSet, encode, encode_bright
from qsmbench.methods.contract import Method
from qsmbench.methods.registry import build
from qsmbench.metrics.registry import METRICS, Score
from qsmbench.preparation.dataset import prepare_bids
from qsmbench.simulation.labels import sample_labels
from qsmbench.simulation.source import Heads


@dataclass
class Recomputation:
    """What to make again.

    Attributes:
        run: the folder.
        k: things of each kind.
        seed: of the choice.
        source: files of the heads that came from a user's file and are not in the folder, by any name.
        device: of torch, for maps.
    """

    run: RunFolder
    k: int
    seed: int
    source: Sequence[Path] = ()
    device: str = "cpu"
    heads: Heads | None = field(default=None, init=False)

    def check(self) -> Check:
        """Make again and compare."""
        check = Check("recomputation", "Does a random part still come out the same?")
        done: list[tuple[str, int, int]] = []
        steps: list[tuple[str, Callable[[Check], list[Agreement]]]] = [
            ("heads", self._heads),
            ("samples", self._samples),
            ("maps", self._maps),
            ("scores", self._scores),
            ("simulated scans", self._acquisitions),
            ("prepared scans", self._prepared),
            ("maps of scans", self._chimaps),
            ("scores of scans", self._scan_scores),
        ]
        for name, step in steps:
            try:
                found = step(check)
            except DAMAGE as error:
                check.find("recomputed", name, f"cannot be made again: {' '.join(str(error).split())[:300]}")
                continue
            if found:
                done.append((name, len(found), sum(a.identical for a in found)))
        check.n = "; ".join(f"{name}: {n} compared, {same} the same bits" for name, n, same in done) or "nothing"
        return check

    def _choose(self, kind: str, things: Sequence[Any]) -> list[Any]:
        rng = generator_for(self.seed, f"audit/{kind}", 0)
        if not things:
            return []
        return [things[i] for i in sorted(rng.choice(len(things), min(self.k, len(things)), replace=False))]

    def _judge(self, check: Check, where: str, found: Agreement) -> Agreement:
        if not found.tolerated:
            check.find("recomputed", where, f"made again, it {found.text}")
        elif not found.identical:
            check.notes.append(f"{where}: made again, it {found.text}.")
        return found

    # Heads and samples

    def _heads(self, check: Check) -> list[Agreement]:
        """The source folder, from the phantom or from the user's file."""
        run = self.run
        if not run.config.synthetic:
            return []
        with tempfile.TemporaryDirectory() as temporary:
            origin = Path(temporary)
            spec = self._located(run.config.source, check)
            there = run.has("source/source.json") and (run.path / "source/0/chi.nii.gz").is_file()
            if spec is not None:
                make_source(spec, origin)
            elif not there:
                check.skipped.append("Synthetic samples: the folder has no source; give the head with --source FILE.")
                return []
            self.heads = load_heads(run.path / "source" if there else origin)
            if spec is None or not there:
                return []
            return [
                self._judge(check, path.relative_to(run.path).as_posix(), _compare_nifti(origin_path, path))
                for origin_path in sorted(origin.rglob("*.nii.gz"))
                for path in [run.path / "source" / origin_path.relative_to(origin)]
            ]

    def _located(self, spec: Any, check: Check) -> Any | None:
        """The source with its files where they are on this machine; None where one is not given."""
        if isinstance(spec, MixtureSource):
            heads = [self._located(mixed.head, check) for mixed in spec.heads]
            if any(head is None for head in heads):
                return None
            parts = [m.model_copy(update={"head": h}) for m, h in zip(spec.heads, heads, strict=True)]
            return spec.model_copy(update={"heads": tuple(parts)})
        if isinstance(spec, PhantomSource):
            return spec
        if isinstance(spec, ChallengeSource):
            given = self._given(["challenge", "archive", ".zip"])
            if given is None:
                check.skipped.append("Source from the 2016 challenge's archive: give it with --source ARCHIVE.")
                return None
            return spec.model_copy(update={"archive": given})
        assert isinstance(spec, NiftiSource)
        update: dict[str, Path] = {}
        for name in ("chi", "mask"):
            path: Path | None = getattr(spec, name)
            if path is None:
                continue
            given = next((p for p in self.source if p.name == path.name), None)
            if given is None:
                known = self._external(path.name)
                check.skipped.append(f"Source {path.name}{known}: it is not in the folder; give it with --source FILE.")
                return None
            update[name] = given
        return spec.model_copy(update=update)

    def _given(self, words: Sequence[str]) -> Path | None:
        return next((p for p in self.source if any(word in p.name.lower() for word in words)), None)

    def _external(self, name: str) -> str:
        """The hash by which the records know a file from outside."""
        known = {a["sha256"] for job in self.run.jobs for a in job.content["external"] if a["name"] == name}
        return f" (SHA-256 {', '.join(sorted(known))})" if known else ""

    def _samples(self, check: Check) -> list[Agreement]:
        if self.heads is None:
            return []
        config = self.run.config
        things = [
            (name, i)
            for name, spec in config.synthetic.items()
            for i in range(spec.n_samples)
            if self.run.has(f"synthetic/{name}.zarr")
        ]
        found = []
        for name, index in self._choose("samples", things):
            spec, store = config.synthetic[name], f"synthetic/{name}.zarr"
            drawn_as = spec.drawn_as(name)
            group = zarr.open_group(self.run.path / store, mode="r", zarr_format=3)
            draws = {"seed": config.seed, "name": drawn_as, "number": index}
            sample = sample_of(self.heads, spec.recipe, with_magnitude=spec.with_magnitude, **draws)
            where = f"{store}, sample {index}"
            stored = {key: np.asarray(group[key][index]) for key in (*VOLUMES, *VECTORS) if key in group}
            for key in ("chi", "local_field"):
                made = encode(getattr(sample, key), key)
                tolerated = SAMPLE_PPM / STEP
                found.append(self._judge(check, f"{where}, {key}", compare_steps(made, stored[key], tolerated)))
            for key in OPTIONAL:
                volume = getattr(sample, key)
                if volume is not None and key in stored and spec.with_magnitude:
                    made = encode_bright(volume, key, key)
                    found.append(self._judge(check, f"{where}, {key}", compare_steps(made, stored[key], 1.0)))
            mask = np.asarray(sample.mask, np.uint8)
            found.append(self._judge(check, f"{where}, mask", compare_labels(mask, stored["mask"])))
            for key in ("voxel_size", "b0_dir"):
                made = np.asarray(getattr(sample, key), np.float64)
                found.append(self._judge(check, f"{where}, {key}", compare_steps(made, stored[key], 1e-9)))
            labels = f"synthetic/{name}.labels.zarr"
            if self.run.has(labels):
                head, rng = head_and_draws(self.heads, seed=config.seed, name=drawn_as, number=index)
                made = sample_labels(self.heads.sources[head], spec.recipe, rng)
                there = zarr.open_group(self.run.path / labels, mode="r", zarr_format=3)
                old = np.asarray(there["labels"][index])
                found.append(self._judge(check, f"{labels}, sample {index}", compare_labels(made, old)))
        return found

    # Maps and scores of synthetic sets

    def _pairs(self, folder: str) -> list[tuple[str, str, dict[str, Any]]]:
        """Set, run and status of every method on every set."""
        found = []
        for path in sorted((self.run.path / folder).glob("*/*.json")):
            if path.stem in self.run.config.methods:
                found.append((path.parent.name, path.stem, self.run.json(path.relative_to(self.run.path).as_posix())))
        return found

    def _method(self, name: str, made: dict[str, Any]) -> Method:
        network = self.run.config.methods[name].network
        weights = None if network is None else self.run.path / f"networks/{network}.pt"
        return build(made["method"], made["options"], weights)

    def _maps(self, check: Check) -> list[Agreement]:
        things = [
            (set_name, name, made, row)
            for set_name, name, made in self._pairs("reconstructions")
            for row in made["samples"]
        ]
        found = []
        for set_name, name, made, row in self._choose("maps", things):
            index = row["sample"]
            store = f"reconstructions/{set_name}/{name}.zarr"
            scan = StoredSet(self.run.path / f"synthetic/{set_name}.zarr").scan(index).to(self.device)
            where = f"{store}, sample {index}"
            group = zarr.open_group(self.run.path / store, mode="r", zarr_format=3)
            stored = np.asarray(group["chi"][index])
            result = self._reconstruct(check, where, row, self._method(name, made), scan)
            if result is not None:
                found.append(self._judge(check, where, compare_volumes(result, stored)))
        return found

    def _reconstruct(
        self, check: Check, where: str, row: dict[str, Any], method: Method, scan: Scan
    ) -> np.ndarray | None:
        """The map, or None where the method fails again, as it is said to have done."""
        try:
            chi: np.ndarray = method.reconstruct(scan).chi.cpu().numpy()
        except DAMAGE as error:
            if row["status"] == "ok":
                check.find("recomputed", where, f"the method fails now: {' '.join(str(error).split())[:200]}")
            return None
        if row["status"] != "ok":
            check.find("recomputed", where, f"is said to have failed ({row['message']}), and does not")
            return None
        return chi

    def _metrics(self) -> list[str]:
        return list(self.run.config.evaluation.metrics) or list(METRICS)

    def _table(self) -> pd.DataFrame:
        scores = pd.read_parquet(self.run.path / "scores.parquet")
        return scores[scores["status"] == "ok"]

    def _scores(self, check: Check) -> list[Agreement]:
        table = self._table()
        table = table[table["set"].isin(list(self.run.config.synthetic))]
        things = list(table.groupby(["set", "method", "subject"], sort=True).groups)
        found = []
        for set_name, name, subject in self._choose("scores", things):
            labels = self.run.path / f"synthetic/{set_name}.labels.zarr"
            known = self.run.json(f"synthetic/{set_name}.labels.json") if labels.is_dir() else {}
            maps = _opened(self.run.path / f"reconstructions/{set_name}/{name}.zarr")
            tissues = _opened(labels) if labels.is_dir() else xr.Dataset()
            with maps, tissues:
                made = score_sample(
                    int(subject),
                    stored=StoredSet(self.run.path / f"synthetic/{set_name}.zarr"),
                    maps=maps,
                    tissues=tissues,
                    known=known,
                    names=self._metrics(),
                )
            found += self._compare_scores(check, table, (set_name, name, subject), made)
        return found

    def _compare_scores(
        self, check: Check, table: pd.DataFrame, key: tuple[str, str, str], made: Sequence[Score]
    ) -> list[Agreement]:
        rows = table[(table["set"] == key[0]) & (table["method"] == key[1]) & (table["subject"] == key[2])]
        stored = {(r["metric"], r["region"]): float(r["value"]) for r in rows.to_dict("records")}
        again = {(score.metric, score.region): score.value for score in made}
        found = []
        for name in dict.fromkeys([*stored, *again]):
            where = f"scores.parquet, {' / '.join(key)}: {name[0]}, {name[1]}"
            if name not in stored or name not in again:
                check.find(
                    "recomputed", where, "is stored and not made" if name in stored else "is made and not stored"
                )
                continue
            found.append(self._judge(check, where, compare_scores(again[name], stored[name])))
        return found

    # Scans

    def _simulated(self) -> list[tuple[str, str]]:
        return [
            (name, subject)
            for name, spec in self.run.config.acquisitions.items()
            if spec.kind == "simulated" and self.run.has(f"acquisitions/{name}")
            for subject in spec.subjects
        ]

    def _acquisitions(self, check: Check) -> list[Agreement]:
        found = []
        for name, subject in self._choose("acquisitions", self._simulated()):
            spec = self.run.config.acquisitions[name]
            assert spec.kind == "simulated"
            source = self._located(spec.source, check)
            if source is None:
                continue
            located = spec.model_copy(update={"source": source})
            with tempfile.TemporaryDirectory() as temporary:
                acquire_subject(located, name, subject, self.run.config.seed, Path(temporary))
                found += self._compare_folders(check, Path(temporary), f"acquisitions/{name}")
        return found

    def _prepared(self, check: Check) -> list[Agreement]:
        found = []
        for name, spec in self.run.config.acquisitions.items():
            if spec.kind == "bids":
                check.skipped.append(f"Prepared scans of '{name}': their echoes are the user's and not in the folder.")
        things = [(n, s) for n, s in self._simulated() if self.run.has(f"prepared/{n}/sub-{s}")]
        for name, subject in self._choose("prepared", things):
            with tempfile.TemporaryDirectory() as temporary:
                settings = self.run.config.acquisitions[name].preparation
                prepare_bids(self.run.path / f"acquisitions/{name}", Path(temporary), settings, [subject])
                found += self._compare_folders(check, Path(temporary), f"prepared/{name}")
        return found

    def _compare_folders(self, check: Check, made: Path, folder: str) -> list[Agreement]:
        found = []
        for path in sorted(made.rglob("*.nii.gz")):
            where = f"{folder}/{path.relative_to(made).as_posix()}"
            if not self.run.has(where):
                check.find("missing", where, "is made and not stored")
                continue
            found.append(self._judge(check, where, _compare_nifti(path, self.run.path / where)))
        return found

    def _scans(self) -> list[tuple[str, str, dict[str, Any], dict[str, Any], PreparedScan]]:
        found = []
        for set_name, name, made in self._pairs("chimaps"):
            folder = self.run.path / f"prepared/{set_name}"
            subjects = sorted(p.name.removeprefix("sub-") for p in folder.glob("sub-*"))
            scans = {scan.name: scan for scan in prepared_scans(folder, subjects)}
            found += [(set_name, name, made, row, scans[row["scan"]]) for row in made["scans"] if row["scan"] in scans]
        return found

    def _chimaps(self, check: Check) -> list[Agreement]:
        found = []
        for set_name, name, made, row, scan in self._choose("chimaps", self._scans()):
            path = scan.chimap(self.run.path / f"chimaps/{set_name}/{name}")
            where = path.relative_to(self.run.path).as_posix()
            result = self._reconstruct(check, where, row, self._method(name, made), scan_of(scan).to(self.device))
            if result is not None:
                stored = read_volume(path).data
                found.append(self._judge(check, where, compare_volumes(result, stored)))
        return found

    def _scan_scores(self, check: Check) -> list[Agreement]:
        table = self._table()
        simulated = {name for name, _ in self._simulated()}
        things = [t for t in self._scans() if t[0] in simulated and t[3]["status"] == "ok"]
        found = []
        for set_name, name, _, row, scan in self._choose("scan scores", things):
            truth = read_truth(self.run.path / f"acquisitions/{set_name}", scan.subject).reference
            made = score_scan(scan, truth, scan.chimap(self.run.path / f"chimaps/{set_name}/{name}"), self._metrics())
            found += self._compare_scores(check, table, (set_name, name, row["scan"]), made)
        return found


def _opened(store: Path) -> xr.Dataset:
    with warnings.catch_warnings():
        # Snakemake leaves a file of its own in the folders that it makes.
        warnings.simplefilter("ignore", ZarrUserWarning)
        opened: xr.Dataset = xr.open_zarr(store, consolidated=False, chunks=None)
    return opened


def _compare_nifti(made: Path, stored: Path) -> Agreement:
    if not stored.is_file():
        raise InputError(f"{stored.name} is not there")
    if made.read_bytes() == stored.read_bytes():
        return Agreement(True, True, "the same bits")
    a, b = read_volume(made, finite=False), read_volume(stored, finite=False)
    if not np.allclose(a.affine, b.affine, atol=1e-5):
        return Agreement(False, False, "has another affine")
    return compare_volumes(a.data, b.data)


def one_thread() -> None:
    """Compute as the workflow's jobs do: on one thread, with torch's deterministic algorithms."""
    threadpool_limits(limits=1)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True, warn_only=True)
