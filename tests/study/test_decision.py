"""Times of a fit."""

import numpy as np

from study.radar.decision import fit_times


def test_fit_times_have_a_slope_per_classifier():
    table = fit_times(np.random.default_rng(0).lognormal(size=(20, 2)), [20, 40, 80], repeats=1)
    assert len(table) == 9 and table.groupby("classifier")["exponent"].nunique().eq(1).all()
