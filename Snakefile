# The study's table of contents: data → trained denoisers → maps and features → notebooks → exhibits.
#
#   snakemake --cores 4                                            the `default` profile
#   snakemake --cores 2 smoke | real | paper                       another profile (config/<profile>.yaml)
#   snakemake --cores 2 figures/default/radar_table2_detection.csv one exhibit
#   snakemake --cores 2 real --config 'seeds=[0]'                  a parameter changed
#
# One environment serves the whole study (make study, or environment.yml), so the rules name none of their own: the
# one thing that `snakemake --lint` asks for. On a machine with a GPU, `--resources gpu=1` runs one job at a time on it.
import json
import shlex
import sys
from pathlib import Path

from radarlib.chapters import chapter_seeds, chapter_sets
from radarlib.config import load_settings, typed
from radarlib.errors import UserError
from radarlib.layout import data_root, study_sets
from radarlib.methods import METHODS, MODELS, dirty, method, model_settings, seeds_of
from radarlib.workflow import code_files, notebook_digest, notebook_modules


ROOT = Path(workflow.basedir)
# The jobs' `python` is the one that runs Snakemake, whichever comes first in PATH.
shell.prefix(f'PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"; ')
# With a limit on jobs per second Snakemake 9 looks for jobs anew every second, once for each job that has ended: on two
# cores that takes a tenth of them in the end. Without one it looks when a job ends.
if workflow.scheduling_settings:
    workflow.scheduling_settings.max_jobs_per_timespan = None
OVERRIDES = typed({key: value for key, value in config.items() if key != "profile"})
TABLE, FIGURE = ("csv", "md", "tex"), ("pdf", "png", "csv")
CHART = (*FIGURE, "column.pdf")  # at the width of one column of a page as well

# notebook → its exhibits and their kind
EXHIBITS = {
    "01_data": {"radar_table1_datasets": TABLE},
    "02_diffusion": {
        "radar_fig2_chain": FIGURE,
        "radar_fig3_noise_prediction": FIGURE,
        "radar_fig5_unet": FIGURE,
    },
    "03_radar": {
        "radar_fig1_overview": FIGURE,
        "radar_fig4_noise_distribution": FIGURE,
        "radar_fig6_periodic_maps": FIGURE,
        "radar_fig7_stochastic_maps": FIGURE,
    },
    "04_detection": {"radar_table2_detection": TABLE, "radar_pixel_level": TABLE},
    "06_decision": {
        "radar_fig8_contamination": CHART,
        "radar_classifiers": (*CHART, "measured.json"),
        "radar_conformal": CHART,
    },
    "07_ablation": {"radar_ablation": CHART},
    "08_cost": {"radar_cost": (*CHART, "measured.json")},
    "09_noise": {
        "noise_fig1_chains": FIGURE,
        "noise_table1_image_auroc": TABLE,
        "noise_table2_pixel": TABLE,
        "noise_table3_steps": TABLE,
        "noise_table4_filter": TABLE,
        "noise_fig2_samples": FIGURE,
        "noise_skipping": TABLE,
        "noise_radar_maps": FIGURE,
        "noise_choice": TABLE,
        "noise_surfaces": CHART,
    },
    "10_unclean_data": {
        "rddpm_table1_domain": TABLE,
        "rddpm_table2_contaminated": TABLE,
        "rddpm_table3_delta": TABLE,
        "rddpm_fig1_reconstructions": FIGURE,
        "rddpm_fig4_delta": CHART,
        "rddpm_fig5_contamination": CHART,
        "unclean_radar": CHART,
        "unclean_trimmed": TABLE,
        "unclean_practice": CHART,
    },
    "11_d3ad": {
        "d3ad_table1_image_pro": TABLE,
        "d3ad_table5_dynamic": TABLE,
        "d3ad_table6_ablation": TABLE,
        "d3ad_table9_speed": (*TABLE, "measured.json"),
        "d3ad_fig5_bins": FIGURE,
        "d3ad_fig6_masks": FIGURE,
        "d3ad_fig10_noising_scaling": FIGURE,
        "d3ad_fig13_omega": CHART,
        "d3ad_feature_maps": FIGURE,
    },
    "12_ran": {
        "ran_table_steps_spaces": TABLE,
        "ran_fig_reconstructions": FIGURE,
        "ran_fig_gradient": FIGURE,
    },
    "00_claims": {"claims": (*TABLE, "measured.json")},
}
PRINTED = {  # notebook → the papers' values that stand beside ours
    "01_data": ["data/paper/radar_table1.csv"],
    "04_detection": ["data/paper/radar_table2.csv"],
    "09_noise": [f"data/paper/noise_table{k}.csv" for k in (1, 2, 3, 4)],
    "11_d3ad": [f"data/paper/d3ad_table{k}.csv" for k in (1, 2, 5, 6, 7, 9)],
    "10_unclean_data": [f"data/paper/rddpm_table{k}.csv" for k in (1, 2, 3)],
    "00_claims": sorted(str(file.relative_to(ROOT)) for file in (ROOT / "data/paper").glob("*.csv")),
}
# notebook → the methods whose artefacts it reads, and whether it reads trained denoisers
METHODS_READ = {
    "03_radar": ["radar", "raw", "untrained"],
    "04_detection": list(METHODS),
    "06_decision": ["radar", "ddpm", "anoddpm", "diffusionad"],
    "09_noise": ["radar", "radar-simplex", "radar-mixture"],
    "11_d3ad": ["radar", "radar-features"],
}
NETWORK = ("diffusion", "noise", "unet", "loss", "training")  # settings that a denoiser depends on
MODELS_READ = {"02_diffusion", "03_radar"}


