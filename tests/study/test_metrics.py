import numpy as np
import pytest
from conftest import REPOSITORY
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from study.metrics import (
    DETECTION,
    bootstrap_metrics,
    detection_metrics,
    interval,
    over_runs,
    pixel_histograms,
    pixel_metrics,
)

RNG = np.random.default_rng(0)


TRUTH = np.repeat([True, False], [30, 20])


SCORES = np.round(RNG.normal(size=50) + TRUTH, 1)  # rounded, so that there are ties


FLAGGED = SCORES > 0.8


def test_metrics_of_a_known_confusion_matrix():
    truth = np.array([1, 1, 1, 1, 0, 0], bool)
    flagged = np.array([1, 1, 0, 0, 1, 0], bool)
    found = detection_metrics(truth, np.arange(6.0), flagged)
    assert found["accuracy"] == pytest.approx(0.5)
    assert found["precision"] == pytest.approx(2 / 3)
    assert found["recall"] == pytest.approx(0.5)
    assert found["f1"] == pytest.approx(4 / 7)
    assert found["auroc"] == 0


def test_paper_table_2_follows_from_its_counts():
    # precision 0.77 and recall 0.93 of 44 anomalous and 40 normal prints give RADAR's printed accuracy and F1
    flagged = np.concatenate([np.arange(44) < 41, np.arange(40) < 12])
    found = detection_metrics(np.arange(84) < 44, flagged.astype(float), flagged)
    assert (round(found["precision"], 2), round(found["accuracy"], 2), round(found["f1"], 2)) == (0.77, 0.82, 0.85)


def test_each_bootstrap_value_is_scikit_learns_on_the_resample():
    drawn = bootstrap_metrics(TRUTH, SCORES[None], FLAGGED[None], 5, seed=3)
    rng = np.random.default_rng(3)  # the same draws, spelled out as indices
    positive, negative = rng.multinomial(30, np.full(30, 1 / 30), 5), rng.multinomial(20, np.full(20, 1 / 20), 5)
    for b in range(5):
        index = np.repeat(np.arange(50), np.concatenate([positive[b], negative[b]]))
        expected = detection_metrics(TRUTH[index], SCORES[index], FLAGGED[index])
        for name in DETECTION:
            assert drawn[name][b] == pytest.approx(expected[name]), name


def test_bootstrap_draws_runs_as_well_on_the_same_images():
    """A resample is the first run, the second, or the mean of both, of the images that it draws."""
    other = SCORES[::-1].copy()
    both = bootstrap_metrics(TRUTH, np.stack([SCORES, other]), np.stack([FLAGGED, ~FLAGGED]), 400, seed=0)
    one = bootstrap_metrics(TRUTH, SCORES[None], FLAGGED[None], 400, seed=0)
    two = bootstrap_metrics(TRUTH, other[None], ~FLAGGED[None], 400, seed=0)
    for name in DETECTION:
        mean = (one[name] + two[name]) / 2
        ways = np.clip(np.stack([mean + 2**0.5 * (way - mean) for way in (one[name], two[name], mean)]), 0, 1)
        assert (np.abs(both[name] - ways).min(0) < 1e-9).all()
    mean = (one["auroc"] + two["auroc"]) / 2
    first = np.clip(mean + 2**0.5 * (one["auroc"] - mean), 0, 1)
    share = np.isclose(both["auroc"], first) & ~np.isclose(one["auroc"], two["auroc"])
    assert 0.15 < share.mean() < 0.35  # a quarter of the draws takes the first run twice


def test_two_way_resamples_spread_as_runs_and_images_do():
    rng = np.random.default_rng(0)
    runs = 0.5 + 0.1 * rng.normal(0, 1, (5, 1)) + 0.001 * rng.normal(size=(5, 2000))  # images hardly matter
    assert np.std(over_runs(runs)) == pytest.approx(np.std(runs.mean(1), ddof=1) / 5**0.5, rel=0.1)
    assert over_runs(np.array([[0.9], [1.0]]).repeat(50, 1)).max() <= 1
    np.testing.assert_array_equal(over_runs(runs[:1]), runs[0])


def test_interval_covers_the_truth_as_often_as_it_says():
    hits = 0
    for k in range(200):
        rng = np.random.default_rng(k)
        truth = np.repeat([True, False], 60)
        flagged = rng.random(120) < np.where(truth, 0.8, 0.1)
        drawn = bootstrap_metrics(truth, flagged[None].astype(float), flagged[None], 400, seed=k)
        low, high = interval(drawn["recall"], 0.95)
        hits += low <= 0.8 <= high
    assert 0.89 <= hits / 200 <= 0.99


def test_pixel_metrics_are_scikit_learns_on_the_pixels():
    maps = [RNG.random((20, 30)).astype(np.float16) for _ in range(4)]
    masks = [RNG.random((20, 30)) < 0.1 * (1 + m.astype(float)) for m in maps]
    found = pixel_metrics(pixel_histograms(maps, masks, bins=2**16).sum(axis=0))
    label, value = np.concatenate([m.ravel() for m in masks]), np.concatenate([m.ravel() for m in maps])
    assert found["pixel_auroc"] == pytest.approx(roc_auc_score(label, value), abs=2e-4)
    assert found["pixel_ap"] == pytest.approx(average_precision_score(label, value), abs=2e-3)


def test_pixel_metrics_without_defects_are_missing():
    histogram = pixel_histograms([np.ones((4, 4), np.float16)], [np.zeros((4, 4), bool)]).sum(axis=0)
    assert np.isnan(pixel_metrics(histogram)["pixel_auroc"])


def test_pro_is_the_reference_value():
    """anomalib's 0.330468 for these maps (see tests/reference); ours goes through float16 and levels."""
    with np.load(REPOSITORY / "tests/reference" / "pro.npz") as data:
        maps, masks = list(data["maps"] - data["maps"].min()), list(data["masks"])
    found = pixel_metrics(pixel_histograms(maps, masks, bins=2**16).sum(axis=0))
    assert found["pro"] == pytest.approx(0.33046767, abs=1e-3)
    assert found["pixel_auroc"] == pytest.approx(0.67100858, abs=1e-3)
    assert found["pixel_ap"] == pytest.approx(0.29566055, abs=1e-3)


def test_each_region_counts_the_same_in_pro():
    mask = np.zeros((40, 40), bool)
    mask[:20, :20] = mask[30, 30] = True  # a large region that is found, and a single pixel that is not
    found = pixel_metrics(pixel_histograms([mask * np.float16(1) * (np.arange(40) < 25)], [mask]).sum(axis=0))
    assert found["pro"] == pytest.approx(0.5 + 0.5 * 0.3 / 2, abs=1e-6)  # ties: the rest comes in one straight line


def test_best_f1_is_that_of_the_best_threshold():
    maps, masks = [RNG.random((20, 20)).astype(np.float16)], [RNG.random((20, 20)) < 0.2]
    found = pixel_metrics(pixel_histograms(maps, masks, bins=2**16).sum(axis=0))
    best = max(f1_score(masks[0].ravel(), maps[0].ravel() >= level) for level in np.unique(maps[0]))
    assert found["best_f1"] == pytest.approx(best)
