import numpy as np
import pytest
from sklearn.ensemble import IsolationForest

from radarlib.oneclass import OneClass

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
