"""Commands that are killed, that meet each other or a full disk, and names that nobody would choose."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from conftest import REPOSITORY, write_png

from radarlib.cli import main
from radarlib.files import UNFINISHED, alone_in

ROUNDS = int(os.environ.get("RADARLIB_KILL_ROUNDS", "1"))  # of KILLS kills each; twenty were run once, see CONTRIBUTING
KILLS = 3
TINY = {
    "unet": {"width": 4, "multipliers": [1, 2], "attention_levels": []},
    "training": {"patch": 16, "steps": 60, "batch": 2, "precision": "float32"},
    "radar": {"stride": 4, "window": 8},
    "reconstruction": {"stride": 8},
}
IMPATIENT = (  # checkpoints and results are written all the time, so that a kill meets them
    "import sys; from radarlib import train; from radarlib.inspection import judge; from radarlib.cli import main;"
    "train.CHECKPOINT_SECONDS = judge.FLUSH_SECONDS = 0.01; judge.FLUSH_SHARE = 0; sys.exit(main(sys.argv[1:]))"
)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Good images, images to judge, settings and a fitted model."""
    root, rng = tmp_path_factory.mktemp("killed"), np.random.default_rng(0)
    for k in range(10):
        write_png(root / "good" / f"{k}.png", rng.integers(0, 256, (24, 24)).astype(np.uint8))
        write_png(root / "new" / f"{k}.png", rng.integers(0, 256, (32, 24)).astype(np.uint8))
    (root / "tiny.yaml").write_text(json.dumps(TINY))
    assert main([*fit_to("model", root)]) == 0
    return root


def fit_to(out: str, root: Path) -> list[str]:
    return ["fit", str(root / "good"), "--out", str(root / out), "--config", str(root / "tiny.yaml"), "--threads", "1"]


def detect_to(out: str, root: Path, *more: str) -> list[str]:
    return ["detect", str(root / "model"), str(root / "new"), "--out", str(root / out), *more]


def started(*arguments: str) -> subprocess.Popen:
    command = [sys.executable, "-c", IMPATIENT, *arguments]
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a folder, but for measured times."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "timing.json")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.slow
@pytest.mark.parametrize("command", ["fit", "detect", "detect --jobs"])
def test_a_command_that_was_killed_at_any_moment_ends_with_the_same_bytes(place, command):
    more = ["--jobs", "2"] if command == "detect --jobs" else []

    def arguments(out: str) -> list[str]:
        return fit_to(out, place) if command == "fit" else detect_to(out, place, *more)

    name, rng = command.replace(" --", "-"), np.random.default_rng(0)
    began = time.monotonic()
    assert started(*arguments(f"{name}-whole")).wait() == 0
    lasted = time.monotonic() - began
    for k in range(ROUNDS):
        out = f"{name}-{k}"
        for _ in range(KILLS):
            process = started(*arguments(out))
            time.sleep(rng.uniform(0.3, 1.05) * lasted)
            process.kill()
            process.wait()
        last = started(*arguments(out))
        said, _ = last.communicate()
        assert last.returncode == 0, said
        assert contents(place / out) == contents(place / f"{name}-whole"), f"round {k}"


