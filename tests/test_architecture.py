"""Who may import whom: the house's four wings, and the rooms of a chapter. Imports count at any depth of a file."""

import ast
import subprocess
import sys
import tomllib
from itertools import product

import pytest
from conftest import REPOSITORY

from radarlib.sources import imported, source_files

PACKAGES = {"radarlib": REPOSITORY, "study": REPOSITORY / "notebooks"}
STUDY = REPOSITORY / "notebooks/study"
CHAPTERS = sorted(path.parent.name for path in STUDY.glob("*/plan.py"))
EXHIBITS = (
    "tables", "charts", "pictures", "claims", "session", "chapter", "drawing", "examples", "detection", "evaluate",
)  # fmt: skip
LEDGER = ("study.ledger", "study.__main__")  # what knows all chapters, beside the Snakefile
IMPORTS = {
    ".".join(file.relative_to(root).with_suffix("").parts): imported(file.read_text(), PACKAGES)
    for folder, root in PACKAGES.items()
    for file in (root / folder).rglob("*.py")
}


def arrows(here, there) -> list[str]:
    """Imports from modules that satisfy `here` of modules that satisfy `there`."""
    return [f"{a} → {b}" for a, found in sorted(IMPORTS.items()) for b in sorted(found) if here(a) and there(b)]


def chapter_of(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "study" and len(parts) > 2 else None


def named(*rooms: str):
    """Modules of the study whose last name is one of `rooms`."""
    return lambda module: module.startswith("study.") and module.rsplit(".", 1)[1] in rooms


def jobs(module: str) -> bool:
    return named("job")(module) or module in ("study.radar.score", "study.radar.ablation", "study.radar.cost")


def test_every_module_is_seen():
    assert len(IMPORTS) > 80 and CHAPTERS == [
        "budget",
        "d3ad",
        "limit",
        "noise",
        "protocol",
        "radar",
        "ran",
        "systems",
        "terms",
        "unclean",
    ]
    assert "radarlib.patches" in IMPORTS["radarlib.radar"] and chapter_of("study.d3ad.job") == "d3ad"


def test_the_library_knows_nothing_of_the_study():
    assert not arrows(lambda a: a.startswith("radarlib"), lambda b: b.startswith("study"))


def test_the_library_asks_for_what_it_imports_and_no_notebook_stack():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    asked = [name.split("[")[0] for name in (*project["dependencies"], *project["optional-dependencies"]["export"])]
    known = {"cv2": "opencv-python-headless", "PIL": "pillow", "skimage": "scikit-image", "sklearn": "scikit-learn"}
    found: set[str] = set()
    for file in (REPOSITORY / "radarlib").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            found |= {str(name).split(".")[0] for name in names}
    wanted = found - set(sys.stdlib_module_names) - {"radarlib"}
    assert {(known | {"yaml": "pyyaml"}).get(name, name.replace("_", "-")) for name in wanted} <= set(asked)
    assert not {"matplotlib", "papermill", "jupyterlab", "snakemake"} & set(asked)


def test_the_library_does_without_its_competitors():
    """But for `bench`, which times the single step against a reconstruction."""
    own = lambda a: a.startswith("radarlib.") and not a.startswith("radarlib.methods") and a != "radarlib.bench"  # noqa: E731
    assert not arrows(own, lambda b: b.startswith("radarlib.methods"))


@pytest.mark.parametrize(("one", "other"), [pair for pair in product(CHAPTERS, CHAPTERS) if pair[0] != pair[1]])
def test_no_chapter_knows_another(one, other):
    assert not arrows(lambda a: chapter_of(a) == one, lambda b: chapter_of(b) == other)


def test_shared_ground_knows_no_chapter():
    shared = lambda a: a.startswith("study.") and chapter_of(a) is None and a not in LEDGER  # noqa: E731
    assert not arrows(shared, lambda b: chapter_of(b) is not None)


def test_a_job_knows_nothing_of_what_is_made_of_it():
    assert not arrows(jobs, named(*EXHIBITS))


def test_claims_read_exhibits_and_nothing_else():
    rooms = named("job", "charts", "pictures", "score", "ablation", "cost", "detection", "session", "maps", "decision")
    assert not arrows(named("claims"), rooms)
    assert not arrows(named("claims"), lambda b: chapter_of(b) is not None and b.endswith(".tables"))


def test_tables_do_not_reach_into_jobs():
    assert not arrows(named("tables", "claims"), jobs)


def test_plans_are_light():
    """The Snakefile reads them: no plan imports PyTorch, pandas or the like."""
    plans = ["study.plan", "study.methods", *(f"study.{chapter}.plan" for chapter in CHAPTERS)]
    heavy = ("torch", "pandas", "numpy", "scipy", "sklearn", "cv2", "matplotlib")
    code = f"import {', '.join(plans)}, sys; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=PACKAGES["study"],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(REPOSITORY)},
    )
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_labels_may_change_without_a_job_run_again():
    found = arrows(jobs, named("names"))
    assert found == ["study.radar.cost → study.radar.names"]  # of the arithmetic that notebook 8 does


def test_ran_does_not_depend_on_training():
    files = {file.name for file in source_files(["study.ran.job"], PACKAGES)}
    assert "ran.py" in files and not files & {"train.py", "d3ad.py", "d3ad_system.py", "autoencoder.py"}
