"""Sets made of simulated scans, in a little run: what they hold, who runs on them, what an audit makes of them."""

import json

import numpy as np
import pandas as pd
import pytest
from foreign_folder import THEIR_REMOVAL, their_folder
from little_run import configuration, little_run

from qsmbench.benchmark.derive import derive_subject, removed
from qsmbench.benchmark.run import Run
from qsmbench.cli.main import main
from qsmbench.config.load import check_config
from qsmbench.core.errors import InputError
from qsmbench.data.layout import RunLayout
from qsmbench.data.nifti import read_mask, read_volume
from qsmbench.preparation.dataset import prepare_bids
from qsmbench.preparation.settings import ForeignRemoval, Resharp
from qsmbench.sets.derived import DerivedScans, IsolatedSet, RemovalSet
from qsmbench.sets.simulated import SimulatedScans

SUBJECT = "oblique"


def staged(folder):
    config = configuration(folder) | {
        "acquisitions": {
            "scans": {
                "kind": "simulated",
                "protocol": "clinical",
                "subjects": [SUBJECT],
                "scale": [4, 4, 1.5],
                "source": {"kind": "nifti", "chi": str(folder / "head.nii.gz")},
                "preparation": {"mask": {"method": "threshold"}, "background": {"kind": "resharp", "radius": 9}},
            },
        },
    }
    config["evaluation"] = {
        "metrics": ["nrmse_demeaned", "rmse"],
        "stages": {"background": ["resharp", "lbv", "pdf"], "inversion": ["l2"]},
    }
    return config


@pytest.fixture(scope="module")
def of(tmp_path_factory):
    folder = tmp_path_factory.mktemp("staged")
    theirs = {"kind": "command", "folder": str(their_folder(folder, "their-removal", "bfr", THEIR_REMOVAL))}
    config = staged(folder)
    config["acquisitions"]["scans-theirs"] = {
        "kind": "removal", "of": "scans", "background": theirs, "methods": ["l2"]
    }  # fmt: skip
    little_run(folder, config)
    return Run(check_config(config))


def test_stages_become_sets_and_the_resolved_configuration_says_the_same(tmp_path):
    config = check_config(staged(tmp_path))
    assert list(config.acquisitions) == ["scans", "scans-isolated", "scans-lbv", "scans-pdf"]
    again = check_config(config.model_dump(mode="json"))
    assert again.model_dump(mode="json") == config.model_dump(mode="json")
    run = Run(again)
    assert run.methods_of("scans-isolated") == ["tkd", "l2"]
    assert run.methods_of("scans-lbv") == ["l2"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"acquisitions": {"b": {"kind": "isolated", "of": "nothing"}}}, "acquisitions.b.of: 'nothing' is no set of"),
        ({"evaluation": {"stages": {"inversion": ["tdk"]}}}, "evaluation.stages.inversion: there is no 'tdk'"),
        ({"evaluation": {"stages": {"sets": ["scan"]}}}, "evaluation.stages.sets: there is no 'scan'"),
        ({"evaluation": {"stages": {"background": ["command"]}}}, "evaluation.stages.background.0"),
        ({"synthetic": {"test": {"methods": ["tdk"]}}}, "synthetic.test.methods: no method is named 'tdk'"),
    ],
)
def test_what_is_wrong_with_a_derived_set_is_said_in_a_line(tmp_path, change, said):
    config = staged(tmp_path)
    for section, values in change.items():
        config[section] |= {k: config[section].get(k, {}) | v if isinstance(v, dict) else v for k, v in values.items()}
    with pytest.raises(InputError, match=said):
        check_config(config)


def test_the_isolated_field_is_the_true_one_with_the_noise_that_the_fit_states(of):
    scans = of.sets["scans-isolated"]
    scan, truth = scans.scan(SUBJECT), scans.base.truth(SUBJECT)
    inside = scan.mask.numpy()
    assert np.array_equal(inside, truth.reference.mask & read_mask(scans.base.prepared[SUBJECT].path("mask")))
    noise = scan.field_noise.numpy()[inside]
    excess = (scan.local_field.numpy() - truth.local_field)[inside] / noise
    assert excess.std() == pytest.approx(1, abs=0.05)
    assert abs(excess.mean()) < 0.1
    assert scan.grid.b0_dir == scans.base.scan(SUBJECT).grid.b0_dir
    assert scan.b0 == 3.0 and scan.echo_times == scans.base.scan(SUBJECT).echo_times


