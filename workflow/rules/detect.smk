# Images without number: a folder or a list, judged in shards by a model of `radarlib fit`, on all cores or nodes.
#
#   snakemake --cores 8 detect --config model=model images=new out=found
#
# New images that have come meanwhile are judged by the same command, and they alone. A shard that fails is named and
# tried again; an image that cannot be read is named in failures.csv, and stops nothing. A file whose name no table can
# hold is refused before anything starts.
FOUND = str(config.get("out", DETECTION["out"])).rstrip("/")
SHARD = f"{FOUND}/shards/{{shard}}"


checkpoint cut:
    message: "cutting images into shards"
    output:
        f"{FOUND}/shards.csv",
    params:
        images=lambda wildcards: of_detection("images"),
        size=lambda wildcards: of_detection("shard"),
        sought=sought,
        out=folder_of,
    log:
        f"{FOUND}/logs/cut.log",
    shell:
        "python -m study cut {params.images:q} --size {params.size} --out {params.out:q} 2>&1 | tee {log:q}"


rule shard:
    message: "shard {wildcards.shard}"
    input:
        # The lists are made by `cut`, but it leaves those as they are that have not changed.
        images=f"{SHARD}.csv",
        model=fitted,
    output:
        scores=f"{SHARD}/scores.csv",
        failures=f"{SHARD}/failures.csv",
    log:
        f"{FOUND}/logs/{{shard}}.log",
    params:
        model=lambda wildcards: of_detection("model"),
        fingerprint=lambda wildcards: sha256_file(fitted(wildcards)),  # a copied model may be older than its results
        device=lambda wildcards: settings(PROFILE)["compute"]["device"],
        out=folder_of,
        maps=lambda wildcards: of_detection("maps"),
    retries: 2
    threads: 1
    resources:
        gpu=on_gpu,
    shell:
        "python -m study shard {params.model:q} {input.images:q} --threads {threads} --out {params.out:q}"
        " --maps {params.maps} --device {params.device} 2>&1 | tee {log:q}"


rule detect:
    message: "one table of all shards"
    input:
        lambda wildcards: [f"{FOUND}/shards/{shard}/scores.csv" for shard in shards(wildcards)],
    output:
        f"{FOUND}/scores.csv",
        f"{FOUND}/failures.csv",
        f"{FOUND}/report.html",
    log:
        f"{FOUND}/logs/gather.log",
    params:
        out=folder_of,
    shell:
        "python -m study gather --out {params.out:q} 2>&1 | tee {log:q}"