wildcard_constraints:
    profile=r"[^/]+",
    set=r"[^/]+",
    seed=r"\d+",
    method=rf"({'|'.join(METHODS)})(@({'|'.join(MODELS)}))?",
    model="|".join(MODELS),
    notebook="|".join(EXHIBITS),


def settings(profile):
    try:
        return load_settings(ROOT / "config" / f"{profile}.yaml", OVERRIDES)
    except UserError as error:
        sys.exit(f"radarlib: {error}")  # one line, where an exception would come with a traceback


def sets(profile):
    try:
        return study_sets(settings(profile), ROOT)
    except UserError as error:
        sys.exit(f"radarlib: {error}")


def data_settings(values):
    """Of the training, the data depend on the size of a patch alone."""
    return json.dumps({"data": values["data"], "training": {"patch": values["training"]["patch"]}})


def code(*modules, without=()):
    return code_files(modules, ROOT, without)


def threads_of(wildcards):
    return settings(wildcards.profile)["compute"]["threads"]


def image_files(wildcards):
    """Files of a data set in MVTec AD layout; a simulated one has none."""
    folder = data_root(ROOT) / wildcards.set
    if wildcards.set in settings(wildcards.profile)["data"]["counts"]:
        return []
    return sorted(str(p) for part in ("train", "test", "ground_truth") for p in (folder / part).rglob("*.*"))


def methods_read(notebook, profile):
    dirt = settings(profile)["evidence"]["dirt"] if notebook == "06_decision" else []
    return METHODS_READ.get(notebook, []) + [f"radar@{dirty(share)}" for share in dirt]


def chapter(profile, name, file):
    """A file of every set and seed of a chapter."""
    values = settings(profile)
    try:
        chosen = chapter_sets(values, name, ROOT)
    except UserError as error:
        sys.exit(f"radarlib: {error}")
    return [f"results/{profile}/{s}/seed{k}/{name}/{file}" for s in chosen for k in chapter_seeds(values, name)]


