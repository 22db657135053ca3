# From the echoes to the local field, then every method on every scan; scores where there is a truth.


rule prepare:
    input:
        echoes,
    output:
        directory(PREPARED_SUBJECT),
    log:
        RESULTS / "logs/prepare/{scans}/{subject}.log",
    benchmark:
        RESULTS / "benchmarks/prepare/{scans}/{subject}.tsv"
    conda:
        "../envs/qsmbench.yaml"
    resources:
        **asks("prepare"),
    params:
        bids=lambda wildcards: raw_folder(wildcards.scans),
        folder=lambda wildcards: PREPARED.format(scans=wildcards.scans),
        settings=lambda wildcards: CONFIG.acquisitions[
            wildcards.scans
        ].preparation.model_dump_json(),
    shell:
        "qsmbench prepare --bids {params.bids:q} --subject {wildcards.subject} --spec {params.settings:q}"
        " --out-dir {params.folder:q} > {log:q} 2>&1"


rule reconstruct_subjects:
    input:
        scans=prepared,
        weights=run_weights,
        tuned=run_tuning,
    output:
        chi=directory(CHIMAPS),
        status=f"{CHIMAPS}.json",
        timings=RESULTS / "timings/scans/{scans}/{run}.csv",
    log:
        RESULTS / "logs/reconstruct_subjects/{scans}/{run}.log",
    benchmark:
        RESULTS / "benchmarks/reconstruct_subjects/{scans}/{run}.tsv"
    conda:
        "../envs/qsmbench.yaml"
    resources:
        **asks("reconstruct_subjects"),
    params:
        arguments=run_arguments,
        weights=weights_arguments,
        tuned=tuned_arguments,
        prepared=lambda wildcards: PREPARED.format(scans=wildcards.scans),
        subjects=lambda wildcards: subjects_of(wildcards.scans),
    shell:
        "qsmbench reconstruct-subjects {params.arguments:q} {params.tuned:q} {params.weights:q}"
        " --prepared {params.prepared:q} --subjects {params.subjects:q} --out {output.chi:q} --status {output.status:q}"
        " --timings {output.timings:q} > {log:q} 2>&1"


rule evaluate_subjects:
    input:
        scans=prepared,
        truth=truths,
        chi=rules.reconstruct_subjects.output.chi,
        status=rules.reconstruct_subjects.output.status,
    output:
        RESULTS / "scores/scans/{scans}/{run}.parquet",
    log:
        RESULTS / "logs/evaluate_subjects/{scans}/{run}.log",
    benchmark:
        RESULTS / "benchmarks/evaluate_subjects/{scans}/{run}.tsv"
    conda:
        "../envs/qsmbench.yaml"
    resources:
        **asks("evaluate_subjects"),
    params:
        raw=lambda wildcards: raw_folder(wildcards.scans),
        prepared=lambda wildcards: PREPARED.format(scans=wildcards.scans),
        subjects=lambda wildcards: subjects_of(wildcards.scans),
        seed=CONFIG.seed,
        metrics=list(CONFIG.evaluation.metrics),
    shell:
        "qsmbench evaluate-subjects --set {wildcards.scans} --run {wildcards.run} --truth {params.raw:q}"
        " --prepared {params.prepared:q} --subjects {params.subjects:q} --maps {input.chi:q}"
        " --status {input.status:q} --metrics {params.metrics:q} --seed {params.seed} --out {output:q}"
        " > {log:q} 2>&1"


rule evaluate_fields:
    input:
        scans=prepared,
        truth=truths,
    output:
        RESULTS / "scores/fields/{scans}.csv",
    log:
        RESULTS / "logs/evaluate_fields/{scans}.log",
    conda:
        "../envs/qsmbench.yaml"
    resources:
        **asks("evaluate_fields"),
    params:
        raw=lambda wildcards: raw_folder(wildcards.scans),
        prepared=lambda wildcards: PREPARED.format(scans=wildcards.scans),
        subjects=lambda wildcards: subjects_of(wildcards.scans),
    shell:
        "qsmbench evaluate-subjects --fields --truth {params.raw:q} --prepared {params.prepared:q}"
        " --subjects {params.subjects:q} --out {output:q} > {log:q} 2>&1"
