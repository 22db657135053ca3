"""The configuration: one model that validates it, supplies defaults and documents every key.

`docs/configuration.md` is generated from the descriptions here (`qsmbench config docs`).
"""

from __future__ import annotations

import itertools
from math import prod
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from qsmbench.config.networks import AnyNetwork, GivenNetwork, Network
from qsmbench.config.paths import odd_path
from qsmbench.core.section import Name, Section, Text
from qsmbench.heads.phantom import PhantomSource
from qsmbench.heads.registry import HeadSource
from qsmbench.sets.derived import DerivedSpec
from qsmbench.sets.registry import AcquiredSet, AnySet
from qsmbench.sets.samples import SyntheticSet
from qsmbench.sets.simulated import SimulatedSet
from qsmbench.sets.stages import Stages, with_stages

_MOST_POINTS = 10_000


class Tuning(Section):
    """A sweep over a method's parameters, on a set that is not evaluated."""

    set: Name = Field(description="a synthetic set with role: tune")
    grid: dict[str, tuple[Any, ...]] = Field(
        min_length=1, description="values to try, by parameter; every combination is one job"
    )
    metric: str = Field("rmse", description="score whose mean over the set decides")

    @model_validator(mode="after")
    def _few_enough(self) -> Tuning:
        n = prod(len(values) for values in self.grid.values())
        if n > _MOST_POINTS:
            raise ValueError(f"grid: {n:.3g} combinations, each of them a job; {_MOST_POINTS} at most")
        return self

    @property
    def points(self) -> list[dict[str, Any]]:
        """Every combination of values, the last parameter fastest."""
        return [dict(zip(self.grid, values, strict=True)) for values in itertools.product(*self.grid.values())]


