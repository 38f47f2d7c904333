"""Unclean training data: who plays which part, what is trained, and what comes out of it."""

import itertools
import json

import numpy as np
import pandas as pd
import pytest
from conftest import REPOSITORY
from sklearn.metrics import average_precision_score, roc_auc_score

from radarlib.cli import answer
from radarlib.config import load_settings
from radarlib.datasets import ImageSet
from radarlib.denoiser import Denoiser
from radarlib.errors import UserError
from study.__main__ import parser
from study.unclean import job, names, plan, tables
from study.unclean.deal import FEWEST, UnsuitedError, deal, pixel_images
from study.unclean.plan import SHARES, Run, Training


def index(train=100, good=20, **defects):
    rows = [("train", "good")] * train + [("test", "good")] * good
    rows += [("test", kind) for kind, n in defects.items() for _ in range(n)]
    return pd.DataFrame(rows, columns=["split", "defect"]).assign(image=[f"{i}" for i in range(len(rows))])


TABLE = index(gap=10, blob=12, string=6, scratch=3)


def test_no_image_is_trained_on_and_judged():
    dealt = deal(TABLE, 0)
    parts = [dealt.normals, dealt.donors, dealt.inside, dealt.outside, dealt.good]
    together = [i for part in parts for i in part]
    assert len(together) == len(set(together))
    assert set(TABLE.loc[dealt.normals, "split"]) == {"train"} and set(TABLE.loc[dealt.judged, "split"]) == {"test"}
    assert "good" not in set(TABLE.loc[dealt.donors, "defect"])


@pytest.mark.parametrize(
    ("defects", "apart"),
    [
        ({"a": 57, "b": 3}, "b"),  # never the most frequent type
        ({"a": 60, "b": 4, "c": 3}, "c"),
        ({"a": 60, "b": 20, "c": 6, "d": 2}, "c"),  # of those with five images
        ({"a": 20}, None),
    ],
)
def test_a_type_is_held_apart_that_leaves_enough_to_dirty_with(defects, apart):
    table = index(**defects)
    dealt = deal(table, 0)
    assert set(table.loc[dealt.outside, "defect"]) == ({apart} if apart else set())
    assert len(dealt.normals) >= FEWEST


def test_the_rarest_type_that_has_enough_images_is_held_apart():
    dealt = deal(TABLE, 0)
    assert set(TABLE.loc[dealt.outside, "defect"]) == {"string"} and len(dealt.outside) == 6
    assert "string" not in set(TABLE.loc[[*dealt.donors, *dealt.inside], "defect"])
    assert len(dealt.donors) == 5 + 6 + 1 and len(dealt.inside) == 5 + 6 + 2


def test_every_share_has_as_many_training_images_and_holds_the_dirt_of_the_smaller():
    dealt = deal(TABLE, 0)
    before: set[int] = set()
    for share in SHARES:
        train = dealt.training(share)
        dirty = set(train) & set(dealt.donors)
        assert len(set(train)) == len(dealt.normals) == 40  # twelve donors are three tenths
        assert len(dirty) == round(share * 40) and before <= dirty
        before = dirty


def test_the_draw_is_seeded():
    assert deal(TABLE, 0) == deal(TABLE, 0) != deal(TABLE, 1)


def test_too_few_defective_images_are_named_as_the_reason():
    with pytest.raises(UnsuitedError, match=r"100 training images and 1 defective .* robust\.sets"):
        deal(index(gap=2, blob=2), 0)


def test_a_training_changes_what_its_name_says():
    settings = load_settings(None)
    clean = Training().settings(settings)
    assert clean["loss"]["kind"] == "l2" and clean["training"]["corruption"] == 0
    assert clean["training"]["steps"] == settings["robust"]["steps"]
    huber = Training("huber0.3", share=0.2).settings(settings)
    assert huber["loss"]["kind"] == "huber" and huber["loss"]["delta"] == 0.3
    assert huber["training"]["corruption"] == 0.2 and huber["diffusion"] == settings["diffusion"]
    assert Training(noise="simplex", share=0.1).settings(settings)["noise"]["kind"] == "simplex"
    assert Training(dirt="defects", share=0.1).settings(settings)["training"]["corruption"] == 0


def test_clean_data_are_trained_on_once_whatever_the_dirt_would_be():
    assert Training(dirt="defects").name == Training(dirt="artefacts").name


