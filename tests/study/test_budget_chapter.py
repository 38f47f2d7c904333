"""Networks followed while they learn: which ones, what is measured, that nothing is done twice; and the rules."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from radarlib.config import merge
from radarlib.datasets import ImageSet
from radarlib.diffusion import Schedule
from radarlib.errors import UserError
from radarlib.methods.closed_form import ClosedForm
from radarlib.textures import artificial_defect
from study.budget import job, tables
from study.budget.plan import KEYS, Variant, scored, variants
from study.detection import judged
from study.metrics import DETECTION, FAR


@pytest.fixture
def chosen(settings) -> dict:
    own = {
        "steps": [2, 4],
        "t_max": [20],
        "times": [1, 50],
        "patches": 6,
        "probes": 3,
        "limit": 4,
        "methods": ["radar"],
    }
    return {**settings, "budget": {**settings["budget"], **own}}


@pytest.fixture
def data(images) -> ImageSet:
    index = pd.DataFrame({"image": [f"{k}" for k in range(10)], "split": ["train"] * 8 + ["test"] * 2,
                          "defect": ["good"] * 9 + ["hole"]})  # fmt: skip
    return ImageSet(images, index, [None] * 10)


def test_one_thing_is_changed_at_a_time(settings):
    own = merge(
        settings, {"budget": {"t_max": [200, 20], "widths": [8], "images": [5], "methods": ["radar", "anoddpm"]}}
    )
    found = variants(own)
    base = Variant(1000, settings["unet"]["width"])
    assert found[0] == base and len(found) == len(set(found)) == len({v.key for v in found})
    assert {(v.t_max, v.width, v.images, v.noise) for v in found} == {
        (1000, 4, 0, "gaussian"), (200, 4, 0, "gaussian"), (20, 4, 0, "gaussian"), (1000, 8, 0, "gaussian"),
        (20, 8, 0, "gaussian"), (1000, 4, 5, "gaussian"), (20, 4, 5, "gaussian"), (1000, 4, 0, "simplex"),
    }  # fmt: skip


def test_a_network_of_few_t_is_not_asked_to_reconstruct(settings):
    own = merge(settings, {"budget": {"methods": ["radar", "ddpm", "anoddpm", "diffusionad"]}})
    assert scored(Variant(1000, 4), own) == ["radar", "ddpm", "diffusionad"]
    assert scored(Variant(20, 4), own) == scored(Variant(1000, 8), own) == ["radar"]
    assert scored(Variant(1000, 4, noise="simplex"), own) == ["anoddpm"]


def test_only_the_published_network_reconstructs(chosen, data, tmp_path):
    own = merge(chosen, {"budget": {"methods": ["radar", "diffusionad"], "widths": [8], "steps": [1, 2]}})
    job.run(data, {}, own, 0, tmp_path, "budget")
    asked = pd.read_csv(tmp_path / "features.csv").groupby(["t_max", "width"])["method"].unique().map(sorted)
    assert asked[1000, own["unet"]["width"]] == ["diffusionad", "radar"]
    assert asked[1000, 8] == asked[20, own["unet"]["width"]] == ["radar"]


def test_held_out_images_are_trained_on_by_no_network(data):
    train, held = job.held_out(data, 0)
    assert len(held) == 4 and not set(train) & set(held) and set(train) | set(held) == set(data.where("train"))


def test_errors_on_defects_count_inside_their_masks(images):
    probes = [artificial_defect(images[k], np.random.default_rng(k)) for k in range(5)]
    found = job.drawn_patches(images[:2], probes, 8, 7, 0)
    x_0, counts = found["defect"]
    assert x_0.shape == counts.shape == (5, 1, 8, 8) and counts.flatten(1).any(1).all() and not counts.all()
    assert found["normal"][0].shape == (7, 1, 8, 8) and found["normal"][1].all()


def test_a_network_that_answers_as_the_closed_form_has_its_errors(chosen, images, perfect):
    closed = ClosedForm(np.full(64, 0.25), np.zeros((64, 64)), Schedule())  # knows that x_0 is 0.25, as `perfect` does
    level = np.full((16, 16), 0.25, np.float32)
    patches = {"normal": (torch.full((4, 1, 8, 8), 0.25), torch.ones(4, 1, 8, 8, dtype=torch.bool))}
    judged = {"test": [("a", level)]}
    found = job.measure(perfect, closed, Variant(1000, 4), patches, judged, ["radar"], chosen, 0, "test")
    assert [row["t"] for row in found["errors"]] == [1, 50, 200, 250]  # and those at which the methods ask
    assert all(max(row["error"], row["closed"], row["apart"]) < 1e-4 for row in found["errors"])
    assert found["features"][0].keys() == {"method", "image", "kind", "global", "local"}
    few = job.measure(perfect, closed, Variant(20, 4), patches, {}, [], chosen, 0, "test")
    assert not few["errors"][1:]  # t = 50 > 20


def test_a_killed_run_goes_on_and_nothing_finished_is_done_again(chosen, data, tmp_path, monkeypatch):
    job.run(data, {}, chosen, 0, tmp_path / "whole", "test")
    measured, measure = [], job.measure

    def interrupted(*arguments):
        if len(measured) == 3:
            raise KeyboardInterrupt
        measured.append(arguments[2])
        return measure(*arguments)

    monkeypatch.setattr(job, "measure", interrupted)
    with pytest.raises(KeyboardInterrupt):
        job.run(data, {}, chosen, 0, tmp_path / "killed", "test")
    monkeypatch.setattr(job, "measure", lambda *arguments: measured.append(arguments[2]) or measure(*arguments))
    job.run(data, {}, chosen, 0, tmp_path / "killed", "test")
    assert len(measured) == 4  # two networks at two milestones, each once
    for file in ("errors.csv", "features.csv"):
        assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "killed" / file).read_bytes()
    longer = merge(chosen, {"budget": {"steps": [2, 4, 5]}, "training": {"steps": 99}})
    job.run(data, {}, longer, 0, tmp_path / "killed", "test")
    assert len(measured) == 6  # a further milestone of the same trainings
    job.run(data, {}, merge(chosen, {"training": {"lr": 0.01}}), 0, tmp_path / "killed", "test")
    assert len(measured) == 10  # another training is another network
    table = pd.read_csv(tmp_path / "whole/features.csv", dtype={"image": str})
    assert set(table["kind"]) == {"train", "held", "artificial", "test"} and set(table["t_max"]) == {1000, 20}


def test_what_is_measured_otherwise_is_measured_on_the_network_of_its_milestone(chosen, data, tmp_path):
    """Not on that of a checkpoint which has gone further."""
    job.run(data, {}, chosen, 0, tmp_path / "a", "test")
    other = merge(chosen, {"radar": {"sigma": 2}})
    job.run(data, {}, other, 0, tmp_path / "a", "test")
    job.run(data, {}, other, 0, tmp_path / "b", "test")
    for file in ("errors.csv", "features.csv"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_another_test_image_is_seen(chosen, data, tmp_path):
    job.run(data, {}, chosen, 0, tmp_path, "test")
    before = (tmp_path / "features.csv").read_bytes()
    data.images[-1] = data.images[-1] * 0.5
    job.run(data, {}, chosen, 0, tmp_path, "test")
    assert (tmp_path / "features.csv").read_bytes() != before


def test_as_many_images_as_there_are_is_no_variant(chosen, data, tmp_path):
    job.run(data, {}, merge(chosen, {"budget": {"images": [3, 4, 50]}}), 0, tmp_path, "test")  # of 4 to train on
    assert set(pd.read_csv(tmp_path / "errors.csv")["images"]) == {0, 3}


def test_one_training_image_is_refused(images):
    index = pd.DataFrame({"image": ["a", "b"], "split": ["train", "test"], "defect": ["good", "good"]})
    with pytest.raises(UserError, match="fewer than 2 training images"):
        job.held_out(ImageSet(images[:2], index, [None] * 2), 0)


def _point(t_max: int, steps: int, **values: float) -> dict:
    values |= dict.fromkeys(("accuracy", "precision", "recall"), 0.5)
    values |= {"error_defect": values["error_normal"] * values["contrast"], "apart_defect": 0.1 * values["contrast"]}
    return {"set": "cloth", "network": f"t {t_max}", **dict.fromkeys(KEYS, 0), "t_max": t_max, "width": 4,
            "noise": "gaussian", "whole": False, "steps": steps, "method": "radar", **values}  # fmt: skip


@pytest.fixture
def curves() -> tuple[pd.DataFrame, dict]:
    """Two networks at two milestones: the better denoiser detects worse."""
    table = pd.DataFrame([
        _point(1000, 1, error_normal=0.95, contrast=2.0, proxy=0.8, auroc=0.7, f1=0.6),
        _point(1000, 2, error_normal=0.93, contrast=3.0, proxy=0.9, auroc=0.9, f1=0.8),
        _point(20, 1, error_normal=0.92, contrast=1.5, proxy=0.85, auroc=0.6, f1=0.5),
        _point(20, 2, error_normal=0.90, contrast=1.2, proxy=0.7, auroc=0.5, f1=0.4),
    ])  # fmt: skip
    rng = np.random.default_rng(0)
    draws = {
        (row["set"], *(row[key] for key in tables.POINT), "radar"): {
            m: row[m] + 0.01 * rng.standard_normal(200) for m in DETECTION
        }
        for row in table.to_dict("records")
    }
    return table, draws


@pytest.fixture
def session(settings) -> SimpleNamespace:
    return SimpleNamespace(settings=settings)


def test_rules_take_what_they_say_and_are_held_against_the_published_way(session, curves):
    table, draws = curves
    rules = tables.chosen(session, table, draws).set_index("rule")
    assert (
        rules.loc["published", ["t_max", "steps"]].tolist() == [1000, 2] and rules.loc["published", "auroc_gain"] == 0
    )
    assert rules.loc["error", ["t_max", "steps"]].tolist() == [20, 2]
    assert rules.loc["artificial", ["t_max", "steps"]].tolist() == [1000, 2]
    assert rules.loc["error", "auroc_gain"] == pytest.approx(-0.4) and rules.loc["error", "auroc_high"] < 0
    assert (rules["best_auroc"] == 0.9).all()
    lines = tables.findings(rules.reset_index())
    assert "AUROC ahead on 0, behind on 1" in lines[0] and len(lines) == 3


def test_the_last_doubling_and_what_explains(session, curves):
    table, draws = curves
    change = tables.last_doubling(session, table, draws).set_index("metric")
    assert change.loc["auroc", "change"] == pytest.approx(0.2) and change.loc["auroc", "low"] > 0.1
    found = tables.explained(table).set_index(["metric", "explained_by"])["spearman"]
    assert found["auroc", "contrast"] == pytest.approx(1) and found["auroc", "proxy"] < 1


def test_few_images_cost_patches_what_the_table_says(session):
    """Patches fall from 0.9 to 0.8, whole images from 0.85 to 0.6: patches lose 0.15 less."""
    ends = {(False, 0): 0.9, (False, 5): 0.8, (True, 0): 0.85, (True, 5): 0.6}
    rows = [
        _point(1000, steps, error_normal=1, contrast=1, proxy=0.5, auroc=auroc - 0.1 * (steps == 1) * whole, f1=auroc)
        | {"images": images, "whole": whole, "method": "radar-whole" if whole else "radar", FAR: auroc}
        for (whole, images), auroc in ends.items()
        for steps in (1, 2)
    ]  # fmt: skip
    draws = {
        (row["set"], *(row[key] for key in [*tables.POINT, "method"])): {
            m: np.full(9, row[m]) for m in (*DETECTION, FAR)
        }
        for row in rows
    }
    table = tables.few(session, pd.DataFrame(rows), draws).set_index("metric")
    assert table["images"].tolist() == [5, 5, 5] and table["ours"].tolist() == pytest.approx([0.15, 0.15, 0.15])
    assert table.loc["auroc", ["low", "high"]].tolist() == pytest.approx([0.15, 0.15])
    assert table.loc["auroc", "moved"] == pytest.approx(0)  # both networks of whole images moved alike
    shown = tables.few_shown(table.reset_index())
    assert shown.loc[0, "patches"] == "0.90 → 0.80" and shown.loc[0, "patches lose less"] == "+0.15 [+0.15, +0.15]"


def test_few_images_are_judged_by_what_goes_on_rising_beyond_them(settings):
    """Four defects, each grosser than the one before: to a forest of eight images they are all the same."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.uniform(1, 1.2, (16, 2)), columns=["global", "local"])
    table = table.assign(kind=["train"] * 8 + ["test"] * 8, image=[f"{k}" for k in range(16)])
    table.loc[12:, ["global", "local"]] = [[2, 2], [4, 4], [8, 8], [16, 16]]
    index = pd.DataFrame({"image": table["image"], "defect": ["good"] * 12 + ["hole"] * 4})
    session = SimpleNamespace(settings=settings, data=lambda _: SimpleNamespace(index=index))
    found = judged(session, "cloth", table, 0)
    assert len(set(found.scores[4:])) == 1 and (np.diff(found.far[4:]) > 0).all()
    assert found.far[:4].max() < found.far[4:].min()


