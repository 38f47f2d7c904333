import itertools

import numpy as np
import pytest
from sklearn.metrics import f1_score

from radarlib.datasets import simulate
from radarlib.map_features import norm_features, sobel_map
from radarlib.oneclass import OneClass
from radarlib.textures import PRINT_DEFECTS, TILE_DEFECTS, artificial_defect, print_image, tile_image


@pytest.mark.parametrize("shape", [(40, 40), (28, 60)])
def test_artificial_defects_change_the_image_inside_their_mask_alone(shape):
    image = np.random.default_rng(0).uniform(-0.5, 0.5, shape).astype(np.float32)
    for seed in range(12):
        changed, mask = artificial_defect(image, np.random.default_rng(seed))
        assert changed.dtype == np.float32 and 4 <= mask.sum() < 0.5 * mask.size
        assert (changed == image)[~mask].all() and (changed != image)[mask].any()
        assert np.abs(changed).max() <= 1


COUNTS = {
    "prints": {"train": 81, "test_good": 40, "test_defective": dict(zip(PRINT_DEFECTS, (9, 9, 9, 9, 8), strict=True))},
    "tiles": {
        "train": 230,
        "test_good": 33,
        "test_defective": dict(zip(TILE_DEFECTS, (15, 16, 14, 16, 13), strict=True)),
    },
}


def make(kind: str, defect: str | None, seed: int):
    rng = np.random.default_rng(seed)
    return print_image(100, 45, defect, rng) if kind == "prints" else tile_image(100, defect, rng)


@pytest.mark.parametrize(
    ("kind", "defect"), [("prints", d) for d in PRINT_DEFECTS] + [("tiles", d) for d in TILE_DEFECTS]
)
def test_defects_are_seeded_and_leave_a_mask_of_reasonable_size(kind, defect):
    image, mask = make(kind, defect, 5)
    again, mask_again = make(kind, defect, 5)
    np.testing.assert_array_equal(image, again)
    np.testing.assert_array_equal(mask, mask_again)
    assert image.dtype == np.float32 and image.min() >= 0 and image.max() <= 1
    assert 0.001 < mask.mean() < 0.25


def test_a_normal_image_has_an_empty_mask():
    assert not make("prints", None, 0)[1].any() and not make("tiles", None, 0)[1].any()


@pytest.mark.parametrize("defect", PRINT_DEFECTS)
def test_a_print_changes_inside_its_mask_only_and_keeps_its_local_brightness(defect, monkeypatch):
    # without the camera's noise, whose draws come after the defect's, the two surfaces can be subtracted
    monkeypatch.setattr("radarlib.textures._exposed", lambda image, rng: image)
    differences = []
    for seed in range(6):
        image, mask = make("prints", defect, seed)
        change = image - make("prints", None, seed)[0]
        assert np.abs(change[~mask]).max() == 0
        assert np.abs(change[mask]).max() > 0.05
        differences.append(abs(change[mask].mean()) / np.abs(change[mask]).mean())
    assert np.median(differences) < 0.15


@pytest.mark.parametrize("defect", TILE_DEFECTS)
def test_a_tile_changes_inside_its_mask_only(defect, monkeypatch):
    monkeypatch.setattr("radarlib.textures._exposed", lambda image, rng: image)
    image, mask = make("tiles", defect, 2)
    change = image - make("tiles", None, 2)[0]
    assert np.abs(change[~mask]).max() == 0 and np.abs(change[mask]).max() > 0.05


@pytest.mark.slow
@pytest.mark.parametrize(("name", "at_own_settings"), [("prints", 0.7), ("tiles", 0.8)])
def test_the_raw_control_stays_below_its_bound_at_every_blur(name, at_own_settings):
    data = simulate(name, COUNTS[name], 100, 0)
    test = data.where("test")
    truth = (data.index["defect"][test] != "good").to_numpy()
    for sigma in (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0):
        features = np.array([norm_features(sobel_map(image, sigma=sigma), 28) for image in data.images])
        decision = OneClass(0.05).fit(features[data.where("train")])
        f1 = f1_score(truth, decision.predict(features[test]))
        assert f1 < (at_own_settings if sigma == 1.5 else 0.8), f"sigma {sigma}: F1 {f1:.2f}"


@pytest.mark.parametrize(("contrasts", "areas"), [((1, 0.5, 0.25), (1,)), ((1, 0.5), (1, 0.4))])
def test_every_pair_of_contrast_and_area_is_had_at_both_angles(contrasts, areas):
    counts = {"train": 1, "test_good": 1, "test_defective": {"gap": 24}}
    data, full = simulate("prints", counts, 100, 0, contrasts, areas), simulate("prints", counts, 100, 0)
    pairs = list(itertools.product(contrasts, areas, ("45", "135")))
    had = data.index[["contrast", "area", "angle"]].iloc[2:].value_counts()
    assert had.to_dict() == dict.fromkeys(pairs, 24 // len(pairs))
    for i in data.where("test")[1:]:
        contrast, area = data.index.loc[i, ["contrast", "area"]]
        assert not (data.masks[i] & ~full.masks[i]).any()
        assert data.masks[i].sum() == round(area * full.masks[i].sum())
        assert (data.images[i] == full.images[i])[~full.masks[i]].all()
        assert (data.images[i] == full.images[i]).all() == (contrast == area == 1)


def test_each_type_of_defect_has_several_grades_and_all_types_together_have_all():
    index = simulate("prints", COUNTS["prints"], 100, 0, (1, 0.5, 0.25), (1, 0.4)).index
    grades = index[index["defect"] != "good"].groupby("defect")[["contrast", "area"]].value_counts().unstack([1, 2])
    assert grades.notna().sum(axis=1).min() >= 4 and grades.sum().min() >= 6


def test_a_larger_set_contains_the_smaller_one():
    small = {"train": 3, "test_good": 2, "test_defective": {"gap": 1}}
    large = {"train": 5, "test_good": 4, "test_defective": {"gap": 2}}
    a, b = simulate("prints", small, 32, 0), simulate("prints", large, 32, 0)
    by_name = dict(zip(b.index["image"], b.images, strict=True))
    for name, image in zip(a.index["image"], a.images, strict=True):
        np.testing.assert_array_equal(image, by_name[name])
