# Local fields made of other sets' scans: true ones, or by another background removal, once for all inversions.


rule derive_fields:
    input:
        lambda wildcards: RUN.sets[wildcards.set].sources(wildcards.subject),
    output:
        directory(LAYOUT.derived_subject("{set}", "{subject}")),
    log:
        LAYOUT.log("derive_fields", "{set}", "{subject}"),
    benchmark:
        LAYOUT.benchmark("derive_fields", "{set}", "{subject}")
    conda:
        "../envs/qsmbench.yaml"
    resources:
        **asks("derive_fields"),
    params:
        **given("derive_fields"),
    shell:
        "qsmbench step derive-fields {params.config:q} --set {wildcards.set} --subject {wildcards.subject} > {log:q} 2>&1"
