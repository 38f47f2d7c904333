"""What runs: on which data sets, with which seeds, and what each chapter's job reads and leaves.

Imports nothing heavy.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from radarlib.config import load_settings, merge
from radarlib.errors import UserError
from radarlib.layout import available_sets, data_root
from radarlib.sources import imported

NETWORK = ("diffusion", "noise", "unet", "loss", "training")
"""Sections of the settings that a denoiser depends on."""
HALF = "-half"
LENGTHS = {HALF: 0.5, "-twice": 2, "-fourfold": 4}
"""Endings of a profile's name: the same with so many times the training. The ledger asks the longest of them whose half
is there, too, and by that half it sees what still moves.
"""
DOUBLINGS = (("-fourfold", "-twice"), ("-twice", ""))
"""Of lengths above the profile's own, the longest first, each with its half."""
LONG = "long"
"""A profile that follows networks for hours; of what nobody else follows the ledger reads its exhibits."""
LONG_REAL = "long-real"
"""The same on real sets, which the ledger does not read."""
BESIDE = {"default": "real"}
"""A profile of simulated sets, and the one of real sets whose exhibits the ledger shows beside its own."""
BORROWED = {"systems": "d3ad"}
"""The folder of a chapter whose job reads another chapter's section, and that section."""
WORKFLOW = "RADARLIB_WORKFLOW"
"""Environment variable by which the workflow tells a notebook that what it reads was made with its settings."""
STEPS = (
    "training.steps", "robust.steps", "noise_study.steps", "d3ad.steps", "d3ad.autoencoder_steps", "feature_step.steps",
    "systems.steps",
)  # fmt: skip
"""Lengths of trainings in the settings."""


@dataclass(frozen=True)
class Job:
    """What the workflow must know of a chapter's job, said once: by the chapter's plan.

    Parameters
    ----------
    name : of its rule.
    about : what it does, for the workflow's messages.
    module : dotted; its function `run(data, models, settings, seed, out, label)` does the work. `data` is the prepared
        set, `models` holds denoisers by name, `settings` what `sections` name, `out` is the folder of what it leaves.
    folder : of what it leaves, in the folder of a set and a seed; "" for that folder itself.
    leaves : files in `folder`.
    reads : sections of the settings, or single keys as "section.key", besides `data` and `compute`.
    section : the chapter's own section, which it reads as well; its `sets` and `runs` say where and how often the job
        runs. None: on every set of the study, with its first seed.
    models : denoisers that it is given, by their names in `methods.MODELS`.
    calls : modules that it finds by name, and so does not import.
    first, further : priority with the first seed and with others; long jobs come first, or the last of an odd number
        would run beside an idle core.
    facts : from all settings and the seed, what else the job must be told; it reads them as `settings["job"]`.
    """

    name: str
    about: str
    module: str
    folder: str
    leaves: tuple[str, ...]
    reads: tuple[str, ...] = ()
    section: str | None = None
    models: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()
    first: int = 0
    further: int = 0
    facts: Callable[[dict, int], dict] | None = None

    def sets(self, settings: dict, root: Path) -> list[str]:
        """The data sets that it runs on. Raises UserError for one that the study does not have."""
        every = study_sets(settings, root)
        wanted = settings[self.section]["sets"] if self.section else "all"
        if wanted == "all":
            return every
        names = [wanted] if isinstance(wanted, str) else wanted
        for name in names:
            if name not in every:
                raise UserError(f"{self.section}.sets: {name!r} is none of the study's data sets ({', '.join(every)})")
        return names

    def seeds(self, settings: dict) -> list[int]:
        """The study's first seeds, as many as it runs with."""
        return settings["seeds"][: settings[self.section]["runs"] if self.section else 1]

    def path(self, file: str) -> str:
        """Where one of its files lies, in the folder of a set and a seed."""
        return f"{self.folder}/{file}" if self.folder else file

    def settings(self, settings: dict, seed: int) -> dict:
        """What it depends on: all that it is told, and no more, for a job runs again when this changes."""
        chosen = picked(settings, *self.reads, "data", "compute")
        if self.section:
            own = settings[self.section]
            chosen[self.section] = {key: value for key, value in own.items() if key not in ("sets", "runs")}
        return chosen | ({"job": self.facts(settings, seed)} if self.facts else {})


