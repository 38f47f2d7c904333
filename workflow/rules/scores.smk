# Maps and features of a set by each method of the detection table, and what each method costs.


rule score:
    message: "score: {wildcards.set} by {wildcards.method}, seed {wildcards.seed} ({wildcards.profile})"
    input:
        data=f"{SET}/images.npz",
        models=score_models,
        code=score_code,
    output:
        features=f"{RUN}/{{method}}/features.csv",
        maps=f"{RUN}/{{method}}/maps.npz",
        timing=f"{RUN}/{{method}}/timing.json",
    log:
        f"{SET}/logs/{{method}}-seed{{seed}}.log",
    params:
        settings=score_settings,
        function=lambda wildcards: method(wildcards.method).function,
        out=folder_of,
        models=given,
    threads: threads_of
    resources:
        gpu=on_gpu,
    shell:
        "python -m study score {input.data:q} --method {wildcards.method} {params.models:q} --threads {threads}"
        " --seed {wildcards.seed} --out {params.out:q} --label {wildcards.set:q}' seed {wildcards.seed}: {wildcards.method}'"
        " --settings {params.settings:q} 2>&1 | tee {log:q}"


rule cost:
    message: "cost: every method in one run ({wildcards.profile})"
    input:
        data=lambda wildcards: f"{SET}/images.npz".format(**cost_run(wildcards.profile)),
        models=lambda wildcards: [
            file.format(**cost_run(wildcards.profile))
            for file in model_files(*sorted({entry.model for entry in METHODS.values() if entry.trained}))
        ],
        code=code("study.radar.cost", *{entry.module for entry in METHODS.values()}),
    output:
        "results/{profile}/cost.json",
    priority: 1  # two notebooks wait for it
    log:
        "results/{profile}/logs/cost.log",
    params:
        settings=lambda wildcards: json.dumps(settings(wildcards.profile)),
        models=given,
    # It uses one thread and asks for all, so that nothing else runs while it measures; a smoke test's times mean nothing.
    threads: lambda wildcards: 1 if settings(wildcards.profile)["watermark"] else workflow.cores or 1
    resources:
        gpu=on_gpu,
    shell:
        "python -m study cost {input.data:q} {params.models:q} --threads 1 --out {output:q}"
        " --settings {params.settings:q} 2>&1 | tee {log:q}"
