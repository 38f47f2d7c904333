# What the rules share, and what they ask: the profiles' settings, the data sets, the files that a module depends on.
import json
import os
import shlex
from functools import cache
from hashlib import sha256

from radarlib.config import typed
from radarlib.errors import UserError
from radarlib.files import sha256_bytes, sha256_file
from radarlib.inspection import MAPS
from radarlib.layout import data_root, listing
from radarlib.sources import source_files
from study.methods import MODELS, WHOLE, dirty, method, model_settings, seeds_of
from study.plan import BESIDE, LENGTHS, LONG, LONG_REAL, NETWORK, notebook_digest, notebook_modules, picked, profile_settings, study_sets

# The jobs' `python` is the one that runs Snakemake, whichever comes first in PATH; it finds `study` beside the notebooks.
PYTHON = Path(sys.executable).parent
SEARCHED = [*map(str, PACKAGES.values()), os.environ.get("PYTHONPATH")]
shell.prefix(
    f"set -euo pipefail; export PATH={shlex.quote(str(PYTHON))}:\"$PATH\" PYTHONPATH={shlex.quote(os.pathsep.join(filter(None, SEARCHED)))}; "
)
# With a limit on jobs per second Snakemake 9 looks for jobs anew every second, once for each job that has ended: on two
# cores that takes a tenth of them in the end. Without one it looks when a job ends.
if workflow.scheduling_settings:
    workflow.scheduling_settings.max_jobs_per_timespan = None
# What a run that was killed has left half written is made anew by the same command.
if workflow.dag_settings:
    workflow.dag_settings.force_incomplete = True


def free_dead_locks():
    """Snakemake's locks outlive a run that was killed, and would have to be removed by hand. The system frees a lock on
    an open file with its process: who gets that one runs alone, and what else is locked is of the dead.

    Returns the open file, to be kept as long as this run lasts; None where another runs, or where there are no locks.
    """
    try:
        import fcntl

        place = Path(".snakemake")
        place.mkdir(exist_ok=True)
        alive = (place / "alive").open("w")
        fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, OSError):
        return None
    for lock in place.glob("locks/*"):
        lock.unlink(missing_ok=True)
    return alive


ALIVE = free_dead_locks()
PROFILE = config.get("profile", "default")
DETECTION = {"model": None, "images": None, "out": "found", "shard": 2000, "maps": "anomalous"}  # of `detect`, below
OVERRIDES = typed({key: value for key, value in config.items() if key not in ("profile", *DETECTION)})
PASSED = ("study.methods", "study.plan")  # what a job takes from these it is passed: a new method reruns no other
JOBS = list(dict.fromkeys(job for entry in NOTEBOOKS.values() for job in entry.jobs))
SET, RUN = "results/{profile}/{set}", "results/{profile}/{set}/seed{seed}"


wildcard_constraints:
    profile=r"[^/]+",
    set=r"[^/]+",
    seed=r"\d+",
    method=rf"({'|'.join(METHODS)})(@({'|'.join(MODELS)}))?",
    model="|".join(MODELS),
    notebook="|".join(NOTEBOOKS),


def told(ask, *arguments):
    """What `ask` says; a mistake of the user's in one line, where an exception would come with a traceback."""
    try:
        return ask(*arguments)
    except UserError as error:
        sys.exit(f"radarlib: {error}")


@cache
def settings(profile):
    return told(profile_settings, ROOT, profile, OVERRIDES)


def sets(profile):
    return told(study_sets, settings(profile), ROOT)


def sections(chosen, *names):
    return json.dumps(picked(chosen, *names))


def code(*modules, without=()):
    """The files that modules depend on: Snakemake does not look into imports, and would miss their edits."""
    return [str(file.relative_to(ROOT)) for file in source_files(modules, PACKAGES, without)]


def threads_of(wildcards):
    return settings(wildcards.profile)["compute"]["threads"]


def on_gpu(wildcards):
    """GPUs that a job asks for: none where the settings say that there is none, as on a cluster without."""
    return int(settings(getattr(wildcards, "profile", PROFILE))["compute"]["device"] != "cpu")


def folder_of(wildcards, output):
    return str(Path(output[0]).parent)


def model_files(*models):
    return [f"{RUN}/models/{model}/model.safetensors" for model in models]


def given(wildcards, input):
    """The folders of the trained models that a rule's job is given."""
    files = [input.models] if isinstance(input.models, str) else input.models
    return ["--model", *(str(Path(file).parent) for file in files)] if files else []


# --- data, train ---


