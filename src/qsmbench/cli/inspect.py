"""`qsmbench inspect`: a contact sheet and the drawn parameters of a synthetic set."""

import argparse
from pathlib import Path
from typing import Any

from qsmbench.core.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("store", type=Path, help="Zarr folder of a synthetic set, its .hashes folder beside it")
    parser.add_argument("--out-dir", type=Path, help="folder to write; by default <store without .zarr>.inspect")
    parser.add_argument("--samples", type=int, default=8, help="rows of the contact sheet (default: %(default)s)")


def run(arguments: argparse.Namespace) -> None:
    """Write the pictures and tables; say what is missing."""
    from qsmbench.data.atomic import atomic_path, write_text_atomic
    from qsmbench.data.layout import INSPECTION_FILES
    from qsmbench.data.store import StoredSet
    from qsmbench.report.inspection import chosen_samples, contact_sheet, histograms, read_drawn

    if arguments.samples < 1:
        raise InputError(f"--samples must be at least 1, got {arguments.samples}")
    store: Path = arguments.store
    stored = StoredSet(store)
    drawn = read_drawn(stored, store.with_suffix(".hashes"))
    made = drawn.samples["sample"].tolist()
    shown = [made[i] for i in chosen_samples(len(made), arguments.samples)]
    out_dir: Path = arguments.out_dir or store.with_suffix(".inspect")
    recipe: Any = stored.group.attrs["recipe"]
    pictures = (contact_sheet(stored, shown, drawn), histograms(drawn, recipe))
    for name, content in zip(INSPECTION_FILES[:2], pictures, strict=True):
        with atomic_path(out_dir / name) as temporary:
            temporary.write_bytes(content)
    for name, table in zip(INSPECTION_FILES[2:], (drawn.samples, drawn.shapes), strict=True):
        write_text_atomic(out_dir / name, table.to_csv(index=False))
    missing = f"; {drawn.missing} not made yet" if drawn.missing else ""
    print(f"inspect: {len(made)} of {len(stored)} samples{missing}; {len(drawn.shapes)} shapes; {out_dir}")
