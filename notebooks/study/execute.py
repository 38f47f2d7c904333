"""Running a notebook with checked parameters, as the workflow does."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import nbformat
import papermill
from nbconvert import HTMLExporter
from papermill.exceptions import PapermillExecutionError

from radarlib.errors import UserError
from radarlib.files import write_bytes
from study.plan import WORKFLOW


def run_notebook(source: Path, executed: Path, html: Path, parameters: dict, threads: int) -> None:
    """Execute `source` with papermill and leave the executed notebook and its HTML.

    Raises UserError for a parameter that the notebook does not have (papermill only warns), and for a cell that
    fails; the executed notebook is kept then and shows where.
    """
    known = papermill.inspect_notebook(str(source))
    for name in parameters:
        if name not in known:
            raise UserError(f"{source}: unknown parameter {name!r}; it has: {', '.join(known)}")
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = str(threads)
    os.environ[WORKFLOW] = "1"
    executed.parent.mkdir(parents=True, exist_ok=True)
    try:
        papermill.execute_notebook(
            str(source),
            str(executed),
            parameters,
            kernel_name="python3",
            progress_bar=True,
            log_output=False,
            cwd=str(source.parent),
        )
    except PapermillExecutionError as error:
        reason = re.sub(r"\x1b\[[0-9;]*m", "", f"{error.ename}: {error.evalue}")
        raise UserError(f"{source}: cell {error.cell_index} failed ({reason}); see {executed}") from None
    body, _ = HTMLExporter(embed_images=True).from_notebook_node(nbformat.read(executed, as_version=4))
    write_bytes(html, body.encode())


def parse_parameters(pairs: list[list[str]]) -> dict:
    """-p NAME VALUE pairs; a value is JSON where it reads as JSON, else text."""
    parameters = {}
    for name, value in pairs:
        try:
            parameters[name] = json.loads(value)
        except ValueError:
            parameters[name] = value
    return parameters
