"""Which images are meant: files, folders and lists, each image with its name in the results."""

from __future__ import annotations

from pathlib import Path

from radarlib.errors import UserError
from radarlib.images import list_images

LIST = ".txt"


def inputs(targets: list[Path]) -> list[tuple[Path, str]]:
    """Image files with the name that each has in the results: its path below the folder that was given, or in the list.

    targets : images, folders, and lists (.txt) with a path a line, from the list's own folder on. Raises UserError for
    one that is missing, and for a list without a line.
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
    names = [name for _, name in found]
    if len(set(names)) < len(names):  # folders with equal names inside: keep them apart by their full paths
        found = [(path, path.resolve().relative_to(path.resolve().anchor).as_posix()) for path, _ in found]
    return list({name: (path, name) for path, name in found}.values())


def _listed(file: Path) -> list[tuple[Path, str]]:
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
    except UnicodeDecodeError:
        raise UserError(f"{file}: no text; a list has the path of an image a line, in UTF-8") from None
    paths = [Path(line) for line in lines if line]
    if not paths:
        raise UserError(f"{file}: an empty list; it should have the path of an image a line")
    return [(file.parent / path, path.relative_to(path.anchor).as_posix()) for path in paths]