class MethodRun(Section):
    """A method with its options, as one row of the tables."""

    method: Name | None = Field(None, description="name in the registry; by default this entry's key")
    command: Path | None = Field(
        None,
        description="in place of a method: a folder with QSM-CI's algorithm.yml (docs/foreign.md)",
    )
    label: Text | None = Field(None, description="name in tables; by default the registry's")
    options: dict[str, Any] = Field(
        default_factory=dict, description="parameters that differ from the method's defaults"
    )
    tuning: Tuning | None = Field(None, description="choose parameters on a tuning set; they go over `options`")
    network: Name | None = Field(None, description="for a learned method: which trained network's weights")

    @model_validator(mode="before")
    @classmethod
    def _folder_as_method(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("command") is not None:
            if given.get("method") not in {None, "command"}:
                raise ValueError("give either method or command")
            options = {"folder": str(given["command"]), **(given.get("options") or {})}
            return {**given, "method": "command", "options": options}
        return given


class Evaluation(Section):
    """What is scored."""

    metrics: tuple[str, ...] = Field(
        (), description="names of metrics (`qsmbench methods --metrics`); by default every one there is"
    )
    stages: Stages | None = Field(
        None, description="simulated scans stage by stage: inversions by themselves, and other background removals"
    )


class PaperTable(Section):
    """A table of its own beside those of the sets, laid out as in a paper: methods down, sets and metrics across."""

    title: Text = Field(description="heading and caption")
    sets: tuple[Name, ...] = Field(min_length=1, description="test sets, side by side where there are several")
    methods: tuple[Name, ...] = Field((), description="rows in this order; by default every method")
    metrics: tuple[str, ...] = Field((), description="columns in this order; by default every metric")


class Report(Section):
    """The report."""

    title: Text = Field("QSM benchmark", description="heading of the page")
    subjects_shown: int = Field(2, ge=0, description="subjects of each set whose slices are shown")
    viewer_megabytes: float = Field(24.0, ge=0, description="room in the page for the viewer's volumes, MB; 0: none")
    baseline: Name | None = Field(None, description="method the others are compared with; by default the first")
    tables: dict[Name, PaperTable] = Field(default_factory=dict, description="tables of one's own, by file name")


class Config(Section):
    """The whole configuration of one run."""

    seed: int = Field(2019, description="root of every random number of the synthetic sets")
    results: Path = Field(Path("results"), description="folder of everything the run makes")
    source: HeadSource = Field(
        PhantomSource(kind="phantom"), description="the susceptibility map that synthetic samples are made from"
    )
    synthetic: dict[Name, SyntheticSet] = Field(default_factory=dict, description="synthetic sets by name")
    acquisitions: dict[Name, AcquiredSet] = Field(
        default_factory=dict, description="scans by set, simulated or one's own: prepared, then reconstructed"
    )
    networks: dict[Name, AnyNetwork] = Field(
        default_factory=dict, description="networks to train, or trained ones, by name"
    )
    methods: dict[Name, MethodRun] = Field(min_length=1, description="methods to run, by the name of their table row")
    evaluation: Evaluation = Field(Evaluation(), description="what is scored")
    report: Report = Field(Report(), description="the report")

    @model_validator(mode="before")
    @classmethod
    def _stages_are_sets(cls, given: Any) -> Any:
        return with_stages(given)

    @property
    def sets(self) -> dict[str, AnySet]:
        """The sets that methods are run on, of every kind, in the order of the report."""
        tests: dict[str, AnySet] = {name: spec for name, spec in self.synthetic.items() if spec.role == "test"}
        return tests | dict(self.acquisitions)

    @property
    def trained_networks(self) -> dict[str, Network]:
        """The networks that the run trains."""
        return {name: network for name, network in self.networks.items() if isinstance(network, Network)}

    @property
    def given_networks(self) -> dict[str, GivenNetwork]:
        """The networks that it is given."""
        return {name: network for name, network in self.networks.items() if isinstance(network, GivenNetwork)}

    @model_validator(mode="after")
    def _derived_sets_have_a_base(self) -> Config:
        for name, spec in self.acquisitions.items():
            if isinstance(spec, DerivedSpec):
                base = self.acquisitions.get(spec.of)
                if not isinstance(base, SimulatedSet):
                    raise ValueError(f"acquisitions.{name}.of: '{spec.of}' is no set of simulated scans")
                spec.bind(base)
        stages = self.evaluation.stages
        for key, names, known in (
            ("sets", stages.sets if stages else (), self.acquisitions),
            ("inversion", stages.inversion if stages else (), self.methods),
        ):
            if unknown := [word for word in names if word not in known]:
                raise ValueError(f"evaluation.stages.{key}: there is no '{unknown[0]}'")
        return self

    @model_validator(mode="after")
    def _references_exist(self) -> Config:
        if (odd := odd_path(self)) is not None:
            raise ValueError(odd)
        for name, network in self.trained_networks.items():
            trained_on = self.synthetic.get(network.train_set)
            if trained_on is None or trained_on.role != "train":
                raise ValueError(
                    f"networks.{name}.train_set: '{network.train_set}' is not a synthetic set with role: train"
                )
        for name, spec in self.synthetic.items():
            if spec.draws_of is None:
                continue
            other = self.synthetic.get(spec.draws_of)
            where = f"synthetic.{name}.draws_of"
            if other is None:
                raise ValueError(f"{where}: no synthetic set is named '{spec.draws_of}'")
            if other.draws_of is not None:
                raise ValueError(f"{where}: '{spec.draws_of}' takes the draws of another set; name that one")
            # The heads of a test must not be those of training or tuning.
            if other.role != spec.role:
                raise ValueError(f"{where}: '{spec.draws_of}' has role: {other.role}, this set has role: {spec.role}")
        for name, run in self.methods.items():
            if run.network is not None and run.network not in self.networks:
                raise ValueError(f"methods.{name}.network: no network is named '{run.network}'")
            if run.tuning is not None:
                tuned_on = self.synthetic.get(run.tuning.set)
                if tuned_on is None or tuned_on.role != "tune":
                    raise ValueError(
                        f"methods.{name}.tuning.set: '{run.tuning.set}' is not a synthetic set with role: tune"
                    )
                empty = [key for key, values in run.tuning.grid.items() if not values]
                if empty:
                    raise ValueError(f"methods.{name}.tuning.grid.{empty[0]}: no values to try")
        if not self.acquisitions and not any(s.role == "test" for s in self.synthetic.values()):
            raise ValueError("synthetic: no set has role: test, and there are no acquisitions: nothing to evaluate")
        named: list[tuple[str, AnySet]] = [(f"synthetic.{name}", spec) for name, spec in self.synthetic.items()]
        named += [(f"acquisitions.{name}", spec) for name, spec in self.acquisitions.items()]
        for where, scans in named:
            if unknown := [run for run in scans.methods if run not in self.methods]:
                raise ValueError(f"{where}.methods: no method is named '{unknown[0]}'")
        # One wildcard spans the sets of every kind.
        if both := sorted(set(self.synthetic) & set(self.acquisitions)):
            raise ValueError(f"acquisitions.{both[0]}: a synthetic set has the same name")
        return self
