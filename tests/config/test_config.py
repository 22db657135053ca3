"""The configuration: what it accepts, what it refuses and how it says so, and that its documentation is current."""

from pathlib import Path

import pytest
import yaml

from qsmbench.benchmark.display import display
from qsmbench.benchmark.registry_checks import check_against_registries
from qsmbench.benchmark.run import Run
from qsmbench.config.document import document
from qsmbench.config.load import check_config, read_config
from qsmbench.core.errors import InputError

ROOT = Path(__file__).parents[2]
TEST_SET = {"role": "test", "n_samples": 2, "samples_per_shard": 2}


@pytest.fixture
def content():
    """The default configuration with the scans of `configs/scans.yaml`."""
    scans = yaml.safe_load((ROOT / "configs/scans.yaml").read_text())
    return yaml.safe_load((ROOT / "config.yaml").read_text()) | {"acquisitions": scans["acquisitions"]}


@pytest.mark.parametrize(
    "path", [ROOT / "config.yaml", *sorted((ROOT / "configs").glob("*.yaml"))], ids=lambda p: p.name
)
def test_every_shipped_configuration_is_valid(path):
    check_against_registries(read_config(path), path.name)


def test_paper_configuration_has_the_papers_numbers():
    config = read_config(ROOT / "configs" / "paper.yaml")
    train = config.synthetic["train"]
    assert train.n_samples == 30000
    assert train.recipe.shape == (128, 128, 64)
    assert train.recipe.voxel_size.min == (0.5, 0.5, 2.0)
    assert train.recipe.voxel_size.max == (1.0, 1.0, 4.0)
    # Those of Meta-QSM's paper; INR-QSM's (`inr-...`) has heads of its own.
    tests = {name: spec for name, spec in config.synthetic.items() if name.startswith("test-")}
    assert len(tests) == 3
    assert {spec.n_samples for spec in tests.values()} == {100}
    assert {spec.recipe.shape for spec in tests.values()} == {(256, 256, 64)}
    assert {spec.recipe.voxel_size.min for spec in tests.values()} == {
        (0.5, 0.5, 2.0),
        (0.7639, 0.7639, 3.0),
    }
    network = config.networks["meta-qsm"]
    assert (network.learning_rate, network.batch_size, network.decay_steps) == (1e-4, 4, 200)


def test_documentation_of_keys_is_current():
    written = (ROOT / "docs" / "configuration.md").read_text()
    assert written == document(), "run `make docs`"
    assert "| `synthetic.<name>.n_samples` | integer | required |" in written


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sead": 3}, r"config: unknown key 'sead' \(did you mean 'seed'\?\)"),
        ({"source": {"kind": "phantom", "sed": 3}}, r"unknown key 'source.sed' \(did you mean 'seed'\?\)"),
        ({"source": {"kind": "nifty"}}, r"key 'source': .*'phantom', 'challenge2016', 'nifti'"),
        ({"methods": {"tkd": {"option": {}}}}, r"unknown key 'methods.tkd.option' \(did you mean 'options'\?\)"),
        ({"methods": {"meta-qsm": {"network": "unet"}}}, "methods.meta-qsm.network: no network is named 'unet'"),
        ({"networks": {"a b": {"train_set": "train", "steps": 3}}}, "networks.a b"),
        ({"networks": {"net": {"train_set": "test-random", "steps": 3}}}, "is not a synthetic set with role: train"),
        (
            {"networks": {"net": {"train_set": "train", "steps": 3, "first_map_regularization": [0.001]}}},
            "networks.net.*there is no first_map",
        ),
        ({"seed": "many"}, "key 'seed': input should be a valid integer"),
    ],
)
def test_refusals_name_the_key(content, change, message):
    with pytest.raises(InputError, match=message):
        check_config(content | change)


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        ({"a": TEST_SET | {"draws_of": "b"}}, "synthetic.a.draws_of: no synthetic set is named 'b'"),
        (
            {"a": TEST_SET, "b": TEST_SET | {"draws_of": "a"}, "c": TEST_SET | {"draws_of": "b"}},
            "synthetic.c.draws_of: 'b' takes the draws of another set",
        ),
        (
            {"a": TEST_SET, "b": TEST_SET | {"role": "tune", "draws_of": "a"}},
            "synthetic.b.draws_of: 'a' has role: test, this set has role: tune",
        ),
    ],
)
def test_draws_come_from_a_set_of_the_same_role_that_has_its_own(content, sets, message):
    with pytest.raises(InputError, match=message):
        check_config(content | {"synthetic": content["synthetic"] | sets})


