# Step 3: networks, each trained on its set.


rule train:
    input:
        lambda wildcards: set_files(training_set(wildcards)),
    output:
        weights=WEIGHTS,
        record=RECORD,
    log:
        RESULTS / "logs/train/{network}.log",
    benchmark:
        RESULTS / "benchmarks/train/{network}.tsv"
    # The longest job, on which others wait: it starts as soon as it can.
    priority: 50
    conda:
        "../envs/qsmbench.yaml"
    threads: lambda wildcards: CONFIG.networks[wildcards.network].threads
    resources:
        mem_mb=16000,
        runtime=1440,
    params:
        spec=network_spec,
        store=lambda wildcards: STORE.format(set=training_set(wildcards)),
    # The number of threads is the configuration's, not what --cores leaves: it is part of what determines the numbers.
    shell:
        "qsmbench train --store {params.store:q} --spec {params.spec:q}"
        " --weights {output.weights:q} --record {output.record:q} > {log:q} 2>&1"