def notebook_inputs(wildcards):
    """Artefacts that a notebook reads."""
    profile, notebook = wildcards.profile, wildcards.notebook
    base, seeds = f"results/{profile}", settings(profile)["seeds"]
    files = [f"{base}/{s}/images.npz" for s in sets(profile)]
    if notebook in MODELS_READ:
        files += [f"{base}/{s}/seed{k}/models/gaussian/model.safetensors" for s in sets(profile) for k in seeds]
    files += [
        f"{base}/{s}/seed{k}/{m}/features.csv"
        for s in sets(profile)
        for m in methods_read(notebook, profile)
        for k in seeds_of(m, settings(profile))
    ]
    if notebook == "07_ablation":
        files += [f"{base}/{s}/seed{seeds[0]}/ablation.csv" for s in sets(profile)]
    if notebook == "09_noise":
        files += chapter(profile, "noise_study", "scores.csv")
    if notebook == "11_d3ad":
        files += chapter(profile, "d3ad", "scores.csv")
    if notebook == "12_ran":
        files += chapter(profile, "ran", "scores.csv")
    if notebook == "10_unclean_data":
        files += chapter(profile, "robust", "features.csv")
    if notebook == "08_cost":
        files.append(f"{base}/cost.json")
    if notebook == "00_claims":  # the ledger reads the other notebooks' exhibits
        files += [
            f"figures/{profile}/{name}.{suffix}"
            for other, kinds in EXHIBITS.items()
            if other != notebook
            for name, formats in kinds.items()
            for suffix in formats
            if suffix in ("csv", "measured.json")
        ]
    return files


def exhibits(profile):
    """Everything that a profile leaves behind: executed notebooks and exhibits."""
    files = [f"results/{profile}/gallery.html"]
    files += [f"results/{profile}/notebooks/{notebook}.html" for notebook in EXHIBITS]
    for kinds in EXHIBITS.values():
        for name, formats in kinds.items():
            files += [f"figures/{profile}/{name}.{suffix}" for suffix in (*formats, "provenance.json")]
    return files


PROFILE = config.get("profile", "default")


rule study:
    default_target: True
    input:
        exhibits(PROFILE),


for chosen in ("smoke", "real", "paper"):

    rule:
        name: chosen
        input:
            lambda _, chosen=chosen: exhibits(chosen),


rule data:
    message: "data: {wildcards.set} ({wildcards.profile})"
    input:
        images=image_files,
        code=code("datasets"),
    output:
        images="results/{profile}/{set}/images.npz",
        index="results/{profile}/{set}/images.csv",
    log:
        "results/{profile}/{set}/logs/data.log",
    params:
        settings=lambda wildcards: data_settings(settings(wildcards.profile)),
        root=str(data_root(ROOT)),
    shell:
        "python -m radarlib prepare {wildcards.set} --threads 1 --root {params.root:q} --out {output.images}"
        " --settings {params.settings:q} 2>&1 | tee {log}"


def train_settings(wildcards):
    chosen = model_settings(settings(wildcards.profile), wildcards.model)
    return json.dumps({name: chosen[name] for name in (*NETWORK, "compute")})


rule train:
    message: "train: {wildcards.set}, {wildcards.model}, seed {wildcards.seed} ({wildcards.profile})"
    input:
        data="results/{profile}/{set}/images.npz",
        code=code("train"),
    output:
        weights="results/{profile}/{set}/seed{seed}/models/{model}/model.safetensors",
        meta="results/{profile}/{set}/seed{seed}/models/{model}/model.json",
        loss="results/{profile}/{set}/seed{seed}/models/{model}/loss.csv",
    log:
        "results/{profile}/{set}/logs/train-{model}-seed{seed}.log",
    params:
        settings=train_settings,
        out=lambda wildcards, output: str(Path(output.weights).parent),
    priority: 2  # the longest jobs first, or the last of an odd number would run beside an idle core
    threads: threads_of
    resources:
        gpu=1,
    shell:
        "python -m radarlib train {input.data} --threads {threads} --seed {wildcards.seed} --out {params.out}"
        " --label '{wildcards.set} seed {wildcards.seed}: training {wildcards.model}' --settings {params.settings:q} 2>&1 | tee {log}"


def score_inputs(wildcards):
    base = f"results/{wildcards.profile}/{wildcards.set}"
    entry = method(wildcards.method)
    model = f"{base}/seed{wildcards.seed}/models/{entry.model}/model.safetensors"
    return {
        "data": f"{base}/images.npz",
        "model": model if entry.trained else [],
        # Without the list of methods, or a new one would rescore all: `function` below is what a job takes from it.
        "code": code("score", entry.module, without=["methods"]),
    }


