"""The configuration as a JSON Schema (draft 2020-12), by which editors complete and check the YAML files.

The model gives all of it but two things that depend on a name: the settings of a network's architecture, and the
options of a method. Both become conditions on that name.
"""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

from pydantic import BaseModel, TypeAdapter

from qsmbench.config.model import Config, MethodRun
from qsmbench.config.networks import GivenNetwork, network_model
from qsmbench.methods.registry import METHODS, Entry
from qsmbench.networks.architectures import ARCHITECTURES

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_BOUNDS = {"above": "exclusiveMinimum", "at_least": "minimum", "below": "exclusiveMaximum", "at_most": "maximum"}


def config_schema_text(*, others: bool = True) -> str:
    """Return it as JSON, a line a value."""
    return json.dumps(config_schema(others=others), indent=1, ensure_ascii=False) + "\n"


def config_schema(*, others: bool = True) -> dict[str, Any]:
    """Return the schema of a configuration.

    Args:
        others: whether methods and architectures of other installed distributions are in it.
    """
    definitions: dict[str, Any] = {}
    schema = _of_model(Config, definitions)
    architectures = list(ARCHITECTURES if others else ARCHITECTURES.own)
    _replaced(schema, "networks", {"additionalProperties": _networks(architectures, definitions)})
    entries = METHODS if others else METHODS.own
    _replaced(schema, "methods", _methods({name: entries[name] for name in entries}, definitions))
    return {
        "$schema": _DIALECT,
        "title": "qsmbench configuration",
        **schema,
        "$defs": dict(sorted(definitions.items())),
    }


def _replaced(schema: dict[str, Any], section: str, values: dict[str, Any]) -> None:
    """Put other schemas of the entries of a section in place of what the model says; their names stay checked."""
    about = schema["properties"][section]
    about |= {"propertyNames": {"pattern": next(iter(about.pop("patternProperties")))}} | values


def _of_model(model: type[BaseModel], definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema of a model, what it refers to among the definitions."""
    schema = model.model_json_schema()
    definitions |= schema.pop("$defs", {})
    return schema


def _networks(architectures: list[str], definitions: dict[str, Any]) -> dict[str, Any]:
    """Given weights, or the section of the architecture that is named; Meta-QSM where none is."""
    definitions["GivenNetwork"] = _of_model(GivenNetwork, definitions)
    cases = []
    for name in architectures:
        key = f"network-{name}"
        definitions[key] = _of_model(network_model(name), definitions)
        definitions[key]["properties"]["architecture"] |= {"const": name}
        default = network_model(name).model_fields["architecture"].default
        named = {"properties": {"architecture": {"const": name}}}
        condition = named if name == default else named | {"required": ["architecture"]}
        cases.append({"if": condition, "then": _ref(key)})
    known = {"properties": {"architecture": {"enum": architectures}}}
    return {"if": {"required": ["weights"]}, "then": _ref("GivenNetwork"), "else": {"allOf": [known, *cases]}}


def _methods(entries: dict[str, Entry], definitions: dict[str, Any]) -> dict[str, Any]:
    """Every entry of `methods`: its options follow from `method`, or from its own name where there is none."""
    definitions["MethodRun"] = run = _of_model(MethodRun, definitions)
    cases: list[dict[str, Any]] = []
    for name, entry in entries.items():
        definitions[f"options-{name}"] = _options(entry, definitions)
        named = {"properties": {"method": {"const": name}}, "required": ["method"]}
        cases.append({"if": named, "then": _with_options(name)})
    cases.append({"if": {"required": ["command"]}, "then": _with_options("command")})
    run["allOf"] = cases
    unnamed = {"not": {"anyOf": [{"required": ["method"]}, {"required": ["command"]}]}}
    return {
        "properties": {
            name: {"allOf": [_ref("MethodRun"), {"if": unnamed, "then": _with_options(name)}]} for name in entries
        },
        # A name that is no method's must say what it runs.
        "additionalProperties": {
            "allOf": [_ref("MethodRun"), {"anyOf": [{"required": ["method"]}, {"required": ["command"]}]}]
        },
    }


def _with_options(name: str) -> dict[str, Any]:
    return {"properties": {"options": _ref(f"options-{name}")}}


def _options(entry: Entry, definitions: dict[str, Any]) -> dict[str, Any]:
    """The options of one method: types from its dataclass, text and bounds from its parameters."""
    whole = TypeAdapter(entry.method).json_schema()
    definitions |= whole.get("$defs", {})
    found: dict[str, Any] = {}
    known = {f.name: f.metadata for f in fields(entry.method)}
    for name in entry.options:
        about = {"description": known[name].get("doc", "")}
        schema = whole["properties"][name]
        bounds = {_BOUNDS[key]: value for key, value in known[name].items() if key in _BOUNDS}
        bounds |= {"enum": list(known[name]["choices"])} if "choices" in known[name] else {}
        kinds = schema.get("anyOf", [schema])
        for kind in kinds:
            if kind.get("type") in {"number", "integer"} or (kind.get("type") == "string" and "enum" in bounds):
                kind.update(bounds)
        found[name] = about | {key: value for key, value in schema.items() if key != "title"}
    return {"type": "object", "properties": found, "additionalProperties": False}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/$defs/{name}"}
