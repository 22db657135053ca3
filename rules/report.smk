# Step 6: tables, figures, one page.
rule report:
    input:
        scores=rules.collect_scores.output,
        maps=expand(MAPS, set=TEST_SETS, run=CONFIG.methods),
        records=expand(RECORD, network=CONFIG.trained_networks),
        chimaps=expand(CHIMAPS, scans=CONFIG.acquisitions, run=CONFIG.methods),
        fields=expand(rules.evaluate_fields.output, scans=SIMULATED),
        inspections=expand(INSPECTION, set=CONFIG.synthetic),
    output:
        page=report(RESULTS / "report/index.html", category="Report"),
        display=RESULTS / "report/display.json",
        tables=report(
            expand(
                RESULTS / "report/tables/{set}.{kind}",
                set=[*TEST_SETS, *SIMULATED, *CONFIG.report.tables],
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
        **asks("report"),
    params:
        config=CONFIG.model_dump_json(),
        results=RESULTS,
        out_dir=lambda wildcards, output: Path(output.page).parent,
    shell:
        "qsmbench report {params.results:q} --config {params.config:q} --out-dir {params.out_dir:q}"
        " > {log:q} 2>&1"


# Times and memory differ from run to run: beside the report, not among its tables.
rule method_table:
    input:
        scores=rules.collect_scores.output,
        timings=expand(
            rules.reconstruct.output.timings, set=TEST_SETS, run=CONFIG.methods
        ),
        status=expand(
            rules.reconstruct.output.status, set=TEST_SETS, run=CONFIG.methods
        ),
        tuned=expand(
            TUNED, run=[name for name, run in CONFIG.methods.items() if run.tuning]
        ),
    output:
        RESULTS / "methods.md",
    log:
        RESULTS / "logs/method_table.log",
    conda:
        "../envs/qsmbench.yaml"
    resources:
        **asks("method_table"),
    params:
        config=CONFIG.model_dump_json(),
        results=RESULTS,
    shell:
        "qsmbench method-table --config {params.config:q} --scores {input.scores:q} --results {params.results:q}"
        " --out {output:q} > {log:q} 2>&1"