def score_settings(wildcards):
    """What a method depends on: the network's settings unless it has none, and its own section."""
    entry = method(wildcards.method)
    chosen = settings(wildcards.profile)
    if entry.trained:
        chosen = model_settings(chosen, entry.model)
    network = NETWORK if entry.trained or entry.model == "untrained" else ()
    return json.dumps({name: chosen[name] for name in (*network, *entry.sections, "data", "compute")})


rule score:
    message: "score: {wildcards.set} by {wildcards.method}, seed {wildcards.seed} ({wildcards.profile})"
    input:
        unpack(score_inputs),
    output:
        features="results/{profile}/{set}/seed{seed}/{method}/features.csv",
        maps="results/{profile}/{set}/seed{seed}/{method}/maps.npz",
    log:
        "results/{profile}/{set}/logs/{method}-seed{seed}.log",
    params:
        settings=score_settings,
        function=lambda wildcards: method(wildcards.method).function,
        out=lambda wildcards, output: str(Path(output.features).parent),
        model=lambda wildcards, input: f"--model {Path(str(input.model)).parent}" if input.model else "",
    threads: threads_of
    resources:
        gpu=1,
    shell:
        "python -m radarlib score {input.data} --method {wildcards.method} {params.model} --threads {threads}"
        " --seed {wildcards.seed} --out {params.out}"
        " --label '{wildcards.set} seed {wildcards.seed}: {wildcards.method}' --settings {params.settings:q} 2>&1 | tee {log}"


def ablation_settings(values):
    chosen = {name: values[name] for name in ("radar", "data", "compute")}
    return json.dumps({**chosen, "evidence": {"ablation_images": values["evidence"]["ablation_images"]}})


def chapter_settings(values, name, sections):
    """What the job of a chapter depends on: its own section, without what says where and how often it runs, and others."""
    own = {key: value for key, value in values[name].items() if key not in ("sets", "runs")}
    return json.dumps({**{key: values[key] for key in (*sections, "data", "compute")}, name: own})


ROBUST = (*NETWORK, "radar", "reconstruction", "diffusionad", "bui_apley", "caltanissetta", "lowrank", "features")


rule ablate:
    message: "ablation: {wildcards.set}, seed {wildcards.seed} ({wildcards.profile})"
    input:
        data="results/{profile}/{set}/images.npz",
        models=[
            f"results/{{profile}}/{{set}}/seed{{seed}}/models/{m}/model.safetensors"
            for m in ("gaussian", "patch_small", "patch_medium")
        ],
        code=code("ablation", without=["methods"]),
    output:
        "results/{profile}/{set}/seed{seed}/ablation.csv",
    priority: 1  # the longest job that scores
    log:
        "results/{profile}/{set}/logs/ablation-seed{seed}.log",
    params:
        settings=lambda wildcards: ablation_settings(settings(wildcards.profile)),
        models=lambda wildcards, input: " ".join(str(Path(file).parent) for file in input.models),
    threads: threads_of
    resources:
        gpu=1,
    shell:
        "python -m radarlib ablate {input.data} --model {params.models} --threads {threads} --seed {wildcards.seed}"
        " --out {output} --label '{wildcards.set} seed {wildcards.seed}: ablation' --settings {params.settings:q} 2>&1 | tee {log}"


