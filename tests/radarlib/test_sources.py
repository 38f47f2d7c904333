"""Which files a module depends on: over dotted names and packages."""

import pytest
from conftest import REPOSITORY

from radarlib.sources import imported, module_digest, module_file, source_files

PACKAGES = {"radarlib": REPOSITORY, "study": REPOSITORY / "notebooks"}


def names(*modules, **options) -> set[str]:
    return {str(file.relative_to(REPOSITORY)) for file in source_files(modules, PACKAGES, **options)}


@pytest.fixture
def packages(tmp_path):
    """A library and a package beside it: two.job imports lib.deep.b inside a function, and lib.a by its package."""
    for file, text in {
        "lib/__init__.py": "VERSION = 1", "lib/a.py": "import lib.c", "lib/c.py": "import numpy",
        "lib/deep/__init__.py": "",
        "lib/deep/b.py": "from lib import VERSION", "other/two/__init__.py": "",
        "other/two/job.py": "from lib import a\n\ndef run():\n    from lib.deep import b\n    from lib.deep.b import f",
    }.items():  # fmt: skip
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return {"lib": tmp_path, "two": tmp_path / "other"}


def test_imports_are_followed_over_packages_and_functions(packages):
    found = [str(file.relative_to(packages["lib"])) for file in source_files(["two.job"], packages)]
    assert found == ["lib/__init__.py", "lib/a.py", "lib/c.py", "lib/deep/b.py", "other/two/job.py"]


def test_what_a_job_does_without_is_left_out_with_what_it_alone_imports(packages):
    found = [file.name for file in source_files(["two.job"], packages, without=["lib.a"])]
    assert found == ["__init__.py", "b.py", "job.py"]


def test_a_name_in_a_module_is_the_module(packages):
    assert imported("from lib.a import something\nimport numpy.linalg", packages) == {"lib.a"}


def test_what_lies_beside_a_package_does_not_count(packages):
    """An installed library lies beside all others: reading those would take a minute, and none is ours to watch."""
    (packages["lib"] / "numpy.py").write_text("import lib.a")
    assert module_file("numpy", packages) is None
    assert [file.name for file in source_files(["lib.c"], packages)] == ["c.py"]


def test_a_module_that_is_nowhere_is_refused(packages):
    with pytest.raises(ValueError, match=r"no module two\.jobs in lib"):
        source_files(["two.jobs"], packages)


def test_the_projects_own_modules():
    assert "radarlib/unet.py" in names("radarlib.train")
    assert names("radarlib.train", "study.radar.score") >= {"radarlib/losses.py", "notebooks/study/methods.py"}
    assert "notebooks/study/radar/pictures.py" not in names("radarlib.train", "study.radar.score")
    assert "notebooks/study/methods.py" not in names("study.radar.score", without=["study.methods"])
    assert len(module_digest("radarlib.train")) == 16 and module_digest("radarlib.train") != module_digest(
        "radarlib.radar"
    )
