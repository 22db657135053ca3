# What is there and what made it, as a Workflow Run RO-Crate; the last rule of a run.
rule crate:
    input:
        # Shards are asked for by name: a missing intermediate file would not be made again while the report stands.
        [set_inputs(name) for name in RUN.config.synthetic],
        LAYOUT.page,
        LAYOUT.method_table if RUN.scored else [],
    output:
        LAYOUT.crate,
        LAYOUT.manifest,
    log:
        LAYOUT.log("crate"),
    conda:
        "../envs/qsmbench.yaml"
    threads: 2
    resources:
        **asks("crate"),
    params:
        **given("crate"),
        results=LAYOUT.root,
        workflow=workflow.basedir,
    shell:
        "qsmbench crate {params.results:q} --workflow {params.workflow:q} --threads {threads} > {log:q} 2>&1"
