"""A comparison for people: lines on a terminal, and one self-contained page that looks as the report does."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

from markupsafe import Markup
from tabulate import tabulate

from qsmbench.audit.check import MOST_LINES
from qsmbench.audit.difference import Difference, DiffPart
from qsmbench.audit.moved import Moved, Scores
from qsmbench.report.comparisons import ALPHA, MIN_PAIRS
from qsmbench.report.page import minus, p_text
from qsmbench.report.scores import WHOLE_MASK
from qsmbench.report.template import template_environment

# Of each table on a terminal; JSON and page have the rest.
_MOST = 20
_WIDEST = 60
HEADINGS = ("set", "method", "metric", "n", "moved", "A", "B", "median B - A", "largest", "effect", "p (Holm)")


def as_text(difference: Difference) -> str:
    """What a terminal is shown."""
    blocks = [
        "\n".join(
            f"{letter}: {name}{f', digest {digest}' if digest else ', without a crate'}"
            for letter, name, digest in zip("AB", difference.names, difference.digests, strict=True)
        )
    ]
    for part in difference.parts:
        lines = [f"{part.name}: {count(part)}"]
        rows = [(line.where, _clipped(line.a), _clipped(line.b)) for line in part.lines[:_MOST]]
        lines += _table(rows, ("", "A", "B"), len(part.lines) + part.left_out)
        blocks.append("\n".join([*lines, *(f"  {note}" for note in part.notes)]))
    # The whole mask first: regions are many.
    moved = sorted(difference.scores.moved, key=lambda row: row.region != WHOLE_MASK)
    rows_moved = [cells(row) for row in moved[:_MOST]]
    blocks.append("\n".join([f"moved: {summary(difference.scores)}", *_table(rows_moved, HEADINGS, len(moved))]))
    blocks.append("equal" if difference.equal else "different")
    return "\n\n".join(blocks)


def _table(rows: Sequence[tuple[str, ...]], headings: tuple[str, ...], n: int) -> list[str]:
    if not rows:
        return []
    text = tabulate(rows, headers=headings, tablefmt="plain", disable_numparse=True)
    more = [f"... and {n - len(rows)} more; --json FILE and --page FILE have them"] if n > len(rows) else []
    return [f"  {line}" for line in [*text.splitlines(), *more]]


def _clipped(text: str) -> str:
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 4]} ..."


def count(part: DiffPart) -> str:
    """How much was compared, and how much differs."""
    n = len(part.lines) + part.left_out
    differs = f"{n} differ{'s' if n == 1 else ''}" if n else "none differs"
    return f"{part.n} compared, {differs}{'' if part.counts or not n else ' (told, and no difference of the runs)'}"


def summary(scores: Scores) -> str:
    """What became of the scores that both sides have."""
    n = sum(row.n_moved for row in scores.moved)
    close = f", {scores.n_close} to six digits" if scores.n_close else ""
    groups = len(scores.moved)
    where = f", in {groups} combination{'s' * (groups > 1)} of set, method, metric and region" if n else ""
    return f"of {scores.n} scores {scores.n_same} are the same bits{close}, {n} moved{where}"


def cells(row: Moved) -> tuple[str, ...]:
    """One line of the table of scores that moved, as `HEADINGS` names them."""
    unit = f" ({row.unit})" if row.unit else ""
    region = "" if row.region == WHOLE_MASK else f", {row.region}"
    numbers = [f"{value:.5g}" for value in (row.mean_a, row.mean_b, row.median, row.largest)]
    effect = "" if row.effect is None else f"{row.effect:+.2f}"
    p = f"n < {MIN_PAIRS}" if row.p_holm is None else p_text(row.p_holm)
    return (row.set, row.method, f"{row.metric}{region}{unit}", str(row.n), str(row.n_moved), *numbers, effect, p)


def render(difference: Difference) -> str:
    """Fill the template."""
    environment = template_environment("qsmbench.audit")
    environment.globals.update(count=count, summary=summary, cells=cells, minus=minus)
    style = (files("qsmbench.report") / "templates/page.css").read_text(encoding="utf-8")
    return environment.get_template("diff.html.jinja").render(
        difference=difference,
        headings=HEADINGS,
        style=Markup(style),
        alpha=f"{ALPHA:g}",
        least=MIN_PAIRS,
        most=MOST_LINES,
    )
