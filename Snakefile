"""qsmbench: source -> synthetic sets -> networks -> reconstructions -> scores -> report.

snakemake --cores 2                                          the default run (config.yaml)
snakemake --cores 2 --configfile configs/paper.yaml          another configuration
snakemake --profile profiles/slurm                           on a cluster (docs/cluster.md)
"""

from snakemake.utils import min_version

min_version("9.27")

# A configuration file of one's own replaces the default one; Snakemake would merge the two, sets and methods included.
if not workflow.overwrite_configfiles:

    configfile: "config.yaml"


include: "rules/common.smk"


# With --sdm apptainer jobs run in this image (envs/qsmbench.def); otherwise it is ignored.
if IMAGE:

    container: IMAGE


# Every other file, in any order: they know each other's files from LAYOUT alone.
for path in sorted(Path(workflow.basedir).glob("rules/*.smk")):
    if path.name != "common.smk":

        include: str(path)


onerror:
    # One line a job that failed for good, after all its attempts, whatever ran it.
    if workflow.is_main_process:
        for job in sorted(workflow.scheduler.failed, key=str):
            print(failure_line(job), file=sys.stderr)
        for line in full_disks(LAYOUT.root, Path.cwd(), temporary_folder()):
            print(f"qsmbench: {line}", file=sys.stderr)


onstart:
    # Here and not above, so that a dry run shows its plan whatever the disk.
    try:
        check_disk(RUN)
    except InputError as error:
        refuse(error)
    write_config()
    # The default of 100 jobs a second: 9.27 looks for jobs once a second for every job that has ended, and took half a
    # core after 80 of them. Another limit, given by the user, stays.
    limit = workflow.scheduling_settings.max_jobs_per_timespan
    if limit is not None and (limit.max_jobs, limit.timespan) == (100, 1):
        workflow.scheduler.job_rate_limiter = None


rule all:
    default_target: True
    input:
        rules.crate.input,
        rules.crate.output,