def test_without_networks_of_few_whole_images_the_table_is_empty(session, curves):
    assert tables.few(session, *curves).empty and tables.few_shown(tables.few(session, *curves)).empty


def test_whole_images_are_followed_where_they_are_asked_for(chosen, data, tmp_path):
    own = merge(chosen, {"budget": {"images": [3], "whole": True, "steps": [1, 2]}, "whole": {"side": 16}})
    found = [v for v in variants(own) if v.whole]
    assert [v.images for v in found] == [0, 3] and scored(found[0], own) == ["radar-whole"]
    job.run(data, {}, own, 0, tmp_path, "test")
    table = pd.read_csv(tmp_path / "features.csv")
    assert set(table.loc[table["whole"], "method"]) == {"radar-whole"} and set(table["images"]) == {0, 3}
    assert not pd.read_csv(tmp_path / "errors.csv")["whole"].any()  # a patch is no whole image


def test_networks_are_named_by_what_differs():
    name = lambda *point: tables.variant_label(*point, (1000, 16))  # noqa: E731
    assert name(1000, 16, 0, "gaussian", False) == "as published"
    assert name(20, 8, 0, "gaussian", False) == "t ≤ 20, width 8"
    assert name(1000, 16, 30, "simplex", False) == "30 images, simplex noise"
    assert name(1000, 16, 8, "gaussian", True) == "8 images, whole images"
