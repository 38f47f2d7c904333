# Notebooks, the exhibits that they leave, and the page and the PDF that show them all.


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
            beside=lambda wildcards, entry=entry: beside(wildcards.profile) if entry.ledger else "",
        threads: threads_of
        resources:
            gpu=lambda wildcards, entry=entry: on_gpu(wildcards) if entry.models else 0,
        shell:
            "python -m study notebook {input.notebook} {log.notebook} {output.html} --threads {threads}"
            " -p profile {wildcards.profile} -p overrides {params.overrides:q}"


NAMES = " ".join(name for entry in NOTEBOOKS.values() for name in entry.leaves)  # of all exhibits, in their order


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
        names=NAMES,
    shell:
        "python -m study gallery figures/{wildcards.profile} {params.names} --out {output} 2>&1 | tee {log}"


rule pdf:
    message: "all exhibits for print ({wildcards.profile})"
    input:
        lambda wildcards: exhibit_files(wildcards.profile, NOTEBOOKS, ("pdf", "column.pdf", "tex", "provenance.json")),
        code=code("study.paper"),
    output:
        "results/{profile}/exhibits.pdf",
    log:
        "results/{profile}/logs/pdf.log",
    params:
        names=NAMES,
    shell:
        "python -m study pdf figures/{wildcards.profile} {params.names} --out {output} 2>&1 | tee {log}"


rule paper_pdf:
    input:
        f"results/{PROFILE}/exhibits.pdf",
