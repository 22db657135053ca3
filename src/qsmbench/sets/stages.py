"""`evaluation.stages`: which error comes from which stage, as sets made of the simulated ones (`sets.derived`).

    acquisitions: {clinical: {kind: simulated, ...}}          clinical            prepared, as it is
    evaluation:                                           ->  clinical-isolated   given the true local field
      stages: {background: [lbv], inversion: [tkd, medi]}     clinical-lbv        its background removed by LBV

They stand in the resolved configuration beside the others, so that everything that knows sets knows them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field

from qsmbench.core.section import Name, Section
from qsmbench.simulation.error_recipe import ErrorRecipe

ISOLATED = "isolated"
_DEFAULT_REMOVAL = "resharp"


class Stages(Section):
    """Scans evaluated stage by stage."""

    sets: tuple[Name, ...] = Field((), description="simulated sets to do this for; by default every one")
    isolated: bool = Field(
        True, description="run every method of such a set on its true local fields too (set <name>-isolated)"
    )
    noise: bool = Field(True, description="with noise as large as the fit of the scan's echoes states it")
    error: ErrorRecipe = Field(ErrorRecipe(), description="with further errors of measured fields")
    background: tuple[Literal["resharp", "vsharp", "pdf", "lbv", "ismv", "sharp", "joint"], ...] = Field(
        (),
        description="background removals to compare, at their defaults (set <name>-<removal>); that of the preparation "
        "is the set itself",
    )
    inversion: tuple[Name, ...] = Field(
        (), description="methods to pair them with, each on the same field; by default those of the set"
    )


def with_stages(content: Any) -> Any:
    """A configuration, not yet checked, with the sets that its `evaluation.stages` asks for.

    Sets that are there already stay as they are, so that a resolved configuration comes out as it went in.
    """
    stages = _mapping(_mapping(_mapping(content).get("evaluation")).get("stages"))
    acquisitions = _mapping(_mapping(content).get("acquisitions"))
    if not stages or not acquisitions:
        return content
    made: dict[Any, Any] = {}
    for name, spec in acquisitions.items():
        made[name] = spec
        wanted = stages.get("sets") or list(acquisitions)
        if isinstance(wanted, list | tuple) and name in wanted and _mapping(spec).get("kind") == "simulated":
            made |= {key: value for key, value in _derived(name, spec, stages) if key not in acquisitions}
    return {**content, "acquisitions": made}


def _derived(name: Any, spec: Mapping[str, Any], stages: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    label = spec.get("label") or name
    if stages.get("isolated", True):
        own = {"methods": spec["methods"]} if spec.get("methods") else {}
        errors = {key: stages[key] for key in ("noise", "error") if key in stages}
        isolated = {"kind": ISOLATED, "of": name, "label": f"{label}: true local field"}
        yield f"{name}-{ISOLATED}", isolated | errors | own
    preparation = _mapping(_mapping(spec.get("preparation")).get("background"))
    removals = stages.get("background") or ()
    for removal in removals if isinstance(removals, list | tuple) else ():
        if removal == preparation.get("kind", _DEFAULT_REMOVAL):
            continue
        methods = stages.get("inversion") or spec.get("methods") or []
        yield (
            f"{name}-{removal}",
            {
                "kind": "removal",
                "of": name,
                "label": f"{label}: background by {removal}",
                "background": {"kind": removal},
                "methods": methods,
            },
        )


def _mapping(value: Any) -> Mapping[Any, Any]:
    return value if isinstance(value, Mapping) else {}