@dataclass(frozen=True)
class Notebook:
    """What a notebook reads and leaves: an entry of the Snakefile. Every notebook reads the images of all data sets.

    Parameters
    ----------
    leaves : its exhibits by name, and the formats of each.
    jobs : whose results it reads: the chapter's own, and others'.
    methods : of the detection table, whose maps and features it reads.
    dirty : a method that it reads also with every share of defective training images in `evidence.dirt`.
    models : trained denoisers that it asks, by their names in `methods.MODELS`.
    printed : tables in `data/paper/` whose values stand beside ours.
    cost, ledger : whether it reads the measured times; the exhibits of all other notebooks and all printed tables.
    """

    leaves: Mapping[str, tuple[str, ...]]
    jobs: Iterable[Job] = ()
    methods: Iterable[str] = ()
    dirty: str | None = None
    models: Iterable[str] = ()
    printed: Iterable[str] = ()
    cost: bool = False
    ledger: bool = False


def profile_settings(root: Path, profile: str, overrides: dict | None = None) -> dict:
    """The settings of a profile in `config/`, with `overrides` on top; with an ending of LENGTHS, so many times its
    training.

    Raises UserError, one line, for an unknown profile and for whatever `radarlib.config.resolve` refuses.
    """
    ending = next((ending for ending in LENGTHS if profile.endswith(ending)), "")
    file = root / "config" / f"{profile.removesuffix(ending)}.yaml"
    settings = load_settings(file, overrides)
    if not ending:
        return settings
    times = LENGTHS[ending]
    words = f"{times:g} times the training" if times > 1 else "half of the training"
    changes: dict = {"watermark": settings["watermark"] or words, "budget": {"steps": None}}
    for name in STEPS:
        section, key = name.split(".")
        changes.setdefault(section, {})[key] = max(1, int(settings[section][key] * times))
    return load_settings(file, merge(overrides or {}, changes))


def without_steps(settings: dict) -> dict:
    """Settings without what a profile differs in from one of another length of the training."""
    found = {name: dict(part) if isinstance(part, dict) else part for name, part in settings.items()}
    found.pop("watermark", None)
    for name in (*STEPS, "budget.steps"):
        section, key = name.split(".")
        found.get(section, {}).pop(key, None)
    return found


def picked(settings: dict, *names: str) -> dict:
    """Sections of the settings, and single keys of sections as "section.key"."""
    chosen: dict = {}
    for name in names:
        section, _, key = name.partition(".")
        if key:
            chosen.setdefault(section, {})[key] = settings[section][key]
        else:
            chosen[section] = settings[section]
    return chosen


def each(formats: tuple[str, ...], *names: str) -> dict[str, tuple[str, ...]]:
    """Exhibits of the same formats, for `Notebook.leaves`."""
    return dict.fromkeys(names, formats)


def find_root(start: Path | None = None) -> Path:
    """The repository's folder: the nearest one upwards that holds the Snakefile."""
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / "Snakefile").is_file():
            return folder
    raise UserError(f"{here}: not inside the study's repository (no Snakefile here or above)")


def study_sets(settings: dict, root: Path) -> list[str]:
    """The data sets of a configuration, `all` spelled out. Raises UserError where there is none, or an unknown one."""
    place = data_root(root)
    wanted, found = settings["data"]["sets"], available_sets(place)
    if wanted == "all":
        if not found:
            raise UserError(f"{place}: no data set here; put one there or set RADARLIB_DATA (see data/README.md)")
        return found
    known = [*settings["data"]["counts"], *found]
    names = [wanted] if isinstance(wanted, str) else wanted
    for name in names:
        if name not in known:
            raise UserError(
                f"data.sets: unknown data set {name!r}; known here: {', '.join(known) or 'none'}"
                f" (data sets are looked for in {place})"
            )
    return list(dict.fromkeys(names))


def _cells(notebook: Path) -> list[tuple[str, str]]:
    """Kind and source of each cell."""
    return [(cell["cell_type"], "".join(cell["source"])) for cell in json.loads(notebook.read_text())["cells"]]


def notebook_modules(notebook: Path, packages: Mapping[str, Path]) -> set[str]:
    """The modules of `packages` that a notebook imports, by their dotted names."""
    lines = (line for kind, source in _cells(notebook) if kind == "code" for line in source.splitlines())
    return imported("\n".join(line for line in lines if not line.startswith(("%", "!"))), packages)


def notebook_digest(notebook: Path) -> str:
    """A digest of a notebook's cells without their outputs: opening and saving it is no change."""
    return hashlib.sha256(json.dumps(_cells(notebook)).encode()).hexdigest()[:16]
