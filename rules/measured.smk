# Measured local fields from elsewhere: checked and kept, with their references.


rule keep_measured:
    input:
        lambda wildcards: RUN.sets[wildcards.set].originals(wildcards.subject),
    output:
        directory(LAYOUT.measured_subject("{set}", "{subject}")),
    log:
        LAYOUT.log("keep_measured", "{set}", "{subject}"),
    conda:
        "../envs/qsmbench.yaml"
    resources:
        **asks("keep_measured"),
    params:
        **given("keep_measured"),
    shell:
        "qsmbench step keep-measured {params.config:q} --set {wildcards.set} --subject {wildcards.subject} > {log:q} 2>&1"
