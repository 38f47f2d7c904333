# What the rules share: the profiles' settings, the data sets, the files that a module depends on.
import json
import os
import shlex

from radarlib.config import load_settings, typed
from radarlib.errors import UserError
from radarlib.layout import data_root
from radarlib.sources import source_files
from study.methods import MODELS, dirty, method, model_settings, seeds_of
from study.plan import NETWORK, notebook_digest, notebook_modules, study_sets

# The jobs' `python` is the one that runs Snakemake, whichever comes first in PATH; it finds `study` beside the notebooks.
PYTHON = Path(sys.executable).parent
SEARCHED = [*map(str, PACKAGES.values()), os.environ.get("PYTHONPATH")]
shell.prefix(
    f"export PATH={shlex.quote(str(PYTHON))}:\"$PATH\" PYTHONPATH={shlex.quote(os.pathsep.join(filter(None, SEARCHED)))}; "
)
# With a limit on jobs per second Snakemake 9 looks for jobs anew every second, once for each job that has ended: on two
# cores that takes a tenth of them in the end. Without one it looks when a job ends.
if workflow.scheduling_settings:
    workflow.scheduling_settings.max_jobs_per_timespan = None

PROFILE = config.get("profile", "default")
OVERRIDES = typed({key: value for key, value in config.items() if key != "profile"})
PASSED = ("study.methods", "study.plan")  # what a job takes from these its rule passes: a new method reruns no other
JOBS = [entry.job for entry in NOTEBOOKS.values() if entry.job]
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


def settings(profile):
    return told(load_settings, ROOT / "config" / f"{profile}.yaml", OVERRIDES)


def sets(profile):
    return told(study_sets, settings(profile), ROOT)


def sections(chosen, *names):
    return json.dumps({name: chosen[name] for name in names})


def code(*modules, without=()):
    """The files that modules depend on: Snakemake does not look into imports, and would miss their edits."""
    return [str(file.relative_to(ROOT)) for file in source_files(modules, PACKAGES, without)]


def threads_of(wildcards):
    return settings(wildcards.profile)["compute"]["threads"]


def folder_of(wildcards, output):
    return str(Path(output[0]).parent)


def model_files(*models):
    return [f"{RUN}/models/{model}/model.safetensors" for model in models]


def given(wildcards, input):
    """The folders of the trained models that a rule's job is given."""
    files = [input.models] if isinstance(input.models, str) else input.models
    return " ".join(["--model", *(str(Path(file).parent) for file in files)]) if files else ""
