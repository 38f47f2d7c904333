"""Files that the study leaves behind: written atomically, hashed, with their provenance."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import tempfile
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from radarlib.errors import UserError

PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "scikit-image", "opencv-python-headless", "pandas", "matplotlib")


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file as a whole or not at all: an older one survives a full disk or a killed process."""
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); what was there before is unchanged") from error


def write_json(path: Path, value: Any) -> None:
    write_bytes(path, (json.dumps(value, indent=1, sort_keys=True) + "\n").encode())


def read_json(path: Path) -> dict:
    """Read a JSON object. Raises UserError, naming the file, where it is missing or damaged."""
    try:
        value = json.loads(Path(path).read_text())
    except FileNotFoundError:
        raise UserError(f"{path}: missing") from None
    except (ValueError, OSError) as error:
        raise UserError(f"{path}: damaged or unreadable ({error})") from None
    if not isinstance(value, dict):
        raise UserError(f"{path}: a JSON object was expected")
    return value


def read_versioned(path: Path, version: int) -> dict:
    """Read a JSON object that a fit has left. Raises UserError as `read_json` does, and for another format than `version`."""
    value = read_json(path)
    if value.get("format") != version:
        raise UserError(
            f"{path}: format {value.get('format')!r}, this radarlib reads format {version}; "
            "fit the model again, or use the radarlib that wrote it"
        )
    return value


def write_csv(path: Path, table: pd.DataFrame, digits: int | None = None) -> None:
    """A table as CSV, floats with `digits` decimals, byte-identical for equal values."""
    text = table.to_csv(index=False, float_format=None if digits is None else f"%.{digits}f", lineterminator="\n")
    write_bytes(path, text.encode())


def write_npz(path: Path, **arrays: np.ndarray) -> None:
    buffer = BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    write_bytes(path, buffer.getvalue())


def sha256_bytes(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _git(*arguments: str) -> str | None:
    here = Path(__file__).parent
    try:
        return subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def provenance(inputs: Iterable[Path], root: Path, **facts: Any) -> dict:
    """What an exhibit was made from: code, inputs, versions, machine, and the caller's own `facts`.

    `dirty` is True where tracked code differs from the commit; figures that are themselves results do not count.
    """
    status = _git("status", "--porcelain", "--untracked-files=no", "--", ".", ":(exclude,top)figures")
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "absent"
    names = {str(path.relative_to(root)) if path.is_relative_to(root) else path.name: path for path in inputs}
    return {
        "commit": _git("rev-parse", "HEAD"),
        "dirty": None if status is None else bool(status),
        "inputs": {name: sha256_file(path) for name, path in sorted(names.items())},
        "machine": {"python": platform.python_version(), "system": platform.system(), "processor": platform.machine()},
        "versions": versions,
        **facts,
    }
