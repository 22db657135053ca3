# Scores of every set that has a truth, one tidy table.


rule evaluate:
    input:
        set=lambda wildcards: set_inputs(wildcards.set),
        truth=lambda wildcards: RUN.sets[wildcards.set].truth_inputs(),
        maps=LAYOUT.maps("{set}", "{run}"),
        status=LAYOUT.map_status("{set}", "{run}"),
    output:
        LAYOUT.scores("{set}", "{run}"),
    log:
        LAYOUT.log("evaluate", "{set}", "{run}"),
    benchmark:
        LAYOUT.benchmark("evaluate", "{set}", "{run}")
    conda:
        "../envs/qsmbench.yaml"
    resources:
        **asks("evaluate"),
    params:
        **given("evaluate"),
    shell:
        "qsmbench step evaluate {params.config:q} --set {wildcards.set} --run {wildcards.run} > {log:q} 2>&1"


rule collect_scores:
    input:
        for_each(LAYOUT.scores, RUN.scored),
    output:
        LAYOUT.all_scores,
    log:
        LAYOUT.log("collect_scores"),
    conda:
        "../envs/qsmbench.yaml"
    resources:
        **asks("collect_scores"),
    params:
        **given("collect_scores"),
    shell:
        "qsmbench step collect-scores {params.config:q} > {log:q} 2>&1"