def children(pid: int) -> Iterator[int]:
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            yield int(status.parent.name)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_no_worker_outlives_a_detection_that_was_killed(place):
    process = started(*detect_to("orphans", place, "--jobs", "2"))
    until, workers = time.monotonic() + 120, []
    while time.monotonic() < until and len(workers) < 3:  # two, and what keeps track of their resources
        workers = list(children(process.pid))
        time.sleep(0.1)
    time.sleep(1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    while time.monotonic() < until and any(Path(f"/proc/{pid}").exists() for pid in workers):
        time.sleep(0.2)
    assert len(workers) >= 3 and not [pid for pid in workers if Path(f"/proc/{pid}").exists()]


def test_two_runs_do_not_write_to_one_folder(place, capsys):
    with alone_in(place / "taken"):
        assert main(detect_to("taken", place)) == 2 and main(fit_to("taken", place)) == 2
    lines = capsys.readouterr().err.splitlines()
    assert sum("another radarlib is writing there" in line for line in lines) == 2
    assert main(detect_to("taken", place)) == 0


def test_what_a_kill_left_half_written_is_removed(place):
    left = place / "left/maps" / f".a.png.tiff.x1{UNFINISHED}"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    assert main(detect_to("left", place)) == 0 and not left.exists()
    assert contents(place / "left").keys() == {
        "scores.csv", "detections.json", "detect.json", "report.html",
        *(f"maps/{k}.png.tiff" for k in range(10)), *(f"overlays/{k}.png.png" for k in range(10)),
    }  # fmt: skip


def full_disk(monkeypatch) -> None:
    """No temporary file can be written any more."""

    def refused(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("radarlib.files.os.fsync", refused)


@pytest.mark.parametrize("command", [fit_to, detect_to])
def test_a_full_disk_gets_one_line_and_loses_nothing(place, monkeypatch, capsys, command):
    out = f"full-{command.__name__}"
    with monkeypatch.context() as patch:
        full_disk(patch)
        assert main(command(out, place)) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert "cannot be written (No space left on device)" in line and line.startswith("radarlib:")
    assert not contents(place / out)
    assert main(command(out, place)) == 0


@pytest.mark.parametrize("command", [fit_to, detect_to])
def test_a_folder_that_cannot_be_made_gets_one_line(place, capsys, command):
    (place / "file").write_text("in the way")
    assert main(command("file/out", place)) == 2
    assert "file/out: cannot be made (Not a directory)" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="nothing is read-only for this user")
@pytest.mark.parametrize("command", [fit_to, detect_to])
def test_a_read_only_folder_gets_one_line(place, capsys, command):
    out = place / f"readonly-{command.__name__}"
    out.mkdir(mode=0o500)
    assert main(command(out.name, place)) == 2
    assert "cannot be written (Permission denied)" in capsys.readouterr().err.splitlines()[-1]


ODD = ["a b.png", "new\nline.png", "déjà vu 🙂.png", "x..png", "-out.png", "quote\"'<b>.png", "%2e%2e.png", "a,b;c.png"]


def test_odd_names_keep_their_files_apart(place, tmp_path, capsys):
    source, out = tmp_path / "odd", tmp_path / "found"
    image = cv2.imread(str(place / "new/0.png"), cv2.IMREAD_GRAYSCALE)
    for name in ODD:
        write_png(source / name, image)
    (source / "loop").symlink_to(source, target_is_directory=True)
    (source / "itself.png").symlink_to(source / "itself.png")
    (source / "gone.png").symlink_to(source / "nowhere.png")
    (source / "folder.png").mkdir()
    code = main(["detect", str(place / "model"), str(source), "--out", str(out)])
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("radarlib:")]
    assert code == 1 and len(lines) == 2 and all("itself.png" in line or "gone.png" in line for line in lines)
    scores = pd.read_csv(out / "scores.csv")
    assert sorted(scores["image"]) == sorted(ODD) and np.ptp(scores["score"]) == 0
    for name in ODD:
        assert (out / "maps" / f"{name}.tiff").is_file() and (out / "overlays" / f"{name}.png").is_file()
    assert {path.parent for path in tmp_path.rglob("*.tiff")} == {out / "maps"}
    page = (out / "report.html").read_text()
    assert "quote&quot;&#x27;&lt;b&gt;.png" in page and "%252e%252e.png.png" in page


def test_a_path_with_dots_leaves_nothing_outside(place, tmp_path):
    out = tmp_path / "deep/found"
    target = place / "good" / ".." / "new" / "1.png"
    assert main(["detect", str(place / "model"), str(target), "--out", str(out)]) == 0
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.tiff")] == ["deep/found/maps/1.png.tiff"]
