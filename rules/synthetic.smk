# Step 2: synthetic sets in Zarr, one shard a job.


rule create_set:
    input:
        RESULTS / "source/source.json",
    output:
        METADATA,
    log:
        RESULTS / "logs/create_set/{set}.log",
    # Seconds, on which shards and so training wait.
    priority: 60
    localrule: True
    conda:
        "../envs/qsmbench.yaml"
    resources:
        **asks("create_set"),
    params:
        spec=set_spec,
        seed=CONFIG.seed,
        store=store_of,
        source_dir=RESULTS / "source",
    shell:
        "qsmbench create-set --name {wildcards.set} --spec {params.spec:q} --seed {params.seed}"
        " --source-dir {params.source_dir:q} --store {params.store:q} > {log:q} 2>&1"


rule make_shard:
    input:
        source=rules.source.output,
        metadata=metadata_of,
    output:
        files=SHARD,
        hashes=HASHES,
    log:
        RESULTS / "logs/make_shard/{set}/{shard}.log",
    benchmark:
        RESULTS / "benchmarks/make_shard/{set}/{shard}.tsv"
    # Before reconstructions: training, the longest job, waits for shards.
    priority: 40
    conda:
        "../envs/qsmbench.yaml"
    resources:
        **asks("make_shard"),
    params:
        spec=shard_spec,
        seed=CONFIG.seed,
        store=store_of,
        source_dir=RESULTS / "source",
    shell:
        "qsmbench make-shard --source-dir {params.source_dir:q} --name {wildcards.set} --spec {params.spec:q}"
        " --seed {params.seed} --shard {wildcards.shard} --store {params.store:q} --hashes {output.hashes:q}"
        " > {log:q} 2>&1"


rule inspect:
    input:
        lambda wildcards: set_files(wildcards.set),
    output:
        INSPECTION,
    log:
        RESULTS / "logs/inspect/{set}.log",
    conda:
        "../envs/qsmbench.yaml"
    resources:
        **asks("inspect"),
    params:
        store=store_of,
        out_dir=lambda wildcards, output: Path(output[0]).parent,
    shell:
        "qsmbench inspect {params.store:q} --out-dir {params.out_dir:q} > {log:q} 2>&1"


# `snakemake synthetic` makes the sets alone.
rule synthetic:
    input:
        all_shard_files(),
        expand(INSPECTION, set=CONFIG.synthetic),