def image_files(wildcards):
    """Files of a data set; a simulated one has none."""
    if wildcards.set in settings(wildcards.profile)["data"]["counts"]:
        return []
    entries = told(listing, data_root(ROOT), wildcards.set).entries
    return sorted(str(file) for entry in entries for file in (entry.path, entry.mask) if file)


def data_place():
    """The folder of the data sets; within the repository by its name alone, so that a copy elsewhere has nothing to do."""
    place = data_root(ROOT)
    return str(place.relative_to(ROOT.resolve()) if place.is_relative_to(ROOT.resolve()) else place)


def data_settings(wildcards):
    """Of the training, the data depend on the size of a patch alone."""
    return sections(settings(wildcards.profile), "data", "training.patch")


def train_side(wildcards):
    """A network of whole images sees them all at one size."""
    return f"--side {settings(wildcards.profile)['whole']['side']}" if wildcards.model in WHOLE else ""


def train_settings(wildcards):
    return sections(told(model_settings, settings(wildcards.profile), wildcards.model), *NETWORK, "compute")


# --- score, cost ---


def score_models(wildcards):
    entry = method(wildcards.method)
    return model_files(entry.model) if entry.trained else []


def score_code(wildcards):
    return code("study.radar.score", method(wildcards.method).module, without=PASSED)


def score_settings(wildcards):
    """What a method depends on: the network's settings unless it has none, and its own sections."""
    entry, chosen = method(wildcards.method), settings(wildcards.profile)
    if entry.trained:
        chosen = model_settings(chosen, entry.model)
    network = NETWORK if entry.trained or entry.model == "untrained" else ()
    return sections(chosen, *network, *entry.sections, "data", "compute")


def cost_run(profile):
    """The set and the seed with which methods are timed."""
    return {"profile": profile, "set": sets(profile)[0], "seed": settings(profile)["seeds"][0]}


# --- notebooks ---


def exhibit_files(profile, chosen=NOTEBOOKS, suffixes=None):
    """Files of the exhibits of notebooks: of all formats, or of those among `suffixes`."""
    return [
        f"figures/{profile}/{name}.{suffix}"
        for notebook in chosen
        for name, formats in NOTEBOOKS[notebook].leaves.items()
        for suffix in (*formats, "provenance.json")
        if suffixes is None or suffix in suffixes
    ]


def exhibits(profile, chosen=NOTEBOOKS):
    """What a profile leaves behind: executed notebooks and exhibits, and of all notebooks the gallery."""
    pages = [f"results/{profile}/notebooks/{notebook}.html" for notebook in chosen]
    gallery = [f"results/{profile}/gallery.html"] if chosen is NOTEBOOKS else []
    return [*gallery, *pages, *exhibit_files(profile, chosen)]


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
    for job in entry.jobs:
        chosen = told(job.sets, values, ROOT)
        files += [f"{base}/{s}/seed{k}/{job.path(job.leaves[0])}" for s in chosen for k in job.seeds(values)]
    if entry.cost:
        files.append(f"{base}/cost.json")
    if entry.ledger:
        others = [other for other in NOTEBOOKS if other != notebook]
        files += exhibit_files(profile, others, ("csv", TIMED, DRAWS))
        files += ["data/wobble.csv", *sorted(str(file.relative_to(ROOT)) for file in (ROOT / "data/paper").glob("*.csv"))]
    return files


def beside(profile):
    """A digest of runs that the ledger reads where they are there, and does not ask for: other lengths of the training,
    real sets beside simulated ones, and what is followed for hours.
    """
    runs = [name + ending for name in (profile, BESIDE.get(profile)) if name for ending in ("", *LENGTHS)]
    others = [run for run in dict.fromkeys([LONG, *runs]) if run != profile]
    files = [file for run in others for file in sorted(ROOT.glob(f"figures/{run}/*.[cj]s*"))]
    return sha256_bytes(b"".join(file.read_bytes() for file in files)) if files else ""


def shown(formats):
    """The file by which an exhibit is shown."""
    return "png" if "png" in formats else "csv"


# --- detect ---


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
    table = Path(FOUND, "shards.csv")
    for name in named(table) if table.is_file() else ():
        if not Path(FOUND, "shards", f"{name}.csv").is_file():  # somebody has removed the list
            digest.update(name.encode())
    return digest.hexdigest()


def named(table):
    """Names of the shards in the table that `cut` leaves."""
    return [line.split(",")[0] for line in Path(table).read_text().split()[1:]]


def shards(wildcards):
    """Names of the shards, once the images have been cut into them; before that, whether all is there."""
    for key in DETECTION:
        of_detection(key)
    settings(PROFILE)
    fitted(wildcards)
    return named(checkpoints.cut.get().output[0])
