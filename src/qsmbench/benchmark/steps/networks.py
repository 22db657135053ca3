"""Steps of networks and of methods whose parameters are chosen on data."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

from qsmbench.benchmark.run import Run
from qsmbench.benchmark.steps.contract import SMALL, Job, Rate, Step, lazily

NETWORKS = "networks: weights and the course of the training"
TUNING = "parameters chosen on tuning sets"


def _train(of: Run, network: str) -> None:
    from qsmbench.benchmark.compute import set_up
    from qsmbench.core.errors import InputError
    from qsmbench.core.interruption import StoppedError
    from qsmbench.training.loop import DivergenceError, train

    spec, layout = of.config.trained_networks[network], of.layout
    files = layout.store(spec.train_set), spec, layout.weights(network), layout.training_record(network)
    try:
        train(*files, device=set_up(spec.threads), curves=layout.training_curves(network))
    except DivergenceError as error:
        raise InputError(str(error)) from error
    except StoppedError as error:
        raise InterruptedError(str(error)) from error


def _copy_weights(of: Run, network: str) -> None:
    from qsmbench.data.atomic import atomic_path
    from qsmbench.networks.shipped import resolve

    with atomic_path(of.layout.weights(network)) as temporary:
        temporary.write_bytes(resolve(of.config.given_networks[network].weights).read_bytes())


def _select_parameters(of: Run, run: str) -> None:
    from qsmbench.benchmark.tuning import select_parameters

    spec = of.config.methods[run]
    assert spec.tuning is not None
    select_parameters(
        [of.layout.tuning_point(run, point) for point in range(len(spec.tuning.points))],
        tuned_on=spec.tuning.set,
        fixed=spec.options,
        out=of.layout.tuned(run),
        table=of.layout.tuning_table(run),
    )


def _network(of: Run, network: str) -> dict[str, Any]:
    return {"networks": {network: of.resolved["networks"][network]}}


def _point(of: Run, run: str, point: str) -> dict[str, Any]:
    tuning = of.config.methods[run].tuning
    assert tuning is not None
    spec = of.resolved["methods"][run]
    chosen = {"set": tuning.set, "metric": tuning.metric, "point": tuning.points[int(point)]}
    told = {key: spec[key] for key in ("method", "options", "network")}
    return {"methods": {run: told | {"tuning": chosen}}}


def _selection(of: Run, run: str) -> dict[str, Any]:
    spec = of.resolved["methods"][run]
    return {"methods": {run: {key: spec[key] for key in ("options", "tuning")}}}


def _trainings(of: Run) -> Iterator[Job]:
    for name, network in of.config.trained_networks.items():
        spec = of.config.synthetic[network.train_set]
        patch = network.patch or spec.recipe.shape
        size = prod(min(n, m) for n, m in zip(patch, spec.recipe.shape, strict=True)) / 1e6
        yield Job("train", (name,), network.steps * network.batch_size, size, network=name)


def _points(of: Run) -> Iterator[Job]:
    for key, run in of.config.methods.items():
        if run.tuning is not None:
            spec = of.config.synthetic[run.tuning.set]
            size = prod(spec.recipe.shape) / 1e6
            for point in range(len(run.tuning.points)):
                wildcards = (key, str(point))
                yield Job("tune_point", wildcards, spec.n_samples, size, method=of.method(key), network=run.network)


APPLIED = Rate(4, 550, "one volume and what its method holds of it; maps are written one by one", "the method's, below")

STEPS = (
    Step(
        "train",
        "train a network on a synthetic set",
        ("network",),
        _train,
        _network,
        _trainings,
        Rate(10, 500, "activations of one batch, on the GPU where there is one; samples are read batch by batch",
             "the network's, below"),
        {"networks": NETWORKS},
    ),
    Step(
        "copy_weights",
        "copy given weights beside what is made with them",
        ("network",),
        _copy_weights,
        _network,
        lambda of: (Job("copy_weights", (name,)) for name in of.config.given_networks),
        Rate(3, 500, "nothing; a copy of a file", "as create_set"),
        {"networks": NETWORKS},
        local=True,
    ),
    Step(
        "tune_point",
        "score one choice of a method's parameters on a tuning set",
        ("run", "point"),
        lazily("qsmbench.benchmark.tuning:tune_point"),
        _point,
        _points,
        APPLIED,
        {"tuning": TUNING},
    ),
    Step(
        "select_parameters",
        "take the best of a method's choices of parameters",
        ("run",),
        _select_parameters,
        _selection,
        lambda of: (Job("select_parameters", (name,)) for name, m in of.config.methods.items() if m.tuning is not None),
        SMALL,
        {"tuning": TUNING},
        local=True,
    ),
)  # fmt: skip
