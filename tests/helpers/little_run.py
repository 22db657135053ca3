"""A whole run in this process, in seconds: every step that tables follow from, with records and crate, no Snakemake."""

import contextlib
import io
import json
import os
from pathlib import Path

import torch
from tiny_run import ROOT, write_head

from qsmbench.benchmark.run import Run
from qsmbench.benchmark.steps.registry import jobs
from qsmbench.cli.main import main
from qsmbench.config.load import check_config

METRICS = ["rmse", "correlation"]


def configuration(folder: Path) -> dict:
    write_head(folder / "head.nii.gz", (36, 40, 32), 4.0)
    recipe = {"shape": [16, 16, 12], "voxel_size": {"min": [4.0, 4.0, 4.0], "max": [5.0, 5.0, 6.0]}}
    return {
        "seed": 7,
        "results": str(folder / "results"),
        "source": {"kind": "nifti", "chi": str(folder / "head.nii.gz")},
        "synthetic": {"test": {"role": "test", "n_samples": 3, "samples_per_shard": 3, "recipe": recipe}},
        "methods": {"tkd": {"label": "TKD <b>&</b>"}, "l2": {}},
        "evaluation": {"metrics": METRICS},
        "report": {"subjects_shown": 0, "viewer_megabytes": 0, "title": "Little {run}, 50 % | é"},
    }


def little_run(folder: Path, config: dict | None = None) -> Path:
    """Make the run; return its results folder."""
    config = configuration(folder) if config is None else config
    of = Run(check_config(config))
    layout = of.layout
    layout.config.parent.mkdir(parents=True)
    layout.config.write_text(json.dumps(of.resolved, indent=2) + "\n")
    steps = [["source"]]
    for name, spec in of.config.synthetic.items():
        steps.append(["create-set", "--set", name])
        steps += [["make-shard", "--set", name, "--shard", str(i)] for i in range(spec.n_shards)]
        steps.append(["make-labels", "--set", name])
    for name in of.simulated:
        steps.append(["describe-acquisitions", "--set", name])
        for subject in of.sets[name].members:
            steps += [[step, "--set", name, "--subject", subject] for step in ("acquire", "prepare")]
        steps.append(["evaluate-fields", "--set", name])
    for job in jobs(of):
        if job.rule == "derive_fields":
            steps.append(["derive-fields", "--set", job.wildcards[0], "--subject", job.wildcards[1]])
    for name, run in of.pairs(of.sets):
        steps += [[step, "--set", name, "--run", run] for step in ("reconstruct", "evaluate")]
    steps += [["collect-scores"], ["report"], ["method-table"]]
    torch.set_num_threads(1)  # A test before may have left others, and a record tells them.
    before = dict(os.environ)
    os.environ["QSMBENCH_RECORDS"] = str(layout.records)
    try:
        for step in steps:
            quiet("step", step[0], str(layout.config), *step[1:])
    finally:
        os.environ.clear()
        os.environ.update(before)
    quiet("crate", str(layout.root), "--workflow", str(ROOT))
    return layout.root


def quiet(*arguments: str) -> None:
    """A command of ours that must end well."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        status = main(arguments)
    assert status == 0, (arguments, said.getvalue()[-2000:])
