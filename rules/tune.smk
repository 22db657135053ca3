# Between steps 3 and 4, for methods that ask for it: parameters chosen on a set that no table is made of.


rule tune_point:
    input:
        set=lambda wildcards: set_files(CONFIG.methods[wildcards.run].tuning.set),
        weights=run_weights,
    output:
        RESULTS / "tuning/{run}/{point}.json",
    log:
        RESULTS / "logs/tune_point/{run}/{point}.log",
    benchmark:
        RESULTS / "benchmarks/tune_point/{run}/{point}.tsv"
    conda:
        "../envs/qsmbench.yaml"
    resources:
        **asks("tune_point"),
    params:
        arguments=point_arguments,
        weights=weights_arguments,
        metric=lambda wildcards: CONFIG.methods[wildcards.run].tuning.metric,
        store=lambda wildcards: STORE.format(
            set=CONFIG.methods[wildcards.run].tuning.set
        ),
    shell:
        "qsmbench tune-point {params.arguments:q} {params.weights:q} --store {params.store:q}"
        " --metric {params.metric} --out {output:q} > {log:q} 2>&1"


rule choose:
    input:
        lambda wildcards: expand(
            RESULTS / "tuning/{{run}}/{point}.json",
            point=range(len(tuning_points(wildcards.run))),
        ),
    output:
        chosen=TUNED,
        table=RESULTS / "tuning/{run}.csv",
    log:
        RESULTS / "logs/choose/{run}.log",
    localrule: True
    conda:
        "../envs/qsmbench.yaml"
    resources:
        **asks("choose"),
    params:
        tuned_on=lambda wildcards: CONFIG.methods[wildcards.run].tuning.set,
        fixed=lambda wildcards: json.dumps(CONFIG.methods[wildcards.run].options),
    shell:
        "qsmbench choose {input:q} --tuned-on {params.tuned_on} --fixed {params.fixed:q} --out {output.chosen:q}"
        " --table {output.table:q} > {log:q} 2>&1"
