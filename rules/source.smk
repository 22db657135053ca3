# Step 1: the head that everything is made from.
rule source:
    output:
        [RESULTS / "source" / name for name in source_files(N_HEADS)],
    log:
        RESULTS / "logs/source.log",
    benchmark:
        RESULTS / "benchmarks/source.tsv"
    conda:
        "../envs/qsmbench.yaml"
    resources:
        **asks("source"),
    params:
        spec=CONFIG.source.model_dump_json(),
        out_dir=RESULTS / "source",
    shell:
        "qsmbench source --spec {params.spec:q} --out-dir {params.out_dir:q} > {log:q} 2>&1"
