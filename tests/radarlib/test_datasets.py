import shutil

import numpy as np
import pandas as pd
import pytest
from conftest import write_png

from radarlib.config import resolve
from radarlib.datasets import ImageSet, classifier_images, prepare, read_set, resized
from radarlib.errors import UserError
from radarlib.layout import available_sets


def test_unclean_training_images_are_as_many_as_asked_for(mvtec, settings):
    data = read_set(mvtec, "cloth", settings["data"], 8)
    dirty = data.contaminated(0.3, seed=0)
    changed = [i for i, (a, b) in enumerate(zip(data.images, dirty.images, strict=True)) if not np.array_equal(a, b)]
    assert len(changed) == round(0.3 * len(data.where("train"))) and set(changed) <= set(data.where("train"))
    assert dirty.contaminated(0, seed=0).images[0] is dirty.images[0]


def options(**changes) -> dict:
    return {**resolve({})["data"], **changes}


def test_mvtec_layout_is_read(mvtec):
    data = read_set(mvtec, "cloth", options(), 8)
    assert data.index.groupby(["split", "defect"]).size().to_dict() == {
        ("test", "good"): 4,
        ("test", "hole"): 4,
        ("train", "good"): 6,
    }
    assert all(image.shape == (24, 24) and image.dtype == np.float32 for image in data.images)
    for i in data.where("test"):
        assert data.masks[i].sum() == (30 if data.index["defect"][i] == "hole" else 0)


def test_a_set_survives_its_file(mvtec, tmp_path):
    (mvtec / "cloth/ground_truth/hole/2_mask.png").unlink()
    write_png(mvtec / "cloth/train/good/wide.png", np.zeros((20, 50), np.uint8))
    data = prepare(
        "cloth",
        resolve({"training": {"patch": 8, "steps": 1}, "radar": {"stride": 4}, "reconstruction": {"stride": 4}}),
        mvtec,
        tmp_path / "d.npz",
    )
    again = ImageSet.load(tmp_path / "d.npz")
    assert again.index.equals(data.index)
    for a, b in zip([*data.images, *data.masks], [*again.images, *again.masks], strict=True):
        assert (a is None and b is None) or np.array_equal(a, b)
    assert sum(mask is None for mask in again.masks) == 1


def test_missing_set_and_folders_are_named(mvtec):
    with pytest.raises(UserError, match=r"clotj: no data set .* sets found .*: cloth"):
        read_set(mvtec, "clotj", options(), 8)
    for path in (mvtec / "cloth/train/good").iterdir():
        path.unlink()
    with pytest.raises(UserError, match="train/good: no image in this folder"):
        read_set(mvtec, "cloth", options(), 8)


def test_where_no_normal_image_is_for_the_test_some_of_the_training_images_are(mvtec, capsys):
    shutil.rmtree(mvtec / "cloth/test/good")
    data = read_set(mvtec, "cloth", options(), 8)
    normal = data.index[data.index["defect"] == "good"]
    assert normal["image"].tolist() == [f"train/good/{k}.png" for k in range(6)]
    assert normal["split"].tolist() == ["train"] * 5 + ["test"]
    assert "no normal images to test, so every 5th" in capsys.readouterr().err
    shutil.rmtree(mvtec / "cloth/test")
    with pytest.raises(UserError, match="only normal images in its test part"):
        read_set(mvtec, "cloth", options(), 8)


def test_defective_images_without_a_mask_are_counted(mvtec, capsys):
    (mvtec / "cloth/ground_truth/hole/2_mask.png").unlink()
    (mvtec / "cloth/ground_truth/hole/1_mask.png").rename(mvtec / "cloth/ground_truth/hole/1.png")  # named like it
    data = read_set(mvtec, "cloth", options(), 8)
    assert "1 of 4 defective images have no mask" in capsys.readouterr().err
    assert sum(mask is None for mask in data.masks) == 1


def test_an_image_in_train_and_test_is_refused_by_content(mvtec):
    (mvtec / "cloth/test/good/other_name.png").write_bytes((mvtec / "cloth/train/good/0.png").read_bytes())
    with pytest.raises(UserError, match=r"other_name.png: the same image is also the training image .*0.png"):
        read_set(mvtec, "cloth", options(), 8)


def test_a_mask_of_another_size_is_refused(mvtec):
    write_png(mvtec / "cloth/ground_truth/hole/1_mask.png", np.zeros((10, 10), np.uint8))
    with pytest.raises(UserError, match="1_mask.png: the mask is 10×10 px and its image 1.png is 24×24 px"):
        read_set(mvtec, "cloth", options(), 8)


def test_an_image_smaller_than_the_patch_is_refused(mvtec):
    with pytest.raises(UserError, match="smaller than the 28-px patch"):
        read_set(mvtec, "cloth", options(), 28)
    assert read_set(mvtec, "cloth", options(image_size=32), 28).images[0].shape == (32, 32)


def test_the_test_subset_keeps_the_classes_shares_and_is_seeded(mvtec):
    once, again = (read_set(mvtec, "cloth", options(max_test=4, seed=3), 8) for _ in range(2))
    assert once.index["image"].tolist() == again.index["image"].tolist()
    assert once.index[once.index["split"] == "test"]["defect"].value_counts().to_dict() == {"good": 2, "hole": 2}
    assert (once.index["split"] == "train").sum() == 6


def test_available_sets(mvtec, tmp_path):
    assert available_sets(mvtec) == ["cloth"]
    assert available_sets(tmp_path / "nothing") == []


def test_copies_of_a_training_image_are_left_out_and_those_of_a_test_image_kept(mvtec, capsys):
    before = read_set(mvtec, "cloth", options(), 8)
    for part in ("train/good", "test/good"):
        (mvtec / f"cloth/{part}/00.png").write_bytes((mvtec / f"cloth/{part}/1.png").read_bytes())
    data = read_set(mvtec, "cloth", options(), 8)
    assert "cloth: 1 of 7 training images are copies of others; left out" in capsys.readouterr().err
    assert data.index["image"].isin(["train/good/1.png", "train/good/00.png"]).sum() == 1
    assert len(data.train_images) == len(before.train_images) == 6
    assert len(data.where("test")) == len(before.where("test")) + 1


def test_classifier_images_are_training_images_drawn_once(mvtec, settings):
    index = read_set(mvtec, "cloth", settings["data"], 8).index
    chosen = classifier_images(index, 4, 0)
    assert len(set(chosen)) == 4 and set(index["split"][chosen]) == {"train"}
    np.testing.assert_array_equal(chosen, classifier_images(index, 4, 0))


def test_resizing_keeps_a_thin_defect():
    mask = np.zeros((64, 64), bool)
    mask[31] = True
    data = ImageSet([np.full((64, 64), 0.25, np.float32)], pd.DataFrame({"image": ["a"]}), [mask])
    small = resized(data, 16)
    assert small.images[0].shape == (16, 16) and np.allclose(small.images[0], 0.25)
    assert small.masks[0].any(axis=1).sum() == 1 and small.masks[0][7].all()
    assert resized(data, None) is data
