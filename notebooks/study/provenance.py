"""What an exhibit was made from: commit, inputs, versions, machine."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from radarlib.files import sha256_file

PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "scikit-image", "opencv-python-headless", "pandas", "matplotlib")
CODE = ("radarlib", "notebooks", "workflow", "Snakefile", "config", "data/paper")


def _git(root: Path, *arguments: str) -> str | None:
    try:
        return subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def provenance(inputs: Iterable[Path], root: Path, **facts: Any) -> dict:
    """What an exhibit was made from: code, inputs, versions, machine, and the caller's own `facts`.

    `dirty` is True where what makes exhibits (CODE) differs from the commit.

    root : the repository's folder; where it is none, commit and `dirty` are missing.
    """
    status = _git(root, "status", "--porcelain", "--untracked-files=no", "--", *CODE)
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "absent"
    names = {str(path.relative_to(root)) if path.is_relative_to(root) else path.name: path for path in inputs}
    return {
        "commit": _git(root, "rev-parse", "HEAD"),
        "dirty": None if status is None else bool(status),
        "inputs": {name: sha256_file(path) for name, path in sorted(names.items())},
        "machine": {"python": platform.python_version(), "system": platform.system(), "processor": platform.machine()},
        "versions": versions,
        **facts,
    }
