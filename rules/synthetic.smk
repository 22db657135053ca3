# Synthetic sets in Zarr, one shard a job.


rule create_set:
    input:
        LAYOUT.source_about,
    output:
        LAYOUT.metadata("{set}"),
    log:
        LAYOUT.log("create_set", "{set}"),
    # Seconds, on which shards and so training wait.
    priority: 60
    localrule: True
    conda:
        "../envs/qsmbench.yaml"
    resources:
        **asks("create_set"),
    params:
        **given("create_set"),
    shell:
        "qsmbench step create-set {params.config:q} --set {wildcards.set} > {log:q} 2>&1"


rule make_shard:
    input:
        source=source_files(),
        metadata=metadata_of,
    output:
        files=LAYOUT.shard("{set}", "{shard}"),
        hashes=LAYOUT.shard_hashes("{set}", "{shard}"),
    log:
        LAYOUT.log("make_shard", "{set}", "{shard}"),
    benchmark:
        LAYOUT.benchmark("make_shard", "{set}", "{shard}")
    # Before reconstructions: training, the longest job, waits for shards.
    priority: 40
    conda:
        "../envs/qsmbench.yaml"
    resources:
        **asks("make_shard"),
    params:
        **given("make_shard"),
    shell:
        "qsmbench step make-shard {params.config:q} --set {wildcards.set} --shard {wildcards.shard} > {log:q} 2>&1"


rule make_labels:
    input:
        source_files(),
    output:
        labels=directory(LAYOUT.labels("{set}")),
        names=LAYOUT.label_names("{set}"),
    log:
        LAYOUT.log("make_labels", "{set}"),
    benchmark:
        LAYOUT.benchmark("make_labels", "{set}")
    conda:
        "../envs/qsmbench.yaml"
    resources:
        **asks("make_labels"),
    params:
        **given("make_labels"),
    shell:
        "qsmbench step make-labels {params.config:q} --set {wildcards.set} > {log:q} 2>&1"


rule inspect:
    input:
        lambda wildcards: set_inputs(wildcards.set),
    output:
        LAYOUT.inspection("{set}"),
    log:
        LAYOUT.log("inspect", "{set}"),
    conda:
        "../envs/qsmbench.yaml"
    resources:
        **asks("inspect"),
    params:
        **given("inspect"),
    shell:
        "qsmbench step inspect {params.config:q} --set {wildcards.set} > {log:q} 2>&1"


# `snakemake synthetic` makes the sets alone.
rule synthetic:
    input:
        [set_inputs(name) for name in RUN.config.synthetic],
        [LAYOUT.inspection(name) for name in RUN.config.synthetic],