def test_the_plan_holds_every_run_that_an_exhibit_shows():
    every = plan.runs()
    kept = {run.name for run in every if run.pixels}
    assert len({run.name for run in every}) == len(every)
    for method, loss, noise in (names.PAPER_RUNS | names.RADAR_RUNS).values():
        assert {Run(method, Training(loss, noise, share=share)).name for share in SHARES} <= kept
    for loss in plan.LOSSES:
        assert Run("ddpm", Training(loss, share=plan.MAIN)).name in kept
    for loss in ("l2", *plan.ROBUST):
        assert Run("ddpm", Training(loss, dirt="defects", share=plan.MAIN)).name in kept
    # one training after the other: a group of runs shares its training
    trainings = [run.training for run in every]
    changes = 1 + sum(a != b for a, b in itertools.pairwise(trainings))
    assert changes == len(set(trainings)) == len({training.name for training in trainings})


def test_a_set_without_masks_has_no_pixels_to_judge():
    data = ImageSet([np.zeros((8, 8), np.float32)] * len(TABLE), TABLE, [None] * len(TABLE))
    assert pixel_images(data, deal(TABLE, 0), 4) == {"inside": [], "outside": []}


def test_least_trimmed_squares_leaves_out_a_fifth():
    settings = load_settings(REPOSITORY / "config/smoke.yaml")
    untrained = Denoiser.untrained(Training("lts", share=0.2).settings(settings), 0, "cpu")
    images = [np.random.default_rng(0).uniform(-1, 1, (40, 40)).astype(np.float32)]
    table = job.trimmed(images, untrained, 0, batches=20)
    assert table["samples"].sum() == 20 * 16 and set(table["corrupted"]) == {True, False}
    assert (table["dropped"].fillna(0) * table["samples"]).sum() == 20 * 3  # of 16, 13 are kept
    corrupted = table[table["corrupted"]]["samples"].sum() / (20 * 16)
    assert 0.1 < corrupted < 0.3


def test_a_set_that_does_not_suit_is_left_out_or_refused(tmp_path, capsys):
    table = index(train=20, good=2, gap=2)
    images = [np.zeros((20, 20), np.float32)] * len(table)
    ImageSet(images, table, [np.zeros((20, 20), bool)] * len(table)).save(tmp_path / "images.npz")
    settings = load_settings(REPOSITORY / "config/smoke.yaml")

    def outcome(sets: list[str] | str) -> tuple[int, str]:
        told = json.dumps(plan.JOB.settings({**settings, "robust": {**settings["robust"], "sets": sets}}, 0))
        where = [str(tmp_path / "images.npz"), "--settings", told, "--out", str(tmp_path / "out")]
        return answer(parser(), ["job", "study.unclean.job", *where]), capsys.readouterr().err

    code, message = outcome(["cloth"])
    assert code == 2 and "too few to train on unclean data" in message
    code, message = outcome("all")
    assert code == 0 and "left out" in message and len(pd.read_csv(tmp_path / "out/roles.csv")) == 0


def test_pixel_values_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    masks = [rng.random((100, 100)) < 0.03 for _ in range(16)]
    maps = [(rng.normal(size=(100, 100)) + mask).astype(np.float16).astype(np.float32) for mask in masks]
    found = tables._pixel_values(maps, masks, np.ones((1, 16)))
    truth, scores = np.concatenate([m.ravel() for m in masks]), np.abs(np.concatenate([m.ravel() for m in maps]))
    assert found["auroc"][0] == pytest.approx(roc_auc_score(truth, scores), abs=2e-3)
    assert found["auprc"][0] == pytest.approx(average_precision_score(truth, scores), abs=2e-3)
    assert found["mse"][0] == pytest.approx((scores[~truth] ** 2).mean(), rel=1e-6)


def test_a_chapter_takes_the_sets_and_seeds_that_it_is_told(tmp_path):
    settings = load_settings(REPOSITORY / "config/smoke.yaml", {"robust": {"sets": ["tiles"]}, "seeds": [3, 4]})
    assert plan.JOB.sets(settings, tmp_path) == ["tiles"] and plan.JOB.seeds(settings) == [3]
    settings["robust"]["sets"] = ["tile"]
    with pytest.raises(UserError, match=r"robust\.sets: 'tile'.*prints, tiles"):
        plan.JOB.sets(settings, tmp_path)
