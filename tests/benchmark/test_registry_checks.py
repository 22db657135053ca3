"""A configuration's report section against what there is."""

import json
from pathlib import Path

import pytest
import yaml
from foreign_folder import THEIR_WHOLE, their_folder

from qsmbench.benchmark.display import display, trained_range
from qsmbench.benchmark.registry_checks import check_against_registries
from qsmbench.benchmark.run import Run
from qsmbench.config.load import check_config
from qsmbench.config.model import Config
from qsmbench.config.networks import Network
from qsmbench.core.errors import InputError
from qsmbench.networks.start import check_start, full_options, load_start
from qsmbench.networks.weights import load_network
from qsmbench.report.display import Display

ROOT = Path(__file__).parents[2]


def config(**report: object) -> Config:
    content = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    return check_config(content | {"report": report})


@pytest.mark.parametrize(
    ("report", "complaint"),
    [
        ({"baseline": "mdei"}, "no method is named 'mdei'"),
        ({"tables": {"t": {"title": "", "sets": ["test-fixd"]}}}, r"tables.t.sets: unknown 'test-fixd' \(did you mean"),
        ({"tables": {"t": {"title": "", "sets": ["train"]}}}, "tables.t.sets: unknown 'train'"),
        ({"tables": {"t": {"title": "", "sets": ["test-fixed"], "methods": ["tdk"]}}}, "did you mean 'tkd'"),
        ({"tables": {"t": {"title": "", "sets": ["test-fixed"], "metrics": ["rsme"]}}}, "did you mean 'rmse'"),
        ({"tables": {"all": {"title": "", "sets": ["test-fixed"]}}}, "choose another name"),
    ],
)
def test_names_that_are_not_there_are_refused(report: dict[str, object], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        check_against_registries(config(**report), "config")


def test_a_folder_that_removes_no_background_is_refused_before_the_first_job(tmp_path: Path) -> None:
    theirs = {"kind": "command", "folder": str(their_folder(tmp_path, "whole-way", "end-to-end", THEIR_WHOLE))}
    content = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    content["acquisitions"]["theirs"] = {"kind": "removal", "of": "research", "background": theirs}
    with pytest.raises(InputError, match=r"acquisitions\.theirs\.background: .*its stage is end-to-end"):
        check_against_registries(check_config(content), "config")


def test_every_configuration_in_the_repository_makes_a_display() -> None:
    for path in (ROOT / "config.yaml", *(ROOT / "configs").glob("*.yaml")):
        checked = check_config(yaml.safe_load(path.read_text(encoding="utf-8")), path.name)
        check_against_registries(checked, path.name)
        shown = Display.model_validate(json.loads(json.dumps(display(Run(checked)))))
        assert all(info.definition for info in shown.metrics.values())
        assert not any(shown.is_ranked(metric) for metric in ("cone_streaking",) if metric in shown.metrics)


def test_a_networks_range_is_its_training_sets_or_that_of_the_weights_it_started_from() -> None:
    started = config()
    low, high = load_network("shipped:meta-qsm-tv").scaling.trained_range
    found = trained_range(started)["meta-qsm-tv"]
    assert found["min"] == pytest.approx(low, abs=1e-4)
    assert found["max"] == pytest.approx(high, abs=1e-4)
    content = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    del content["networks"]["meta-qsm-tv"]["start"]
    assert trained_range(check_config(content)) == {"meta-qsm-tv": {"min": [1.0, 1.0, 2.0], "max": [1.6, 1.6, 4.0]}}
    content["networks"]["meta-qsm-tv"] = {"weights": "shipped:meta-qsm-tv"}
    assert trained_range(check_config(content))["meta-qsm-tv"] == found


def test_weights_of_other_settings_are_no_start() -> None:
    content = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    content["networks"]["meta-qsm-tv"]["channels"] += 1
    asked = content["networks"]["meta-qsm-tv"]["channels"]
    complaint = rf"networks\.meta-qsm-tv\.start: .*made with channels: {asked - 1}; .*asks for channels: {asked};"
    with pytest.raises(InputError, match=complaint):
        check_against_registries(check_config(content, "x"), "x")


def test_weights_older_than_a_setting_are_a_start_where_it_has_the_value_they_were_made_with() -> None:
    content = yaml.safe_load((ROOT / "configs" / "paper-small.yaml").read_text(encoding="utf-8"))
    network = check_config(content, "x").networks["meta-qsm"]
    assert isinstance(network, Network)
    assert "head" not in load_network("shipped:meta-qsm").options
    start = load_start("shipped:meta-qsm", "meta-qsm", network.options)
    assert full_options(start.architecture, start.options) == network.options
    check_start("shipped:meta-qsm", "meta-qsm", network.options)
    for read in (load_start, check_start):
        with pytest.raises(InputError, match="made with head: full; the configuration asks for head: modulated"):
            read("shipped:meta-qsm", "meta-qsm", network.options | {"head": "modulated"})
        with pytest.raises(InputError, match="is of meta-qsm, not of qsmnet"):
            read("shipped:meta-qsm", "qsmnet", network.options)
