"""The JSON Schema of the configuration: what the model takes it takes, and what the model refuses it refuses."""

import copy
from pathlib import Path

import jsonschema
import pytest
import yaml

from qsmbench.benchmark.config_schema import config_schema, config_schema_text
from qsmbench.benchmark.registry_checks import check_against_registries
from qsmbench.config.load import check_config
from qsmbench.core.errors import InputError

ROOT = Path(__file__).parents[2]
FILES = [ROOT / "config.yaml", *sorted((ROOT / "configs").glob("*.yaml"))]


@pytest.fixture(scope="module")
def validator():
    schema = config_schema(others=False)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_file_beside_the_docs_is_this_schema():
    assert (ROOT / "docs/config.schema.json").read_text() == config_schema_text(others=False), "run `make docs`"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_our_files_keep_it_and_name_it(validator, path):
    text = path.read_text()
    assert [error.message for error in validator.iter_errors(yaml.safe_load(text))] == []
    first, where = text.splitlines()[0].split("$schema=")
    assert first == "# yaml-language-server: "
    assert (path.parent / where).resolve() == ROOT / "docs/config.schema.json"


GOOD = {
    "synthetic": {
        "train": {"role": "train", "n_samples": 4, "samples_per_shard": 4},
        "test": {"role": "test", "n_samples": 4, "samples_per_shard": 4},
    },
    "networks": {"net": {"train_set": "train", "steps": 5}, "given": {"weights": "shipped:meta-qsm-tv"}},
    "methods": {"tkd": {"options": {"threshold": 0.2}}, "more": {"method": "l2"}, "theirs": {"command": "folder"}},
}
CHANGES = [
    (("methods", "tkd", "options"), {"treshold": 0.2}),
    (("methods", "tkd", "options"), {"threshold": -1}),
    (("methods", "more", "options"), {"threshold": 0.2}),
    (("methods", "more", "method"), None),
    (("methods", "theirs", "options"), {"seconds": 0}),
    (("methods", "tkd", "lable"), "TKD"),
    (("networks", "net", "architecture"), "qsmnett"),
    (("networks", "net", "hidden"), "many"),
    (("networks", "given", "steps"), 5),
    (("synthetic", "test", "role"), "exam"),
    (("reslts",), "here"),
]


def test_what_is_right_is_right(validator):
    assert list(validator.iter_errors(GOOD)) == []


@pytest.mark.parametrize(("place", "value"), CHANGES, ids=lambda x: ".".join(x) if isinstance(x, tuple) else None)
def test_what_the_model_refuses_the_schema_refuses(validator, tmp_path, monkeypatch, place, value):
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("folder/algorithm.yml").write_text("{name: a, slug: a, stage: dipole, run: bash run.sh}")
    check_against_registries(check_config(GOOD), "good")
    content = copy.deepcopy(GOOD)
    section = content
    for key in place[:-1]:
        section = section[key]
    if value is None:
        del section[place[-1]]
    else:
        section[place[-1]] = value
    with pytest.raises(InputError):
        check_against_registries(check_config(content), "bad")
    assert list(validator.iter_errors(content))
