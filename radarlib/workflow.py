"""What the Snakefile needs to know of the code: which files a module or a notebook depends on."""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent


def _imports(source: str) -> set[str]:
    """Names of radarlib's modules that a piece of code imports at any depth."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "radarlib":
            names = [node.module.split(".")[1]] if "." in node.module else [alias.name for alias in node.names]
            found.update(names)
        elif isinstance(node, ast.Import):
            found.update(alias.name.split(".")[1] for alias in node.names if alias.name.startswith("radarlib."))
    return {name for name in found if (PACKAGE / f"{name}.py").is_file()}


def code_files(modules: Iterable[str], root: Path, without: Iterable[str] = ()) -> list[str]:
    """The files of these modules and of every radarlib module that they import, relative to `root`.

    Snakemake does not look into imports: a rule names these as inputs, so that an edit reruns what depends on it.
    Modules `without` which a job would do are left out, with what they alone import.
    """
    todo, seen, out = set(modules), set(), set(without)
    while todo:
        name = todo.pop()
        seen.add(name)
        todo |= _imports((PACKAGE / f"{name}.py").read_text()) - seen - out
    return sorted(str((PACKAGE / f"{name}.py").relative_to(root)) for name in seen)


def code_digest(files: Iterable[str], root: Path) -> str:
    """A digest of files, for what a job keeps outside its outputs."""
    return hashlib.sha256(b"".join((root / file).read_bytes() for file in files)).hexdigest()[:16]


@cache
def module_digest(name: str) -> str:
    """A digest of a module and of what it imports: weights that other code has trained are not taken for finished."""
    root = PACKAGE.parent
    return code_digest(code_files([name], root), root)


def _code_cells(notebook: Path) -> list[str]:
    cells = json.loads(notebook.read_text())["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def notebook_modules(notebook: Path) -> set[str]:
    """radarlib's modules that a notebook imports."""
    return _imports(
        "\n".join(
            line for cell in _code_cells(notebook) for line in cell.splitlines() if not line.startswith(("%", "!"))
        )
    )


def notebook_digest(notebook: Path) -> str:
    """A digest of a notebook's cells without their outputs: opening and saving it is no change."""
    cells = json.loads(notebook.read_text())["cells"]
    return hashlib.sha256(json.dumps([[c["cell_type"], "".join(c["source"])] for c in cells]).encode()).hexdigest()[:16]
