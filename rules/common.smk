# The configuration, checked, and what rules ask of it: paths (LAYOUT), sets (RUN.sets), resources and arguments.
import json
import os
import subprocess
import sys
from pathlib import Path

from snakemake.utils import update_config

from qsmbench.benchmark.costs import Requests
from qsmbench.benchmark.disk import check_disk, disk_plan
from qsmbench.benchmark.run import Run
from qsmbench.benchmark.site import read_site
from qsmbench.benchmark.steps.registry import STEPS
from qsmbench.config.load import check_config
from qsmbench.core import parent
from qsmbench.core.errors import InputError
from qsmbench.core.yaml_text import read_mapping
from qsmbench.data.claim import claim, give_back
from qsmbench.data.disk import full_disks, temporary_folder
from qsmbench.data.layout import is_described_by
from qsmbench.heads.registry import files_of, heads_of
from qsmbench.networks.shipped import resolve

# Whoever started this Snakemake (`qsmbench run`, another Snakemake) takes it along; its jobs go with it.
parent.end_with_parent(grace=2)
os.environ[parent.VARIABLE] = parent.identity(os.getpid())
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


def as_written():
    """The configuration as its files say it by YAML 1.2, each key once, under what --config says.

    Snakemake reads YAML 1.1, for which `1:30` is 90 and the last of two equal keys counts.
    """
    found = {}
    for path in workflow.configfiles:
        update_config(found, read_mapping(Path(path)))
    update_config(found, dict(workflow.config_settings.config))
    return found


try:
    RUN = Run(check_config(as_written()))
    # Methods and options are checked before the first job, in the main process alone: torch takes seconds to load.
    if workflow.is_main_process:
        from qsmbench.benchmark.registry_checks import check_against_registries

        check_against_registries(RUN.config, "config")
    # Read by every executor and used by SLURM's; an absolute path, since jobs start in the folder of the run.
    SITE = read_site(
        Path(
            os.environ.get("QSMBENCH_SITE")
            or Path(workflow.basedir) / "profiles/slurm/site.yaml"
        )
    )
    # `**asks(rule)` among a rule's resources: memory, time, GPUs, partition and account, more at each attempt.
    asks = Requests(RUN, SITE).resources
except InputError as error:
    refuse(error)

LAYOUT = RUN.layout
METHODS = RUN.config.methods
NETWORKS = RUN.config.networks
IMAGE = os.environ.get("QSMBENCH_CONTAINER")
# Every job leaves a record there of what it read, wrote and ran on.
os.environ.update(QSMBENCH_RECORDS=os.path.abspath(LAYOUT.records))
if workflow.is_main_process:
    print(f"qsmbench: {disk_plan(RUN)}", file=sys.stderr)


def take(execute):
    """Wrap what executes the workflow: the results folder is this run's alone, and a killed run's locks are gone.

    A job writes whole files or none, so that after a kill nothing has to be unlocked or cleaned up by hand.
    """

    def taken(*args, **kwargs):
        plugin = kwargs.get("executor_plugin") or args[0]
        workflow.dag_settings.force_incomplete = True
        if plugin.common_settings.dryrun_exec:
            return execute(*args, **kwargs)
        try:
            before = claim(LAYOUT.root)
        except InputError as error:
            refuse(error)
        if before is not None:
            removed = remove_locks(f"{LAYOUT.root}{os.sep}")
            if removed or before:
                who = before or "a process that did not say which,"
                if left := [] if plugin.common_settings.local_exec else queued():
                    jobs = " ".join(left)
                    text = f"ended before its run, and left jobs in the queue; scancel {jobs}, then start again"
                    refuse(f"{who} {text}")
                text = "ended before its run; going on from what it finished"
                print(f"qsmbench: {who} {text}", file=sys.stderr)
        try:
            return execute(*args, **kwargs)
        finally:
            give_back(LAYOUT.root)

    return taken