def test_a_removal_set_has_the_prepared_field_where_the_removal_is_that_of_the_preparation(of):
    base = of.sets["scans"]
    item = base.prepared[SUBJECT]
    made, said = removed(item, Resharp(radius=9))
    assert np.array_equal(made["local_field"], read_volume(item.path("local_field")).data)
    assert np.array_equal(made["local_mask"], read_mask(item.path("local_mask")))
    assert said["BackgroundRemoval"]["kind"] == "resharp"
    lbv = of.sets["scans-lbv"].scan(SUBJECT)
    assert int(lbv.mask.sum()) > int(made["local_mask"].sum()), "LBV erodes less than a sphere of 9 mm"
    about = json.loads(next(of.layout.derived("scans-lbv").rglob("*local_fieldmap.json")).read_text())
    assert about["BackgroundRemoval"]["kind"] == "lbv"


def test_every_stage_is_scored_on_the_same_voxels_and_only_by_the_methods_of_its_set(of):
    masks = [of.sets[name].reference(SUBJECT).mask for name in of.config.acquisitions]
    assert all(np.array_equal(mask, masks[0]) for mask in masks)
    scores = pd.read_parquet(of.layout.all_scores)
    assert (scores["status"] == "ok").all()
    pairs = set(zip(scores["set"], scores["method"], strict=True))
    assert pairs == set(of.pairs(of.scored))
    assert ("scans-lbv", "tkd") not in pairs and ("scans-isolated", "tkd") in pairs
    error = scores[scores["metric"] == "nrmse_demeaned"].set_index(["set", "method"])["value"]
    assert error["scans-isolated", "l2"] < error["scans", "l2"], "preparation adds to the error"


def test_an_audit_makes_derived_fields_again(of, tmp_path, capsys):
    arguments = ["audit", str(of.layout.root), "--recompute", "1", "--output", str(tmp_path / "audit")]
    assert main(arguments) == 0, capsys.readouterr()
    said = capsys.readouterr().out
    assert "derived" in said
    checks = json.loads((tmp_path / "audit/audit.json").read_text())["checks"]
    skipped = [line for check in checks for line in check["skipped"]]
    assert (
        "Fields of scans-theirs: their background is removed by somebody else's program, and an audit runs none."
        in skipped
    )


def test_a_removal_of_somebody_elses_that_fails_is_an_empty_field_with_the_reason(of, tmp_path):
    folder = their_folder(tmp_path, "no-removal", "bfr", "")
    folder.joinpath("run.sh").write_text("echo no luck; exit 3")
    removal = ForeignRemoval(kind="command", folder=str(folder))
    reason = "background removal: no-removal ended with status 3; its last lines: no luck"
    base, layout = of.sets["scans"], RunLayout(tmp_path)
    theirs = DerivedScans(layout, "theirs", RemovalSet(kind="removal", of="scans", background=removal), base)
    derive_subject(theirs, SUBJECT, 7, theirs.folder)
    assert theirs.failure(SUBJECT) == reason
    assert not read_volume(theirs.prepared[SUBJECT].path("local_field")).data.any()
    # What is made of a set whose own removal failed has fields, and no voxel on which its maps could be scored.
    layout.raw("scans").parent.mkdir()
    layout.raw("scans").symlink_to(of.layout.raw("scans"))
    preparation = base.preparation.model_copy(update={"background": removal})
    failed = SimulatedScans(layout, "scans", base.spec.model_copy(update={"preparation": preparation}))
    prepare_bids(failed.raw, failed.folder, preparation, [SUBJECT], failures_kept=True)
    alone = DerivedScans(layout, "alone", IsolatedSet(kind="isolated", of="scans"), failed)
    derive_subject(alone, SUBJECT, 7, alone.folder)
    assert alone.scan(SUBJECT).mask.any()
    assert alone.failure(SUBJECT) == reason
