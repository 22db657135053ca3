"""The pages of the site that follow from code: text by path below docs/."""

import argparse
import inspect
import json
import re
from dataclasses import fields
from pathlib import Path

import qsmbench
from qsmbench.cli.main import whole_parser
from qsmbench.methods.registry import METHODS, Entry
from qsmbench.metrics.registry import METRICS
from qsmbench.networks.shipped import shipped

ROOT = Path(__file__).parents[2]


def all_pages() -> dict[str, str]:
    """Every page."""
    pages = {
        "reference/commands.md": commands(),
        "reference/python.md": python(),
        "reference/metrics.md": metrics(),
        "first-map.md": notebook(ROOT / "docs/first-map.ipynb"),
    }
    return pages | {f"methods/{name}.md": method(entry) for name, entry in own_methods().items()}


def own_methods() -> dict[str, Entry]:
    """The methods that come with the package, whatever else is installed."""
    return dict(METHODS.own)


def networks() -> list[str]:
    """The trained networks that come along; each has a card."""
    return shipped()


def cell(value: object) -> str:
    """A text as a cell of a table."""
    text = " ".join(str(value).split()).replace("|", "\\|")
    return re.sub(r"([<>*_\[\]])", r"\\\1", text)


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def commands() -> str:
    """The reference of the commands, from their parsers."""
    text = [
        "# Commands\n\nMade from the parsers of `qsmbench`; `qsmbench COMMAND --help` says the same. Exit status: 0 "
        "done, 1 failed or findings, 2 bad input (one line says what, where, and what to do), 130 interrupted.\n"
    ]
    _command(whole_parser(), 1, text)
    return "\n".join(text)


def _command(parser: argparse.ArgumentParser, level: int, text: list[str]) -> None:
    below = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    if level > 1:
        # A command's own formatter follows the width of a terminal.
        formatter = argparse.HelpFormatter(parser.prog, width=84)
        formatter.add_usage(parser.usage, parser._actions, parser._mutually_exclusive_groups, prefix="")
        usage = formatter.format_help().strip()
        # Sub-commands of a command have no description; its list of them has one line each.
        text.append(f"{'#' * level} {parser.prog}\n\n{cell(parser.description or '')}\n\n```text\n{usage}\n```\n")
        rows = [_argument(action) for action in parser._actions if action not in below and action.dest != "help"]
        if rows:
            text.append(table(["argument", "meaning"], rows))
        if parser.epilog:
            text.append(cell(parser.epilog) + "\n")
    for action in below:
        helps = {choice.dest: choice.help for choice in action._choices_actions}
        for name, subparser in action.choices.items():
            subparser.description = subparser.description or _sentence(helps.get(name) or "")
            _command(subparser, level + 1, text)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _argument(action: argparse.Action) -> list[str]:
    values = action.metavar or (
        "{" + ",".join(map(str, action.choices)) + "}" if action.choices else action.dest.upper()
    )
    values = values if isinstance(values, str) else " ".join(values)
    shown = ", ".join(action.option_strings) or values
    if action.option_strings and action.nargs != 0:
        shown += f" {values}" + (" ..." if action.nargs in ("+", "*") else "")
    help_text = (action.help or "") % (vars(action) | {"prog": "qsmbench"})
    required = " (required)" if action.required and action.option_strings else ""
    return [f"`{shown}`".replace("|", "\\|"), cell(help_text) + required]


def python() -> str:
    """The public names, with their docstrings."""
    head = "# Python\n\nWhat `import qsmbench` gives; names are imported when they are used.\n"
    # `methods` is the folder's module as well; the function is in `api`.
    places = {"methods": "qsmbench.api"} | qsmbench._PLACES
    return head + "".join(f"\n::: {places[name]}.{name}\n" for name in qsmbench.__all__)