# The first seed's job does more than those of further seeds, and so comes first, or a core would idle in the end.
for name, pattern, order in (("robust", "0", 3), ("robust_again", r"[1-9]\d*", 2)):

    rule:
        name: name
        message: "unclean training data: {wildcards.set}, seed {wildcards.seed} ({wildcards.profile})"
        input:
            data="results/{profile}/{set}/images.npz",
            code=code("robust", "bui_apley", "caltanissetta", "lowrank", without=["methods"]),
        output:
            expand("results/{{profile}}/{{set}}/seed{{seed}}/robust/{file}", file=("features.csv", "maps.npz", "roles.csv", "trimmed.csv")),
        wildcard_constraints:
            seed=pattern,
        priority: order
        log:
            "results/{profile}/{set}/logs/robust-seed{seed}.log",
        params:
            settings=lambda wildcards: chapter_settings(settings(wildcards.profile), "robust", ROBUST),
            leave_out=lambda wildcards: "--leave-out" if settings(wildcards.profile)["robust"]["sets"] == "all" else "",
            only=lambda wildcards: "" if int(wildcards.seed) == settings(wildcards.profile)["seeds"][0] else "--only-curves",
            out=lambda wildcards, output: str(Path(output[0]).parent),
        threads: threads_of
        resources:
            gpu=1,
        shell:
            "python -m radarlib robust {input.data} {params.only} {params.leave_out} --threads {threads} --seed {wildcards.seed} --out {params.out}"
            " --label '{wildcards.set} seed {wildcards.seed}' --settings {params.settings:q} 2>&1 | tee {log}"


rule noise_study:
    message: "three kinds of noise: {wildcards.set}, seed {wildcards.seed} ({wildcards.profile})"
    input:
        data="results/{profile}/{set}/images.npz",
        code=code("noise_study"),
    output:
        expand("results/{{profile}}/{{set}}/seed{{seed}}/noise_study/{file}", file=("scores.csv", "skipped.csv", "maps.npz", "chains.npz")),
    priority: 2  # it trains
    log:
        "results/{profile}/{set}/logs/noise_study-seed{seed}.log",
    params:
        settings=lambda wildcards: chapter_settings(settings(wildcards.profile), "noise_study", (*NETWORK, "reconstruction")),
        out=lambda wildcards, output: str(Path(output[0]).parent),
    threads: threads_of
    resources:
        gpu=1,
    shell:
        "python -m radarlib noise_study {input.data} --threads {threads} --seed {wildcards.seed} --out {params.out}"
        " --label '{wildcards.set} seed {wildcards.seed}' --settings {params.settings:q} 2>&1 | tee {log}"


rule d3ad:
    message: "D3AD and methods on features: {wildcards.set}, seed {wildcards.seed} ({wildcards.profile})"
    input:
        data="results/{profile}/{set}/images.npz",
        code=code("d3ad_study"),
    output:
        expand(
            "results/{{profile}}/{{set}}/seed{{seed}}/d3ad/{file}",
            file=("scores.csv", "maps.npz", "pictures.npz", "bins.csv", "thresholds.csv", "timing.json"),
        ),
    priority: 2  # it trains
    log:
        "results/{profile}/{set}/logs/d3ad-seed{seed}.log",
    params:
        settings=lambda wildcards: chapter_settings(settings(wildcards.profile), "d3ad", (*NETWORK, "features", "feature_step")),
        out=lambda wildcards, output: str(Path(output[0]).parent),
    threads: threads_of
    resources:
        gpu=1,
    shell:
        "python -m radarlib d3ad {input.data} --threads {threads} --seed {wildcards.seed} --out {params.out}"
        " --label '{wildcards.set} seed {wildcards.seed}' --settings {params.settings:q} 2>&1 | tee {log}"


rule ran:
    message: "RAN: {wildcards.set}, seed {wildcards.seed} ({wildcards.profile})"
    input:
        data="results/{profile}/{set}/images.npz",
        model="results/{profile}/{set}/seed{seed}/models/gaussian/model.safetensors",
        code=code("ran_study"),
    output:
        expand(
            "results/{{profile}}/{{set}}/seed{{seed}}/ran/{file}",
            file=("scores.csv", "maps.npz", "estimates.npz", "gradient.npz"),
        ),
    log:
        "results/{profile}/{set}/logs/ran-seed{seed}.log",
    params:
        settings=lambda wildcards: chapter_settings(settings(wildcards.profile), "ran", ("reconstruction", "features")),
        out=lambda wildcards, output: str(Path(output[0]).parent),
        model=lambda wildcards, input: str(Path(input.model).parent),
    threads: threads_of
    resources:
        gpu=1,
    shell:
        "python -m radarlib ran {input.data} --model {params.model} --threads {threads} --seed {wildcards.seed} --out {params.out}"
        " --label '{wildcards.set} seed {wildcards.seed}' --settings {params.settings:q} 2>&1 | tee {log}"


