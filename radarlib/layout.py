"""Where data sets lie, and which are there. Imports nothing heavy, for the Snakefile."""

from __future__ import annotations

import os
from pathlib import Path


def data_root(root: Path) -> Path:
    """Where data sets are found: $RADARLIB_DATA, or the repository's data/."""
    return Path(os.environ.get("RADARLIB_DATA") or root / "data").expanduser().resolve()


def available_sets(root: Path) -> list[str]:
    """Names of the folders under `root` in MVTec AD layout."""
    return sorted(p.parent.parent.name for p in root.glob("*/train/good") if p.is_dir()) if root.is_dir() else []
