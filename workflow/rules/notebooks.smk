# Notebooks, the exhibits that they leave, and the page that shows them all.


def exhibit_files(profile, chosen=NOTEBOOKS, suffixes=None):
    """Files of the exhibits of notebooks: of all formats, or of those among `suffixes`."""
    return [
        f"figures/{profile}/{name}.{suffix}"
        for notebook in chosen
        for name, formats in NOTEBOOKS[notebook].leaves.items()
        for suffix in (*formats, "provenance.json")
        if suffixes is None or suffix in suffixes
    ]


def exhibits(profile):
    """Everything that a profile leaves behind: executed notebooks and exhibits."""
    pages = [f"results/{profile}/notebooks/{notebook}.html" for notebook in NOTEBOOKS]
    return [f"results/{profile}/gallery.html", *pages, *exhibit_files(profile)]


def notebook_inputs(profile, notebook):
    """Artefacts that a notebook reads."""
    entry, values, base = NOTEBOOKS[notebook], settings(profile), f"results/{profile}"
    files = [f"{base}/{s}/images.npz" for s in sets(profile)]
    files += [
        file.format(profile=profile, set=s, seed=k)
        for s in sets(profile)
        for k in values["seeds"]
        for file in model_files(*entry.models)
    ]
    dirt = [f"{entry.dirty}@{dirty(share)}" for share in values["evidence"]["dirt"]] if entry.dirty else []
    files += [
        f"{base}/{s}/seed{k}/{m}/features.csv"
        for s in sets(profile)
        for m in (*entry.methods, *dirt)
        for k in seeds_of(m, values)
    ]
    if job := entry.job:
        chosen = told(job.sets, values, ROOT)
        files += [f"{base}/{s}/seed{k}/{job.path(job.leaves[0])}" for s in chosen for k in job.seeds(values)]
    if entry.cost:
        files.append(f"{base}/cost.json")
    if entry.ledger:
        others = [other for other in NOTEBOOKS if other != notebook]
        files += exhibit_files(profile, others, ("csv", TIMED))
        files += sorted(str(file.relative_to(ROOT)) for file in (ROOT / "data/paper").glob("*.csv"))
    return files


def shown(formats):
    """The file by which an exhibit is shown."""
    return "png" if "png" in formats else "csv"


# One rule per notebook, since each leaves exhibits of its own.
for notebook, entry in NOTEBOOKS.items():
    pictures = [f"figures/{{profile}}/{name}.{shown(formats)}" for name, formats in entry.leaves.items()]

    rule:
        name: f"notebook_{notebook}"
        message: f"notebook: {notebook} ({{wildcards.profile}})"
        input:
            lambda wildcards, notebook=notebook: notebook_inputs(wildcards.profile, notebook),
            [f"data/paper/{name}.csv" for name in entry.printed],
            "notebooks/study/study.mplstyle",
            code=code(*notebook_modules(ROOT / "notebooks" / f"{notebook}.ipynb", PACKAGES)),
            # Opening and saving a notebook is no reason to run it again: `source` below says when its cells changed.
            notebook=ancient(f"notebooks/{notebook}.ipynb"),
        output:
            report(
                pictures,
                category="Exhibits",
                subcategory=notebook,
                caption=f"../report/{notebook}.rst",
                labels={"profile": "{profile}"},
            ),
            [file for file in exhibit_files("{profile}", [notebook]) if file not in pictures],
            html=report(
                f"results/{{profile}}/notebooks/{notebook}.html",
                category="Notebooks",
                caption=f"../report/{notebook}.rst",
                labels={"notebook": notebook, "profile": "{profile}"},
            ),
        log:
            notebook=f"results/{{profile}}/notebooks/{notebook}.ipynb",
        params:
            source=notebook_digest(ROOT / "notebooks" / f"{notebook}.ipynb"),
            settings=lambda wildcards: json.dumps(settings(wildcards.profile), sort_keys=True),
            overrides=json.dumps(OVERRIDES),
        threads: threads_of
        resources:
            gpu=int(bool(entry.models)),
        shell:
            "python -m study notebook {input.notebook} {log.notebook} {output.html} --threads {threads}"
            " -p profile {wildcards.profile} -p overrides {params.overrides:q}"


rule gallery:
    message: "gallery ({wildcards.profile})"
    input:
        lambda wildcards: exhibit_files(wildcards.profile, NOTEBOOKS, ("png", "md", "provenance.json")),
        code=code("study.gallery"),
    output:
        report("results/{profile}/gallery.html", category="Gallery", caption="../report/gallery.rst"),
    log:
        "results/{profile}/logs/gallery.log",
    params:
        names=" ".join(name for entry in NOTEBOOKS.values() for name in entry.leaves),
    shell:
        "python -m study gallery figures/{wildcards.profile} {params.names} --out {output} 2>&1 | tee {log}"