rule cost:
    message: "cost: every method in one run ({wildcards.profile})"
    input:
        data=lambda wildcards: f"results/{wildcards.profile}/{sets(wildcards.profile)[0]}/images.npz",
        models=lambda wildcards: [
            "results/{}/{}/seed{}/models/{}/model.safetensors".format(
                wildcards.profile, sets(wildcards.profile)[0], settings(wildcards.profile)["seeds"][0], model
            )
            for model in sorted({entry.model for entry in METHODS.values() if entry.trained})
        ],
        code=code("cost", *{entry.module for entry in METHODS.values()}),
    output:
        "results/{profile}/cost.json",
    priority: 1  # two notebooks wait for it
    log:
        "results/{profile}/logs/cost.log",
    params:
        settings=lambda wildcards: json.dumps(settings(wildcards.profile)),
        models=lambda wildcards, input: " ".join(str(Path(file).parent) for file in input.models),
    # It uses one thread and asks for all, so that nothing else runs while it measures; a smoke test's times mean nothing.
    threads: lambda wildcards: 1 if settings(wildcards.profile)["watermark"] else workflow.cores
    resources:
        gpu=1,
    shell:
        "python -m radarlib cost {input.data} --model {params.models} --threads 1 --out {output}"
        " --settings {params.settings:q} 2>&1 | tee {log}"


# One rule per notebook, since each leaves exhibits of its own.
for notebook, kinds in EXHIBITS.items():

    rule:
        name: f"notebook_{notebook}"
        message: f"notebook: {notebook} ({{wildcards.profile}})"
        input:
            lambda wildcards, notebook=notebook: notebook_inputs(
                type("W", (), {"profile": wildcards.profile, "notebook": notebook})
            ),
            PRINTED.get(notebook, []),
            "radarlib/study.mplstyle",
            code=code(*notebook_modules(ROOT / "notebooks" / f"{notebook}.ipynb")),
            # Opening and saving a notebook is no reason to run it again: `source` below says when its cells changed.
            notebook=ancient(f"notebooks/{notebook}.ipynb"),
        output:
            report(
                [f"figures/{{profile}}/{name}.{'png' if 'png' in formats else 'csv'}" for name, formats in kinds.items()],
                category="Exhibits",
                subcategory=notebook,
                caption=f"workflow/report/{notebook}.rst",
                labels={"profile": "{profile}"},
            ),
            [
                f"figures/{{profile}}/{name}.{suffix}"
                for name, formats in kinds.items()
                for suffix in (*formats, "provenance.json")
                if suffix != ("png" if "png" in formats else "csv")
            ],
            html=report(
                f"results/{{profile}}/notebooks/{notebook}.html",
                category="Notebooks",
                caption=f"workflow/report/{notebook}.rst",
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
            gpu=int(notebook in MODELS_READ),
        shell:
            "python -m radarlib notebook {input.notebook} {log.notebook} {output.html} --threads {threads}"
            " -p profile {wildcards.profile} -p overrides {params.overrides:q}"


rule gallery:
    message: "gallery ({wildcards.profile})"
    input:
        lambda wildcards: [
            f"figures/{wildcards.profile}/{name}.{suffix}"
            for kinds in EXHIBITS.values()
            for name, formats in kinds.items()
            for suffix in ("png" if "png" in formats else "md", "provenance.json")
        ],
        code=code("gallery"),
    output:
        report("results/{profile}/gallery.html", category="Gallery", caption="workflow/report/gallery.rst"),
    log:
        "results/{profile}/logs/gallery.log",
    params:
        names=" ".join(name for kinds in EXHIBITS.values() for name in kinds),
    shell:
        "python -m radarlib gallery figures/{wildcards.profile} {params.names} --out {output} 2>&1 | tee {log}"
