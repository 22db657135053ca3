"""YAML as people write it, read by the rules of YAML 1.2, in which a word means what it looks like.

PyYAML follows YAML 1.1: `1:30` is the number 90 (base 60), `on` is true, `1e-3` a text, a date no text, and of a key
that comes twice the last one counts. Here numbers, booleans and null are those of 1.2's core schema
(https://yaml.org/spec/1.2.2, 10.3.2), a key that comes twice is refused, and what aliases unfold to is counted first.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from qsmbench.core.damage import quoted, reading, reason, shown
from qsmbench.core.errors import InputError

_MOST_BYTES = 4 << 20
_MOST_NODES = 200_000

_CORE = {
    "null": (r"~|null|Null|NULL|", "~nN\0"),
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "int": (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    "float": (
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
}


class _Loader(yaml.SafeLoader):
    """The core schema, each key once."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str | int | float | bool | type(None)):
                raise InputError(f"line {key_node.start_mark.line + 1}: a key must be a word")
            if key in keys:
                line = key_node.start_mark.line + 1
                raise InputError(f"line {line}: key '{shown(str(key))}' comes twice; keep one")
            keys.add(key)
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        return found


def _integer(loader: Any, node: Any) -> int:
    text = loader.construct_scalar(node)
    return int(text, 8 if text.startswith("0o") else 16 if text.startswith("0x") else 10)


# PyYAML's own table is shared by its loaders, and of 1.1.
_Loader.yaml_implicit_resolvers = {}
for _kind, (_pattern, _first) in _CORE.items():
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(f"^(?:{_pattern})$"), None)
_Loader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile("^<<$"), ["<"])
_Loader.add_constructor("tag:yaml.org,2002:int", _integer)


def read_mapping(path: Path, what: str = "config") -> dict[str, Any]:
    """Read a file of keys and values in YAML, or in JSON where its name says so.

    Args:
        path: of the file.
        what: it is called in messages.

    Raises:
        InputError: no such file, no UTF-8, no YAML, a key that comes twice, too large or too deep, no mapping.
    """
    name = f"{what} {shown(path)}"
    if not path.is_file():
        raise InputError(f"{name} cannot be read: {'it is no file' if path.exists() else 'No such file or directory'}")
    if (size := path.stat().st_size) > _MOST_BYTES:
        raise InputError(f"{name} has {size / 1e6:.0f} MB; a configuration has some kilobytes")
    with reading(name, advice="correct it"):
        try:
            text = path.read_text(encoding="utf-8-sig")
            content = _from_json(text, name) if path.suffix == ".json" else _from_yaml(text, name)
        except UnicodeDecodeError as error:
            raise InputError(f"{name} is no UTF-8 (byte {error.start}); save it as UTF-8") from error
        except (yaml.YAMLError, json.JSONDecodeError) as error:
            kind = "JSON" if path.suffix == ".json" else "YAML"
            raise InputError(f"{name} is not valid {kind}: {reason(error)}") from error
        except RecursionError as error:
            raise InputError(f"{name} is nested too deeply; correct it") from error
    if not isinstance(content, dict):
        raise InputError(f"{name} must be a mapping of keys to values")
    odd = next((key for key in content if not isinstance(key, str)), None)
    if odd is not None:
        raise InputError(f"{name}: the key {quoted(odd)} is no word")
    return content


def _from_json(text: str, name: str) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            twice = next(key for i, (key, _) in enumerate(pairs) if key in dict(pairs[:i]))
            raise InputError(f"{name}: key '{shown(twice)}' comes twice; keep one")
        return found

    return json.loads(text, object_pairs_hook=once)


def _from_yaml(text: str, name: str) -> Any:
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return {}
        if _unfolded(node, {}, set()) > _MOST_NODES:
            raise InputError("its aliases unfold to more than a configuration can hold")
        return loader.construct_document(node)
    except InputError as error:
        raise InputError(f"{name}: {error}") from error
    finally:
        loader.dispose()


def _unfolded(node: Any, known: dict[int, int], above: set[int]) -> int:
    """How many values a node stands for, aliases unfolded."""
    if id(node) in above:
        raise InputError(f"line {node.start_mark.line + 1}: an alias stands inside what it stands for")
    if id(node) not in known:
        parts = node.value if isinstance(node, yaml.SequenceNode) else []
        parts = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else parts
        known[id(node)] = 1 + sum(_unfolded(part, known, above | {id(node)}) for part in parts)
    return known[id(node)]
