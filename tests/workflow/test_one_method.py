"""A method that goes and one that comes: what is made again is that of the one that came, and what shows them all."""

import shutil

import pytest
import yaml
from tiny_run import planned, tiny

pytestmark = pytest.mark.workflow

# What every method is shown in.
SHOWN = dict.fromkeys(("collect_scores", "report", "method_table", "crate"), 1)


def test_one_method_goes_and_another_comes_and_nothing_else_is_made_again(finished, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder)
    config = tiny(folder)

    def jobs():
        (folder / "tiny.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
        return planned(folder)

    del config["methods"]["tkd"], config["report"]["tables"]
    assert jobs() == SHOWN, "what is left was made"
    config["methods"]["wiener"] = {}
    # On the two sets: samples and scans.
    assert jobs() == SHOWN | {"reconstruct": 2, "evaluate": 2}
    config["methods"]["wiener"] = {"label": "Wiener's filter"}
    assert jobs() == SHOWN | {"reconstruct": 2, "evaluate": 2}
    config["methods"]["l2"] = {"options": {"regularization": 0.01}}
    assert jobs() == SHOWN | {"reconstruct": 4, "evaluate": 4}, "and the one whose options are others"
