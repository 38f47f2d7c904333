"""Each notebook by nbval, its numbers within tolerance, and its parameters checked."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import REPOSITORY, run

from radarlib.errors import UserError
from study.execute import parse_parameters, run_notebook
from study.plan import WORKFLOW
from study.session import Session

NOTEBOOKS = sorted(path.name for path in (REPOSITORY / "notebooks").glob("*.ipynb"))


NUMBER = re.compile(r"-?\d+\.\d+|-?\d+")


def code_cells(path: Path) -> list[dict]:
    return [
        cell
        for cell in json.loads(path.read_text())["cells"]
        if cell["cell_type"] == "code" and "injected-parameters" not in cell["metadata"].get("tags", [])
    ]


def text_of(cell: dict) -> str:
    """What a code cell says, without the pictures."""
    parts = [
        "".join(o.get("text", "")) if o["output_type"] == "stream" else "".join(o.get("data", {}).get("text/plain", ""))
        for o in cell["outputs"]
        if o.get("name") != "stderr"  # progress bars
    ]
    return "\n".join(part for part in parts if not part.startswith("<Figure"))


@pytest.fixture(scope="module")
def played(smoke, tmp_path_factory) -> Path:
    """The finished copy once more: a notebook that runs leaves its exhibits anew."""
    return shutil.copytree(smoke, tmp_path_factory.mktemp("played") / "w", copy_function=shutil.copy2)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_nbval(smoke, played, name):
    done = run(
        "pytest",
        "--nbval",
        f"notebooks/{name}",
        "-p",
        "no:cacheprovider",
        "-q",
        "--nbval-cell-timeout",
        "300",
        cwd=played,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    for path in sorted((smoke / "figures/smoke").glob("*.csv")):  # what this one and earlier ones left anew
        assert (played / path.relative_to(smoke)).read_bytes() == path.read_bytes(), path.name


def test_nbval_would_notice_a_changed_result(played):
    path = played / "notebooks/01_data.ipynb"
    original = path.read_text()
    assert original.count("12 normal images to learn from") == 2
    try:
        path.write_text(original.replace("12 normal images to learn from", "13 normal images to learn from"))
        assert (
            run("pytest", "--nbval", "notebooks/01_data.ipynb", "-p", "no:cacheprovider", "-q", cwd=played).returncode
            == 1
        )
    finally:
        path.write_text(original)


@pytest.mark.parametrize("name", [n for n in NOTEBOOKS if not n.startswith(("05", "18"))])  # those leave no exhibits
def test_numbers_in_the_stored_outputs_are_those_of_a_new_run(smoke, name):
    stored, fresh = code_cells(REPOSITORY / "notebooks" / name), code_cells(smoke / "results/smoke/notebooks" / name)
    assert any(text_of(cell) for cell in stored), "no stored outputs"
    for old, new in zip(stored, fresh, strict=True):
        a, b = text_of(old), text_of(new)
        numbers = [np.array([float(x) for x in NUMBER.findall(text)]) for text in (a, b)]
        if "smoke" in "".join(old["source"]) or "measured" in old["metadata"].get("tags", []):  # parameters, times
            continue
        assert len(numbers[0]) == len(numbers[1]), a + b
        np.testing.assert_allclose(numbers[1], numbers[0], atol=0.35, rtol=0.2, err_msg="".join(old["source"]))


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebooks_ask_and_answer(name):
    notebook = json.loads((REPOSITORY / "notebooks" / name).read_text())
    first, cells = "".join(notebook["cells"][0]["source"]), notebook["cells"]
    assert first.startswith("# ") and any("parameters" in c["metadata"].get("tags", []) for c in cells)
    last = [c for c in cells if c["cell_type"] == "markdown"][-1]
    assert "".join(last["source"]).startswith("## So,")
    for cell in code_cells(REPOSITORY / "notebooks" / name):
        assert len("".join(cell["source"]).splitlines()) <= 15
        assert not any(o["output_type"] == "error" for o in cell["outputs"])


def test_an_unknown_parameter_is_refused(tmp_path):
    source = REPOSITORY / "notebooks/01_data.ipynb"
    with pytest.raises(UserError, match="unknown parameter 'profil'; it has: profile, overrides"):
        run_notebook(source, tmp_path / "x.ipynb", tmp_path / "x.html", {"profil": "smoke"}, 1)


def test_by_hand_a_notebook_is_not_told_what_it_does_not_compute(monkeypatch):
    monkeypatch.delenv(WORKFLOW, raising=False)
    allowed = {"decision": {"contamination": 0.1}, "data": {"sets": ["prints"]}, "ran": {"sets": ["prints"]}}
    assert Session("smoke", allowed).sets == ["prints"]
    for section, key, value in (("radar", "t", 20), ("data", "image_size", 64)):
        with pytest.raises(UserError, match=rf"overrides: {section}\.{key}: .* let the workflow make it anew"):
            Session("smoke", {section: {key: value}})
    monkeypatch.setenv(WORKFLOW, "1")
    assert Session("smoke", {"radar": {"t": 20}}).settings["radar"]["t"] == 20


def test_missing_artefacts_say_what_to_run(tmp_path):
    from conftest import copy_repository

    where = copy_repository(tmp_path)
    done = run(
        "study", "notebook", "notebooks/04_detection.ipynb", "x.ipynb", "x.html", "-p", "profile", "smoke", cwd=where
    )
    assert done.returncode == 2
    line = done.stderr.strip().splitlines()[-1]
    assert "is missing; make it with: snakemake --cores all" in line and "Traceback" not in line
    assert (where / "x.ipynb").exists(), "the failed notebook shows where"


def test_parameters_are_read_as_json_where_they_are():
    assert parse_parameters([["profile", "smoke"], ["overrides", '{"seeds": [1]}']]) == {
        "profile": "smoke",
        "overrides": {"seeds": [1]},
    }
