"""Files: written as a whole or not at all, hashed, read with one clear line where they are missing or damaged."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from radarlib.errors import UserError

UNFINISHED = ".radarlib-part"  # ends the name of a file that is being written


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file as a whole or not at all: an older one survives a full disk or a killed process."""
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.", suffix=UNFINISHED)
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


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """While this lasts no other process that asks writes to a folder, which is made where it is missing. What one that
    was killed has left half written is removed; the system frees its lock with it, so there is none to remove by hand.

    Raises UserError where another one writes to the folder, or nobody may.
    """
    made = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: cannot be made ({error.strerror})") from None
    handle = _locked(folder)
    try:
        for file in folder.rglob(f".*{UNFINISHED}"):
            file.unlink(missing_ok=True)
        yield
    except PermissionError as error:
        raise UserError(f"{error.filename}: cannot be written ({error.strerror})") from None
    finally:
        with suppress(OSError):
            if made:
                folder.rmdir()  # nothing was written
        if handle is not None:
            os.close(handle)


def _locked(folder: Path) -> int | None:
    """A lock on a folder, held until what is returned is closed; None where the system has none."""
    try:
        import fcntl
    except ImportError:
        return None
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise UserError(
            f"{folder}: another radarlib is writing there; wait for its end, or give another --out"
        ) from None
    except OSError:  # a file system without locks
        os.close(handle)
        return None
    return handle


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


def read_versioned(path: Path, version: int, oldest: int | None = None) -> dict:
    """Read a JSON object that a fit has left, of format `version` or of an earlier one from `oldest` on.

    Raises UserError as `read_json` does, and for another format.
    """
    value, readable = read_json(path), range(oldest or version, version + 1)
    if value.get("format") not in readable:
        known = str(version) if len(readable) == 1 else f"{readable[0]} to {version}"
        raise UserError(
            f"{path}: format {value.get('format')!r}, this radarlib reads format {known}; fit the model again, or use"
            " the radarlib that wrote it"
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


def settings_key(settings: dict) -> str:
    """A canonical text of settings, for comparing and hashing."""
    return json.dumps(settings, sort_keys=True)
