# Step 4: every method on every test set, one job each; a subject's failure is recorded, not fatal.


rule reconstruct:
    input:
        set=lambda wildcards: set_files(wildcards.set),
        weights=run_weights,
        tuned=run_tuning,
    output:
        chi=directory(MAPS),
        status=MAPS.replace(".zarr", ".json"),
        timings=RESULTS / "timings/{set}/{run}.csv",
    log:
        RESULTS / "logs/reconstruct/{set}/{run}.log",
    benchmark:
        RESULTS / "benchmarks/reconstruct/{set}/{run}.tsv"
    conda:
        "../envs/qsmbench.yaml"
    resources:
        **asks("reconstruct"),
    params:
        arguments=run_arguments,
        weights=weights_arguments,
        tuned=tuned_arguments,
        store=store_of,
    shell:
        "qsmbench reconstruct-set {params.arguments:q} {params.tuned:q} {params.weights:q} --store {params.store:q}"
        " --out {output.chi:q} --status {output.status:q} --timings {output.timings:q} > {log:q} 2>&1"
