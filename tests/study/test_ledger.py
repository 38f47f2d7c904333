"""The ledger: verdicts come from the exhibits, and say why they are undecided."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import REPOSITORY, changed_settings, sure, whole_chains

from radarlib.errors import UserError
from study.claims import (
    CHANCE,
    EXPERIMENT,
    FAILS,
    FULL,
    HOLDS,
    ITSELF,
    LITTLE,
    MOVING,
    NEVER,
    NO_NETWORK,
    OWN,
    PARTLY,
    READING,
    SHORTENED,
    STEADY,
    TURNED,
    UNDECIDED,
    UNFOLLOWED,
    UNKNOWN,
    UNTESTED,
    Evidence,
    Finding,
    Part,
    all_of,
    each_of,
    exactly,
    followed,
    highest,
    lowest,
)
from study.ledger import CLAIMS, counted, exact, shown, verdicts
from study.metrics import DETECTION
from study.noise import claims as noise_claims
from study.plan import HALF
from study.unclean import claims as unclean_claims

PAPER = REPOSITORY / "data/paper"
FOLLOWED = ("radar", "ddpm", "anoddpm", "diffusionad")


def spread(value: float, sd: float = 0.01) -> np.ndarray:
    """A value and its resamples."""
    return np.r_[value, value + sd * np.random.default_rng(0).standard_normal(400)]


@pytest.mark.parametrize(
    ("slack", "margin", "moved", "expected"),
    [
        (spread(0.1), 0.02, 0.0, HOLDS),
        (spread(0.1), 0.02, 0.05, HOLDS),
        (spread(0.1), 0.02, 0.15, MOVING),  # the last doubling moved it by more than it is ahead
        (spread(0.1), 0.02, None, UNFOLLOWED),
        (spread(0.1, 0.2), 0.02, 0.0, UNDECIDED),  # the interval reaches to both sides
        (spread(0.03), 0.04, 0.0, UNDECIDED),  # ahead, by less than the margin
        (spread(0.0, 0.005), 0.05, 0.0, FAILS),  # an advantage that counts is out of the question
        (spread(-0.1), 0.02, 0.0, FAILS),
        (spread(-0.03, 0.04), 0.02, 0.0, UNDECIDED),
        (np.array([0.03]), 0.02, 0.0, HOLDS),  # without resamples the margin alone decides
        (np.array([0.01]), 0.02, 0.0, UNDECIDED),
        (np.array([-0.01]), 0.02, 0.0, UNDECIDED),
        (np.array([-0.03]), 0.02, 0.0, FAILS),
    ],
)
def test_a_verdict_needs_a_difference_that_counts_an_interval_and_a_training_that_has_ended(
    slack, margin, moved, expected
):
    assert Part(slack, margin, moved).verdict == expected


@pytest.mark.parametrize(
    ("slack", "expected"),
    [
        (spread(0.1), HOLDS),
        (spread(0.01), UNDECIDED),  # within the line, by less than another seed moves it
        (spread(-0.01, 0.001), UNDECIDED),  # off it, by as little
        (spread(-0.1), FAILS),
        (spread(-0.05, 0.05), UNDECIDED),
        (np.array([-0.01]), UNDECIDED),
        (np.array([-0.03]), FAILS),
    ],
)
def test_a_line_that_the_claim_states_is_missed_by_the_margin_or_not_at_all(slack, expected):
    assert Part(slack, 0.02, 0.0, stated=True).verdict == expected


@pytest.mark.parametrize(
    ("slack", "effect", "expected"),
    [
        (spread(0.006, 0.001), 0.006, UNDECIDED),  # what the paper has, which cannot be told here
        (spread(-0.007, 0.006), 0.006, FAILS),  # that small an advantage is excluded, too
        (spread(0.0, 0.005), 0.006, UNDECIDED),
        (spread(0.0, 0.005), 0.2, FAILS),  # the paper's is larger than what counts: what counts is asked
        (spread(-0.1), -0.05, FAILS),  # its own table has it behind
        (spread(0.1), 0.006, HOLDS),
    ],
)
def test_no_claim_fails_by_an_advantage_as_small_as_the_papers_own(slack, effect, expected):
    assert Part(slack, 0.03, 0.0, effect=effect).verdict == expected


def test_the_more_comparisons_must_hold_the_surer_one_fails():
    behind, ahead = Part(spread(-0.028)), Part(spread(0.1))
    assert behind.verdict == all_of([behind, ahead]).verdict == FAILS
    assert all_of([behind, *[ahead] * 19]).verdict == UNDECIDED
    assert all_of([Part(spread(-0.04)), *[ahead] * 99]).verdict == FAILS
    assert all_of([Part(spread(-0.033)), *[ahead] * 99]).verdict == UNDECIDED  # further than 400 resamples reach
    assert all_of([Part(spread(0.022))] * 50).verdict == HOLDS  # each holds by itself
    nested = all_of([all_of([ahead] * 3), ahead])
    assert len(nested.parts) == 4 and {part.among for part in nested.parts} == {4} and nested.verdict == HOLDS


def test_every_rival_is_asked_by_itself(exhibits):
    """Twenty rivals that are level in truth: the highest of their resamples lies above each of them."""
    rng = np.random.default_rng(1)
    rivals = [np.r_[0.7, 0.7 + 0.05 * rng.standard_normal(400)] for _ in range(20)]
    ours = np.r_[0.75, 0.75 + 0.01 * rng.standard_normal(400)]
    evidence = Evidence(exhibits, PAPER)
    found = evidence.ahead(ours, rivals, "pro", 0.0)
    assert len(found.parts) == 20 and found.verdict == UNDECIDED and found.side
    assert Part(ours - highest(rivals), evidence.margin("pro")).verdict == FAILS  # as it would be otherwise
    one = evidence.ahead(ours, rivals[:1], "pro", 0.0)
    np.testing.assert_array_equal(one.slack, evidence.ahead(ours, rivals[0], "pro", 0.0).slack)


def test_an_extremum_is_sure_of_less():
    """A range of four level values: all of its resamples lie above 0, and above its value."""
    values = [spread(0.7 + 0.02 * k, 0.03)[np.r_[0, 1 + np.random.default_rng(k).permutation(400)]] for k in range(4)]
    wide = highest(values) - lowest(values)
    assert (wide[1:] > 0).all() and wide[1:].mean() > wide[0] > 0.05
    assert Part(wide - 0.01, 0.02).verdict == HOLDS and Part(wide - 0.01, 0.02, extreme=True).verdict == UNDECIDED
    # Nor does it fail because what is never below 0 cannot vary downwards.
    assert Part(wide - 0.1, 0.02, extreme=True).verdict == UNDECIDED


def test_values_lie_within_a_line_or_not(exhibits):
    evidence = Evidence(exhibits, PAPER)
    near, far = [spread(0.70, 0.001), spread(0.71, 0.001)], [spread(0.7, 0.001), spread(0.8, 0.001)]
    assert evidence.within(near, 0.05, "pro", 0.0).verdict == HOLDS
    assert evidence.within(far, 0.05, "pro", 0.0).verdict == FAILS
    assert evidence.within(near, 0.01, "pro", 0.0).verdict == UNDECIDED  # nobody can tell less than the margin


def test_where_a_rival_is_perfect_nothing_is_lost_by_being_level():
    level, behind = np.zeros(401), spread(-0.1)
    assert Part(level, 0.02, 0.0).verdict == FAILS and Part(level, 0.02, 0.0, room=0.0).verdict == FULL
    assert Part(behind, 0.02, 0.0, room=0.0).verdict == FAILS and Part(level, 0.02, 0.0, room=0.1).verdict == FAILS
    full, yes, no = Part(level, 0.02, 0.0, room=0.0), exactly(True), exactly(False)
    found = [Finding("", parts).verdict for parts in ((full,), (full, yes), (full, no), (all_of([full, yes]),))]
    assert found == [FULL, HOLDS, FAILS, FULL]


def test_which_of_two_guesses_is_ahead_is_undecided(exhibits):
    evidence = Evidence(exhibits, PAPER)
    guess, better, wide = spread(0.5), spread(0.8), spread(0.6, 0.2)

    def told(ours, rival, metric="auroc"):
        return evidence.ahead(ours, rival, metric, 0.0).verdict

    assert told(guess, guess - 0.1) == told(guess - 0.1, guess) == told(wide, guess) == CHANCE
    assert told(better, guess) == HOLDS and told(guess, better) == FAILS and told(guess, guess - 0.1, "pro") == HOLDS
    assert evidence.no_worse(guess * 0, "auroc", 0.0, [guess, guess]).verdict == CHANCE
    assert evidence.ahead(guess, guess, "auroc", 0.2).verdict == MOVING  # it may learn yet
    at_chance, yes, no = replace(Part(spread(0.1)), chance=True), exactly(True), exactly(False)
    found = [
        Finding("", parts).verdict for parts in ((at_chance,), (at_chance, yes), (at_chance, no), (at_chance, yes, no))
    ]
    assert found == [CHANCE, CHANCE, CHANCE, PARTLY]
    assert all_of([at_chance, no]).verdict == FAILS and all_of([at_chance, yes]).verdict == CHANCE


def test_parts_make_a_verdict():
    yes, no, open_ = exactly(True), exactly(False), Part(spread(0, 0.1), 0.02)
    found = [Finding("", parts).verdict for parts in ((yes, yes), (yes, no), (no,), (), (yes, open_), (yes, no, open_))]
    assert found == [HOLDS, PARTLY, FAILS, UNTESTED, UNDECIDED, PARTLY]
    assert Finding("", (yes, Part(spread(0.1), 0.02, None))).verdict == UNFOLLOWED


def test_all_of_holds_where_every_part_does():
    yes, small, no = Part(spread(0.4), 0.02), Part(spread(0.067), 0), Part(spread(-0.3), 0.02)
    moving, unseen = Part(spread(0.1), 0.02, 0.2), Part(spread(0.1), 0.02, None)
    for parts, expected in (
        ((yes, small), HOLDS), ((yes, no), FAILS), ((yes, moving), MOVING), ((moving, unseen), UNFOLLOWED),
        ((no, unseen), FAILS),
    ):  # fmt: skip
        assert all_of(parts).verdict == expected
    assert all_of([yes, small]).side and not all_of([yes, no]).side
    assert all_of([yes, unseen]).moved is None and all_of([yes, moving]).moved == 0.2 and all_of([yes]).moved == 0


def test_a_metric_without_a_margin_is_named(tmp_path):
    (tmp_path / "wobble.csv").write_text("metric,margin\npro,\n")
    evidence = Evidence(tmp_path, tmp_path / "paper")
    with pytest.raises(UserError, match=r"wobble\.csv: no margin of pro"):
        evidence.part(np.zeros(1), "pro", 0.0)


def test_a_change_that_is_not_known_is_not_followed(tmp_path):
    (tmp_path / "budget_stability.csv").write_text("set,method,metric,change\nprints,radar,f1,\nprints,ddpm,f1,0.02\n")
    evidence = Evidence(tmp_path, tmp_path)
    assert evidence.moved("prints", ["radar"], "f1") is None and evidence.moved("prints", ["ddpm"], "f1") == 0.02
    assert evidence.moved("prints", ["ba", "raw"], "f1") == 0 and evidence.moved("tiles", ["ddpm"], "f1") is None


def test_half_of_the_training_tells_what_still_moves():
    now = Finding("", (Part(spread(0.1), 0.02, None), all_of([Part(spread(0.3), 0.02, None), exactly(True)])))
    near = Finding("", (Part(spread(0.09), 0.02, None), all_of([Part(spread(0.28), 0.02, None), exactly(True)])))
    far = Finding("", (Part(spread(-0.2), 0.02, None), all_of([Part(spread(0.28), 0.02, None), exactly(True)])))
    assert now.verdict == UNFOLLOWED
    assert followed(now, near).verdict == HOLDS and followed(now, far).verdict == MOVING
    assert [part.moved for part in followed(now, far).parts] == pytest.approx([0.3, 0.02])
    assert followed(now, Finding("", ())) == now  # nothing to compare


def test_a_comparison_that_is_followed_is_moved_by_its_own_change():
    now = Finding("", (Part(spread(0.1), 0.02, 0.3, tracked=True), Part(spread(0.1), 0.02, 0.3)))
    half = Finding("", (Part(spread(0.09), 0.02, 0.3, tracked=True), Part(spread(0.09), 0.02, 0.3)))
    found = followed(now, half, tracked=True)
    assert [part.moved for part in found.parts] == pytest.approx([0.01, 0.3])
    assert [part.verdict for part in found.parts] == [HOLDS, MOVING]
    assert [part.moved for part in followed(found, half).parts] == pytest.approx([0.01, 0.01])


def test_the_run_of_half_the_training_counts_where_its_terms_are_the_same(tmp_path):
    def write(name: str, settings: dict, images: str = "digest") -> None:
        (tmp_path / name).mkdir()
        read = {f"results/{name}/prints/images.npz": images, f"results/{name}/prints/seed0/robust/maps.npz": "any"}
        record = {"settings": settings, "inputs": read}
        (tmp_path / name / "x.provenance.json").write_text(json.dumps(record))

    base = {"robust": {"steps": 100, "width": 8}}
    write("same", {**base, "terms": {"images": 16}, "watermark": None})
    write("same-half", {"robust": {"steps": 50, "width": 8}, "watermark": "half of the training"})  # terms: the default
    write("apart", {**base, "ran": {"examples": 3}})  # of a chapter whose results it does not read
    write("apart-half", {"robust": {"steps": 50, "width": 8}})
    write("wide", base)
    write("wide-half", {"robust": {"steps": 50, "width": 16}})
    write("new", {**base, "data": {"contrasts": [1, 0.5]}})  # a key that the half did not know yet
    write("new-half", {"robust": {"steps": 50, "width": 8}})
    write("other", base)
    write("other-half", {"robust": {"steps": 50, "width": 8}}, images="another")
    runs = {name: Evidence(tmp_path / name, tmp_path) for name in ("same", "apart", "wide", "new", "other")}
    halves = {name: run.lengthened(HALF, "x") for name, run in runs.items()}
    assert [halves[name].folder.name for name in ("same", "apart")] == ["same-half", "apart-half"]
    assert halves["wide"] is halves["new"] is halves["other"] is None
    assert runs["same"].lengthened(HALF, "y") is None  # no such exhibit

    write("same-fourfold", {"robust": {"steps": 400, "width": 8}})  # it counts with its half alone
    assert not list(runs["same"].doublings("x"))
    write("same-twice", {"robust": {"steps": 200, "width": 8}})
    found = [[(run.folder.name, run.length) for run in pair] for pair in runs["same"].doublings("x")]
    assert found == [[("same-fourfold", 4), ("same-twice", 2)], [("same-twice", 2), ("same", 1)]]
    for name in ("same", "same-fourfold"):
        (tmp_path / name / "x.draws.npz").touch()
    assert len(list(runs["same"].doublings("x"))) == 1  # twice the training has lost its resamples, which count


@pytest.fixture
def exhibits(smoke, tmp_path):
    """A copy of the smoke profile's exhibits, to be changed; in it no training's last doubling changed a thing."""
    folder = shutil.copytree(smoke / "figures/smoke", tmp_path / "figures")
    rows = [(s, m, metric, 0.0) for s in ("prints", "tiles") for m in FOLLOWED for metric in DETECTION]
    pd.DataFrame(rows, columns=["set", "method", "metric", "change"]).to_csv(folder / "budget_stability.csv")
    follows(folder)
    return whole_chains(folder)


def follows(folder, turns: int = 0, **before: float) -> None:
    """Networks that were followed at 1, 2, 4 and 8 steps: F1 0.5, of those that are named `before` until `turns`."""
    rows = [
        (s, m, steps, before.get(m, 0.5) if steps < turns else 0.5)
        for s in ("prints", "tiles") for m in FOLLOWED for steps in (1, 2, 4, 8)
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["set", "method", "steps", "f1"])
    table.assign(accuracy=0.5, precision=0.5, recall=0.5, auroc=0.5).to_csv(folder / "budget.csv")


def row_of(folder, start: str):
    table, _ = verdicts(folder, PAPER)
    (row,) = [r for r in table.itertuples() if r.claim.startswith(start)]
    return row


def verdict(folder, start: str) -> str:
    return row_of(folder, start).verdict


def rewrite(path, change) -> None:
    table = pd.read_csv(path)
    change(table)
    table.to_csv(path, index=False)


def certain(folder, name: str) -> None:
    """An exhibit without resamples."""
    (folder / f"{name}.draws.npz").unlink(missing_ok=True)


def test_the_ledger_reads_the_run_of_half_the_training(exhibits):
    """A claim on networks that nobody follows is decided once a run of half the training says the same."""

    def change(table):
        table["ours"] = 0.5
        table.loc[table["method"] == unclean_claims.HUBER, "ours"] = 0.9

    rewrite(exhibits / "rddpm_table1_domain.csv", change)
    certain(exhibits, "rddpm_table1_domain")
    start = "With a fifth of the training images defective, Huber's loss"

    def told(start):
        row = row_of(exhibits, start)
        return row.verdict, row.stability

    assert told(start) == (UNFOLLOWED, UNKNOWN)
    half = exhibits.with_name("figures-half")
    shutil.copytree(exhibits, half)
    for name in ("radar_table1_datasets", "budget", "budget_stability"):  # that run does not leave them
        (half / f"{name}.csv").unlink()
    assert told(start) == (HOLDS, STEADY)
    rewrite(half / "rddpm_table1_domain.csv", lambda table: table.__setitem__("ours", 1 - table["ours"]))
    assert told(start) == (MOVING, TURNED)

    table = pd.read_csv(half / "rddpm_table1_domain.csv")
    table[table["method"] != unclean_claims.HUBER].to_csv(half / "rddpm_table1_domain.csv", index=False)
    assert told(start) == (UNFOLLOWED, UNKNOWN)  # a half that lacks a method says nothing of it


def test_the_ledger_asks_the_longest_training_whose_half_is_there(exhibits):
    """Of the detection table, whose networks are followed on their way as well, and of one that nobody follows."""

    def run_of(times: str, f1: float, auroc: float):
        folder = exhibits.with_name(f"figures{times}")
        if times:
            shutil.copytree(exhibits, folder)
            for name in ("radar_table1_datasets", "budget", "budget_stability"):  # that run does not leave them
                (folder / f"{name}.csv").unlink()

        def detection(table):
            table["ours"] = 0.5
            table.loc[table["method"] == "radar", "ours"] = f1

        def domain(table):
            table["ours"] = 0.5
            table.loc[table["method"] == unclean_claims.HUBER, "ours"] = auroc

        for name, change in (("radar_table2_detection", detection), ("rddpm_table1_domain", domain)):
            rewrite(folder / f"{name}.csv", change)
            certain(folder, name)

    def told(start):
        row = row_of(exhibits, start)
        return row.verdict, row.stability

    highest = "RADAR's F1 is the highest of the six methods on periodic"
    known = "With a fifth of the training images defective, Huber's loss"
    run_of("", 0.1, 0.1)
    assert told(highest) == (FAILS, NEVER) and told(known) == (UNFOLLOWED, UNKNOWN)
    run_of("-twice", 0.7, 0.2)
    assert told(highest) == (MOVING, f"{TURNED}, to 2 times the training")
    run_of("-fourfold", 0.72, 0.9)
    assert told(highest) == (HOLDS, f"{STEADY}, to 4 times the training")
    assert told(known) == (MOVING, f"{TURNED}, to 4 times the training")
    assert "0.72" in row_of(exhibits, highest).ours
    file = exhibits.with_name("figures-fourfold") / "rddpm_table1_domain.csv"
    table = pd.read_csv(file)
    table[table["method"] != unclean_claims.HUBER].to_csv(file, index=False)
    assert told(known) == (CHANCE, f"{STEADY}, to 2 times the training")  # a run without the method is not asked


def test_real_sets_stand_beside_simulated_ones_where_they_were_run(exhibits):
    """The same claims, asked of another folder: its exhibits may be there in part, and are not asked for."""
    folder = exhibits.rename(exhibits.with_name("default"))
    assert set(verdicts(folder, PAPER)[0]["real"]) == {""}
    real = folder.with_name("real")
    real.mkdir()
    for file in folder.glob("radar_*"):
        shutil.copy(file, real)
    start = "B&A and L&F are strong on prints"
    assert row_of(folder, start).real_verdict == UNFOLLOWED  # that table alone: how its training moves is not there
    assert row_of(folder, "With 20 %").real_verdict == ""
    for name in ("budget", "budget_stability"):
        shutil.copy(folder / f"{name}.csv", real)
    detects(real, radar=0.5, ba=0.9, lf=0.9)
    detects(folder, radar=0.5, ba=0.1, lf=0.1)
    row = row_of(folder, start)
    assert (row.verdict, row.real_verdict) == (FAILS, HOLDS)
    table, used = verdicts(folder, PAPER)
    assert real / "radar_table2_detection.csv" in used
    people = shown(table).set_index("claim")
    assert people.loc[row.claim, "verdict"] == "fails; real: holds" and "Real: " in people.loc[row.claim, "ours"]
    own = table["kind"] == ITSELF
    assert set(table.loc[own, "real"]) == {""}


@pytest.mark.parametrize(("moved", "expected"), [(0.01, HOLDS), (0.9, MOVING)])
def test_networks_of_few_images_are_those_of_the_long_run_where_no_other_was_followed(exhibits, moved, expected):
    start = "Patch-based training prevents overfitting"
    long = exhibits.with_name("long")
    long.mkdir()
    for suffix in ("csv", "draws.npz"):
        (exhibits / f"budget_few.{suffix}").rename(long / f"budget_few.{suffix}")
    table = pd.read_csv(long / "budget_few.csv").assign(ours=0.3, moved=moved)
    table.to_csv(long / "budget_few.csv", index=False)
    certain(long, "budget_few")
    table.head(0).to_csv(exhibits / "budget_few.csv", index=False)
    assert verdict(exhibits, start) == expected
    shutil.rmtree(long)
    assert verdict(exhibits, start) == UNTESTED


def detects(folder, **f1: float) -> None:
    """Table II with these F1 on both sets, and 0.2 for all other methods."""

    def change(table):
        rows = table["metric"] == "f1"
        table.loc[rows, "ours"] = table.loc[rows, "method"].map(f1).fillna(0.2)

    rewrite(folder / "radar_table2_detection.csv", change)
    certain(folder, "radar_table2_detection")


def test_every_claim_has_a_row(exhibits):
    table, used = verdicts(exhibits, PAPER)
    assert len(table) == sum(map(len, CLAIMS.values())) > 80
    undecided = {UNDECIDED, MOVING, UNFOLLOWED, CHANCE, FULL, READING, SHORTENED}
    assert set(table["verdict"]) <= {HOLDS, FAILS, PARTLY, UNTESTED, *undecided}
    assert table["ours"].str.len().min() > 0 and exhibits / "radar_table2_detection.csv" in used
    assert exhibits / "radar_table2_detection.draws.npz" in used and REPOSITORY / "data/wobble.csv" in used
    untold = table.loc[table["verdict"] == UNTESTED]
    assert len(untold) == 9  # six that no exhibit can tell; here chains are cut, and one gradient says nothing
    assert untold["ours"].str.contains("chains back are cut to 200 steps").sum() == 2  # of up to 500


def test_experiments_are_counted_apart_from_papers_against_themselves_and_questions_of_ours(exhibits):
    table, _ = verdicts(exhibits, PAPER)
    kinds = table["kind"].value_counts()
    assert kinds[UNTESTED] == 9 and kinds[ITSELF] > 15 and kinds[EXPERIMENT] > 50 and kinds[OWN] == 9
    of_papers = table["exhibit"].str.startswith("data/") | (table["exhibit"] == "")
    assert set(table.loc[of_papers, "kind"]) == {ITSELF, OWN, UNTESTED}
    assert set(table.loc[~of_papers, "kind"]) == {EXPERIMENT, OWN, UNTESTED}
    assert counted(table).drop(columns="kind").to_numpy().sum() == len(table)


@pytest.mark.parametrize(("radar", "expected"), [(0.9, HOLDS), (0.4, FAILS)])
def test_highest_f1_follows_table_2(exhibits, radar, expected):
    detects(exhibits, radar=radar, ddpm=0.7)
    assert verdict(exhibits, "RADAR's F1 is the highest of the six methods on periodic") == expected
    assert verdict(exhibits, "RADAR's F1 is 13 points above") == expected


def test_what_we_read_into_a_method_bears_a_claim_out_and_refutes_none(exhibits):
    start = "RADAR's F1 is the highest of the six methods on periodic"
    for values, expected in (({"lf": 0.9}, READING), ({"ba": 0.9}, FAILS), ({"ba": 0.9, "lf": 0.9}, FAILS)):
        detects(exhibits, radar=0.6, **values)
        assert verdict(exhibits, start) == expected
    assert verdict(exhibits, "L&F is worse than B&A") == UNDECIDED  # level
    for lf, expected in ((0.95, READING), (0.5, HOLDS)):
        detects(exhibits, ba=0.7, lf=lf)
        assert verdict(exhibits, "L&F is worse than B&A") == expected


def test_no_claim_rests_on_a_reconstruction_that_skips_steps(exhibits, monkeypatch):
    monkeypatch.setattr(unclean_claims, "NOT_FOLLOWED", 0.0)
    starts = ("RADAR's F1 is the highest of the six methods on periodic", "DDPM and AnoDDPM beat", "L&F is worse")
    rewrite(exhibits / "rddpm_table3_delta.csv", lambda table: table.__setitem__("ours", 0.7))
    sure(exhibits, "rddpm_table3_delta")
    for cut, expected in (
        (False, [HOLDS, FAILS, UNDECIDED, FAILS]),
        (True, [SHORTENED, SHORTENED, UNDECIDED, SHORTENED]),
    ):
        if cut:
            changed_settings(exhibits, "radar_table2_detection", "reconstruction", reverse_steps=5)
            changed_settings(exhibits, "rddpm_table3_delta", "reconstruction", reverse_steps=5)
        detects(exhibits, radar=0.9, ddpm=0.3, anoddpm=0.3, ba=0.6, lf=0.6)
        assert [verdict(exhibits, start) for start in (*starts, "δ = 0 gives the lowest AUROC")] == expected
    detects(exhibits, radar=0.6, ba=0.9)  # which needs no chain
    assert verdict(exhibits, starts[0]) == FAILS


def test_a_lead_that_the_last_doubling_could_undo_is_undecided(exhibits):
    detects(exhibits, radar=0.9, ddpm=0.7)
    rewrite(exhibits / "budget_stability.csv", lambda table: table.__setitem__("change", 0.15))  # of each of the two
    follows(exhibits, 8, radar=0.35, ddpm=0.35)  # together: the lead is what it was
    assert verdict(exhibits, "RADAR's F1 is the highest of the six methods on periodic") == HOLDS
    follows(exhibits, 8, radar=0.2)
    assert verdict(exhibits, "RADAR's F1 is the highest of the six methods on periodic") == MOVING
    (exhibits / "budget_stability.csv").write_text("set,method,metric,change\nprints,radar,f1,0.0\n")
    assert verdict(exhibits, "RADAR's F1 is the highest of the six methods on periodic") == UNFOLLOWED


def test_a_lead_within_the_resamples_is_undecided(exhibits):
    detects(exhibits, radar=0.9, ddpm=0.7)
    rows = len(pd.read_csv(exhibits / "radar_table2_detection.csv"))
    off = 0.3 * np.random.default_rng(0).standard_normal((rows, 50))
    np.savez(exhibits / "radar_table2_detection.draws.npz", off=off)
    assert verdict(exhibits, "RADAR's F1 is the highest of the six methods on periodic") == UNDECIDED


def test_stability_tells_when_a_claim_changed_its_side(exhibits):
    """DDPM was ahead of RADAR up to the second of four milestones."""
    detects(exhibits, radar=0.9, ddpm=0.7)
    follows(exhibits, 4, radar=0.1)
    rewrite(exhibits / "budget_stability.csv", lambda table: table.__setitem__("change", LITTLE))
    row = row_of(exhibits, "RADAR's F1 is the highest of the six methods on periodic")
    assert (row.verdict, row.stability) == (HOLDS, "at 4 steps")
    follows(exhibits)
    assert row_of(exhibits, "RADAR's F1 is the highest of the six methods on periodic").stability == NEVER
    assert row_of(exhibits, "With 20 %").stability == UNKNOWN
    assert row_of(exhibits, "L&F is worse than B&A").stability == NO_NETWORK


@pytest.mark.parametrize(("without", "expected"), [(0.7, FAILS), (0.4, HOLDS)])
def test_the_control_without_noise_decides_on_the_cause(exhibits, without, expected):
    def change(table):
        rows = table["metric"] == "auroc"
        table.loc[rows, "ours"] = table.loc[rows, "method"].map({"noiseless": without}).fillna(0.7)

    rewrite(exhibits / "radar_table2_detection.csv", change)
    certain(exhibits, "radar_table2_detection")
    found = verdict(exhibits, "The noise that the single step adds")
    assert found == (HOLDS if expected == HOLDS else UNDECIDED)  # equal, without resamples: no verdict
    rows = len(pd.read_csv(exhibits / "radar_table2_detection.csv"))
    np.savez(exhibits / "radar_table2_detection.draws.npz", off=np.zeros((rows, 50)))
    assert verdict(exhibits, "The noise that the single step adds") == expected


@pytest.mark.parametrize(
    ("factor", "expected", "cut"), [(2.0, HOLDS, HOLDS), (1.1, FAILS, SHORTENED), (0.5, FAILS, SHORTENED)]
)
def test_speed_follows_the_measured_times(exhibits, factor, expected, cut):
    path = exhibits / "radar_cost.measured.json"
    data = json.loads(path.read_text())
    for row in data["methods"]:
        row["seconds_per_image"] = 1.0 if row["method"] == "radar" else factor
    path.write_text(json.dumps(data))
    assert verdict(exhibits, "One step is faster") == expected
    changed_settings(exhibits, "radar_cost", "reconstruction", reverse_steps=5)
    assert verdict(exhibits, "One step is faster") == cut  # with all its steps a chain takes longer


def test_memory_claim_follows_the_count(exhibits):
    assert verdict(exhibits, "Patches of 1/400 of the image take 1/400") == HOLDS

    def change(table):
        table["ours"] = 10.0

    rewrite(exhibits / "radar_cost.csv", change)
    assert verdict(exhibits, "Patches of 1/400 of the image take 1/400") == FAILS


def test_the_papers_own_slips_are_told(exhibits):
    assert verdict(exhibits, "Table II is consistent with Table I") == HOLDS
    for start in (
        "L&F's precision on Tile is 0.95", "DiffusionAD is below DDPM on prints", "MVTec AD has 6,612 images",
        "No defective image is used",
    ):  # fmt: skip
        row = row_of(exhibits, start)
        assert (row.verdict, row.kind) == (FAILS, ITSELF)
    for start in ("Tile is tested on all", "The normal images that training takes"):  # which the papers do not say
        row = row_of(exhibits, start)
        assert (row.verdict, row.kind) == (FAILS, OWN)
    assert "5,354 images; with its 1,258 masks that makes 6,612" in row_of(exhibits, "MVTec AD has 6,612").ours
    assert "all 467 normal test images" in row_of(exhibits, "The normal images that training takes").ours


@pytest.mark.parametrize(("huber", "expected"), [(0.9, HOLDS), (0.4, FAILS)])
def test_rddpm_follows_its_tables(exhibits, monkeypatch, huber, expected):
    def change(table):
        table["ours"] = 0.6
        table.loc[table["method"] == "RDDPM-Huber", "ours"] = huber

    for name in ("rddpm_table1_domain", "rddpm_table2_contaminated", "rddpm_fig5_contamination"):
        rewrite(exhibits / f"{name}.csv", change)
        certain(exhibits, name)
    starts = (
        "With a fifth of the training images",
        "The same for a kind",
        "With 20 %",
        "RDDPM is ahead",
        "Even without",
    )
    assert {verdict(exhibits, start) for start in starts} == {UNFOLLOWED}
    monkeypatch.setattr(unclean_claims, "NOT_FOLLOWED", 0.0)
    assert {verdict(exhibits, start) for start in starts} == {expected}


def test_where_no_network_segments_no_loss_is_told_from_another(exhibits, monkeypatch):
    """Also by AUPRC, which says nothing of chance by itself, and where all are alike because none finds anything."""
    monkeypatch.setattr(unclean_claims, "NOT_FOLLOWED", 0.0)
    names = "rddpm_table1_domain", "rddpm_table2_contaminated", "rddpm_fig5_contamination", "rddpm_table3_delta"
    starts = (
        "With a fifth of the training images",
        "With 20 %",
        "Even without",
        "DDPM suffers",
        "AUROC and AUPRC are highest",
        "Any δ above 0",
    )
    for name in names:
        certain(exhibits, name)
    for level, expected in ((0.5, {CHANCE}), (0.7, {HOLDS, FAILS, UNDECIDED})):
        for name in names:
            rewrite(exhibits / f"{name}.csv", lambda table, level=level: table.__setitem__("ours", level))
        found = {start: verdict(exhibits, start) for start in starts}
        assert set(found.values()) <= expected, found


def test_a_map_no_better_than_chance_is_an_answer_to_whether_it_localises(exhibits, monkeypatch):
    claim = next(claim for claim in CLAIMS["RADAR"] if claim.text == "RADAR's map shows where the defect is")
    rewrite(exhibits / "radar_pixel_level.csv", lambda table: table.__setitem__("ours", 0.4))
    certain(exhibits, "radar_pixel_level")
    found = claim.check(Evidence(exhibits, PAPER))
    still = [replace(part, moved=0.0) for part in found.parts]
    assert still and all(part.verdict == FAILS for part in still)


def test_a_claim_that_one_set_contradicts_holds_partly(exhibits, monkeypatch):
    def change(table):
        table["ours"] = 0.6
        table.loc[table["method"] == "RDDPM-Huber", "ours"] = 0.5
        table.loc[(table["method"] == "RDDPM-Huber") & (table["set"] == "prints"), "ours"] = 0.7

    monkeypatch.setattr(unclean_claims, "NOT_FOLLOWED", 0.0)
    rewrite(exhibits / "rddpm_table1_domain.csv", change)
    certain(exhibits, "rddpm_table1_domain")
    assert verdict(exhibits, "With a fifth of the training images") == PARTLY


def test_the_best_delta_follows_table_3(exhibits, monkeypatch):
    def change(table):
        values = {"0.0": 0.1, "0.1": 0.5, "0.2": 0.6, "0.3": 0.55, "0.4": 0.5}
        table["ours"] = table["delta"].map(values).fillna(0.9)

    monkeypatch.setattr(unclean_claims, "NOT_FOLLOWED", 0.0)
    rewrite(exhibits / "rddpm_table3_delta.csv", change)
    certain(exhibits, "rddpm_table3_delta")
    assert verdict(exhibits, "δ = 0 gives the lowest AUROC") == HOLDS
    assert verdict(exhibits, "AUROC and AUPRC are highest at δ = 0.2") == HOLDS
    assert verdict(exhibits, "Any δ above 0") == FAILS  # they lie 0.1 apart
    assert verdict(exhibits, "δ = 0 gives the lowest error") == HOLDS


@pytest.mark.parametrize(("best", "differ", "peak"), [((50, 50, 50), FAILS, FAILS), ((200, 200, 200), FAILS, HOLDS),
                                                     ((50, 200, 500), HOLDS, FAILS)])  # fmt: skip
def test_the_best_number_of_steps_follows_table_3_of_the_noise_study(exhibits, monkeypatch, best, differ, peak):
    def change(table):
        wanted = table["noise"].map(dict(zip(("gaussian", "simplex", "mixture"), best, strict=True)))
        table["ours"] = np.where(table["start"] == wanted, 0.9, 0.6)

    monkeypatch.setattr(noise_claims, "NOT_FOLLOWED", 0.0)
    rewrite(exhibits / "noise_table3_steps.csv", change)
    rows = len(pd.read_csv(exhibits / "noise_table3_steps.csv"))
    np.savez(exhibits / "noise_table3_steps.draws.npz", off=np.zeros((rows, 50)))
    assert verdict(exhibits, "With every noise, 200 steps detect best") == UNTESTED, "chains skip steps"
    changed_settings(exhibits, "noise_table3_steps", "noise_study", reverse_steps=500)
    assert verdict(exhibits, "With every noise, 200 steps detect best") == peak
    table, _ = verdicts(exhibits, PAPER)
    (row,) = [r for r in table.itertuples() if r.claim == "The best number of steps is not the same for each noise"]
    assert row.verdict == differ


@pytest.mark.parametrize(
    "exhibit",
    [
        "radar_table2_detection", "rddpm_table1_domain", "rddpm_table2_contaminated", "d3ad_table5_dynamic",
        "d3ad_table6_ablation",
    ],
)  # fmt: skip
def test_with_the_papers_own_numbers_no_claim_fails(exhibits, exhibit):
    def change(table):
        table["ours"] = table["paper"].fillna(table["ours"])

    rewrite(exhibits / f"{exhibit}.csv", change)
    rows = len(pd.read_csv(exhibits / f"{exhibit}.csv"))
    np.savez(exhibits / f"{exhibit}.draws.npz", off=np.zeros((rows, 50)))
    claims = [c for some in CLAIMS.values() for c in some if c.exhibit == exhibit and not c.own]
    slip = "AnoDDPM and DiffusionAD are worse than DDPM"  # RADAR's own table has DiffusionAD ahead
    for claim in claims:
        found = claim.check(Evidence(exhibits, PAPER))
        parts = [one for part in found.parts for one in each_of(part)]
        failed = any(replace(one, moved=0.0).verdict == FAILS for one in parts)
        assert failed == claim.text.startswith(slip), claim.text
    assert len(claims) > 1


def test_the_gain_of_rddpm_is_that_of_its_own_table(exhibits):
    assert verdict(exhibits, "RDDPM's AUROC is 8.08 %") == PARTLY  # points, not per cent
    assert verdict(exhibits, "The values passed to the loss") == FAILS


def test_the_exact_ledger_holds_nothing_that_was_timed(exhibits):
    table, _ = verdicts(exhibits, PAPER)
    timed = exact(table)["verdict"] == "timed: see claims.measured.json"
    assert list(table.loc[timed, "exhibit"]) == ["radar_cost", "radar_classifiers", "d3ad_table9_speed"]
    assert not shown(table)["verdict"].str.contains("timed").any()


def test_a_missing_exhibit_is_named(exhibits):
    (exhibits / "radar_conformal.csv").unlink()  # not read by the ledger
    (exhibits / "radar_cost.csv").unlink()
    with pytest.raises(UserError, match=r"radar_cost\.csv: missing; run the workflow"):
        verdicts(exhibits, PAPER)
