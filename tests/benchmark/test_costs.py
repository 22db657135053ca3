"""Requests and plans follow from the measured rates: the numbers that were measured come out again."""

from pathlib import Path

import pytest
import torch
import yaml
from torch.utils.flop_counter import FlopCounterMode

from qsmbench.benchmark.costs import Requests, cost, read_rates, request, wants_gpu
from qsmbench.benchmark.plan import plan
from qsmbench.benchmark.run import Run
from qsmbench.benchmark.site import Site, read_site
from qsmbench.benchmark.steps.contract import Job
from qsmbench.benchmark.steps.registry import STEPS, jobs
from qsmbench.config.load import check_config, read_config
from qsmbench.core.errors import InputError
from qsmbench.methods.registry import METHODS
from qsmbench.networks.architectures import ARCHITECTURES, architecture

ROOT = Path(__file__).parents[2]
CPU, GPU = Site(), Site(gpu_partition="gpu", gpu_model="a100")
PAPER = read_config(ROOT / "configs/paper.yaml")


FIELD_ALONE = {"first_map": None, "first_map_regularization": ()}


def with_network(**changes):
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    config["networks"]["meta-qsm-tv"] |= changes
    return check_config(config)


@pytest.mark.parametrize(
    ("job", "seconds", "megabytes"),
    [
        (Job("make_shard", ("train", "0"), 250, 128 * 128 * 64 / 1e6), 55, 2300),
        # Ten such samples took 11.8 s in a run of configs/paper-small.yaml.
        (Job("evaluate", ("test", "tkd"), 100, 256 * 256 * 64 / 1e6), 105, 1372),
        (Job("acquire", ("research", "healthy"), 1, 256 * 320 * 64 / 1e6), 92, 5800),
        (Job("prepare", ("own", "1"), 1, 320 * 256 * 64 / 1e6), 25, 1520),
    ],
    ids=lambda value: getattr(value, "rule", None),
)
def test_measured_jobs_come_out_again_within_a_quarter(job, seconds, megabytes):
    found = cost(job, PAPER, CPU)
    assert found.core_hours * 3600 == pytest.approx(seconds, rel=0.25)
    assert found.memory_mb == pytest.approx(megabytes, rel=0.25)


def test_an_evaluation_costs_what_its_metrics_do():
    job = Job("evaluate", ("test", "tkd"), 100, 256 * 256 * 64 / 1e6)
    content = yaml.safe_load((ROOT / "config.yaml").read_text())
    seconds = {}
    for metrics in (["rmse"], ["rmse", "hfen"], ["rmse", "hfen", "data_consistency"]):
        content.setdefault("evaluation", {})["metrics"] = metrics
        seconds[len(metrics)] = 3600 * cost(job, check_config(content), CPU).core_hours
    rates = read_rates().metrics
    assert seconds[2] - seconds[1] == pytest.approx(100 * 256 * 256 * 64 / 1e6 * rates["hfen"])
    assert seconds[3] - seconds[2] == pytest.approx(100 * 256 * 256 * 64 / 1e6 * rates["data_consistency"])


def test_training_costs_what_was_measured():
    """300 steps of four samples of 64x64x32 in a default run of November 2026."""
    config = with_network(channels=8, levels=3, **FIELD_ALONE, patch=None)
    training = Job("train", ("meta-qsm-tv",), 300 * 4, 64 * 64 * 32 / 1e6, network="meta-qsm-tv")
    assert cost(training, config, CPU).core_hours * 3600 == pytest.approx(308, rel=0.15)
    assert cost(training, config, CPU).memory_mb == pytest.approx(896, rel=0.15)


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize(("channels", "levels"), [(4, 3), (6, 2)])
def test_operations_of_the_network_are_counted_right(name, channels, levels):
    kind = architecture(name, {"channels": channels, "levels": levels})
    kind = kind.model_copy(update={"hidden": (4, 2)}) if kind.knows_voxel_size else kind
    module, shape = kind.module().eval(), (16, 16, 8)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(torch.zeros(1, 1, *shape), torch.zeros(1, kind.n_condition))
    # Besides the convolutions there are the weight predictors and the last layer.
    assert counter.get_total_flops() / (16 * 16 * 8) == pytest.approx(kind.flops, rel=0.1)


def test_a_second_attempt_asks_for_twice_and_never_for_more_than_there_is():
    job = next(j for j in jobs(Run(PAPER)) if j.rule == "make_shard")
    first, second, third = (request(job, PAPER, CPU, attempt) for attempt in (1, 2, 3))
    assert (second.memory_mb, second.minutes) == (2 * first.memory_mb, 2 * first.minutes)
    assert (third.memory_mb, third.minutes) == (3 * first.memory_mb, 3 * first.minutes)
    assert first.memory_mb > 1.5 * cost(job, PAPER, CPU).memory_mb
    small = Site(max_memory_mb=first.memory_mb + 1, max_minutes=first.minutes + 1)
    assert request(job, PAPER, small, 9).memory_mb == first.memory_mb + 1
    assert request(job, PAPER, small, 9).minutes == first.minutes + 1


def resolved(config, site, rule, wildcards):
    found = {}
    for name, value in Requests(Run(config), site).resources(rule).items():
        more = {"attempt": 1} if name in ("mem_mb", "runtime") else {}
        found[name] = value(wildcards, **more)
    return {name: value for name, value in found.items() if value is not None}


