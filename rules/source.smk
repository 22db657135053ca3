# The heads that everything is made from.
rule source:
    input:
        files_of(RUN.config.source),
    output:
        source_files(),
    log:
        LAYOUT.log("source"),
    benchmark:
        LAYOUT.benchmark("source")
    # Before simulated scans: shards, for which training waits, come before them.
    priority: 60
    conda:
        "../envs/qsmbench.yaml"
    resources:
        **asks("source"),
    params:
        **given("source"),
    shell:
        "qsmbench step source {params.config:q} > {log:q} 2>&1"
