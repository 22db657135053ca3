"""What the report calls things, and in which order: `display.json`.

The order of sets, methods and metrics in the file is their order in every table and figure.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from qsmbench.core.damage import reading, shown
from qsmbench.core.errors import InputError
from qsmbench.core.section import Name, Text

# Names become those of files: of tables, figures and maps. None can climb out of a folder, or be hidden in it.
Key = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*(/[A-Za-z0-9][A-Za-z0-9_-]*)*$", max_length=160)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SetInfo(_Strict):
    """A set of scans."""

    label: Text
    description: str = ""


class MethodInfo(_Strict):
    """A configured method: the registry's name with its options."""

    label: Text
    doi: str = ""
    method: str = Field(description="name in the registry of methods")
    options: dict[str, Any] = Field(default_factory=dict, description="every parameter with its value")
    description: str = ""
    summary: str = Field("", description="what it is, in a sentence")
    begins: str = Field("", description="field: at the local field; earlier: at the total field or the echoes")
    option_notes: dict[str, str] = Field(default_factory=dict, description="a sentence on each parameter")


class MetricInfo(_Strict):
    """A metric."""

    label: Text
    unit: Text = ""
    better: Literal["lower", "higher"]
    doi: str = ""
    definition: str = ""
    decimals: int | None = Field(None, ge=0, le=6, description="in tables; by default 1 for percentages, 3 otherwise")
    ranked: bool = Field(True, description="whether a best value is marked; coverage is a condition, never a merit")


class TableInfo(_Strict):
    """A table of its own: which methods and metrics, on which sets; empty means all there are."""

    title: Text
    sets: tuple[str, ...]
    methods: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()


Size = tuple[float, float, float]


class _Sizes(BaseModel):
    min: Size
    max: Size


class _Recipe(BaseModel):
    voxel_size: _Sizes


class _Synthetic(BaseModel):
    recipe: _Recipe
    role: str
    label: str | None = None
    draws_of: str | None = None


class _Preparation(BaseModel):
    background: dict[str, Any] = {}


class _Acquisition(BaseModel):
    kind: str = ""
    of: str | None = None
    preparation: _Preparation = _Preparation()


class _Configuration(BaseModel):
    """What a report reads of a configuration; that of an older version may hold other keys than today's."""

    methods: dict[str, dict[str, Any] | None] = {}
    networks: dict[str, Any] = {}
    synthetic: dict[str, _Synthetic] = {}
    acquisitions: dict[str, _Acquisition] = {}


class Display(_Strict):
    """All of `display.json`."""

    title: Text
    sets: dict[Key, SetInfo]
    methods: dict[Key, MethodInfo]
    metrics: dict[Key, MetricInfo]
    config: dict[str, Any] = Field(default_factory=dict, description="the resolved configuration")
    provenance: dict[str, Any] = Field(default_factory=dict)
    n_samples_shown: int = Field(1, ge=0, description="subjects a set that get a figure")
    viewer_megabytes: float = Field(24.0, ge=0, description="room in the page for the viewer's volumes")
    tables: dict[Name, TableInfo] = Field(default_factory=dict, description="tables beside those of the sets, by name")
    trained_range: dict[str, dict[str, Size]] = Field(
        default_factory=dict, description="by method, least (min) and greatest (max) voxel size of its training, mm"
    )
    baseline: str | None = Field(None, description="method that the others are compared with; the first by default")

    @field_validator("config")
    @classmethod
    def _readable(cls, value: dict[str, Any]) -> dict[str, Any]:
        _Configuration.model_validate(value)
        return value

    @field_validator("trained_range")
    @classmethod
    def _both_ends(cls, value: dict[str, dict[str, Size]]) -> dict[str, dict[str, Size]]:
        if any(set(ends) != {"min", "max"} for ends in value.values()):
            raise ValueError("min and max are wanted of each method")
        return value

    @property
    def baseline_method(self) -> str:
        """Id of the method that the others are compared with."""
        return self.baseline if self.baseline is not None else next(iter(self.methods))

    def is_ranked(self, metric: str) -> bool:
        """Whether tables mark the best value of a metric."""
        return self.metrics[metric].ranked and metric != "coverage"

    def decimals(self, metric: str) -> int:
        """Digits after the point in tables."""
        info = self.metrics[metric]
        if info.decimals is not None:
            return info.decimals
        return 1 if info.unit == "%" else 3


def read_display(path: Path) -> Display:
    """Read and check `display.json`.

    Raises:
        InputError: no such file, no JSON, a missing or an unknown key, no set, method or metric, an unknown baseline.
    """
    if not path.is_file():
        raise InputError(f"no display file at {path}; run the evaluation first")
    try:
        with reading(path, "JSON", "run the evaluation again"):
            content = json.loads(path.read_text(encoding="utf-8"))
        display = Display.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = shown(".".join(str(part) for part in first["loc"]))[:120]
        raise InputError(f"{path}, key {where}: {first['msg'][:300]}") from error
    for kind in ("sets", "methods", "metrics"):
        if not getattr(display, kind):
            raise InputError(f"{path} lists no {kind}; a report needs at least one")
    if display.baseline_method not in display.methods:
        known = ", ".join(display.methods)[:300]
        raise InputError(f"{path}: the baseline '{shown(str(display.baseline))[:80]}' is none of its methods ({known})")
    return display
