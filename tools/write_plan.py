"""Write the plan of configs/paper.yaml into docs/cluster.md again; a test checks that it is current."""

import argparse
from pathlib import Path

from qsmbench.benchmark.plan import plan
from qsmbench.benchmark.run import Run
from qsmbench.benchmark.site import Site
from qsmbench.config.load import read_config

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- qsmbench plan configs/paper.yaml -->\n", "<!-- end of the plan -->"


def main() -> None:
    """Replace what stands between the two marks."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    page = ROOT / "docs/cluster.md"
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    text = plan(Run(read_config(ROOT / "configs/paper.yaml")), Site(gpu_partition="gpu"))
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}", encoding="utf-8")


if __name__ == "__main__":
    main()
