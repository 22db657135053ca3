# Step 5: scores, one tidy table.
rule make_labels:
    input:
        rules.source.output,
    output:
        labels=directory(RESULTS / "synthetic/{set}.labels.zarr"),
        names=RESULTS / "synthetic/{set}.labels.json",
    log:
        RESULTS / "logs/make_labels/{set}.log",
    benchmark:
        RESULTS / "benchmarks/make_labels/{set}.tsv"
    conda:
        "../envs/qsmbench.yaml"
    resources:
        **asks("make_labels"),
    params:
        spec=set_spec,
        seed=CONFIG.seed,
        source_dir=RESULTS / "source",
    shell:
        "qsmbench make-labels --source-dir {params.source_dir:q} --name {wildcards.set} --spec {params.spec:q}"
        " --seed {params.seed} --out {output.labels:q} --names {output.names:q} > {log:q} 2>&1"


rule evaluate:
    input:
        set=lambda wildcards: set_files(wildcards.set),
        hashes=lambda wildcards: expand(
            HASHES, set=wildcards.set, shard=shards(wildcards.set)
        ),
        chi=MAPS,
        status=rules.reconstruct.output.status,
        labels=rules.make_labels.output.labels,
        label_names=rules.make_labels.output.names,
    output:
        RESULTS / "scores/{set}/{run}.parquet",
    log:
        RESULTS / "logs/evaluate/{set}/{run}.log",
    benchmark:
        RESULTS / "benchmarks/evaluate/{set}/{run}.tsv"
    conda:
        "../envs/qsmbench.yaml"
    resources:
        **asks("evaluate"),
    params:
        store=store_of,
        metrics=lambda wildcards: list(CONFIG.evaluation.metrics),
    shell:
        "qsmbench evaluate --set {wildcards.set} --run {wildcards.run} --store {params.store:q}"
        " --reconstruction {input.chi:q} --status {input.status:q} --hashes {input.hashes:q}"
        " --labels {input.labels:q} --label-names {input.label_names:q} --metrics {params.metrics:q} --out {output:q} > {log:q} 2>&1"


rule collect_scores:
    input:
        expand(rules.evaluate.output, set=TEST_SETS, run=CONFIG.methods),
        expand(rules.evaluate_subjects.output, scans=SIMULATED, run=CONFIG.methods),
    output:
        RESULTS / "scores.parquet",
    log:
        RESULTS / "logs/collect_scores.log",
    conda:
        "../envs/qsmbench.yaml"
    resources:
        **asks("collect_scores"),
    shell:
        "qsmbench collect-scores {input:q} --out {output:q} > {log:q} 2>&1"
