# Acquisitions: simulated scans as BIDS, or one's own BIDS folder where it lies.
SIMULATED = [n for n, spec in CONFIG.acquisitions.items() if spec.kind == "simulated"]
# Own words for sets and subjects of scans: the sets of samples have other files, and their names must not meet.
NO_NAME = "(?!)"

RAW = f"{RESULTS}/acquisitions/{{scans}}"
TRUTH = f"{RAW}/derivatives/ground-truth"


wildcard_constraints:
    scans="|".join(CONFIG.acquisitions) or NO_NAME,
    subject="[A-Za-z0-9]+",


def raw_folder(name):
    """The BIDS folder of a set: simulated, or the user's."""
    spec = CONFIG.acquisitions[name]
    return RAW.format(scans=name) if spec.kind == "simulated" else str(spec.folder)


def subjects_of(name):
    """Labels of a set's subjects; of a user's folder those that it holds."""
    spec = CONFIG.acquisitions[name]
    if spec.subjects:
        return list(spec.subjects)
    found = sorted(path.name.removeprefix("sub-") for path in spec.folder.glob("sub-*"))
    if not found:
        refuse(
            f"config: acquisitions.{name}.folder: {spec.folder} holds no sub-* folder; give a BIDS dataset"
        )
    return found


def acquisition_spec(wildcards):
    return CONFIG.acquisitions[wildcards.scans].model_dump_json(
        exclude={"preparation", "label"}
    )


def subject_spec(wildcards):
    """What determines one subject: not which others there are."""
    spec = CONFIG.acquisitions[wildcards.scans]
    return spec.model_copy(update={"subjects": (wildcards.subject,)}).model_dump_json(
        exclude={"preparation", "label"}
    )


rule describe_acquisitions:
    output:
        expand(
            f"{RAW}/{{file}}",
            file=[
                "dataset_description.json",
                "README",
                "participants.tsv",
                "participants.json",
            ],
            allow_missing=True,
        ),
        f"{TRUTH}/dataset_description.json",
    log:
        RESULTS / "logs/describe_acquisitions/{scans}.log",
    conda:
        "../envs/qsmbench.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        spec=acquisition_spec,
        folder=lambda wildcards: RAW.format(scans=wildcards.scans),
    shell:
        "qsmbench acquire --part dataset --name {wildcards.scans} --spec {params.spec:q} --out-dir {params.folder:q}"
        " > {log:q} 2>&1"


rule acquire:
    output:
        raw=directory(f"{RAW}/sub-{{subject}}"),
        truth=directory(f"{TRUTH}/sub-{{subject}}"),
    log:
        RESULTS / "logs/acquire/{scans}/{subject}.log",
    benchmark:
        RESULTS / "benchmarks/acquire/{scans}/{subject}.tsv"
    conda:
        "../envs/qsmbench.yaml"
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        spec=subject_spec,
        seed=CONFIG.seed,
        folder=lambda wildcards: RAW.format(scans=wildcards.scans),
    shell:
        "qsmbench acquire --part subjects --name {wildcards.scans} --spec {params.spec:q} --seed {params.seed}"
        " --subject {wildcards.subject} --out-dir {params.folder:q} > {log:q} 2>&1"
