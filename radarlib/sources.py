"""Which source files a module depends on, and their digest: what must be done again after an edit."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

OWN = {"radarlib": Path(__file__).parents[1]}
"""Packages whose files count, and the folder in which each lies. Others beside them, once installed, do not."""


def module_file(name: str, packages: Mapping[str, Path] = OWN) -> Path | None:
    """The file of a module by its dotted name, a package's `__init__.py`; None for what is of no such package."""
    folder = packages.get(name.split(".")[0])
    if folder is None:
        return None
    place = folder.joinpath(*name.split("."))
    return next((f for f in (place.with_name(f"{place.name}.py"), place / "__init__.py") if f.is_file()), None)


@cache
def _statements(source: str) -> tuple[tuple[str | None, str], ...]:
    """Imports in a piece of code: (None, module), or (module, name in it). Parsed once: many jobs share a file."""
    found: list[tuple[str | None, str]] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [(None, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [(node.module, alias.name) for alias in node.names]
    return tuple(found)


def imported(source: str, packages: Mapping[str, Path] = OWN) -> set[str]:
    """Dotted names of the modules of `packages` that a piece of code imports, at its top or inside a function."""
    found: set[str] = set()
    for module, name in _statements(source):
        part = f"{module}.{name}" if module else name  # a module, or a name in one
        found.add(part if module is None or module_file(part, packages) else module)
    return {name for name in found if module_file(name, packages)}


def source_files(modules: Iterable[str], packages: Mapping[str, Path] = OWN, without: Iterable[str] = ()) -> list[Path]:
    """The files of these modules and of all that they import of `packages`, sorted.

    modules : dotted names. without : modules that a job would do without; they are left out, with what they alone
        import.

    Raises ValueError for a module that is not there: a job that depends on nothing would never run again.
    """
    todo, found = set(modules), dict[str, Path]()
    while todo:
        name = todo.pop()
        file = module_file(name, packages)
        if file is None:
            raise ValueError(f"no module {name} in {', '.join(f'{p} ({at})' for p, at in packages.items())}")
        found[name] = file
        todo |= imported(file.read_text(), packages) - set(found) - set(without)
    return sorted(found.values())


@cache
def module_digest(name: str) -> str:
    """A digest of a module and of what it imports: weights that other code has trained are not taken for finished."""
    return hashlib.sha256(b"".join(file.read_bytes() for file in source_files([name]))).hexdigest()[:16]
