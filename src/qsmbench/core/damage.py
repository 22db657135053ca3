"""The one boundary where what libraries raise while they read a file becomes our one line; text made safe to show.

Libraries for NIfTI, Zarr, Parquet, JSON, YAML and PyTorch document some of what damaged files make them raise, and
raise more: RecursionError, MemoryError, struct.error, ArrowException, KeyError of a header's code. No list of types is
ever complete, so that this module, and it alone, takes any of them, around calls that read a file and nothing else.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qsmbench.core.errors import InputError

_LONGEST = 240
_LONGEST_LINE = 1500
# Of one value of another's making inside a message.
_LONGEST_VALUE = 80
# Control characters, lone halves of surrogate pairs (names that are no UTF-8), and characters that turn the direction
# of writing or break a line: in a name they make a terminal or a page show something else than what is there.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


@contextmanager
def reading(
    path: str | Path,
    what: str = "",
    advice: str = "copy or make it again",
    keep: tuple[type[Exception], ...] = (),
) -> Iterator[None]:
    """Turn whatever the block raises while it reads a file into one line.

    Args:
        path: of the file, as the user knows it.
        what: it should be, "a Parquet file".
        advice: what to do.
        keep: what passes as it is, since the caller knows what to say of it.

    Raises:
        InputError: the block's own, or one that says which file cannot be read and why.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"{shown(path)} does not exist") from error
    except Exception as error:
        if isinstance(error, (InputError, *keep)):
            raise
        kind = f" as {what}" if what else ""
        raise InputError(f"{shown(path)} cannot be read{kind} ({reason(error)}); {advice}") from error


def reason(error: BaseException) -> str:
    """What an error says, on one line of bounded length.

    >>> reason(ValueError("no\\nvalue")), reason(MemoryError())
    ('no value', 'MemoryError')
    """
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = shown(" ".join(str(error).split()))
    named = type(error).__name__ if not text or isinstance(error, KeyError | RecursionError | MemoryError) else ""
    text = f"{named}: {text}" if named and text else named or text
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " ..."


def shown(text: str | Path) -> str:
    r"""Text of another's making as it can be shown: what is no visible character is written as its number.

    >>> print(shown("a\x1b[2Jb\u202ec"))
    a\x1b[2Jb\u202ec
    """
    return "".join(_numbered(c) if unicodedata.category(c) in _HIDDEN else c for c in os.fspath(text))


def quoted(value: object) -> str:
    """A value of another's making inside a message, as Python writes it, at bounded length.

    >>> quoted("3 T"), len(quoted("9" * 5000))
    ("'3 T'", 84)
    """
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + " ..."


def line_shown(text: str) -> str:
    """One line as it can be shown: visible, and where a text of another's making fills it, without its middle.

    >>> print(line_shown("no file " + "a" * 5000)[-40:])
    aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
    >>> len(line_shown("no file " + "a" * 5000))
    1505
    """
    text = shown(text)
    half = _LONGEST_LINE // 2
    return text if len(text) <= _LONGEST_LINE else f"{text[:half]} ... {text[-half:]}"


def _numbered(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"


def is_plain(text: str) -> bool:
    """Whether a text is visible characters and blanks alone, on one line."""
    return shown(text) == text
