# Step 7: what is there and what made it, as a Workflow Run RO-Crate; the last rule of a run.
rule crate:
    input:
        # Shards are asked for by name: a missing intermediate file would not be made again while the report stands.
        all_shard_files(),
        rules.report.output,
        rules.method_table.output if TEST_SETS else [],
    output:
        RESULTS / "ro-crate-metadata.json",
        RESULTS / "manifest-sha256.txt",
    log:
        RESULTS / "logs/crate.log",
    conda:
        "../envs/qsmbench.yaml"
    threads: 2
    resources:
        **asks("crate"),
    params:
        config=CONFIG.model_dump_json(),
        results=RESULTS,
        workflow=str(workflow.basedir),
    shell:
        "qsmbench crate {params.results:q} --config {params.config:q} --workflow {params.workflow:q}"
        " --threads {threads} > {log:q} 2>&1"
