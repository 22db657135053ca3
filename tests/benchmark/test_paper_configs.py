"""configs/paper.yaml is the papers' comparison, and configs/paper-small.yaml the same graph."""

from collections import Counter
from pathlib import Path

import pytest

from qsmbench.benchmark.registry_checks import check_against_registries
from qsmbench.benchmark.run import Run
from qsmbench.benchmark.steps.registry import jobs
from qsmbench.config.load import read_config

ROOT = Path(__file__).parents[2]
PAPER, SMALL = (Run(read_config(ROOT / f"configs/{name}.yaml")) for name in ("paper", "paper-small"))
# Of which there are as many as samples and subjects.
SIZED = {"make_shard", "acquire", "prepare", "derive_fields"}


@pytest.mark.parametrize("of", [PAPER, SMALL], ids=["paper", "paper-small"])
def test_methods_options_tables_and_weights_are_there(of):
    check_against_registries(of.config, str(of.layout.root))


def test_the_two_have_the_same_methods_sets_networks_and_tables():
    for section in ("methods", "synthetic", "acquisitions", "networks"):
        assert list(getattr(PAPER.config, section)) == list(getattr(SMALL.config, section)), section
    for name, run in PAPER.config.methods.items():
        # Most networks of the small one correct TV maps.
        assert SMALL.method(name) in (PAPER.method(name), f"{PAPER.method(name)}-tv")
        assert SMALL.config.methods[name].network == run.network
    # What the paper publishes sees the field alone in both.
    assert SMALL.method("meta-qsm") == PAPER.method("meta-qsm") == "meta-qsm"
    for name, network in PAPER.config.trained_networks.items():
        other = SMALL.config.trained_networks[name]
        assert (other.architecture, other.train_set) == (network.architecture, network.train_set)
    for name, spec in PAPER.config.synthetic.items():
        other = SMALL.config.synthetic[name]
        assert (other.role, other.draws_of) == (spec.role, spec.draws_of)
    assert PAPER.config.evaluation == SMALL.config.evaluation
    assert PAPER.config.report.tables == SMALL.config.report.tables
    assert PAPER.config.report.baseline == SMALL.config.report.baseline


def test_the_two_make_the_same_jobs_but_for_the_number_of_samples_and_subjects():
    found = [Counter(job.rule for job in jobs(of)) for of in (PAPER, SMALL)]
    assert found[0].keys() == found[1].keys()
    assert {rule for rule in found[0] if found[0][rule] != found[1][rule]} == SIZED
    pairs = [{job.wildcards for job in jobs(of) if job.rule == "reconstruct"} for of in (PAPER, SMALL)]
    assert pairs[0] == pairs[1]


def test_every_method_runs_on_every_set_but_those_that_pair_removals_with_some():
    for name in PAPER.sets:
        kind = getattr(PAPER.config.sets[name], "kind", "synthetic")
        expected = PAPER.config.evaluation.stages.inversion if kind == "removal" else PAPER.config.methods
        assert PAPER.methods_of(name) == list(expected), name
    for base in ("research", "clinical"):
        assert {f"{base}-{stage}" for stage in ("isolated", "lbv", "vsharp", "pdf")} < set(PAPER.sets)


def test_what_the_papers_state_is_as_they_state_it():
    config = PAPER.config
    assert config.synthetic["train"].n_samples == 30000
    for name, size in {"test-0p5x0p5x2p0": (0.5, 0.5, 2.0), "test-0p76x0p76x3p0": (0.7639, 0.7639, 3.0)}.items():
        spec = config.synthetic[name]
        assert (spec.n_samples, spec.recipe.shape) == (100, (256, 256, 64))
        assert spec.recipe.voxel_size.min == spec.recipe.voxel_size.max == size
    for name in ("meta-qsm", "mesa-research", "mesa-clinical"):
        network = config.trained_networks[name]
        assert (network.optimiser, network.learning_rate, network.decay_steps) == ("rmsprop", 1e-4, 200)
        assert (network.batch_size, network.validation_fraction, network.start) == (4, 0.1, None)
    assert config.trained_networks["meta-qsm"].kernel_penalty == 0.01
    assert config.methods["tkd"].options == {"threshold": 0.2}
    assert config.methods["medi"].options["fidelity"] == 1000
    for name in ("research", "clinical"):
        spec = config.acquisitions[name]
        assert (len(spec.subjects), spec.scale) == (5, (1.0, 1.0, 1.0))
        assert SMALL.config.acquisitions[name].scale == spec.scale
