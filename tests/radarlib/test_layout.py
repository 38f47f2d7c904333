"""Tiny trees in the layouts that people have: each is found by itself, and read as its makers mean it."""

import os
from pathlib import Path

import numpy as np
import pytest
from conftest import write_png

from radarlib.config import resolve
from radarlib.datasets import ImageSet, read_set
from radarlib.errors import UserError
from radarlib.layout import available_sets, images_in, is_set, listing

RNG = np.random.default_rng(0)
OPTIONS = resolve({})["data"]


def image(path: Path, n: int = 1, start: int = 0) -> None:
    """n images, `path` with the number in place of {}."""
    for k in range(start, start + n):
        write_png(Path(str(path).format(k)), RNG.integers(0, 256, (24, 24)).astype(np.uint8))


def mask(path: Path, marked: bool = True) -> None:
    pixels = np.zeros((24, 24), np.uint8)
    pixels[4:8, 5:10] = 255 * marked
    write_png(path, pixels)


def read(root: Path, name: str) -> ImageSet:
    assert name in available_sets(root)
    return read_set(root, name, OPTIONS, 8)


def counts(data: ImageSet) -> dict[tuple[str, str], int]:
    """Images by split and class."""
    return data.index.groupby(["split", "defect"]).size().to_dict()


def marked(data: ImageSet) -> int:
    return sum(m is not None and m.sum() == 20 for m in data.masks)


def mvtec2(root: Path) -> None:
    image(root / "can/train/good/{}_regular.png", 5)
    image(root / "can/validation/good/{}.png", 2)
    image(root / "can/test_public/good/{}_regular.png", 2)
    image(root / "can/test_public/bad/{}_shift.png", 3)
    for k in range(3):
        mask(root / f"can/test_public/ground_truth/bad/{k}_shift_mask.png")
    image(root / "can/test_private/{}.png", 2)


def btad(root: Path) -> None:
    image(root / "01/train/ok/{}.png", 5)
    image(root / "01/test/ok/1{}.png", 2)
    image(root / "01/test/ko/{}.png", 3)
    for k in range(3):
        mask(root / f"01/ground_truth/ko/{k}.png")


def visa(root: Path) -> None:
    image(root / "candle/Data/Images/Normal/{}.png", 7)
    image(root / "candle/Data/Images/Anomaly/{}.png", 3)
    lines = ["object,split,label,image,mask"]
    for k in range(7):
        lines.append(f"candle,{'train' if k < 5 else 'test'},normal,candle/Data/Images/Normal/{k}.png,")
    for k in range(3):
        mask(root / f"candle/Data/Masks/Anomaly/{k}.png")
        lines.append(f"candle,test,anomaly,candle/Data/Images/Anomaly/{k}.png,candle/Data/Masks/Anomaly/{k}.png")
    (root / "split_csv").mkdir()
    (root / "split_csv/1cls.csv").write_text("\n".join([*lines, "pcb,train,normal,pcb/x.png,"]))


def kolektor(root: Path) -> None:
    """Four commutators of four parts, one of each cracked."""
    for k in range(4):
        for part in range(4):
            image(root / f"KolektorSDD/kos0{k}/Part{part}.png")
            mask(root / f"KolektorSDD/kos0{k}/Part{part}_label.bmp", marked=part == 3)


def plain(root: Path) -> None:
    image(root / "parts/OK/{}.png", 10)
    image(root / "parts/scratch/{}.png", 2)
    image(root / "parts/dent/{}.png", 1)
    for name in ("scratch/0", "scratch/1", "dent/0"):
        mask(root / f"parts/masks/{name}.png")


def plain_with_masks_in_one_folder(root: Path) -> None:
    image(root / "parts/good/{}.png", 10)
    image(root / "parts/bad/b{}.png", 3)
    for k in range(3):
        mask(root / f"parts/ground_truth/b{k}_mask.png")


def listed(root: Path) -> None:
    image(root / "mine/a/{}.png", 7)
    image(root / "mine/b/{}.png", 3)
    lines = ["image,split,label,mask"]
    lines += [f"a/{k}.png,{'train' if k < 5 else 'test'},good," for k in range(7)]
    for k in range(3):
        mask(root / f"mine/m{k}.png")
        lines.append(f"b/{k}.png,test,hole,m{k}.png")
    (root / "mine/images.csv").write_text("\ufeff" + "\r\n".join(lines))


