"""The chapters beyond RADAR's paper: on which sets and with how many seeds each runs. Imports nothing heavy."""

from __future__ import annotations

from pathlib import Path

from radarlib.errors import UserError
from radarlib.layout import study_sets


def chapter_sets(settings: dict, chapter: str, root: Path) -> list[str]:
    """The data sets of a chapter: `sets` in the configuration's section of its name. Raises UserError for an unknown one."""
    wanted, every = settings[chapter]["sets"], study_sets(settings, root)
    if wanted == "all":
        return every
    names = [wanted] if isinstance(wanted, str) else wanted
    for name in names:
        if name not in every:
            raise UserError(f"{chapter}.sets: {name!r} is none of the study's data sets ({', '.join(every)})")
    return names


def chapter_seeds(settings: dict, chapter: str) -> list[int]:
    """The first `runs` of the study's seeds."""
    return settings["seeds"][: settings[chapter]["runs"]]
