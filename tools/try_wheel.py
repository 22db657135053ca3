"""The wheel as a user gets it: built, installed into an empty environment, run in an empty folder.

    .venv/bin/python tools/try_wheel.py FOLDER --small            the configuration of the tests, ten minutes
    .venv/bin/python tools/try_wheel.py FOLDER                    the default run, twice: an hour on two cores
    .venv/bin/python tools/try_wheel.py FOLDER --config my.yaml

FOLDER must be empty or not there. The same is run from this checkout; packages have the versions of requirements.lock
on both sides. Ends with 0 where every table of the two reports is the same bytes (but those of costs, which are times)
and `qsmbench diff` finds no score that moved and no setting, input, head or package that differs.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Tables of seconds.
TIMES = {"runtime.csv", "runtime.md", "costs.csv", "costs.md"}


def main() -> int:
    """Build, install, run twice, compare; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    given = parser.add_mutually_exclusive_group()
    given.add_argument("--config", type=Path, help="configuration (default: the one that the package brings)")
    given.add_argument("--small", action="store_true", help="the configuration of the tests")
    parser.add_argument("--cores", type=int, default=2, help="default: %(default)s")
    options = parser.parse_args()
    folder = options.folder.resolve()
    if folder.exists() and any(folder.iterdir()):
        parser.error(f"{folder} is not empty; give another")
    folder.mkdir(parents=True, exist_ok=True)
    python = installed(folder)
    results = []
    for name, command in (("wheel", [python, "-I"]), ("checkout", [Path(sys.executable)])):
        place = folder / f"run-{name}"
        place.mkdir()
        words = configuration(options, place)
        call([*command, "-m", "qsmbench.cli.main", "run", *words, "--cores", str(options.cores)], place)
        results.append(place / "results")
    return compared(*results, python, folder)


def call(command: list[str | Path], cwd: Path) -> None:
    """Run a command in a folder, with nothing of this process's Python in its environment."""
    print("$", *command, flush=True)
    kept = {key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    if Path(command[0]) == Path(sys.executable):
        # The checkout may be another than the one that this Python has installed.
        kept["PYTHONPATH"] = str(ROOT / "src")
    subprocess.run(list(map(str, command)), cwd=cwd, env=kept, check=True)


def installed(folder: Path) -> Path:
    """Build the wheel and install it with its workflow into an empty environment; return that environment's Python."""
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder / "dist", ROOT]
    call(build, folder)
    (wheel,) = (folder / "dist").glob("*.whl")
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv/bin/python"
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    call([*pip, "--constraint", ROOT / "requirements.lock", f"{wheel}[workflow]"], folder)
    return python


def configuration(options: argparse.Namespace, place: Path) -> list[str]:
    """Return the words that name the configuration; what it needs lies in the folder then."""
    if options.config is not None:
        shutil.copy(options.config, place / "config.yaml")
        return ["config.yaml"]
    if not options.small:
        return []
    sys.path.insert(0, str(ROOT / "tests/helpers"))
    from tiny_run import tiny

    (place / "config.yaml").write_text(json.dumps(tiny(place)), encoding="utf-8")
    return ["config.yaml"]


def tables_of(run: Path) -> dict[str, bytes]:
    """Every table of a run's report but those of seconds, by its path."""
    report = run / "report"
    found = [path for path in sorted(report.rglob("*.*")) if path.suffix in {".csv", ".md", ".tex"}]
    return {path.relative_to(report).as_posix(): path.read_bytes() for path in found if path.name not in TIMES}


def compared(wheel: Path, checkout: Path, python: Path, folder: Path) -> int:
    """Compare tables by their bytes, and the runs by `qsmbench diff`; return the exit status."""
    wrong = []
    tables = [tables_of(run) for run in (wheel, checkout)]
    for name in sorted({*tables[0], *tables[1]}):
        if tables[0].get(name) != tables[1].get(name):
            wrong.append(f"table {name}")
    out = folder / "diff.json"
    diff = [str(python), "-I", "-m", "qsmbench.cli.main", "diff", str(wheel), str(checkout), "--json", str(out)]
    status = subprocess.run(diff, cwd=folder, check=False, stdout=subprocess.DEVNULL).returncode
    if status not in {0, 1}:
        return status
    found = json.loads(out.read_text(encoding="utf-8"))
    for part in found["parts"]:
        for line in part["lines"] if part["counts"] else ():
            # The wheel knows no commit, and packages of development are on one side alone.
            absent = "absent" in (line["a"], line["b"])
            if not (line["where"].startswith("code, ") or (line["where"].startswith("packages.") and absent)):
                wrong.append(f"{part['name']}: {line['where']}: {line['a']}, {line['b']}")
    wrong += [f"{row['set']}, {row['method']}: {row['metric']} moved" for row in found["scores"]["moved"]]
    for line in wrong:
        print(f"differs: {line}", file=sys.stderr)
    same = f"{found['scores']['n_same']} of {found['scores']['n']} scores the same bits"
    print(f"{len(tables[0])} tables compared, {same}: {'the runs differ' if wrong else 'the same tables'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