def test_unknown_key_deep_inside_a_recipe(content):
    content["synthetic"]["train"]["recipe"]["voxel_sise"] = {}
    with pytest.raises(InputError, match=r"'synthetic.train.recipe.voxel_sise' \(did you mean 'voxel_size'\?\)"):
        check_config(content)


def test_several_mistakes_are_told_together(content):
    content["sead"] = 1
    content["synthetic"]["train"]["n_sample"] = 3
    with pytest.raises(InputError) as caught:
        check_config(content)
    assert len(str(caught.value).splitlines()) == 2


def test_methods_options_and_metrics_are_checked(content):
    content["methods"] = {"tdk": {}, "l2": {"options": {"regularisation": 1}}, "meta-qsm": {}}
    content["evaluation"] = {"metrics": ["rsme"]}
    with pytest.raises(InputError) as caught:
        check_against_registries(check_config(content), "config")
    lines = str(caught.value).splitlines()
    assert len(lines) == 4
    assert "unknown method 'tdk' (did you mean 'tkd'?)" in lines[0]
    assert "method l2 has no option 'regularisation' (did you mean 'regularization'?)" in lines[1]
    assert "meta-qsm is a trained network: say which with 'network'" in lines[2]
    assert "unknown metric 'rsme' (did you mean 'rmse'?)" in lines[3]


def test_unreadable_files_are_named(tmp_path):
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_config(tmp_path / "absent.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [1, 2")
    with pytest.raises(InputError, match="is not valid YAML"):
        read_config(broken)


def test_display_keeps_the_configurations_order(content):
    shown = display(Run(check_config(content)))
    assert list(shown["methods"]) == list(content["methods"])
    assert shown["methods"]["tkd"]["options"]["threshold"] == 0.2
    synthetic = [name for name, spec in content["synthetic"].items() if spec["role"] == "test"]
    assert list(shown["sets"]) == [*synthetic, *content["acquisitions"]]
    assert shown["metrics"]["rmse"]["better"] == "lower"


def test_scans_are_in_the_default_run_and_at_full_size_in_a_configuration_of_their_own():
    small, full = (read_config(ROOT / name).acquisitions for name in ("config.yaml", "configs/scans.yaml"))
    for sets in (small, full):
        assert {spec.protocol for spec in sets.values()} == {"research", "clinical"}
    assert all(len(spec.subjects) == 3 and spec.scale == (1, 1, 1) for spec in full.values())
    subjects = {subject for spec in full.values() for subject in spec.subjects}
    assert {"hemorrhage", "calcification", "iron", "oblique"} <= subjects


def test_a_table_may_show_simulated_scans_but_not_take_their_files(content):
    content["report"] = {"tables": {"research": {"title": "T", "sets": ["research", "test-fixed", "mine"]}}}
    content["acquisitions"]["mine"] = {"kind": "bids", "folder": "somewhere"}
    with pytest.raises(InputError) as caught:
        check_against_registries(check_config(content), "config")
    lines = str(caught.value).splitlines()
    assert len(lines) == 2
    assert "report.tables.research: that file is another table's" in lines[0]
    assert "report.tables.research.sets: unknown 'mine'" in lines[1], "scans without a truth have no scores"


def test_own_scans_alone_make_a_configuration():
    config = check_config({"acquisitions": {"mine": {"kind": "bids", "folder": "somewhere"}}, "methods": {"tkd": {}}})
    assert config.acquisitions["mine"].preparation.background.radius == 6.0
    assert display(Run(config))["sets"]["mine"]["description"].startswith("scans without a known truth")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"subjects": ["nobody"]}, "acquisitions.research.subjects.0"),
        ({"subjects": ["iron", "iron"]}, "a subject is listed twice"),
        ({"scale": [0.5, 1, 1]}, "factors are 1"),
        ({"protokol": "research"}, "unknown key 'acquisitions.research.protokol' (did you mean 'protocol'?)"),
        ({"preparation": {"background": {"kind": "resharp", "radios": 6}}}, "did you mean 'radius'?"),
    ],
)
def test_mistakes_in_a_set_of_scans_name_their_place(content, change, message):
    content["acquisitions"]["research"] |= change
    with pytest.raises(InputError) as error:
        check_config(content)
    assert message in str(error.value)


def test_a_set_of_scans_must_not_have_a_synthetic_sets_name(content):
    content["acquisitions"]["test-fixed"] = {"kind": "bids", "folder": "somewhere"}
    with pytest.raises(InputError, match="a synthetic set has the same name"):
        check_config(content)
