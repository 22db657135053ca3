"""Reading and checking a configuration; every complaint is one line that names the key."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from qsmbench.config.model import Config
from qsmbench.config.networks import section_of
from qsmbench.core.damage import reading, shown
from qsmbench.core.errors import InputError
from qsmbench.core.yaml_text import read_mapping

_MOST_COMPLAINTS = 20


def read_config(path: Path) -> Config:
    """Read and validate a configuration in YAML, or in JSON as a run keeps it.

    Raises:
        InputError: as :func:`read_mapping` and :func:`check_config`.
    """
    return check_config(read_mapping(path), str(path))


def check_config(content: Mapping[str, Any], name: str = "config") -> Config:
    """Validate a configuration.

    Raises:
        InputError: an unknown key (with the nearest known one), a value of the wrong type or range, a reference to a
            set or network that does not exist; all complaints of one configuration, a line each.
    """
    try:
        with reading(name, "a configuration", "correct it", keep=(ValidationError, RecursionError)):
            return Config.model_validate(dict(content))
    except ValidationError as error:
        lines = [shown(f"{name}: {_explain(e, content)}")[:400] for e in error.errors()[:_MOST_COMPLAINTS]]
        raise InputError("\n".join(lines)) from error
    except RecursionError as error:
        raise InputError(f"{name} is nested too deeply; correct it") from error


def _explain(error: Any, content: Mapping[str, Any]) -> str:
    loc: tuple[str | int, ...] = error["loc"]
    path = _short(".".join(str(part) for part in loc if part not in _tags()))
    if error["type"] == "extra_forbidden":
        known = _known_keys(loc[:-1], content)
        close = difflib.get_close_matches(str(loc[-1]), known, n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"known here: {', '.join(known)}"
        return f"unknown key '{path}' ({hint})"
    if error["type"] == "missing":
        return f"key '{path}' is missing; see docs/configuration.md"
    if error["type"] == "value_error" and not path:
        return str(error["ctx"]["error"])
    message = error["msg"].removeprefix("Value error, ")
    given = error["input"] if isinstance(error["input"], str | int | float | bool | type(None)) else ""
    return f"key '{path}': {message[0].lower() + message[1:]}" + (f", got {_short(repr(given))}" if given != "" else "")


def _short(text: str) -> str:
    """What somebody wrote, short enough that what is wrong with it is read too."""
    return text if len(text) <= 120 else f"{text[:80]}...{text[-20:]}"


@cache
def _tags() -> frozenset[str]:
    """The kinds of everything that comes in kinds: they stand in pydantic's path of a key and not in the file's."""
    found: set[str] = set()
    models: list[Any] = [Config]
    while models:
        annotation = models.pop()
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            kind = annotation.model_fields.get("kind")
            found |= set(get_args(kind.annotation)) if kind is not None else set()
            models += [info.annotation for info in annotation.model_fields.values()]
        else:
            models += [a for a in get_args(annotation) if a is not Ellipsis and not isinstance(a, str)]
    return frozenset(found)


def _known_keys(loc: Sequence[str | int], content: Mapping[str, Any]) -> list[str]:
    """Return the keys that the model at ``loc`` knows."""
    if len(loc) == 2 and loc[0] == "networks":
        return list(section_of(content["networks"][loc[1]]).model_fields)
    model: Any = Config
    for part in loc:
        if isinstance(model, type) and issubclass(model, BaseModel):
            model = model.model_fields[str(part)].annotation
        else:
            model = _inside(model, part)
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []


def _inside(annotation: Any, part: str | int) -> Any:
    """Step from a union to the member with tag ``part``, or from a dict or list to its values."""
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    members = [m for m in get_args(annotation) if m is not Ellipsis]
    for member in members:
        kind = getattr(member, "model_fields", {}).get("kind")
        if kind is not None and part in get_args(kind.annotation):
            return member
    return members[-1] if members else annotation
