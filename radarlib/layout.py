"""Where things stand: the repository, the data sets that are there. Imports nothing heavy, for the Snakefile."""

from __future__ import annotations

import os
from pathlib import Path

from radarlib.errors import UserError


def find_root(start: Path | None = None) -> Path:
    """The repository's folder: the nearest one upwards that holds the Snakefile."""
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / "Snakefile").is_file():
            return folder
    raise UserError(f"{here}: not inside the study's repository (no Snakefile here or above)")


def data_root(root: Path) -> Path:
    """Where data sets are found: $RADARLIB_DATA, or the repository's data/."""
    return Path(os.environ.get("RADARLIB_DATA") or root / "data").expanduser().resolve()


def available_sets(root: Path) -> list[str]:
    """Names of the folders under `root` in MVTec AD layout."""
    return sorted(p.parent.parent.name for p in root.glob("*/train/good") if p.is_dir()) if root.is_dir() else []


def study_sets(settings: dict, root: Path) -> list[str]:
    """The data sets of a configuration, `all` spelled out. Raises UserError where there is none, or an unknown one."""
    wanted, found = settings["data"]["sets"], available_sets(data_root(root))
    if wanted == "all":
        if not found:
            raise UserError(
                f"{data_root(root)}: no data set in MVTec AD layout here; put one there or set RADARLIB_DATA (see data/README.md)"
            )
        return found
    known = [*settings["data"]["counts"], *found]
    for name in [wanted] if isinstance(wanted, str) else wanted:
        if name not in known:
            raise UserError(
                f"data.sets: unknown data set {name!r}; known here: {', '.join(known) or 'none'} (data sets are looked for in {data_root(root)})"
            )
    return [wanted] if isinstance(wanted, str) else wanted
