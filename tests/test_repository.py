"""The files around the code stay in step with it."""

import re
import runpy
import tomllib

import yaml
from conftest import REPOSITORY


def names(requirements) -> dict[str, str]:
    """{normalised name: the rest} of requirement lines."""
    found = {}
    for line in requirements:
        line = line.split("#")[0].strip()
        if line and not line.startswith("-"):
            name, rest = re.match(r"([A-Za-z0-9._-]+)(.*)", line).groups()
            found[re.sub(r"[-_.]+", "-", name).lower()] = rest.strip()
    return found


PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
CONSTRAINTS = names((REPOSITORY / "constraints.txt").read_text().splitlines())


def test_constraints_pin_everything_that_the_project_asks_for():
    wanted = names(
        [*PROJECT["dependencies"], *(r for extra in PROJECT["optional-dependencies"].values() for r in extra)]
    )
    assert set(wanted) <= set(CONSTRAINTS)
    assert all(rest.startswith("==") for rest in CONSTRAINTS.values())


def test_constraints_leave_the_gpu_to_the_user():
    assert not [name for name in CONSTRAINTS if name.startswith(("nvidia", "cuda", "triton", "torchvision"))]
    assert "+" not in CONSTRAINTS["torch"]


def test_environment_yml_installs_the_same():
    environment = yaml.safe_load((REPOSITORY / "environment.yml").read_text())
    conda = [d for d in environment["dependencies"] if isinstance(d, str)]
    pip = next(d["pip"] for d in environment["dependencies"] if isinstance(d, dict))
    assert f"python {PROJECT['requires-python'].replace('>=', '>=')}".replace(" ", "") == next(
        d for d in conda if d.startswith("python")
    ).replace(" ", "")
    assert "-c constraints.txt" in pip and "-e .[study,test]" in pip


def test_readme_names_only_files_that_exist():
    text = (REPOSITORY / "README.md").read_text()
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    assert links
    assert [link for link in links if not (REPOSITORY / link).exists()] == []


def test_readme_shows_the_numbers_of_the_reference_run():
    """Its tables, the ledger first, are those that `python workflow/readme_tables.py` makes of the committed exhibits."""
    script = runpy.run_path(str(REPOSITORY / "workflow/readme_tables.py"))
    text = (REPOSITORY / "README.md").read_text()
    assert script["filled"](text) == text
    assert len([mark for mark in script["MARK"].findall(text) if "figures/default" in mark[1]]) >= 7
    rows = (REPOSITORY / "figures/default/claims.md").read_text().splitlines()[2:]
    assert len(rows) > 20 and "\n".join(rows) in text
    assert script["filled"](text.replace("| RADAR (3) | 0.", "| RADAR (3) | 9.")) == text


def test_licence_and_citation():
    assert "MIT License" in (REPOSITORY / "LICENSE").read_text()
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())
    from radarlib import __version__

    assert citation["version"] == __version__ and citation["license"] == "MIT"
