# Step 3: networks, each trained on its set, or given.


rule train:
    input:
        lambda wildcards: set_files(training_set(wildcards)),
    output:
        weights=TRAINED_WEIGHTS,
        record=RECORD,
    log:
        RESULTS / "logs/train/{network}.log",
    benchmark:
        RESULTS / "benchmarks/train/{network}.tsv"
    # The longest job, on which others wait: it starts as soon as it can.
    priority: 50
    conda:
        "../envs/qsmbench.yaml"
    threads: network_threads
    resources:
        **asks("train"),
    params:
        spec=network_spec,
        store=lambda wildcards: STORE.format(set=training_set(wildcards)),
        launcher=rank_launcher,
        # Times of day are in them: beside the logs, not among the results.
        curves=str(RESULTS / "logs/tensorboard/{network}"),
    # The number of threads is the configuration's, not what --cores leaves: it is part of what determines the numbers.
    # exec: SIGTERM, which SLURM sends at the time limit, reaches what saves a checkpoint, and no shell ends before it.
    shell:
        "exec {params.launcher} qsmbench train --store {params.store:q} --spec {params.spec:q}"
        " --weights {output.weights:q} --record {output.record:q} --curves {params.curves:q} > {log:q} 2>&1"


# Beside what was made with them, so that a run's folder holds all that an audit needs.
rule give_weights:
    input:
        given_weights,
    output:
        GIVEN_WEIGHTS,
    log:
        RESULTS / "logs/give_weights/{network}.log",
    localrule: True
    conda:
        "../envs/qsmbench.yaml"
    resources:
        **asks("give_weights"),
    shell:
        "qsmbench give-weights {input:q} --out {output:q} > {log:q} 2>&1"


# `snakemake networks` trains the networks alone.
rule networks:
    input:
        expand(WEIGHTS, network=CONFIG.networks),
