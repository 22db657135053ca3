# Tables, figures, one page.
rule report:
    input:
        scores=LAYOUT.all_scores,
        maps=for_each(LAYOUT.maps, RUN.sets),
        records=[LAYOUT.training_record(n) for n in RUN.config.trained_networks],
        fields=[LAYOUT.field_errors(name) for name in RUN.simulated],
        inspections=[LAYOUT.inspection(name) for name in RUN.config.synthetic],
    output:
        page=report(LAYOUT.page, category="Report"),
        display=LAYOUT.display,
        tables=report(
            [
                LAYOUT.tables / f"{name}.{kind}"
                for name in (*RUN.scored, *RUN.config.report.tables)
                for kind in ("csv", "md", "tex")
            ],
            category="Tables",
        ),
        all=LAYOUT.tables / "all.csv",
    log:
        LAYOUT.log("report"),
    benchmark:
        LAYOUT.benchmark("report")
    conda:
        "../envs/qsmbench.yaml"
    resources:
        **asks("report"),
    params:
        **given("report"),
    shell:
        "qsmbench step report {params.config:q} > {log:q} 2>&1"


# Times and memory differ from run to run: beside the report, not among its tables.
rule method_table:
    input:
        scores=LAYOUT.all_scores,
        timings=for_each(LAYOUT.timings, RUN.scored),
        status=for_each(LAYOUT.map_status, RUN.scored),
        tuned=[LAYOUT.tuned(name) for name, run in METHODS.items() if run.tuning],
    output:
        LAYOUT.method_table,
    log:
        LAYOUT.log("method_table"),
    conda:
        "../envs/qsmbench.yaml"
    resources:
        **asks("method_table"),
    params:
        **given("method_table"),
    shell:
        "qsmbench step method-table {params.config:q} > {log:q} 2>&1"
