"""`qsmbench new-method NAME`: a small package with a method that works at once, to be filled with one's own."""

import argparse
import re
from pathlib import Path
from string import Template

from qsmbench.core.errors import InputError
from qsmbench.methods.registry import METHODS

# Words of the field that are written in capitals.
_CAPITALS = {"qsm", "tv", "tgv", "tkd", "inr", "cnn", "swi", "ndi"}
TEMPLATES = Path(__file__).parent / "new_method_files"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("name", metavar="NAME", help="lower case words joined by '-', as in tables and configurations")
    parser.add_argument("--out-dir", type=Path, default=Path(), help="where to make the folder NAME (default: here)")


def run(arguments: argparse.Namespace) -> None:
    """Write the package."""
    name = arguments.name
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise InputError(f"'{name}' is no name for a method: lower case letters, digits and '-' between them")
    if name in METHODS:
        raise InputError(f"there is a method {name} already; choose another name")
    folder = arguments.out_dir / name
    if folder.exists():
        raise InputError(f"{folder} exists already; choose another name or --out-dir")
    words = name.split("-")
    titles = [word.upper() if word in _CAPITALS else word.title() for word in words]
    names = {"name": name, "package": "_".join(words), "label": " ".join(titles), "cls": "".join(titles)}
    package = folder / "src" / names["package"]
    files = {
        "pyproject.toml": folder / "pyproject.toml",
        "README.md": folder / "README.md",
        "init.py": package / "__init__.py",
        "method.py": package / "method.py",
        "entries.py": package / "entries.py",
        "test_method.py": folder / f"tests/test_{names['package']}.py",
    }
    for template, path in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        text = Template((TEMPLATES / f"{template}.txt").read_text(encoding="utf-8")).substitute(names)
        path.write_text(text, encoding="utf-8")
    print(
        f"{folder} is made. Now: pip install --editable {folder}; qsmbench check-method {name}; see {folder}/README.md"
    )
