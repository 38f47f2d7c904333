"""The chapter on noise distributions: its job, its tables, and what the paper's own tables say."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from conftest import REPOSITORY, changed_settings, sure, whole_chains

from radarlib.cli import answer
from radarlib.config import load_settings, merge
from radarlib.datasets import ImageSet, read_set
from radarlib.denoiser import Denoiser
from radarlib.errors import UserError
from radarlib.map_features import mask
from study.__main__ import parser
from study.claims import FAILS, HOLDS, PARTLY, UNTESTED
from study.ledger import verdicts
from study.noise import claims, job, plan, spectra, tables
from study.noise.plan import FILTER, FILTERS, START, STARTS
from study.session import Session
from study.tables import PRINTED

SMALL = {"image_size": None, "steps": 2, "batch": 2, "reverse_steps": 2, "check": 2, "held": 2}


@pytest.fixture
def cloth(mvtec, settings) -> ImageSet:
    return read_set(mvtec, "cloth", settings["data"], 8)


def test_the_mask_is_the_squared_error_after_a_mean_filter():
    error = np.zeros((9, 9), np.float32)
    error[4, 4] = -3
    np.testing.assert_array_equal(mask(error, 1), error**2)
    spread = mask(error, 3)
    np.testing.assert_allclose(spread[3:6, 3:6], 1.0)
    assert spread.sum() == pytest.approx(9)


def test_networks_differ_in_their_noise_alone():
    settings = load_settings(None)
    found = {noise: plan.network_settings(settings, noise) for noise in FILTER}
    assert [own["noise"]["kind"] for own in found.values()] == ["gaussian", "simplex", "mixture"]
    assert all(merge(own, {"noise": {"kind": "gaussian"}}) == found["gaussian"] for own in found.values())
    assert found["gaussian"]["diffusion"]["beta_end"] == 0.01 and settings["diffusion"]["beta_end"] == 0.02
    assert FILTER == {"gaussian": 11, "simplex": 11, "mixture": 5} and START == 200  # §5.3


@pytest.mark.slow
def test_every_image_is_scored_by_every_noise_and_no_label_is_seen(cloth, settings, tmp_path):
    settings = merge(settings, {"noise_study": SMALL})
    job.run(cloth, {}, settings, 0, tmp_path / "a", "noise")
    table = pd.read_csv(tmp_path / "a/scores.csv")
    images = 8 * (len(FILTER) * len(STARTS) + 2) + len(FILTER) * 2 * 2  # judged, held out with twins
    assert len(table) == images * len(FILTERS) and table["score"].min() > 0
    places = table.groupby("role")["position"].agg(set)
    assert places["test"] == set(cloth.where("test"))
    assert places["held"] == places["artificial"] < set(cloth.where("train"))
    assert set(table["taken"]) == {2}
    skipped = pd.read_csv(tmp_path / "a/skipped.csv")
    assert len(skipped) == 2 * len(FILTER) and set(skipped["of"]) == {START} and skipped["correlation"].max() <= 1
    with np.load(tmp_path / "a/maps.npz") as maps:
        assert set(maps) == {*FILTER, "raw", "untrained"} and all(len(maps[name]) == 8 * 24 * 24 for name in maps)
    other = ImageSet(cloth.images, cloth.index.assign(defect="good"), [None] * len(cloth.images))
    job.run(other, {}, settings, 0, tmp_path / "b", "noise")
    assert (tmp_path / "a/scores.csv").read_bytes() == (tmp_path / "b/scores.csv").read_bytes()


@pytest.mark.slow
def test_held_out_images_are_not_trained_on(cloth, settings, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "study.noise.job.train",
        lambda images, own, seed, *_: seen.append(images) or Denoiser.untrained(own, seed, "cpu"),
    )
    job.run(cloth, {}, merge(settings, {"noise_study": SMALL}), 0, tmp_path, "noise")
    held = pd.read_csv(tmp_path / "scores.csv").query("role == 'held'")["position"].unique()
    assert [len(images) for images in seen] == [len(cloth.where("train")) - 2] * 3
    assert not any(np.array_equal(image, cloth.images[i]) for image in seen[0] for i in held)


@pytest.mark.slow
def test_a_repeated_job_keeps_the_trained_networks(cloth, settings, tmp_path, monkeypatch):
    settings = merge(settings, {"noise_study": SMALL})
    job.run(cloth, {}, settings, 0, tmp_path, "noise")
    before = (tmp_path / "scores.csv").read_bytes()
    monkeypatch.setattr("radarlib.train.Trainer.train_step", lambda _: pytest.fail("trained again"))
    job.run(cloth, {}, settings, 0, tmp_path, "noise")
    assert (tmp_path / "scores.csv").read_bytes() == before


@pytest.mark.slow
def test_the_raw_control_is_the_deviation_from_the_images_mean(cloth, settings, tmp_path):
    job.run(cloth, {}, merge(settings, {"noise_study": SMALL}), 0, tmp_path, "noise")
    table = pd.read_csv(tmp_path / "scores.csv").query("noise == 'raw' and filter == 1").set_index("position")["score"]
    for i in cloth.where("test"):
        image = cloth.images[i]
        assert table[i] == pytest.approx(((image - image.mean()) ** 2).max(), rel=1e-5)


def test_a_schedule_that_is_too_short_is_refused(cloth, settings, tmp_path, capsys):
    cloth.save(tmp_path / "images.npz")
    short = json.dumps(merge(settings, {"noise_study": SMALL, "diffusion": {"steps": 300}}))
    where = [str(tmp_path / "images.npz"), "--settings", short, "--out", str(tmp_path / "out")]
    assert answer(parser(), ["job", "study.noise.job", *where]) == 2
    assert "diffusion.steps: 300 are fewer than the 500" in capsys.readouterr().err


@pytest.fixture
def session(smoke, monkeypatch) -> Session:
    monkeypatch.chdir(smoke)
    return Session("smoke")


def test_printed_values_stand_beside_their_surfaces_and_below(session):
    table = tables.image_level(session).set_index(["set", "noise"])
    assert table.loc[("prints", "gaussian"), "paper"] == 1.0 and table.loc[("tiles", "gaussian"), "paper"] == 0.985
    assert table.loc[("printed: carpet", "mixture"), "paper"] == 0.874
    assert np.isnan(table.loc[("printed: average", "simplex"), "ours"])
    assert table.loc[("prints", "raw"), "ours"] == table.loc[("prints", "raw"), "ours"]  # a number


AVERAGE = f"{PRINTED}average of MVTec AD"


def test_the_best_of_the_paper_are_its_own(session):
    assert (tables.best(tables.by_steps(session), "start").loc[AVERAGE] == "200").all()
    best = tables.best(tables.by_filter(session), "filter").loc[AVERAGE]
    assert best["gaussian"] == "11, 17" and best["simplex"] == "11" and "5" in best["mixture"]  # ties count


def test_the_chance_to_be_highest_adds_up_and_leaves_ties_out(session, monkeypatch):
    table = tables.image_level(session)
    totals = table[table["p_highest"].notna()].groupby("set")["p_highest"].sum()
    assert len(totals) == 2 and (totals <= 1).all() and (totals > 0.5).all()
    monkeypatch.setattr(tables, "detected", lambda *_: ({"metric": "auroc", "ours": 1.0}, np.ones(9)))
    tied = tables.image_level(session)
    assert (tied.loc[tied["noise"].isin(FILTER) & tied["ours"].notna(), "p_highest"] == 0).all()


def test_one_noise_is_chosen_by_artificial_defects(session):
    table = tables.choice(session)
    assert table.groupby("set")["chosen"].sum().tolist() == [1, 1]
    assert (table[table["chosen"]].set_index("set")["artificial"] == table.groupby("set")["artificial"].max()).all()
    assert len(tables.chosen_lines(table)) == 2


def test_a_relation_is_asked_for_where_there_are_sets_enough():
    def gains(n: int) -> pd.DataFrame:
        k = np.arange(n)
        return pd.DataFrame(
            {
                "set": [f"s{i}" for i in k],
                "noise": "simplex",
                "low_share": k / n,
                "gain": k - 2.0,
                "low": k - 3.0,
                "high": k - 1.0,
            }
        )

    assert "2 sets are too few" in spectra.relation(gains(2))[0]
    (line,) = spectra.relation(gains(6))
    assert "2 of 6 sets gain for sure, 1 lose" in line and "1.00" in line


@pytest.fixture
def exhibits(smoke, tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "NOT_FOLLOWED", 0.0)
    return whole_chains(shutil.copytree(smoke / "figures/smoke", tmp_path / "figures"))


def verdict(folder, start: str) -> str:
    """Of the first claim of the noise study that starts so."""
    table, _ = verdicts(folder, REPOSITORY / "data/paper")
    return next(
        r.verdict for r in table.itertuples() if r.claim.startswith(start) and r.where.startswith("noise study")
    )


@pytest.mark.parametrize(("gaussian", "best", "structured"), [(0.9, HOLDS, FAILS), (0.4, FAILS, HOLDS)])
def test_the_ledger_follows_the_tables(exhibits, gaussian, best, structured):
    for name in ("noise_table1_image_auroc", "noise_table2_pixel"):
        table = pd.read_csv(exhibits / f"{name}.csv")
        table["ours"] = np.where(table["noise"] == "gaussian", gaussian, 0.6)
        if "p_highest" in table:
            table["p_highest"] = float(gaussian > 0.6)
        table.to_csv(exhibits / f"{name}.csv", index=False)
        sure(exhibits, name)
    assert verdict(exhibits, "Gaussian noise segments textures best") == best
    assert verdict(exhibits, "On textures, simplex and mixture") == structured
    for start in ("Gaussian noise detects images best", "Noise of unequal spectrum"):  # textures cannot tell
        assert verdict(exhibits, start) == UNTESTED


def test_peaks_follow_the_tables(exhibits):
    for name, key, wanted in (
        ("noise_table3_steps", "start", dict.fromkeys(FILTER, 200)),
        ("noise_table4_filter", "filter", FILTER),
    ):
        table = pd.read_csv(exhibits / f"{name}.csv")
        table["ours"] = np.where(table[key] == table["noise"].map(wanted), 0.8, 0.5)
        table.to_csv(exhibits / f"{name}.csv", index=False)
        sure(exhibits, name)
    changed_settings(exhibits, "noise_table3_steps", "noise_study", reverse_steps=500)  # which starts at up to 500
    assert verdict(exhibits, "With every noise, 200 steps") == HOLDS
    assert verdict(exhibits, "A mean filter of 11 px") == HOLDS
    assert verdict(exhibits, "The best number of steps is not the same for each noise") == FAILS
    table = pd.read_csv(exhibits / "noise_table3_steps.csv")
    table.loc[table["noise"] == "simplex", "ours"] = np.where(
        table.loc[table["noise"] == "simplex", "start"] == 10, 0.9, 0.5
    )
    table.to_csv(exhibits / "noise_table3_steps.csv", index=False)
    assert verdict(exhibits, "The best number of steps is not the same for each noise") == HOLDS


def test_the_papers_own_slips_are_told(exhibits):
    assert verdict(exhibits, "The averages follow") == PARTLY
    assert verdict(exhibits, "Gaussian noise reaches 90.4 %") == FAILS
    assert verdict(exhibits, "Simplex noise reaches 81.5 %") == FAILS
    assert verdict(exhibits, "Gaussian noise beats most earlier") == HOLDS
    assert verdict(exhibits, "Gaussian and mixture noise are comparable") == FAILS
    assert verdict(exhibits, "The best number of steps is not the same for each noise: by its own") == FAILS


def test_an_unknown_set_of_the_chapter_is_named(session):
    session.settings["noise_study"]["sets"] = ["tile"]
    with pytest.raises(UserError, match=r"noise_study\.sets: 'tile'"):
        tables.CHAPTER.sets(session)
