# For methods that ask for it: parameters chosen on a set that no table is made of.


rule tune_point:
    input:
        set=lambda wildcards: set_inputs(METHODS[wildcards.run].tuning.set),
        weights=weights_of,
    output:
        LAYOUT.tuning_point("{run}", "{point}"),
    log:
        LAYOUT.log("tune_point", "{run}", "{point}"),
    benchmark:
        LAYOUT.benchmark("tune_point", "{run}", "{point}")
    conda:
        "../envs/qsmbench.yaml"
    resources:
        **asks("tune_point"),
    params:
        **given("tune_point"),
    shell:
        "qsmbench step tune-point {params.config:q} --run {wildcards.run} --point {wildcards.point} > {log:q} 2>&1"


rule select_parameters:
    input:
        lambda wildcards: [
            LAYOUT.tuning_point(wildcards.run, point)
            for point in range(len(METHODS[wildcards.run].tuning.points))
        ],
    output:
        chosen=LAYOUT.tuned("{run}"),
        table=LAYOUT.tuning_table("{run}"),
    log:
        LAYOUT.log("select_parameters", "{run}"),
    localrule: True
    conda:
        "../envs/qsmbench.yaml"
    resources:
        **asks("select_parameters"),
    params:
        **given("select_parameters"),
    shell:
        "qsmbench step select-parameters {params.config:q} --run {wildcards.run} > {log:q} 2>&1"
