"""The crate: what RO-Crate 1.1 and its workflow run profiles require, checked entity by entity."""

import json

import numpy as np
import pytest

from qsmbench.audit.check import Check
from qsmbench.audit.integrity import check_crate, check_files
from qsmbench.audit.run_folder import RunFolder
from qsmbench.benchmark.steps.registry import folder_texts
from qsmbench.core.errors import InputError
from qsmbench.data.atomic import write_text_atomic
from qsmbench.data.download import sha256_of
from qsmbench.provenance.crate import write_crate
from qsmbench.provenance.crate_graph import CONFIG, PROFILES
from qsmbench.provenance.manifest import CRATE, MANIFEST, read_manifest, tree_digest
from qsmbench.provenance.record import VARIABLE, recorded


@pytest.fixture
def made(tmp_path, monkeypatch):
    results, workflow = tmp_path / "results", tmp_path / "workflow"
    monkeypatch.setenv(VARIABLE, str(results / "provenance/jobs"))
    monkeypatch.delenv("SLURM_PROCID", raising=False)
    (workflow / "rules").mkdir(parents=True)
    (workflow / "Snakefile").write_text("rule all:\n")
    (workflow / "rules/train.smk").write_text("rule train:\n")
    head = tmp_path / "head.nii.gz"
    head.write_bytes(b"head")
    with recorded("source", ["source"]):
        head.read_bytes()
        write_text_atomic(results / "source/source.json", "{}")
    for shard in (0, 1):
        with recorded("make-shard", ["make-shard", str(shard)]):
            (results / "source/source.json").read_text()
            write_text_atomic(results / f"synthetic/a.zarr/chi/c/{shard}", str(shard))
    with recorded("reconstruct", ["reconstruct"]):
        for i in range(20):
            write_text_atomic(results / f"reconstructions/a/tkd/maps.zarr/chi/c/{i}", str(i))
    with recorded("report", ["report"]):
        write_text_atomic(results / "report/index.html", "<p>")
        write_text_atomic(results / "report/tables/a b.csv", "1")
    write_text_atomic(results / "logs/report.log", "done")
    crate = write_crate(results, {"seed": 1, "report": {"title": "Mine"}}, workflow, folder_texts(), threads=1)
    return results, workflow, crate


def graph(results):
    return {entity["@id"]: entity for entity in json.loads((results / CRATE).read_text())["@graph"]}


def listed(value):
    return [v["@id"] for v in (value if isinstance(value, list) else [value])]


def kinds(entity):
    return {entity["@type"]} if isinstance(entity["@type"], str) else set(entity["@type"])


def test_the_musts_of_ro_crate(made):
    entities = graph(made[0])
    descriptor, root = entities[CRATE], entities["./"]
    assert descriptor["@type"] == "CreativeWork"
    assert descriptor["about"] == {"@id": "./"}
    assert "https://w3id.org/ro/crate/1.1" in listed(descriptor["conformsTo"])
    assert root["@type"] == "Dataset"
    assert all(root[key] for key in ("name", "description", "datePublished", "license"))
    assert root["datePublished"].startswith("20")
    parts = set(listed(root["hasPart"]))
    for identifier, entity in entities.items():
        assert not identifier.startswith(("/", "file:"))
        if kinds(entity) & {"File", "Dataset"} and identifier != "./":
            assert identifier in parts, f"{identifier} is reached from the root"
    for entity in entities.values():
        for value in entity.values():
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, dict) and not one["@id"].startswith("http"):
                    assert one["@id"] in entities, "nothing is named that is not described"


def test_the_musts_of_the_workflow_run_profiles(made):
    entities = graph(made[0])
    root = entities["./"]
    assert set(listed(root["conformsTo"])) == set(PROFILES)
    assert all(kinds(entities[p]) == {"CreativeWork"} and entities[p]["version"] for p in PROFILES)
    main = entities[root["mainEntity"]["@id"]]
    assert kinds(main) == {"File", "SoftwareSourceCode", "ComputationalWorkflow"}
    assert "ComputerLanguage" in kinds(entities[main["programmingLanguage"]["@id"]])
    actions = [entity for entity in entities.values() if "CreateAction" in kinds(entity)]
    assert any(action["instrument"] == {"@id": main["@id"]} for action in actions)
    software = {"SoftwareApplication", "SoftwareSourceCode", "ComputationalWorkflow"}
    for action in actions:
        assert kinds(entities[action["instrument"]["@id"]]) & software
        assert action["@id"] in listed(root["mentions"])
        assert action["startTime"] <= action["endTime"]
    for name in ("input", "output"):
        for identifier in listed(main[name]):
            parameter = entities[identifier]
            assert kinds(parameter) == {"FormalParameter"}
            assert parameter["additionalType"]
            example = entities[parameter["workExample"]["@id"]]
            assert kinds(example) & {"File", "Dataset"}
            assert example["exampleOfWork"] == {"@id": identifier}


