# The configuration, checked, and the helpers that turn it into paths and arguments.
import json
import os
import sys
from pathlib import Path

from qsmbench.config.load import check_config
from qsmbench.core.errors import InputError

# Jobs find the `qsmbench` command beside the interpreter that runs Snakemake, whether or not its environment is active.
os.environ["PATH"] = os.pathsep.join(
    [str(Path(sys.executable).parent), os.environ["PATH"]]
)


def refuse(error):
    """End with one clear line a complaint, as the command line does."""
    for line in str(error).splitlines():
        print(f"qsmbench: {line}", file=sys.stderr)
    sys.exit(2)


try:
    CONFIG = check_config(config)
    # Methods and options are checked before the first job, in the main process alone: torch takes seconds to load.
    if workflow.is_main_process:
        from qsmbench.benchmark.plan import check_against_registries

        check_against_registries(CONFIG, "config")
except InputError as error:
    refuse(error)

RESULTS = CONFIG.results
TEST_SETS = [name for name, spec in CONFIG.synthetic.items() if spec.role == "test"]


wildcard_constraints:
    set="[A-Za-z0-9-]+",
    network="[A-Za-z0-9-]+",
    run="[A-Za-z0-9-]+",
    shard=r"\d+",


def shards(name):
    """Numbers of a set's shards."""
    return range(CONFIG.synthetic[name].n_shards)


def set_spec(wildcards):
    return CONFIG.synthetic[wildcards.set].model_dump_json()


def shard_spec(wildcards):
    """What determines a shard: the recipe, and which samples it holds; not how many shards there are."""
    spec = CONFIG.synthetic[wildcards.set]
    first = int(wildcards.shard) * spec.samples_per_shard
    n_samples = min(first + spec.samples_per_shard, spec.n_samples)
    return spec.model_copy(update={"n_samples": n_samples}).model_dump_json()
