# Acquisitions: simulated scans as BIDS.


rule describe_acquisitions:
    output:
        LAYOUT.raw_description("{set}"),
    log:
        LAYOUT.log("describe_acquisitions", "{set}"),
    localrule: True
    conda:
        "../envs/qsmbench.yaml"
    resources:
        **asks("describe_acquisitions"),
    params:
        **given("describe_acquisitions"),
    shell:
        "qsmbench step describe-acquisitions {params.config:q} --set {wildcards.set} > {log:q} 2>&1"


rule acquire:
    input:
        lambda wildcards: files_of(RUN.config.acquisitions[wildcards.set].source),
    output:
        raw=directory(LAYOUT.raw_subject("{set}", "{subject}")),
        truth=directory(LAYOUT.truth_subject("{set}", "{subject}")),
    log:
        LAYOUT.log("acquire", "{set}", "{subject}"),
    benchmark:
        LAYOUT.benchmark("acquire", "{set}", "{subject}")
    conda:
        "../envs/qsmbench.yaml"
    resources:
        **asks("acquire"),
    params:
        **given("acquire"),
    shell:
        "qsmbench step acquire {params.config:q} --set {wildcards.set} --subject {wildcards.subject} > {log:q} 2>&1"
