# The configuration, checked, and the helpers that turn it into paths and arguments.
import json
import os
import sys
from pathlib import Path

from qsmbench.benchmark.costs import Requests
from qsmbench.benchmark.disk import check_disk, disk_plan
from qsmbench.benchmark.site import read_site
from qsmbench.config.load import check_config
from qsmbench.core.errors import InputError
from qsmbench.data.layout import (
    INSPECTION_FILES,
    METADATA_FILES,
    is_described_by,
    shard_files,
    source_files,
)
from qsmbench.networks.shipped import resolve

# Jobs find the `qsmbench` command beside the interpreter that runs Snakemake, whether or not its environment is active.
os.environ.update(
    # Read by envs/*.post-deploy.sh.
    QSMBENCH_ROOT=str(workflow.basedir),
    PATH=os.pathsep.join([str(Path(sys.executable).parent), *os.get_exec_path()]),
)


def refuse(error):
    """End with one clear line a complaint, as the command line does."""
    for line in str(error).splitlines():
        print(f"qsmbench: {line}", file=sys.stderr)
    sys.exit(2)


def failure_line(job):
    """What failed, where its log is, and the log's last line."""
    wildcards = ", ".join(f"{name}={value}" for name, value in job.wildcards.items())
    line = f"qsmbench: failed: rule {job.rule.name}" + f" ({wildcards})" * bool(
        wildcards
    )
    for log in map(Path, job.log):
        said = log.read_text(errors="replace").split("\n") if log.is_file() else []
        last = next((text for text in reversed(said) if text.strip()), "it is empty")
        line += f"; log {log}: {last.strip()}"
    return line


try:
    CONFIG = check_config(config)
    # Methods and options are checked before the first job, in the main process alone: torch takes seconds to load.
    if workflow.is_main_process:
        from qsmbench.benchmark.plan import check_against_registries

        check_against_registries(CONFIG, "config")
    # Read by every executor and used by SLURM's; an absolute path, since jobs start in the folder of the run.
    SITE = read_site(
        Path(
            os.environ.get("QSMBENCH_SITE")
            or Path(workflow.basedir) / "profiles/slurm/site.yaml"
        )
    )
except InputError as error:
    refuse(error)

# `**asks(rule)` among a rule's resources: memory, time, GPUs, partition and account, more at each attempt.
asks = Requests(CONFIG, SITE).resources
IMAGE = os.environ.get("QSMBENCH_CONTAINER")
RESULTS = CONFIG.results
# Every job leaves a record there of what it read, wrote and ran on.
os.environ.update(QSMBENCH_RECORDS=os.path.abspath(RESULTS / "provenance/jobs"))
if workflow.is_main_process:
    print(f"qsmbench: {disk_plan(CONFIG)}", file=sys.stderr)
N_HEADS = len(CONFIG.source.heads) if CONFIG.source.kind == "mixture" else 1
TEST_SETS = [name for name, spec in CONFIG.synthetic.items() if spec.role == "test"]


wildcard_constraints:
    set="[A-Za-z0-9-]+",
    network="[A-Za-z0-9-]+",
    run="[A-Za-z0-9-]+",
    shard=r"\d+",
    point=r"\d+",


def shards(name):
    """Numbers of a set's shards."""
    return range(CONFIG.synthetic[name].n_shards)


def set_spec(wildcards):
    return CONFIG.synthetic[wildcards.set].model_dump_json(exclude_none=True)


def shard_spec(wildcards):
    """What determines a shard: the recipe, and which samples it holds; not how many shards there are."""
    spec = CONFIG.synthetic[wildcards.set]
    first = int(wildcards.shard) * spec.samples_per_shard
    n_samples = min(first + spec.samples_per_shard, spec.n_samples)
    return spec.model_copy(update={"n_samples": n_samples}).model_dump_json(
        exclude_none=True
    )


