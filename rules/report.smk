# Step 6: tables, figures, one page.
rule report:
    input:
        scores=rules.collect_scores.output,
        maps=expand(MAPS, set=TEST_SETS, run=CONFIG.methods),
        records=expand(RECORD, network=CONFIG.networks),
    output:
        page=report(RESULTS / "report/index.html", category="Report"),
        display=RESULTS / "report/display.json",
        tables=report(
            expand(
                RESULTS / "report/tables/{set}.{kind}",
                set=[*TEST_SETS, *CONFIG.report.tables],
                kind=["csv", "md", "tex"],
            ),
            category="Tables",
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
        results=RESULTS,
        out_dir=lambda wildcards, output: Path(output.page).parent,
    shell:
        "qsmbench report {params.results:q} --config {params.config:q} --out-dir {params.out_dir:q}"
        " > {log:q} 2>&1"
