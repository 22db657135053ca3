# Sets of scans: their names, paths and arguments.
SIMULATED = [n for n, spec in CONFIG.acquisitions.items() if spec.kind == "simulated"]
# Own words for sets and subjects of scans: the sets of samples have other files, and their names must not meet.
NO_NAME = "(?!)"

RAW = f"{RESULTS}/acquisitions/{{scans}}"
TRUTH = f"{RAW}/derivatives/ground-truth"
RAW_SUBJECT = f"{RAW}/sub-{{subject}}"
TRUTH_SUBJECT = f"{TRUTH}/sub-{{subject}}"
RAW_DESCRIPTION = [
    f"{RAW}/{name}"
    for name in (
        "dataset_description.json",
        "README",
        "participants.tsv",
        "participants.json",
        "derivatives/ground-truth/dataset_description.json",
    )
]


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


PREPARED = f"{RESULTS}/prepared/{{scans}}"
PREPARED_SUBJECT = f"{PREPARED}/sub-{{subject}}"
CHIMAPS = f"{RESULTS}/chimaps/{{scans}}/{{run}}"


def echoes(wildcards):
    """What the preparation of a subject reads."""
    if wildcards.scans in SIMULATED:
        return [RAW_SUBJECT, *RAW_DESCRIPTION]
    return [f"{raw_folder(wildcards.scans)}/sub-{wildcards.subject}"]


def prepared(wildcards):
    return expand(
        PREPARED_SUBJECT,
        scans=wildcards.scans,
        subject=subjects_of(wildcards.scans),
    )


def truths(wildcards):
    return expand(
        TRUTH_SUBJECT,
        scans=wildcards.scans,
        subject=subjects_of(wildcards.scans),
    )
