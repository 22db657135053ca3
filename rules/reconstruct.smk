# Every method on every set, one job each; a scan's failure is recorded, not fatal.


rule reconstruct:
    input:
        set=lambda wildcards: set_inputs(wildcards.set),
        weights=weights_of,
        tuned=tuned,
    output:
        maps=directory(LAYOUT.maps("{set}", "{run}")),
        status=LAYOUT.map_status("{set}", "{run}"),
        timings=LAYOUT.timings("{set}", "{run}"),
    log:
        LAYOUT.log("reconstruct", "{set}", "{run}"),
    benchmark:
        LAYOUT.benchmark("reconstruct", "{set}", "{run}")
    conda:
        "../envs/qsmbench.yaml"
    resources:
        **asks("reconstruct"),
    params:
        **given("reconstruct"),
    shell:
        "qsmbench step reconstruct {params.config:q} --set {wildcards.set} --run {wildcards.run} > {log:q} 2>&1"