def test_gpus_are_asked_for_where_the_site_has_them():
    config = with_network()
    on_cpu = resolved(config, CPU, "train", ["meta-qsm-tv"])
    assert set(on_cpu) == {"mem_mb", "runtime"}
    on_gpu = resolved(config, GPU, "train", ["meta-qsm-tv"])
    assert {name: on_gpu[name] for name in ("gpu", "gpu_model", "slurm_partition")} == {
        "gpu": 1,
        "gpu_model": "a100",
        "slurm_partition": "gpu",
    }
    assert resolved(config, GPU, "reconstruct", ["test-fixed", "meta-qsm-tv"])["gpu"] == 1
    assert "gpu" not in resolved(config, GPU, "reconstruct", ["test-fixed", "tkd"])
    charged = Site(account="lab", cpu_partition="long")
    asked = resolved(config, charged, "evaluate", ["test-fixed", "tkd"])
    assert (asked["slurm_account"], asked["slurm_partition"]) == ("lab", "long")


def test_training_on_several_devices_is_started_by_srun_on_the_nodes_it_needs():
    config, alone = with_network(devices=4, threads=3, **FIELD_ALONE), with_network(**FIELD_ALONE)
    two_a_node = GPU.model_copy(update={"gpus_per_node": 2})
    asked = resolved(config, two_a_node, "train", ["meta-qsm-tv"])
    names = ("mpi", "tasks", "gpu", "nodes", "cpus_per_task")
    assert [asked[name] for name in names] == ["srun", 4, 4, 2, 3]
    assert resolved(config, CPU, "train", ["meta-qsm-tv"])["nodes"] == 1
    one, four = (cost(Job("train", ("n",), 10**6, 1.0, network="meta-qsm-tv"), c, GPU) for c in (alone, config))
    assert four.gpu_hours == pytest.approx(one.gpu_hours, rel=0.01)
    assert four.hours == pytest.approx(one.hours / 4, rel=0.01)


def test_maps_of_a_set_that_no_table_is_made_of_are_asked_for_as_the_largest():
    config = read_config(ROOT / "config.yaml")
    largest = Requests(Run(config), CPU).job("reconstruct", ["train", "tkd"])
    assert largest.mvoxels == pytest.approx(128 * 160 * 48 / 1e6)
    assert Requests(Run(config), CPU).job("no_such_rule", []) == Job("no_such_rule")


def test_jobs_want_a_gpu_as_the_registry_says_and_only_where_there_is_one():
    for name, entry in METHODS.items():
        assert wants_gpu(Job("reconstruct", method=name), GPU) is entry.wants_gpu
        assert not wants_gpu(Job("reconstruct", method=name), CPU)
    assert not wants_gpu(Job("reconstruct", method="unheard-of"), GPU)


def test_the_papers_plan_has_hundreds_of_jobs_and_says_what_it_assumed():
    text = plan(Run(PAPER), GPU)
    n_jobs = sum(1 for job in jobs(Run(PAPER)) if not STEPS[job.rule].local)
    assert 500 < n_jobs < 2000
    assert f"\n{n_jobs} jobs of a cluster" in text
    for said in ("core hours", "GPU hours", "disk about", "What bounds the memory", "Assumed:", "TFLOP/s"):
        assert said in text
    assert "no GPUs: networks are trained" in plan(Run(PAPER), CPU)


def test_a_method_nobody_timed_is_named(tmp_path):
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    config["methods"]["new"] = {"method": "new-qsm"}
    assert "not measured, taken for slow: the methods new\n" in plan(Run(check_config(config)), CPU)


def test_every_rate_says_where_it_is_from_and_what_bounds_the_memory():
    for name, step in STEPS.items():
        assert step.rate.source and step.rate.bound, name


def test_a_site_file_is_checked(tmp_path):
    assert read_site(ROOT / "profiles/slurm/site.yaml") == Site()
    path = tmp_path / "site.yaml"
    path.write_text("gpu_partiton: gpu\n")
    with pytest.raises(InputError, match=r"site.yaml: gpu_partiton: Extra inputs"):
        read_site(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_site(tmp_path / "none.yaml")


def test_a_first_map_costs_its_method_once_a_sample():
    """Time and memory of training and of using a network that corrects another method's map."""
    plain, corrected = with_network(**FIELD_ALONE), with_network(first_map="tv", first_map_regularization=())
    rate, spec = read_rates().methods["tv"], plain.synthetic["train"]
    mvoxels = spec.recipe.shape[0] * spec.recipe.shape[1] * spec.recipe.shape[2] / 1e6
    train = next(j for j in jobs(Run(plain)) if j.rule == "train")
    more = (cost(train, corrected, CPU).core_hours - cost(train, plain, CPU).core_hours) * 3600
    assert more == pytest.approx(rate.seconds * mvoxels * spec.n_samples)
    more = cost(train, corrected, CPU).memory_mb - cost(train, plain, CPU).memory_mb
    assert more == pytest.approx(rate.memory_mb * mvoxels + 2 * mvoxels * spec.n_samples), "half precision"
    twice = with_network(first_map="tv", first_map_regularization=(1e-3, 4e-3))
    more = (cost(train, twice, CPU).core_hours - cost(train, plain, CPU).core_hours) * 3600
    assert more == pytest.approx(2 * rate.seconds * mvoxels * spec.n_samples)
    use = next(j for j in jobs(Run(plain)) if j.rule == "reconstruct" and j.network)
    more = (cost(use, corrected, CPU).core_hours - cost(use, plain, CPU).core_hours) * 3600
    assert more == pytest.approx(rate.seconds * use.mvoxels * use.n_volumes)
