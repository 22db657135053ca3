"""The documentation of every configuration key, written from the model."""

from __future__ import annotations

import typing
from types import NoneType, UnionType
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from qsmbench.config.model import Config
from qsmbench.config.networks import Network
from qsmbench.networks.architectures import ARCHITECTURES

_HEAD = """# Configuration

Every key of `config.yaml`. This page is written by `qsmbench config docs` from the model that validates the
configuration; edit the descriptions there (`src/qsmbench/config`, `sets`, `heads`, `simulation/recipe.py`).
`<name>` stands for a name of your choice (letters, digits, hyphens).

Editors complete and check these files by the JSON Schema beside this page, options of methods included: the first line
of each of ours names it (`# yaml-language-server: $schema=docs/config.schema.json`, which VS Code's YAML extension and
others read). `qsmbench config schema FILE` writes one that also knows the methods of other installed packages.
"""


def document() -> str:
    """Return the Markdown page."""
    rows: list[str] = []
    _describe(Config, "", rows)
    return _HEAD + "\n| key | type | default | meaning |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"


def _describe(model: type[BaseModel], prefix: str, rows: list[str]) -> None:
    for name, info in model.model_fields.items():
        key = f"{prefix}{name}"
        members = _models(info.annotation)
        rows.append(f"| `{key}` | {_type(info.annotation)} | {_default(info, members)} | {info.description or ''} |")
        is_map = get_origin(info.annotation) is dict
        for member in members:
            kind = member.model_fields.get("kind")
            if kind is not None:
                rows.append(f"| *`{key}` with kind `{get_args(kind.annotation)[0]}`* | | | {member.__doc__ or ''} |")
            _describe(member, f"{key}.<name>." if is_map else f"{key}.", rows)
            if member is Network:
                _describe_architectures(f"{key}.<name>.", rows)


def _describe_architectures(prefix: str, rows: list[str]) -> None:
    """Add the settings that stand beside a network's keys, once for all architectures that have them."""
    having: dict[str, list[str]] = {}
    for name, entry in ARCHITECTURES.own.items():
        for key, info in entry.settings.model_fields.items():
            text = f"{_type(info.annotation)} | {_default(info, [])} | {info.description or ''}"
            having.setdefault(f"`{prefix}{key}` | {text}", []).append(f"`{name}`")
    for text, names in having.items():
        some = "" if len(names) == len(ARCHITECTURES.own) else f" ({', '.join(names)})"
        rows.append(f"| {text}{some} |")


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for a in get_args(annotation) for m in _models(a)]


def _type(annotation: Any) -> str:
    if annotation is NoneType:
        return "none"
    origin = get_origin(annotation)
    if origin is typing.Annotated:
        return _type(get_args(annotation)[0])
    if origin in (UnionType, typing.Union):
        return " or ".join(dict.fromkeys(_type(a) for a in get_args(annotation)))
    if origin is typing.Literal:
        return " or ".join(f"`{a}`" for a in get_args(annotation))
    if origin in (tuple, list):
        args = [a for a in get_args(annotation) if a is not Ellipsis]
        return f"list of {_type(args[0])}" + (f" ({len(args)})" if Ellipsis not in get_args(annotation) else "")
    if origin is dict:
        return f"map of {_type(get_args(annotation)[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "section"
    names = {int: "integer", float: "number", str: "text", bool: "true or false", Any: "value"}
    return names.get(annotation, getattr(annotation, "__name__", str(annotation)).lower())


def _default(info: FieldInfo, members: list[type[BaseModel]]) -> str:
    if info.is_required():
        return "required"
    if members and get_origin(info.annotation) is not dict:
        return "none" if info.default is None else ""
    default = info.get_default(call_default_factory=True)
    if default is PydanticUndefined or default is None:
        return "none"
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, tuple):
        return ", ".join(str(d) for d in default) or "none"
    return str(default) if default != {} else "none"