def test_every_file_is_described_by_hash_and_size(made):
    results, _, crate = made
    entities, hashes = graph(results), read_manifest(results)
    assert crate.n_files == len(hashes)
    assert crate.digest == sha256_of(results / CRATE)
    assert entities[MANIFEST]["sha256"] == sha256_of(results / MANIFEST)
    assert entities["report/tables/a%20b.csv"]["sha256"] == hashes["report/tables/a b.csv"]
    assert entities["report/index.html"]["contentSize"] == "3"
    # One job made this store: one item. Two jobs made that one: each one's files.
    store = entities["reconstructions/a/tkd/maps.zarr/"]
    assert store["sha256"] == tree_digest(hashes, "reconstructions/a/tkd/maps.zarr")
    assert not any(i.startswith("reconstructions/a/tkd/maps.zarr/chi") for i in entities)
    assert entities["synthetic/a.zarr/chi/c/1"]["sha256"] == hashes["synthetic/a.zarr/chi/c/1"]
    assert not any(i.startswith("logs/") for i in entities)


def test_actions_have_their_inputs_and_outputs(made):
    entities = graph(made[0])
    actions = {e["name"]: e for e in entities.values() if "CreateAction" in kinds(e)}
    shard = actions["qsmbench step make-shard -> synthetic/a.zarr/chi/c/1"]
    assert listed(shard["object"]) == ["source/source.json"]
    assert listed(shard["result"]) == ["synthetic/a.zarr/chi/c/1"]
    source = actions["qsmbench step source -> source/source.json"]
    head = entities[listed(source["object"])[0]]
    assert (head["name"], head["contentSize"]) == ("head.nii.gz", "4")
    assert kinds(head) == {"CreativeWork"}, "by its hash, no part of the crate"
    made_maps = actions["qsmbench step reconstruct -> reconstructions/a/tkd/maps.zarr/chi/c/0"]
    assert listed(made_maps["result"]) == ["reconstructions/a/tkd/maps.zarr/"]
    assert "report/index.html" in listed(actions["run of the qsmbench workflow"]["result"])


def test_the_same_results_give_the_same_crate(made):
    results, workflow, first = made
    before = (results / CRATE).read_bytes()
    again = write_crate(results, {"seed": 1, "report": {"title": "Mine"}}, workflow, folder_texts(), threads=2)
    assert again.digest == first.digest
    assert (results / CRATE).read_bytes() == before
    assert json.loads((results / CONFIG).read_text())["seed"] == 1


def test_a_file_that_its_job_did_not_write_so_is_said(made):
    results, workflow, _ = made
    (results / "report/index.html").write_text("<p>better")
    crate = write_crate(results, {}, workflow, {})
    assert crate.warnings[0].startswith("report/index.html is not what its job wrote")


def test_no_folder_and_no_workflow_are_refused(made, tmp_path):
    results, workflow, _ = made
    with pytest.raises(InputError, match="is not a folder"):
        write_crate(tmp_path / "none", {}, workflow, {})
    with pytest.raises(InputError, match="has no Snakefile"):
        write_crate(results, {}, tmp_path, {})


def looked(part, results, *arguments):
    check = Check("part", "?")
    check.guarded("part", lambda: part(RunFolder(results), *arguments, check), None)
    return check.findings


def test_a_flipped_byte_anywhere_in_the_metadata_is_found(made):
    """No hash holds the metadata; it is made again from what it describes."""
    results, _, _ = made
    assert looked(check_crate, results) == []
    sound = (results / CRATE).read_bytes()
    rng = np.random.default_rng(8)
    for _ in range(20):
        content = bytearray(sound)
        content[int(rng.integers(len(content)))] ^= 1 << int(rng.integers(7))
        (results / CRATE).write_bytes(bytes(content))
        found = looked(check_crate, results)
        assert found and all(f.where for f in found)


def test_a_flipped_digit_of_the_manifest_is_found(made):
    results, _, _ = made
    path = results / MANIFEST
    text = path.read_text()
    path.write_text(("0" if text[0] != "0" else "1") + text[1:])
    first = text.splitlines()[0].split("  ", 1)[1]
    assert any(f.where == first for f in looked(check_files, results, (), None, None))
    assert any(f.where == MANIFEST for f in looked(check_crate, results))