def remove_locks(root):
    """Delete Snakemake's locks of files below the results, which nobody else can hold now; say whether any was there."""
    locks = [
        lock
        for lock in Path(".snakemake/locks").glob("*.lock")
        if any(line.startswith(root) for line in lock.read_text().splitlines())
    ]
    for lock in locks:
        lock.unlink(missing_ok=True)
    return bool(locks)


def queued():
    """This user's jobs in SLURM's queue that work in this folder."""
    command = ["squeue", "--me", "--noheader", "--format=%i %Z"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return []
    lines = [line.strip().split(" ", 1) for line in said.stdout.splitlines()]
    return [line[0] for line in lines if len(line) == 2 and Path(line[1]) == Path.cwd()]


if workflow.is_main_process:
    workflow.execute = take(workflow.execute)


def given(rule):
    """`**given(rule)` among a rule's params: the file that its step reads, and what of it the step is told.

    The second makes a job again where that part of the configuration changes, and no other part.
    """
    step = STEPS[rule]
    return {
        "config": LAYOUT.config,
        "told": lambda wildcards: json.dumps(step.told(RUN, **wildcards)),
    }


def write_config():
    """Write the file that all steps read; not where a dry run would, nor where it says the same."""
    text = json.dumps(RUN.resolved, indent=2) + "\n"
    if not LAYOUT.config.is_file() or LAYOUT.config.read_text() != text:
        LAYOUT.config.parent.mkdir(parents=True, exist_ok=True)
        LAYOUT.config.write_text(text)


def any_of(names):
    """A wildcard's pattern: one of these names, or nothing at all where there are none."""
    return "|".join(names) or "(?!)"


wildcard_constraints:
    set=any_of([*RUN.config.synthetic, *RUN.config.acquisitions]),
    run=any_of(METHODS),
    network=any_of(NETWORKS),
    subject="[A-Za-z0-9]+",
    shard=r"\d+",
    point=r"\d+",


def set_inputs(name):
    """What must be there before a set's scans can be opened, of whatever kind it is."""
    return RUN.any_set(name).inputs()


def for_each(path, names):
    """A path of the layout for every pair of the named sets and the methods that are run on them."""
    return [path(*pair) for pair in RUN.pairs(names)]


def source_files():
    """Every file of the heads that everything is made from."""
    return LAYOUT.source_files(len(heads_of(RUN.config.source)))


def weights_of(wildcards):
    """The weights of a method that is a network."""
    return RUN.weights(wildcards.run) or []


def tuned(wildcards):
    """What a method's parameters were chosen to be, where they are chosen."""
    return [] if METHODS[wildcards.run].tuning is None else LAYOUT.tuned(wildcards.run)


def metadata_of(wildcards):
    """A set's metadata, which alone makes no shard again: a set that grows gets new metadata and keeps its shards.

    Where the recipe is another it must, since Snakemake asks no job whose input is made again for its own changes.
    """
    spec, files = RUN.config.synthetic[wildcards.set], LAYOUT.metadata(wildcards.set)
    recipe = spec.recipe.model_dump(mode="json")
    kept = {"recipe": recipe, "seed": RUN.config.seed, "device": spec.device}
    kept |= {"magnitude": spec.with_magnitude}
    same = is_described_by(LAYOUT.store(wildcards.set), kept, spec.samples_per_shard)
    return ancient(files) if same else files


def network_threads(wildcards):
    """Cores of all ranks together."""
    network = NETWORKS[wildcards.network]
    return network.threads * network.devices


def rank_launcher(wildcards):
    """What starts a network's ranks: nothing for one, srun in a SLURM job, torchrun elsewhere."""
    n = NETWORKS[wildcards.network].devices
    if n == 1:
        return ""
    return (
        f'$([ -n "${{SLURM_JOB_ID:-}}" ] && echo srun --ntasks={n}'
        f" || echo torchrun --standalone --no-python --nproc-per-node={n})"
    )
