"""`qsmbench config`: check a configuration against model and registries, or document its keys for people or editors."""

import argparse
from pathlib import Path

from qsmbench.config.document import document
from qsmbench.config.load import read_config
from qsmbench.data.atomic import write_text_atomic


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    check = actions.add_parser("check", help="check a YAML file: keys, values, methods, options, metrics")
    check.add_argument("file", type=Path)
    docs = actions.add_parser("docs", help="write the documentation of every key (Markdown)")
    docs.add_argument("out", type=Path)
    schema = actions.add_parser(
        "schema",
        help="write the JSON Schema by which editors complete and check a YAML file, methods' options included",
    )
    schema.add_argument("out", type=Path)


def run(arguments: argparse.Namespace) -> None:
    """Check or write."""
    if arguments.action == "docs":
        write_text_atomic(arguments.out, document())
        return
    if arguments.action == "schema":
        from qsmbench.benchmark.config_schema import config_schema_text

        write_text_atomic(arguments.out, config_schema_text())
        return
    from qsmbench.benchmark.disk import disk_plan
    from qsmbench.benchmark.registry_checks import check_against_registries
    from qsmbench.benchmark.run import Run

    config = read_config(arguments.file)
    check_against_registries(config, str(arguments.file))
    n_samples = sum(s.n_samples for s in config.synthetic.values())
    parts = [_counted(len(config.methods), "method")]
    if config.synthetic:
        parts.append(f"{_counted(len(config.synthetic), 'synthetic set')} of {_counted(n_samples, 'sample')}")
    if config.acquisitions:
        parts.append(_counted(len(config.acquisitions), "set") + " of scans")
    print(f"{arguments.file}: {', '.join(parts)}: valid")
    print(disk_plan(Run(config)))


def _counted(n: int, word: str) -> str:
    """A number with its word.

    >>> _counted(1, "set"), _counted(2, "set")
    ('1 set', '2 sets')
    """
    return f"{n} {word}{'' if n == 1 else 's'}"
