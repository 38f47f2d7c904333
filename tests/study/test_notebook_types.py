"""What notebooks call exists and takes what it is given: told in seconds, where a run of them takes minutes."""

from conftest import REPOSITORY, run
from nbconvert import PythonExporter


def test_types(tmp_path):
    for notebook in sorted((REPOSITORY / "notebooks").glob("*.ipynb")):
        source, _ = PythonExporter().from_filename(str(notebook))
        (tmp_path / f"notebook_{notebook.stem}.py").write_text(source)
    done = run(
        "mypy",
        *("--config-file", str(REPOSITORY / "pyproject.toml"), "--cache-dir", str(REPOSITORY / ".mypy_cache")),
        *("--disable-error-code", "var-annotated", "--disable-error-code", "assignment"),
        *map(str, sorted(tmp_path.glob("*.py"))),
        cwd=REPOSITORY,
    )
    assert done.returncode == 0, done.stdout
