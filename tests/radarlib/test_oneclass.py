import numpy as np
import pytest
from sklearn.ensemble import IsolationForest

from radarlib import conformal
from radarlib.oneclass import Distance, OneClass, calibrated

TRAIN = np.random.default_rng(0).normal(size=(200, 2))


TEST = np.random.default_rng(1).normal(size=(100, 2)) * 2


@pytest.mark.parametrize("contamination", [0.05, 0.1, 0.5])
def test_decision_is_scikit_learns(contamination):
    theirs = IsolationForest(n_estimators=100, contamination=contamination, random_state=0).fit(TRAIN)
    ours = OneClass(contamination).fit(TRAIN)
    np.testing.assert_array_equal(ours.predict(TEST), theirs.predict(TEST) == -1)
    assert ours.threshold == pytest.approx(-theirs.offset_)


def test_contamination_is_the_share_of_training_images_flagged():
    assert OneClass(0.05).fit(TRAIN).predict(TRAIN).mean() == pytest.approx(0.05, abs=0.005)


def test_contamination_zero_flags_no_training_image():
    decision = OneClass(0).fit(TRAIN)
    assert not decision.predict(TRAIN).any()
    assert decision.threshold == decision.score(TRAIN).max()


def test_far_away_scores_higher():
    decision = OneClass().fit(TRAIN)
    assert decision.score(np.array([[6.0, 6.0]]))[0] > decision.score(np.array([[0.0, 0.0]]))[0]


def test_the_outlier_factor_of_few_images_is_more_than_rounding():
    """With all but one of them as neighbours it would be 1 everywhere, and its order left to the processor."""
    few = np.abs(TRAIN[:12]) + 0.1
    score = OneClass(kind="lof").fit(few).score(np.abs(TEST))
    again = OneClass(kind="lof").fit(few * (1 + 1e-7 * TRAIN[12:24])).score(np.abs(TEST))
    np.testing.assert_allclose(again, score, rtol=1e-3)
    assert np.ptp(score) > 0.5


def normal(n: int, k: int, seed: int) -> np.ndarray:
    """Features (n, k) of normal images, as real sets have them: logarithms that go together and spread by a seventh."""
    rng = np.random.default_rng([seed, n])
    return np.exp(0.15 * (0.8 * rng.normal(size=(n, 1)) + 0.6 * rng.normal(size=(n, k))))


@pytest.mark.parametrize("n", [8, 12, 20, 32, 64])
@pytest.mark.parametrize("k", [2, 4])
def test_no_gross_defect_is_missed_however_few_the_images(n, k):
    """Three times the median of what is normal, in 60 fits; a forest misses some where images are few."""
    missed = forest = 0
    for seed in range(60):
        features = normal(n, k, seed)
        gross = 3 * np.median(features, axis=0)[None]
        decision, _, threshold = calibrated(features, 0.05, 0)
        missed += decision.score(gross)[0] <= threshold
        forest += n == 8 and not OneClass(seed=seed).fit(features).predict(gross)[0]
    assert missed == 0 and (forest > 0) == (n == 8)


@pytest.mark.parametrize("n", [8, 20, 60])
def test_a_distance_keeps_what_it_promises(n):
    """Mean false alarms on 300 new normal images, over 100 fits."""
    alarms = []
    for seed in range(100):
        features = normal(n + 300, 4, seed)
        decision, _, threshold = calibrated(features[:n], 0.05, 0)
        alarms.append((decision.score(features[n:]) > threshold).mean())
    assert np.mean(alarms) <= conformal.promised(n, 0.05) + 0.01


def test_a_distance_goes_on_rising_and_takes_less_for_normal():
    features = normal(50, 2, 0)
    decision = Distance().fit(features)
    rising = decision.score(np.median(features, axis=0) * np.array([[1], [2], [4], [8]]))
    assert (np.diff(rising) > 0).all() and decision.score(features.min(axis=0)[None] / 9)[0] == 0


def test_a_few_unclean_images_do_not_move_a_distance():
    features = normal(60, 2, 0)
    unclean = np.concatenate([features, 9 * features[:3]])
    np.testing.assert_allclose(Distance().fit(unclean).spread, Distance().fit(features).spread, rtol=0.35)


def test_an_image_is_judged_without_itself():
    """In as many parts as there are images here, its own features cannot move the decision on it."""
    features = normal(9, 2, 0)
    outlier = features.copy()
    outlier[4] = 50
    alone = Distance().fit(np.delete(outlier, 4, axis=0)).score(outlier[[4]])[0]
    assert calibrated(outlier, 0.05, 0)[1][4] == pytest.approx(alone)
