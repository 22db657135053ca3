"""Steps that every set goes through, whatever its kind, and those that bring a run to its end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import prod
from typing import Any

from qsmbench.benchmark.run import Run
from qsmbench.benchmark.steps.contract import Job, Rate, Step, lazily
from qsmbench.benchmark.steps.networks import APPLIED
from qsmbench.core.spread import Spread, one_by_one
from qsmbench.methods.registry import origin

SCORES = "scores by set and method, a row a scan, metric and region"


def _reconstruct(of: Run, set: str, run: str) -> None:
    import json

    from qsmbench.benchmark.compute import set_up
    from qsmbench.benchmark.reconstruction import reconstruct

    options = dict(of.config.methods[run].options)
    if of.config.methods[run].tuning is not None:
        options |= json.loads(of.layout.tuned(run).read_text(encoding="utf-8"))["options"]
    reconstruct(
        of.any_set(set),
        method=of.method(run),
        options=options,
        weights=of.weights(run),
        out=of.layout.maps(set, run),
        status=of.layout.map_status(set, run),
        timings=of.layout.timings(set, run),
        device=set_up(),
    )


def _evaluate(of: Run, set: str, run: str, spread: Spread = one_by_one) -> None:
    from qsmbench.benchmark.evaluation import evaluate

    evaluate(
        of.sets[set],
        run,
        maps=of.layout.maps(set, run),
        status=of.layout.map_status(set, run),
        metrics=of.config.evaluation.metrics,
        seed=of.config.seed,
        out=of.layout.scores(set, run),
        spread=spread,
    )


def _collect_scores(of: Run) -> None:
    from qsmbench.benchmark.evaluation import collect_scores

    parts = [of.layout.scores(name, run) for name, run in of.pairs(of.scored)]
    collect_scores(parts, of.layout.all_scores)


def _members(of: Run, set: str) -> list[str]:
    """What a set has, where the configuration says it, so that a job follows it."""
    return list(of.any_set(set).members)


def _method(of: Run, set: str, run: str) -> dict[str, Any]:
    spec = of.resolved["methods"][run]
    told = {key: spec[key] for key in ("method", "options", "network")}
    # A method of somebody else's that changes is another method.
    if came_from := origin(of.method(run), spec["options"]):
        told["origin"] = came_from
    return {"methods": {run: told}, "members": {set: _members(of, set)}}


def _scoring(of: Run, set: str, run: str) -> dict[str, Any]:
    told = {"seed": of.resolved["seed"], "evaluation": of.resolved["evaluation"]}
    return told | {"members": {set: _members(of, set)}}


def _everything(of: Run) -> dict[str, Any]:
    return of.resolved


def _pairs(rule: str, names: Iterable[str], of: Run, *, applied: bool = False) -> Iterator[Job]:
    for name, key in of.pairs(names):
        scans, network = of.sets[name], of.config.methods[key].network
        method: dict[str, Any] = {"method": of.method(key), "network": network} if applied else {}
        yield Job(rule, (name, key), len(scans.members), prod(scans.shape) / 1e6, **method)


def _n_volumes(of: Run) -> int:
    return sum(len(scans.members) for scans in of.sets.values())


def _whole(of: Run) -> Iterator[Job]:
    sizes = [prod(spec.recipe.shape) * spec.n_samples for spec in of.config.synthetic.values()]
    sizes += [prod(of.sets[name].shape) * len(of.sets[name].members) for name in of.config.acquisitions]
    yield Job("crate", mvoxels=sum(sizes) / 1e6)


STEPS = (
    Step(
        "reconstruct",
        "run one method over one set",
        ("set", "run"),
        _reconstruct,
        _method,
        lambda of: _pairs("reconstruct", of.sets, of, applied=True),
        APPLIED,
        {"reconstructions": "susceptibility maps, ppm: of samples a Zarr store a method, of scans a BIDS derivative",
         "timings": "seconds a scan"},
        again="qsmbench.audit.again.maps:maps",
    ),
    Step(
        "evaluate",
        "score one method's maps of one set",
        ("set", "run"),
        _evaluate,
        _scoring,
        lambda of: _pairs("evaluate", of.scored, of),
        Rate(5, 350, "one sample and its filters; 100 samples take no more than five",
             "a sample of 256x256x64 read and no metric (A, 2026-11-28); benchmarks/README.md, 1372 MB (A, 2026-10)",
             seconds_mvoxel=0.05, megabytes_volume=245),
        {"scores": SCORES},
        spreads=True,
        again="qsmbench.audit.again.maps:scores",
    ),
    Step(
        "collect_scores",
        "join the scores of all sets and methods",
        (),
        _collect_scores,
        lambda of: {"scores": {name: of.methods_of(name) for name in of.scored}},
        lambda of: iter([Job("collect_scores", n_volumes=_n_volumes(of))]),
        Rate(4, 500, "the table of scores, some hundred bytes a sample, method and metric", "default run (A, 2026-11)"),
        {"scores": SCORES},
    ),
    Step(
        "report",
        "make tables, figures and the page",
        (),
        lazily("qsmbench.benchmark.report:write_report"),
        _everything,
        lambda of: iter([Job("report", n_volumes=_n_volumes(of))]),
        Rate(60, 1500, "the table of scores and the volumes shown (report.subjects_shown, report.viewer_megabytes); "
             "sets are not read", "default run (A, 2026-11)"),
        {"report": "tables, figures and the page"},
    ),
    Step(
        "method_table",
        "write errors and costs of every method in one table",
        (),
        lazily("qsmbench.benchmark.method_table:write_method_table"),
        _everything,
        lambda of: iter([Job("method_table", n_volumes=_n_volumes(of))] if of.scored else []),
        Rate(4, 500, "the table of scores", "default run (A, 2026-11)"),
    ),
    Step(
        "crate",
        "describe the results as an RO-Crate",
        (),
        None,  # `qsmbench crate`, which people use as well
        _everything,
        _whole,
        Rate(8, 600, "nothing; files are hashed in pieces",
             "SHA-256 of a volume and its maps at some 400 MB/s a core, and the start of a process (A, 2026-11)",
             seconds_mvoxel=0.02),
    ),
)  # fmt: skip