def metadata_of(wildcards):
    """A set's metadata, which alone makes no shard again: a set that grows gets new metadata and keeps its shards.

    Where the recipe is another it must, since Snakemake asks no job whose input is made again for its own changes.
    """
    spec, files = CONFIG.synthetic[wildcards.set], expand(METADATA, set=wildcards.set)
    recipe = spec.recipe.model_dump(mode="json")
    kept = {"recipe": recipe, "seed": CONFIG.seed, "device": spec.device}
    same = is_described_by(store_of(wildcards), kept, spec.samples_per_shard)
    return ancient(files) if same else files


def any_of(names):
    """A wildcard's pattern: one of these names, or nothing at all where there are none."""
    return "|".join(names) or "(?!)"


# Every path is written once, here or in the rule that makes it.
STORE = f"{RESULTS}/synthetic/{{set}}.zarr"
METADATA = [f"{STORE}/{name}" for name in METADATA_FILES]
SHARD = [f"{STORE}/{name}" for name in shard_files("{shard}")]
HASHES = f"{RESULTS}/synthetic/{{set}}.hashes/{{shard}}.json"
INSPECTION = [f"{RESULTS}/inspect/{{set}}/{name}" for name in INSPECTION_FILES]
WEIGHTS = f"{RESULTS}/networks/{{network}}.pt"
TRAINED_WEIGHTS = f"{RESULTS}/networks/{{network,{any_of(CONFIG.trained_networks)}}}.pt"
GIVEN_WEIGHTS = f"{RESULTS}/networks/{{network,{any_of(CONFIG.given_networks)}}}.pt"
RECORD = f"{RESULTS}/networks/{{network}}.csv"
TUNED = f"{RESULTS}/tuning/{{run}}.json"
MAPS = f"{RESULTS}/reconstructions/{{set}}/{{run}}.zarr"


def set_files(name):
    """Everything that makes a set complete: metadata, and each shard's files and hashes."""
    files = expand(METADATA, set=name)
    return files + expand([*SHARD, HASHES], set=name, shard=shards(name))


def all_shard_files():
    return [path for name in CONFIG.synthetic for path in set_files(name)]


def store_of(wildcards):
    return STORE.format(set=wildcards.set)


def network_spec(wildcards):
    return CONFIG.networks[wildcards.network].model_dump_json()


def network_threads(wildcards):
    """Cores of all ranks together."""
    network = CONFIG.networks[wildcards.network]
    return network.threads * network.devices


def rank_launcher(wildcards):
    """What starts a network's ranks: nothing for one, srun in a SLURM job, torchrun elsewhere."""
    n = CONFIG.networks[wildcards.network].devices
    if n == 1:
        return ""
    return (
        f'$([ -n "${{SLURM_JOB_ID:-}}" ] && echo srun --ntasks={n}'
        f" || echo torchrun --standalone --no-python --nproc-per-node={n})"
    )


def training_set(wildcards):
    return CONFIG.networks[wildcards.network].train_set


def given_weights(wildcards):
    return str(resolve(CONFIG.given_networks[wildcards.network].weights))


def run_weights(wildcards):
    network = CONFIG.methods[wildcards.run].network
    return [] if network is None else expand(WEIGHTS, network=network)


def tuning_points(name):
    return CONFIG.methods[name].tuning.points


def run_tuning(wildcards):
    """What a run's parameters were chosen to be, where they are chosen."""
    tuned = CONFIG.methods[wildcards.run].tuning is not None
    return expand(TUNED, run=wildcards.run) if tuned else []


def method_arguments(name, more=None):
    """The method of a run and its options, with ``more`` over them."""
    run = CONFIG.methods[name]
    options = run.options | (more or {})
    return [run.method or name, "--options", json.dumps(options, sort_keys=True)]


def point_arguments(wildcards):
    point = tuning_points(wildcards.run)[int(wildcards.point)]
    return method_arguments(wildcards.run, point)


def run_arguments(wildcards):
    return method_arguments(wildcards.run)


def weights_arguments(wildcards, input):
    return ["--weights", *input.weights] if input.weights else []


def tuned_arguments(wildcards, input):
    return ["--tuned", *input.tuned] if input.tuned else []
