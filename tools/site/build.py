"""Build the documentation site into FOLDER/html, by default build/site/html.

Pages that follow from code (`pages.py`) and those of docs/ are brought together in FOLDER/pages first, so that whatever
builds MkDocs projects can do the rest: MkDocs with Material now, which is cared for until May 2027, then its successor
Zensical, which reads the same folder but runs no hooks or plugins of others.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from string import Template

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(Path(__file__).parent))

import pages  # noqa: E402

# Files beside docs/ that are pages of the site, and where.
ELSEWHERE = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    **{f"benchmarks/{path.name}": f"benchmarks/{path.name}" for path in (ROOT / "benchmarks").glob("*.md")},
    **{
        path.relative_to(ROOT).as_posix(): f"networks/{path.name}"
        for path in (ROOT / "src/qsmbench/networks/weights_files").glob("*.md")
    },
}
_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(((?!https?:|mailto:|#)[^)\s]+)\)")
_CODE = re.compile(r"(^```.*?^```|`[^`\n]*`)", re.MULTILINE | re.DOTALL)


def main() -> int:
    """Gather the pages and build them; every warning is an error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "build/site")
    folder = parser.parse_args().folder.resolve()
    gather(folder)
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--quiet",
        "--strict",
        "--config-file",
        str(folder / "mkdocs.yml"),
    ]
    # The theme's makers advertise their next one.
    quiet = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    status = subprocess.run(command, env=quiet, check=False).returncode
    if status == 0:
        print(f"{folder}/html is the site; to read it: python -m http.server --directory {folder}/html")
    return status


def gather(folder: Path) -> None:
    """Put every page and the configuration into a folder, whose earlier pages go."""
    out = folder / "pages"
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(ROOT / "docs", out)
    places = {
        f"docs/{path.relative_to(out).as_posix()}": path.relative_to(out).as_posix() for path in out.rglob("*.md")
    }
    for source, place in (places | ELSEWHERE).items():
        text = (ROOT / source).read_text(encoding="utf-8")
        _write(out / place, mended(linked(text) if place == "methods.md" else text, source, place))
    shutil.copy(ROOT / "tools/site/site.css", out)
    for place, text in pages.all_pages().items():
        _write(out / place, text)
    entries = [f'      - "{entry.label}": methods/{name}.md' for name, entry in pages.own_methods().items()]
    entries += ["      - Trained networks:", *(f"          - {name}: networks/{name}.md" for name in pages.networks())]
    template = Template((ROOT / "tools/site/mkdocs.yml").read_text(encoding="utf-8"))
    _write(folder / "mkdocs.yml", template.substitute(ROOT=ROOT, METHODS="\n".join(entries)))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def linked(text: str) -> str:
    """Link every method that begins a row of a table to its page."""
    names = "|".join(pages.own_methods())
    return re.sub(rf"^\| `({names})` \|", r"| [`\1`](methods/\1.md) |", text, flags=re.MULTILINE)


def mended(text: str, source: str, place: str) -> str:
    """Mend the links of a page, which are those of a reader of the repository.

    Files that are pages here as well are linked to; others are named, since nothing says where the repository is.

    Args:
        text: Markdown.
        source: where the page lies in the repository.
        place: where it lies in the site.
    """
    parts = _CODE.split(text)
    return "".join(
        part if i % 2 else _LINK.sub(lambda m: _mended_link(m, source, place), part) for i, part in enumerate(parts)
    )


def _mended_link(match: re.Match[str], source: str, place: str) -> str:
    text, target = match.groups()
    path, _, anchor = target.partition("#")
    found = (ROOT / source).parent.joinpath(path).resolve()
    if not path or not found.is_relative_to(ROOT) or not found.exists():
        return match.group()
    inside = found.relative_to(ROOT).as_posix()
    if inside.startswith("docs/") and not inside.endswith(".ipynb"):
        to = inside.removeprefix("docs/")
    elif inside == "docs/first-map.ipynb":
        to = "first-map.md"
    elif inside in ELSEWHERE:
        to = ELSEWHERE[inside]
    else:
        return text if inside in text else f"{text} (`{inside}`)"
    return f"[{text}]({'../' * place.count('/')}{to}{'#' + anchor if anchor else ''})"


if __name__ == "__main__":
    sys.exit(main())
