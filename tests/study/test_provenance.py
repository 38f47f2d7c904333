"""What an exhibit says of its making."""

import subprocess

import pytest

from radarlib.files import sha256_file, write_json
from study.provenance import provenance


def test_provenance_says_what_went_in(tmp_path):
    write_json(tmp_path / "in.json", {"a": 1})
    record = provenance([tmp_path / "in.json"], tmp_path, exhibit="e", seconds=1.0)
    assert record["inputs"] == {"in.json": sha256_file(tmp_path / "in.json")}
    assert {"commit", "dirty", "versions", "machine", "exhibit", "seconds"} <= set(record)
    assert record["versions"]["torch"].startswith("2.")


@pytest.mark.parametrize(
    ("file", "dirty"), [("radarlib/unet.py", True), ("notebooks/study/plan.py", True), ("README.md", False)]
)
def test_edits_of_what_makes_exhibits_are_told(tmp_path, file, dirty):
    def git(*arguments: str) -> None:
        who = ("-c", "user.name=n", "-c", "user.email=e@example.org")
        subprocess.run(["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True)

    for name in ("radarlib/unet.py", "notebooks/study/plan.py", "README.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x = 1\n")
    git("init")
    git("add", ".")
    git("commit", "-m", "first")
    assert provenance([], tmp_path)["dirty"] is False
    (tmp_path / file).write_text("x = 2\n")
    assert provenance([], tmp_path)["dirty"] is dirty
