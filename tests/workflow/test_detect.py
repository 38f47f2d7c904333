"""`snakemake detect`: images in shards, with a model of the user's."""

import cv2
import numpy as np
import pandas as pd
import pytest
from conftest import copy_repository, run, snakemake, write_png

from radarlib.errors import UserError
from radarlib.files import read_json, write_json
from radarlib.inspection import MAPS, judge
from radarlib.inspection.detector import Detector
from radarlib.inspection.inputs import inputs, state
from radarlib.inspection.judge import example_folders, fit
from radarlib.inspection.shards import cut, gather, listed


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
    assert 0 < whole["anomalous"].sum() < len(whole)
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

    (where / "found/shards/00000.csv").unlink()
    done = detect(where, f"images={new}", "shard=3")
    assert done.returncode == 0 and (where / "found/shards/00000.csv").is_file(), done.stdout + done.stderr

    (new / "a/broken.png").write_bytes((new / "0_comes_first.png").read_bytes())  # it has been copied again
    done = detect(where, f"images={new}", "shard=3")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "a/broken.png" in list(pd.read_csv(where / "found/scores.csv")["image"])
    assert (where / "found/failures.csv").read_text() == "failure\n"


def test_mistakes_get_one_line(folders, tmp_path):
    where, new = folders
    copy_repository(tmp_path / "w")
    for options, message in (
        ([f"images={new}"], "radarlib: detect needs model=…"),
        ([f"model={where / 'model'}", "images=2024"], "radarlib: images=2024: read as a number"),
        (
            [f"model={where / 'model'}", f"images={new}", "maps=some"],
            "radarlib: maps=some: one of all, anomalous, none",
        ),
        (["compute=cpu", f"model={where / 'model'}", f"images={new}"], "radarlib: what overrides"),
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


@pytest.mark.parametrize("damage", [b"\xff\xfe", b"nothing"])
def test_a_list_that_is_damaged_is_made_anew_when_it_is_removed(tmp_path, damage):
    new, out = tmp_path / "new", tmp_path / "out"
    for k in range(5):
        write_png(new / f"{k}.png", np.full((8, 8), k, np.uint8))
    cut([new], out, 2)
    file = out / "shards/00001.csv"
    before = file.read_bytes()
    file.write_bytes(damage)
    with pytest.raises(UserError, match="00001.csv: no list of a shard"):
        cut([new], out, 2)
    file.unlink()
    cut([new], out, 2)
    assert file.read_bytes() == before  # under its old name: what was judged is not judged again


def test_results_among_the_images_are_refused(tmp_path):
    write_png(tmp_path / "new/a.png", np.zeros((8, 8), np.uint8))
    with pytest.raises(UserError, match=r"new/found: lies in .*new, among the images; give a folder outside"):
        cut([tmp_path / "new"], tmp_path / "new/found", 2)
    write_png(tmp_path / "new/a\rb.png", np.zeros((8, 8), np.uint8))
    with pytest.raises(UserError, match="a name that no table can hold"):
        cut([tmp_path / "new"], tmp_path / "found", 2)


def test_odd_names_come_back_as_they_are(tmp_path):
    names = ["a,b.png", "Screenshot 9\u202fAM.png", 'quote ".png', " space.png", "ä/ß.png"]
    for name in names:
        write_png(tmp_path / "new" / name, np.zeros((8, 8), np.uint8))
    cut([tmp_path / "new"], tmp_path / "out", 10)
    found = listed(tmp_path / "out/shards/00000.csv")
    assert sorted(name for _, name in found) == sorted(names) and all(path.is_file() for path, _ in found)


def test_where_no_image_can_be_judged_the_tables_say_so(tmp_path):
    pd.DataFrame({"shard": ["00000"], "images": [1]}).to_csv(tmp_path / "shards.csv", index=False)
    (tmp_path / "shards/00000").mkdir(parents=True)
    (tmp_path / "shards/00000/scores.csv").write_text("image,score,threshold,anomalous\n")
    (tmp_path / "shards/00000/failures.csv").write_text("failure\nx.png: broken\n")
    assert gather(tmp_path) == (0, 0, 1)
    assert (tmp_path / "scores.csv").read_text() == "shard,image,score,threshold,anomalous\n"
    assert "0 of 0 images" in (tmp_path / "report.html").read_text()


def test_a_list_names_images_as_they_are_written_in_it(tmp_path):
    for name in ("in/a.png", "in/b.png", "other/c.png"):
        write_png(tmp_path / name, np.zeros((8, 8), np.uint8))
    (tmp_path / "in/list.txt").write_text(
        f"\ufeffa.png\n\n x/../b.png \na.png\n../other/c.png\ngone.png\n{tmp_path / 'other/c.png'}\n"
    )
    found = inputs([tmp_path / "in/list.txt"])
    assert [name for _, name in found] == ["a.png", "b.png", str(tmp_path / "other/c.png")[1:], "gone.png"]
    assert [path.is_file() for path, _ in found] == [True, True, True, False]
    assert state(tmp_path / "gone.png") == "" and state(tmp_path / "in/a.png")
    for text, message in (("\n", "an empty list"), ("", "an empty list")):
        (tmp_path / "list.txt").write_text(text)
        with pytest.raises(UserError, match=message):
            inputs([tmp_path / "list.txt"])


def test_maps_are_kept_of_the_images_that_are_asked_for(folders, tmp_path):
    where, new = folders
    model = Detector.load(where / "model", "cpu")
    drawn = {}
    for maps in MAPS:
        table, _ = judge.detect(model, [new], tmp_path / maps, where / "model", maps=maps)
        files = (tmp_path / maps / "maps").rglob("*.tiff")
        drawn[maps] = {file.relative_to(tmp_path / maps / "maps").as_posix().removesuffix(".tiff") for file in files}
    flagged = set(table.loc[table["anomalous"], "image"])
    assert drawn == {"all": set(table["image"]), "anomalous": flagged, "none": set()} and flagged
    # a verdict of another model, or of another image of that name, takes the old picture with it
    name = next(iter(flagged))
    state = read_json(tmp_path / "all/detect.json")
    state["done"][name]["content"] = "another"
    write_json(tmp_path / "all/detect.json", state)
    judge.detect(model, [new], tmp_path / "all", where / "model", maps="none")
    assert not (tmp_path / "all/maps" / f"{name}.tiff").exists()


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
