"""The promise of split-conformal p-values, and what can break it."""

import numpy as np
import pytest

from radarlib.conformal import images_needed, p_values, promised, reached, split, threshold
from radarlib.errors import UserError

RNG = np.random.default_rng(0)


def test_p_value_counts_calibration_scores_at_least_as_high():
    calibration = np.array([1.0, 2.0, 2.0, 3.0])
    np.testing.assert_allclose(p_values(calibration, np.array([0.0, 2.0, 2.5, 9.0])), [1, 4 / 5, 2 / 5, 1 / 5])


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.25, 0.5])
@pytest.mark.parametrize("n", [4, 19, 20, 99])
def test_threshold_and_p_values_agree(n, rate):
    calibration, scores = RNG.normal(size=n), RNG.normal(size=500)
    np.testing.assert_array_equal(scores > threshold(calibration, rate), p_values(calibration, scores) <= rate)


@pytest.mark.parametrize("rate", [0.05, 0.2])
def test_the_promise_holds_on_new_normal_images(rate):
    """Mean false alarms over 4000 draws of calibration and new scores; exactly floor(rate (n + 1)) / (n + 1) are
    expected.
    """
    n = 30
    alarms = [(RNG.exponential() > threshold(RNG.exponential(size=n), rate)) for _ in range(4000)]
    expected = np.floor(rate * (n + 1)) / (n + 1)
    assert np.mean(alarms) == pytest.approx(expected, abs=4 * np.sqrt(expected / 4000))
    assert expected <= rate


@pytest.mark.parametrize(("rate", "n"), [(0.05, 19), (0.1, 9), (0.5, 1), (0.01, 99)])
def test_fewest_images_that_can_promise_a_rate(rate, n):
    assert images_needed(rate) == n
    assert np.isfinite(threshold(RNG.normal(size=n), rate))
    assert n == 1 or np.isinf(threshold(RNG.normal(size=n - 1), rate))


@pytest.mark.parametrize(
    ("n", "rate", "share"), [(38, 0.05, 1 / 39), (39, 0.05, 2 / 40), (12, 0.05, 1 / 13), (19, 0.2, 0.2)]
)
def test_so_many_images_tell_shares_in_steps(n, rate, share):
    assert reached(n, rate) == pytest.approx(share)
    alarms = [(RNG.exponential() > threshold(RNG.exponential(size=n), promised(n, rate))) for _ in range(4000)]
    assert np.mean(alarms) == pytest.approx(share, abs=4 * np.sqrt(share / 4000))


def test_split_keeps_calibration_apart():
    train, calibration = split(60, 0.1, seed=0)
    assert len(calibration) == 20 and not set(train) & set(calibration) and len({*train, *calibration}) == 60
    assert len(split(40, 0.05, seed=0)[1]) == 19
    with pytest.raises(
        UserError, match="a false-alarm rate of 0.01 needs 99 calibration images beside 8 for training; 60"
    ):
        split(60, 0.01, seed=0)