CASES = {  # how it is made, the set, how it is named, images by split and class
    "mvtec2": (mvtec2, "can", "MVTec AD 2", {("train", "good"): 5, ("test", "good"): 2, ("test", "bad"): 3}),
    "btad": (btad, "01", "BTAD", {("train", "good"): 5, ("test", "good"): 2, ("test", "ko"): 3}),
    "visa": (visa, "candle", "VisA", {("train", "good"): 5, ("test", "good"): 2, ("test", "anomaly"): 3}),
    "kolektor": (kolektor, "KolektorSDD", "KolektorSDD",
                 {("train", "good"): 6, ("test", "good"): 6, ("test", "defect"): 4}),
    "plain": (plain, "parts", "plain folders",
              {("train", "good"): 8, ("test", "good"): 2, ("test", "scratch"): 2, ("test", "dent"): 1}),
    "one mask folder": (plain_with_masks_in_one_folder, "parts", "plain folders",
                        {("train", "good"): 8, ("test", "good"): 2, ("test", "bad"): 3}),
    "list": (listed, "mine", "the list images.csv", {("train", "good"): 5, ("test", "good"): 2, ("test", "hole"): 3}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_layout_is_found_by_itself_and_named(tmp_path, capsys, case):
    make, name, layout, expected = CASES[case]
    make(tmp_path)
    data = read(tmp_path, name)
    assert counts(data) == expected and marked(data) == sum(n for (_, kind), n in expected.items() if kind != "good")
    assert f"{name}: {layout}" in capsys.readouterr().err
    assert len(set(data.index["image"])) == len(data.index)
    assert is_set(tmp_path / name), "its root would be taken for normal images"


def test_a_folder_of_normal_images_is_no_set(tmp_path):
    image(tmp_path / "good/{}.png", 3)
    image(tmp_path / "good/monday/{}.png", 3)
    assert not is_set(tmp_path / "good") and not is_set(tmp_path)


def test_no_commutator_is_trained_on_and_tested_but_by_its_cracks(tmp_path):
    kolektor(tmp_path)
    index = read(tmp_path, "KolektorSDD").index
    of = index["image"].str.split("/").str[0]
    normal = index["defect"] == "good"
    assert not set(of[index["split"] == "train"]) & set(of[normal & (index["split"] == "test")])


def test_a_list_without_a_split_holds_some_normal_images_out(tmp_path):
    image(tmp_path / "mine/{}.png", 12)
    rows = [f"{k}.png,{'ok' if k < 10 else 'dent'}" for k in range(12)]
    (tmp_path / "mine/images.csv").write_text("\n".join(["image,label", *rows]))
    assert counts(read(tmp_path, "mine")) == {("train", "good"): 8, ("test", "good"): 2, ("test", "dent"): 2}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,label\n", "needs rows with the columns image, label"),
        ("file,label\n0.png,ok\n", "missing: image"),
        ("image,label,split\n0.png,ok,training\n", "line 2: split 'training'; use train or test"),
        ("image,label,split\n0.png,dent,train\n", "line 2: a 'dent' image to train on"),
        ("image,label\n0.png,ok\n1.png\n", "line 3: nothing stands in the column label"),
        ("image,label\n0.png, \n", "line 2: nothing stands in the column label"),
        ("image,label\n0.png,ok\n1.png,ok\nnot there.png,dent\n", "not there.png: cannot be read"),
    ],
)
def test_a_faulty_list_is_named_with_its_line(tmp_path, text, message):
    image(tmp_path / "mine/{}.png", 2)
    (tmp_path / "mine/images.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        read_set(tmp_path, "mine", OPTIONS, 8)


def test_spaces_around_a_label_are_no_part_of_it(tmp_path):
    image(tmp_path / "mine/{}.png", 4)
    (tmp_path / "mine/images.csv").write_text("image,label\n0.png, good\n1.png,Good \n2.png ,ok\n3.png, dent\n")
    assert counts(read(tmp_path, "mine")) == {("train", "good"): 2, ("test", "good"): 1, ("test", "dent"): 1}


@pytest.mark.parametrize(("row", "message"), [
    ("candle,val,normal", "line 2: split 'val'"), ("candle,train,anomaly", "line 2: a 'anomaly' image to train on"),
])  # fmt: skip
def test_another_split_of_visa_is_named_with_its_line(tmp_path, row, message):
    image(tmp_path / "candle/Data/Images/Normal/{}.png", 1)
    (tmp_path / "split_csv").mkdir()
    text = f"object,split,label,image\n{row},candle/Data/Images/Normal/0.png\n"
    (tmp_path / "split_csv/1cls.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        listing(tmp_path, "candle")


def test_a_mask_is_of_its_own_class_alone(tmp_path):
    """Numbered by class, images of two classes have the same names."""
    image(tmp_path / "p/good/{}.png", 6)
    image(tmp_path / "p/scratch/{}.png", 1)
    image(tmp_path / "p/dent/{}.png", 1)
    mask(tmp_path / "p/masks/scratch/0.png")
    data = read(tmp_path, "p")
    masked = {data.index["defect"][i] for i, m in enumerate(data.masks) if m is not None and m.any()}
    assert masked == {"scratch"}


def test_folders_without_images_and_hidden_ones_do_not_count(tmp_path):
    image(tmp_path / "q/good/{}.png", 6)
    image(tmp_path / "q/bad/{}.png", 1)
    image(tmp_path / "q/good/.thumbs/{}.png", 6)
    (tmp_path / "q/notes").mkdir()
    assert is_set(tmp_path / "q")
    assert counts(read(tmp_path, "q")) == {("train", "good"): 5, ("test", "good"): 1, ("test", "bad"): 1}


def test_visa_without_its_split_says_which_file_is_missing(tmp_path):
    image(tmp_path / "candle/Data/Images/Normal/{}.png", 2)
    with pytest.raises(UserError, match=r"split_csv/1cls.csv: missing"):
        listing(tmp_path, "candle")


def test_what_is_no_set_is_none(tmp_path):
    image(tmp_path / "photos/{}.png", 3)
    image(tmp_path / "good only/good/{}.png", 3)
    (tmp_path / "empty/good").mkdir(parents=True)
    (tmp_path / "empty/bad").mkdir()
    assert available_sets(tmp_path) == []
    with pytest.raises(UserError, match=r"photos: no data set .*; sets found under .*: none"):
        listing(tmp_path, "photos")


def test_masks_of_images_of_one_name_are_told_apart_by_their_folders(tmp_path):
    image(tmp_path / "x/train/good/{}.png", 5)
    for part in "ab":
        image(tmp_path / f"x/test/dent/{part}/0.png")
        mask(tmp_path / f"x/ground_truth/dent/{part}/0_mask.png")
    image(tmp_path / "x/test/dent/0.png")  # has none: masks of others are not taken for its own

    def masks() -> dict[str, str | None]:
        some = [e for e in listing(tmp_path, "x").entries if e.split == "test"]
        return {e.path.parent.name: e.mask and e.mask.parent.name for e in some}

    assert masks() == {"a": "a", "b": "b", "dent": None}
    for part in "ab":
        (tmp_path / f"x/ground_truth/dent/{part}/0_mask.png").unlink()
    mask(tmp_path / "x/ground_truth/dent/0_mask.png")
    with pytest.raises(UserError, match=r"dent/0_mask.png: the mask of .*0.png and of .*0.png; give each"):
        listing(tmp_path, "x")


def test_a_list_may_give_one_mask_to_many_but_names_an_image_once(tmp_path):
    image(tmp_path / "x/{}.png", 7)
    mask(tmp_path / "x/masks/blank.png", marked=False)
    rows = [*(f"{k}.png,good,train," for k in range(4)), "4.png,dent,test,masks/blank.png"]
    rows += ["5.png,dent,test,masks/blank.png", "6.png,good,test,masks/blank.png"]
    (tmp_path / "x/images.csv").write_text("\n".join(["image,label,split,mask", *rows]))
    assert len(listing(tmp_path, "x").entries) == 7
    (tmp_path / "x/images.csv").write_text("\n".join(["image,label,split,mask", *rows, "./4.png,scratch,test,"]))
    with pytest.raises(UserError, match=r"images.csv: line 9: ./4.png stands in line 6, too; take it out"):
        listing(tmp_path, "x")


@pytest.mark.parametrize(("folders", "normal"), [("01", "0"), ("012", None)])
def test_a_folder_called_0_is_normal_beside_1_alone(tmp_path, folders, normal):
    for name in folders:
        image(tmp_path / f"x/{name}/{{}}.png", 3)
    assert is_set(tmp_path / "x") == (normal is not None)
    if normal:
        assert {e.path.parent.name for e in listing(tmp_path, "x").entries if e.defect == "good"} == {normal}


def test_linked_subfolders_are_read_once_and_closed_ones_are_named(tmp_path, monkeypatch):
    image(tmp_path / "store/{}.png", 2)
    image(tmp_path / "all/0.png")
    image(tmp_path / "all/day/0.png")
    (tmp_path / "all/a").symlink_to(tmp_path / "store", target_is_directory=True)
    (tmp_path / "all/current").symlink_to(tmp_path / "all/day", target_is_directory=True)
    (tmp_path / "store/back").symlink_to(tmp_path / "all", target_is_directory=True)
    os.mkfifo(tmp_path / "all/pipe.png")
    assert [p.relative_to(tmp_path / "all").as_posix() for p in images_in(tmp_path / "all")] == [
        "0.png", "a/0.png", "a/1.png", "day/0.png",
    ]  # fmt: skip

    def closed(folder, onerror):
        onerror(PermissionError(13, "Permission denied", f"{folder}/night"))
        return iter(())

    monkeypatch.setattr(os, "walk", closed)
    with pytest.raises(UserError, match=r"all/night: cannot be read \(Permission denied\)"):
        images_in(tmp_path / "all")
