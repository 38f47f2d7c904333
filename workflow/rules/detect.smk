# Images without number: a folder or a list, judged in shards by a model of `radarlib fit`, on all cores or nodes.
#
#   snakemake --cores 8 detect --config model=model images=new out=found
#
# New images that have come meanwhile are judged by the same command, and they alone. A shard that fails is named and
# tried again; an image that cannot be read is named in failures.csv, and stops nothing.
from hashlib import sha256

from radarlib.files import sha256_file
from radarlib.inspection import MAPS

FOUND = str(config.get("out", DETECTION["out"])).rstrip("/")
SHARD = f"{FOUND}/shards/{{shard}}"


def of_detection(key):
    """What `--config` says of a detection."""
    value = config.get(key, DETECTION[key])
    if value is None:
        sys.exit(f"radarlib: detect needs {key}=…, as in: snakemake --cores 8 detect --config model=model images=new")
    if key in ("model", "images", "out") and not isinstance(value, str):
        sys.exit(f"radarlib: {key}={value}: read as a number; write it as a path: {key}=./…")
    if key == "maps" and value not in MAPS:
        sys.exit(f"radarlib: maps={value}: one of {', '.join(MAPS)} is expected")
    return value


def fitted(wildcards):
    """What a model's judgements follow from."""
    file = Path(of_detection("model")) / "detector.json"
    if not file.is_file():
        sys.exit(f"radarlib: {file}: missing; give the folder that `radarlib fit` left as model=…")
    return str(file)


def sought(wildcards):
    """A digest of the images' names, times and sizes, by which new ones and changed ones are noticed."""
    from radarlib.inspection.inputs import inputs, state

    found, digest = told(inputs, [Path(of_detection("images"))]), sha256()
    for path, name in found:
        digest.update(f"{name} {state(path)}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def shards(wildcards):
    """Names of the shards, once the images have been cut into them; before that, whether all is there."""
    for key in DETECTION:
        of_detection(key)
    settings(PROFILE)
    fitted(wildcards)
    lines = Path(checkpoints.cut.get().output[0]).read_text().split()[1:]
    return [line.split(",")[0] for line in lines]


checkpoint cut:
    message: "cutting images into shards"
    output:
        f"{FOUND}/shards.csv",
    params:
        images=lambda wildcards: of_detection("images"),
        size=lambda wildcards: of_detection("shard"),
        sought=sought,
    shell:
        "python -m study cut {params.images:q} --size {params.size} --out {FOUND:q}"


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
        scores=lambda wildcards: [SHARD.format(shard=shard) + "/scores.csv" for shard in shards(wildcards)],
    output:
        f"{FOUND}/scores.csv",
        f"{FOUND}/failures.csv",
        f"{FOUND}/report.html",
    shell:
        "python -m study gather --out {FOUND:q}"
