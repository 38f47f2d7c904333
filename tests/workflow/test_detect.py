"""`snakemake detect`: images in shards, with a model of the user's."""

import cv2
import numpy as np
import pandas as pd
import pytest
from conftest import copy_repository, run, snakemake, write_png

from radarlib.inspection.judge import example_folders, fit
from radarlib.inspection.shards import cut, gather


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A fitted model, and images for it to judge."""
    where = tmp_path_factory.mktemp("detect")
    good, new = example_folders(where, 10)
    settings = {
        "unet": {"width": 4, "multipliers": [1, 2], "attention_levels": []},
        "training": {"patch": 16, "steps": 12, "batch": 4, "precision": "float32"},
        "radar": {"stride": 16, "window": 16},
        "reconstruction": {"stride": 16},
    }
    from radarlib.config import resolve

    fit(good, where / "model", resolve(settings), device="cpu")
    return where, new


def detect(where, *options: str):
    return snakemake(where / "w", "detect", "--config", f"model={where / 'model'}", f"out={where / 'found'}", *options)


@pytest.mark.slow
def test_shards_say_what_one_process_says_and_nothing_is_judged_twice(folders):
    where, new = folders
    copy_repository(where / "w")
    write_png(new / "a/broken.png", np.zeros((4, 4), np.uint8))
    (new / "a/broken.png").write_bytes(b"no image")
    done = detect(where, f"images={new}", "shard=3")
    assert done.returncode == 0, done.stdout + done.stderr
    found = pd.read_csv(where / "found/scores.csv", dtype={"shard": str})
    alone = run("radarlib", "detect", str(where / "model"), str(new), "--out", str(where / "alone"), cwd=where / "w")
    assert alone.returncode == 1 and "broken.png" in alone.stderr  # one image has failed, all others are judged
    whole = pd.read_csv(where / "alone/scores.csv")
    pd.testing.assert_frame_equal(found.drop(columns="shard"), whole)
    assert found.groupby("shard").size().max() <= 3 and "broken.png" in (where / "found/failures.csv").read_text()
    assert f"{int(whole['anomalous'].sum())} of {len(whole)} images" in (where / "found/report.html").read_text()
    drawn = {file.name for file in (where / "found/shards").rglob("overlays/*.png")}
    assert drawn == {f"{name}.png" for name in whole.loc[whole["anomalous"], "image"]}

    assert "Nothing to be done" in (again := detect(where, f"images={new}", "shard=3")).stdout + again.stderr
    before = {file: file.stat().st_mtime_ns for file in (where / "found/shards").glob("*/scores.csv")}
    cv2.imwrite(str(new / "0_comes_first.png"), np.full((64, 64), 128, np.uint8))
    done = detect(where, f"images={new}", "shard=3")
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(file.stat().st_mtime_ns == time for file, time in before.items())
    assert "0_comes_first.png" in list(pd.read_csv(where / "found/scores.csv")["image"])


def test_mistakes_get_one_line(folders, tmp_path):
    where, new = folders
    copy_repository(tmp_path / "w")
    for options, message in (
        ([f"images={new}"], "radarlib: detect needs model=…"),
        (["model=nothing", f"images={new}"], "radarlib: nothing/detector.json: missing; give the folder that"),
        ([f"model={where / 'model'}", "images=nowhere"], "radarlib: nowhere: no such file or folder"),
    ):
        done = snakemake(tmp_path / "w", "detect", "--config", f"out={tmp_path / 'found'}", *options)
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("radarlib:")]
        assert done.returncode != 0 and len(said) == 1 and said[0].startswith(message), done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr


def test_new_images_open_new_shards_and_those_that_are_gone_leave_theirs(tmp_path):
    new, out = tmp_path / "new", tmp_path / "out"
    for k in range(5):
        write_png(new / f"{k}.png", np.full((8, 8), k, np.uint8))
    assert list(cut([new], out, 2)["images"]) == [2, 2, 1]
    lists = {file.name: file.read_text() for file in (out / "shards").glob("*.csv")}
    write_png(new / "00.png", np.zeros((8, 8), np.uint8))
    (new / "3.png").unlink()
    table = cut([new], out, 2)
    assert list(table["shard"]) == ["00000", "00001", "00002", "00003"] and list(table["images"]) == [2, 1, 1, 1]
    now = {file.name: file.read_text() for file in (out / "shards").glob("*.csv")}
    assert {name for name in lists if now[name] == lists[name]} == {"00000.csv", "00002.csv"}
    assert "00.png" in now["00003.csv"]


def test_the_table_of_all_is_made_row_by_row_and_the_page_shows_the_highest(tmp_path, monkeypatch):
    monkeypatch.setattr("radarlib.inspection.shards.SHOWN", 3)
    pd.DataFrame({"shard": ["00000", "00001"], "images": [4, 4]}).to_csv(tmp_path / "shards.csv", index=False)
    for shard in range(2):
        folder = tmp_path / f"shards/{shard:05d}"
        folder.mkdir(parents=True)
        scores = np.arange(4) + 10.0 * shard
        table = {"image": [f"{s:g}.png" for s in scores], "score": scores, "threshold": 2.5, "anomalous": scores > 2.5}
        pd.DataFrame(table).to_csv(folder / "scores.csv", index=False)
        pd.DataFrame({"failure": ["x.png: broken"][: 1 - shard]}).to_csv(folder / "failures.csv", index=False)
    assert gather(tmp_path) == (8, 5, 1)
    page = (tmp_path / "report.html").read_text()
    assert "5 of 8 images are anomalous; the 3 highest scores" in page and "x.png: broken" in page
    assert [name in page for name in ("13.png", "11.png", "10.png")] == [True, True, False]
    assert list(pd.read_csv(tmp_path / "scores.csv")["score"]) == [0, 1, 2, 3, 10, 11, 12, 13]
