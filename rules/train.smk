# Networks, each trained on its set, or given.


rule train:
    input:
        lambda wildcards: set_inputs(NETWORKS[wildcards.network].train_set),
    output:
        weights=LAYOUT.weights(f"{{network,{any_of(RUN.config.trained_networks)}}}"),
        record=LAYOUT.training_record("{network}"),
    log:
        LAYOUT.log("train", "{network}"),
    benchmark:
        LAYOUT.benchmark("train", "{network}")
    # The longest job, on which others wait: it starts as soon as it can.
    priority: 50
    conda:
        "../envs/qsmbench.yaml"
    # The configuration's, not what --cores leaves: it is part of what determines the numbers.
    threads: network_threads
    resources:
        **asks("train"),
    params:
        **given("train"),
        launcher=rank_launcher,
    # exec: SIGTERM, which SLURM sends at the time limit, reaches what saves a checkpoint, and no shell ends before it.
    shell:
        "exec {params.launcher} qsmbench step train {params.config:q} --network {wildcards.network} > {log:q} 2>&1"


# Beside what was made with them, so that a run's folder holds all that an audit needs.
rule copy_weights:
    input:
        lambda wildcards: resolve(NETWORKS[wildcards.network].weights),
    output:
        LAYOUT.weights(f"{{network,{any_of(RUN.config.given_networks)}}}"),
    log:
        LAYOUT.log("copy_weights", "{network}"),
    localrule: True
    conda:
        "../envs/qsmbench.yaml"
    resources:
        **asks("copy_weights"),
    params:
        **given("copy_weights"),
    shell:
        "qsmbench step copy-weights {params.config:q} --network {wildcards.network} > {log:q} 2>&1"


# `snakemake networks` trains the networks alone.
rule networks:
    input:
        [LAYOUT.weights(name) for name in NETWORKS],
