"""Which images are meant: files, folders and lists, each image with its name in the results."""

from __future__ import annotations

import os
from pathlib import Path

from radarlib.errors import UserError
from radarlib.images import list_images

LIST = ".txt"


def inputs(targets: list[Path]) -> list[tuple[Path, str]]:
    """Image files with the name that each has in the results: its path below the folder that was given, or in the list.

    targets : images, folders, and lists (.txt) with a path a line, from the list's own folder on. Raises UserError for
    one that is missing, and for a list without a line; what a list names may be missing.
    """
    found: list[tuple[Path, str]] = []
    for target in targets:
        if target.is_dir():
            found += [(path, path.relative_to(target).as_posix()) for path in list_images(target)]
        elif target.is_file() and target.suffix.lower() == LIST:
            found += _listed(target)
        elif target.exists():
            found.append((target, target.name))
        else:
            raise UserError(f"{target}: no such file or folder")
    once: dict[str, tuple[Path, str]] = {}
    for path, name in found:
        once.setdefault(os.path.normpath(path.absolute()), (path, name))
    found = list(once.values())
    names = [name for _, name in found]
    if len(set(names)) < len(names):  # folders with equal names inside: keep them apart by their full paths
        found = [(path, _whole(path)) for path, _ in found]
    return list({name: (path, name) for path, name in found}.values())


def _whole(path: Path) -> str:
    """A file's full path, without the root."""
    return path.resolve().relative_to(path.resolve().anchor).as_posix()


def _listed(file: Path) -> list[tuple[Path, str]]:
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
    except UnicodeDecodeError:
        raise UserError(f"{file}: no text; a list has the path of an image a line, in UTF-8") from None
    if any("\0" in line for line in lines):
        raise UserError(f"{file}: no text in UTF-8; a list has the path of an image a line")
    paths = [Path(os.path.normpath(line)) for line in lines if line]
    if not paths:
        raise UserError(f"{file}: an empty list; it should have the path of an image a line")
    return [_named(file.parent, path) for path in paths]


def _named(folder: Path, path: Path) -> tuple[Path, str]:
    """An image of a list by what is written there, or by its full path where that leads out of the list's folder."""
    if path.is_absolute() or path.parts[:1] == ("..",):
        return (folder / path).resolve(), _whole(folder / path)
    return folder / path, path.as_posix()


def state(path: Path) -> str:
    """By which a file is known to be another one: its time and size; empty where it is missing."""
    try:
        found = path.stat()
    except OSError:
        return ""
    return f"{found.st_mtime_ns}:{found.st_size}"


def refuse_within(out: Path, targets: list[Path]) -> None:
    """Raise UserError for results that would lie among the images, where they would be judged the next time."""
    for target in targets:
        if target.is_dir() and out.resolve().is_relative_to(target.resolve()):
            raise UserError(f"{out}: lies in {target}, among the images; give a folder outside of it")
