# Data sets, read or simulated, and the denoisers that are trained on them.


rule data:
    message: "data: {wildcards.set} ({wildcards.profile})"
    input:
        images=image_files,
        code=code("radarlib.datasets"),
    output:
        images=f"{SET}/images.npz",
        index=f"{SET}/images.csv",
    log:
        f"{SET}/logs/data.log",
    params:
        settings=data_settings,
        root=data_place(),
    shell:
        "python -m study data {wildcards.set:q} --threads 1 --root {params.root:q} --out {output.images:q}"
        " --settings {params.settings:q} 2>&1 | tee {log:q}"


rule train:
    message: "train: {wildcards.set}, {wildcards.model}, seed {wildcards.seed} ({wildcards.profile})"
    input:
        data=f"{SET}/images.npz",
        code=code("radarlib.train"),
    output:
        weights=f"{RUN}/models/{{model}}/model.safetensors",
        meta=f"{RUN}/models/{{model}}/model.json",
        loss=f"{RUN}/models/{{model}}/loss.csv",
    log:
        f"{SET}/logs/train-{{model}}-seed{{seed}}.log",
    params:
        settings=train_settings,
        out=folder_of,
        side=train_side,
    priority: 2  # the longest jobs first, or the last of an odd number would run beside an idle core
    threads: threads_of
    resources:
        gpu=on_gpu,
    shell:
        "python -m study train {input.data:q} --threads {threads} --seed {wildcards.seed} --out {params.out:q} {params.side}"
        " --label {wildcards.set:q}' seed {wildcards.seed}: training {wildcards.model}' --settings {params.settings:q}"
        " 2>&1 | tee {log:q}"