def metrics() -> str:
    """Every metric."""
    rows = [
        [
            f"`{m.name}`",
            cell(m.label),
            cell(m.unit or ""),
            m.better,
            "yes" if m.ranked else "no",
            cell(", ".join(need.replace("_", " ") for need in m.needs)),
            f"[{m.doi}](https://doi.org/{m.doi})" if m.doi else "",
        ]
        for m in METRICS.own.values()
    ]
    head = ["name", "metric", "unit", "better", "ranked", "needs", "source"]
    return (
        "# Metrics\n\nWhat maps are scored with (`qsmbench methods --metrics`); [the report](../report.md) says where "
        f"each is shown, `evaluation.metrics` chooses among them.\n\n{table(head, rows)}"
    )


def method(entry: Entry) -> str:
    """A method's page: what it is, its paper, its options, how to run it, and its network's card if one comes along."""
    docs = {f.name: f.metadata.get("doc", "") for f in fields(entry.method)}
    paper = f"[{entry.doi}](https://doi.org/{entry.doi})" if entry.doi else "the folder's own `algorithm.yml` names it"
    about = _about(entry)
    lines = [
        f"# {entry.label}\n",
        f"`{entry.name}` in configurations and commands. Paper: {paper}.\n",
        f"{about}\n",
        "## Options\n",
        table(
            ["option", "default", "meaning"],
            [[f"`{name}`", f"`{value}`", cell(docs[name])] for name, value in entry.options.items()],
        )
        if entry.options
        else "None.\n",
        _how_to_run(entry),
    ]
    if entry.name in shipped():
        card = f"[card](../networks/{entry.name}.md)"
        text = f"Its {card} says what it was trained on, its errors on held-out samples, and its limits."
        lines.append(f"## The network that comes along\n\n{text}\n")
    lines.append("[All methods](../methods.md): tuning, errors and costs side by side.\n")
    return "\n".join(lines)


def _about(entry: Entry) -> str:
    if not entry.needs_weights:
        text = inspect.getdoc(entry.method) or ""
        # A dataclass without a docstring has its signature for one.
        text = "" if text.startswith(f"{entry.method.__name__}(") else text.split("\n\nAttributes:")[0]
        module = (inspect.getdoc(inspect.getmodule(entry.method)) or "") if entry.name != "command" else ""
        return "\n\n".join(_prose(t) for t in dict.fromkeys((text, module)) if t)
    text = "A trained network"
    if entry.fixed.get("corrects"):
        text += ", which is given maps of a method without training beside the field, and corrects them"
    return f"{text}: see [networks](../networks.md)."


def _prose(docstring: str) -> str:
    """A docstring as Markdown: double backquotes are single ones, indented lines are code already."""
    text = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", docstring).replace("``", "`")
    # Outside code a formula's signs are no markup.
    parts = re.split(r"(`[^`\n]*`|^    .*$)", text, flags=re.MULTILINE)
    return "".join(part if i % 2 else re.sub(r"([<>*_\[\]|])", r"\\\1", part) for i, part in enumerate(parts))


def _how_to_run(entry: Entry) -> str:
    option = next(
        (f" --option {name}={value}" for name, value in entry.options.items() if isinstance(value, float)), ""
    )
    weights = " --weights network.pt" if entry.needs_weights and entry.shipped_weights is None else ""
    if entry.name == "command":
        option = " --option folder=path/to/folder"
    network = "{ network: NAME }      # an entry of `networks`" if entry.needs_weights else "{}"
    files = "--local-field field.nii.gz --mask mask.nii.gz --out chi.nii.gz"
    if entry.name == "command":
        return (
            f"## To run it\n\n```text\nqsmbench reconstruct command {files}{option}\n```\n\n"
            "In a configuration: see [methods of others](../foreign.md).\n"
        )
    return (
        f"## To run it\n\n```text\nqsmbench reconstruct {entry.name} {files}{weights}{option}\n```\n\n"
        f"```yaml\nmethods:\n  {entry.name}: {network}\n```\n"
    )


def notebook(path: Path) -> str:
    """A notebook as a page: its text and its code."""
    content = json.loads(path.read_text(encoding="utf-8"))
    parts = []
    for found in content["cells"]:
        text = "".join(found["source"])
        parts.append(f"```python\n{text}\n```" if found["cell_type"] == "code" else text)
    return "\n\n".join(parts) + "\n\n*This page is the notebook `docs/first-map.ipynb`, which a test runs.*\n"
