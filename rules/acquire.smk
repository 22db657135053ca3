# Acquisitions: simulated scans as BIDS.


rule describe_acquisitions:
    output:
        RAW_DESCRIPTION,
    log:
        RESULTS / "logs/describe_acquisitions/{scans}.log",
    localrule: True
    conda:
        "../envs/qsmbench.yaml"
    resources:
        **asks("describe_acquisitions"),
    params:
        spec=acquisition_spec,
        folder=lambda wildcards: RAW.format(scans=wildcards.scans),
    shell:
        "qsmbench acquire --part dataset --name {wildcards.scans} --spec {params.spec:q} --out-dir {params.folder:q}"
        " > {log:q} 2>&1"


rule acquire:
    input:
        # Nothing is read of it: shards, for which training waits, then come before scans.
        rules.source.output if CONFIG.networks else [],
    output:
        raw=directory(RAW_SUBJECT),
        truth=directory(TRUTH_SUBJECT),
    log:
        RESULTS / "logs/acquire/{scans}/{subject}.log",
    benchmark:
        RESULTS / "benchmarks/acquire/{scans}/{subject}.tsv"
    conda:
        "../envs/qsmbench.yaml"
    resources:
        **asks("acquire"),
    params:
        spec=subject_spec,
        seed=CONFIG.seed,
        folder=lambda wildcards: RAW.format(scans=wildcards.scans),
    shell:
        "qsmbench acquire --part subjects --name {wildcards.scans} --spec {params.spec:q} --seed {params.seed}"
        " --subject {wildcards.subject} --out-dir {params.folder:q} > {log:q} 2>&1"
