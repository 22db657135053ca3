"""Draw docs/front.png, the figure of README and landing page, from a run: truth, three best maps, their errors.

    qsmbench init --benchmark --samples 1 --methods tkd l2 ilsqr tv rts --out front.yaml
    qsmbench run front.yaml
    python tools/front_figure.py results-front test docs/front.png

The subject is the set's first, the slice goes through the mask's centre of mass, the methods are those with the
smallest RMSE on that subject, and colours are the report's. What it shows is printed.
"""

import argparse
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from qsmbench.benchmark.run import Run
from qsmbench.config.load import read_config
from qsmbench.data.atomic import atomic_path
from qsmbench.report.display import read_display
from qsmbench.report.figures import WINDOWS
from qsmbench.report.png import fixed_style, png_bytes
from qsmbench.report.slices import choose_planes
from qsmbench.report.volumes import SetVolumes

SHOWN = 3


def main() -> None:
    """Draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="folder of the run")
    parser.add_argument("set", help="name of the set")
    parser.add_argument("out", type=Path, help="PNG to write")
    arguments = parser.parse_args()
    results, name, out = arguments.results, arguments.set, arguments.out
    of = Run(read_config(results / "provenance/config.json"), results)
    scores = pd.read_parquet(results / "scores.parquet")
    volumes = SetVolumes(of.sets[name], list(of.config.methods))
    subject = volumes.read(0)
    rows = scores[(scores["set"] == name) & (scores["subject"] == subject.name) & (scores["metric"] == "rmse")]
    best = rows.sort_values("value").head(SHOWN)
    labels = {n: m.label for n, m in read_display(results / "report/display.json").methods.items()}
    planes = choose_planes(subject)
    width, height = planes.extent("axial")
    with fixed_style():
        size = 2.1
        figure = Figure(figsize=((SHOWN + 1) * size, 2 * size * height / width + 0.35), dpi=100, layout="constrained")
        panels = figure.subplots(2, SHOWN + 1)
        pictures = [("true chi", subject.chi_ref, "chi"), ("local field (given)", subject.local_field, "field")]
        columns = [pictures]
        for method, value in zip(best["method"], best["value"], strict=True):
            chi = subject.estimates[method]
            columns.append(
                [(f"{labels[method]}, RMSE {value:.0f} %", chi, "chi"), ("error", chi - subject.chi_ref, "error")]
            )
        for column, two in zip(panels.T, columns, strict=True):
            for axes, (title, volume, kind) in zip(column, two, strict=True):
                window = WINDOWS[kind]
                picture = planes.cut(volume, "axial")
                inside = planes.cut(subject.mask, "axial")
                picture = picture if kind == "chi" and title == "true chi" else picture * inside
                axes.imshow(
                    picture, cmap=window.colours, vmin=-window.limit, vmax=window.limit, extent=(0, width, 0, height)
                )
                axes.set_title(title)
                axes.set_axis_off()
        with atomic_path(out) as path:
            path.write_bytes(png_bytes(figure))
    sizes = " x ".join(f"{v:.2g}" for v in subject.voxel_size)
    limits = f"chi and errors within {WINDOWS['chi'].limit:g} ppm, field within {WINDOWS['field'].limit:g} ppm"
    print(f"subject {subject.name}, voxels of {sizes} mm; {limits}; {len(of.config.methods)} methods ran")


if __name__ == "__main__":
    main()
