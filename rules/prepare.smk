# From the echoes to the local field, and how good it is where that is known.


rule prepare:
    input:
        lambda wildcards: RUN.sets[wildcards.set].echoes(wildcards.subject),
    output:
        directory(LAYOUT.prepared_subject("{set}", "{subject}")),
    log:
        LAYOUT.log("prepare", "{set}", "{subject}"),
    benchmark:
        LAYOUT.benchmark("prepare", "{set}", "{subject}")
    conda:
        "../envs/qsmbench.yaml"
    resources:
        **asks("prepare"),
    params:
        **given("prepare"),
    shell:
        "qsmbench step prepare {params.config:q} --set {wildcards.set} --subject {wildcards.subject} > {log:q} 2>&1"


rule evaluate_fields:
    input:
        scans=lambda wildcards: set_inputs(wildcards.set),
        truth=lambda wildcards: RUN.sets[wildcards.set].truth_inputs(),
    output:
        LAYOUT.field_errors("{set}"),
    log:
        LAYOUT.log("evaluate_fields", "{set}"),
    conda:
        "../envs/qsmbench.yaml"
    resources:
        **asks("evaluate_fields"),
    params:
        **given("evaluate_fields"),
    shell:
        "qsmbench step evaluate-fields {params.config:q} --set {wildcards.set} > {log:q} 2>&1"
