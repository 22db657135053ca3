"""Folders of others that break, each in its way, beside one that works: rows with their reasons."""

import pandas as pd
import pytest
from foreign_folder import their_qsm
from little_run import configuration, little_run

from qsmbench.audit.audit import Options, audit

WRITE = 'nibabel.save(nibabel.Nifti1Image(chi.astype("float32"), affine), f"{sys.argv[2]}/chimap.nii.gz")'
READ = (
    'import sys, nibabel, numpy as np; field = nibabel.load(f"{sys.argv[1]}/localfield.nii.gz"); affine = field.affine'
)


def python(line):
    return f'python3 - "$1" "$2" <<\'EOF\'\n{READ}\nchi = field.get_fdata()\n{line}\n{WRITE}\nEOF\n'


BROKEN = {
    "crashes": ("echo no licence found >&2; exit 3", "ended with status 3; its last lines: no licence found"),
    "hangs": ("sleep 60", "took longer than 2 s and was ended"),
    "writes-nothing": ("true", "ended with status 0 but wrote no chimap.nii.gz"),
    "writes-nan": (python("chi[:] = np.nan"), "non-finite voxels"),
    "writes-another-grid": (python("chi = chi[1:]"), "voxels for"),
    "writes-another-place": (python("affine = np.diag([9, 9, 9, 1])"), "another affine"),
    "writes-zeros": (python("chi[:] = 0"), "zeros throughout"),
}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("broken")
    config = configuration(folder)
    config["synthetic"]["test"].update(n_samples=1, samples_per_shard=1)
    config["methods"] = {"tkd": {}, "works": {"command": str(their_qsm(folder / "works"))}}
    for name, (script, _) in BROKEN.items():
        theirs = their_qsm(folder / name)
        (theirs / "run.sh").write_text(script)
        config["methods"][name] = {"command": str(theirs), "options": {"seconds": 2.0 if name == "hangs" else 60.0}}
    return little_run(folder, config)


def test_each_is_a_row_with_its_reason_and_the_others_are_scored(results):
    scores = pd.read_parquet(results / "scores.parquet").drop_duplicates("method").set_index("method")
    assert dict(scores["status"]) == {"tkd": "ok", "works": "ok", **dict.fromkeys(BROKEN, "failed")}
    for name, (_, reason) in BROKEN.items():
        assert reason in scores["message"][name], name
    page = (results / "report/index.html").read_text()
    assert all(f"their-qsm {reason}" in page for _, reason in list(BROKEN.values())[:3])


def test_the_audit_passes(results):
    verdict = audit(results, Options(recompute=1, threads=1))
    assert verdict.findings == []
