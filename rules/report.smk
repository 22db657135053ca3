# Step 6: tables, figures, one page.
rule report:
    input:
        scores=rules.collect_scores.output,
        maps=expand(MAPS, set=TEST_SETS, run=CONFIG.methods),
        records=expand(RECORD, network=CONFIG.networks),
        chimaps=expand(CHIMAPS, scans=CONFIG.acquisitions, run=CONFIG.methods),
        fields=expand(rules.evaluate_fields.output, scans=SIMULATED),
    output:
        page=report(RESULTS / "report/index.html", category="Report"),
        display=RESULTS / "report/display.json",
        tables=expand(
            RESULTS / "report/tables/{set}.{kind}",
            set=TEST_SETS + SIMULATED,
            kind=["csv", "md", "tex"],
        ),
        all=RESULTS / "report/tables/all.csv",
    log:
        RESULTS / "logs/report.log",
    benchmark:
        RESULTS / "benchmarks/report.tsv"
    conda:
        "../envs/qsmbench.yaml"
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        config=CONFIG.model_dump_json(),
        out_dir=lambda wildcards, output: Path(output.page).parent,
    shell:
        "qsmbench report --config {params.config:q} --scores {input.scores:q} --out-dir {params.out_dir:q}"
        " > {log:q} 2>&1"
