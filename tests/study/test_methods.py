"""The methods of the detection table can be found and run."""

import numpy as np
import pytest

from radarlib.config import merge
from radarlib.errors import UserError
from study.methods import METHODS, method

OPTIONS = {"sigma": 0.1, "width": 64, "steps": 300, "batch": 256, "lr": 0.002, "images": 10}


def test_the_one_step_is_a_method_of_the_study(images, settings):
    settings = merge(settings, {"feature_step": {**OPTIONS, "steps": 20}, "features": {"side": 32}})
    entry = METHODS["radar-features"]
    model = entry.load_fit()(images, settings, 0)
    found, features = entry.load()(images[0], model, settings, 0)
    assert found.shape == images[0].shape and found.dtype == np.float32 and set(features) == {"global", "local"}
    assert 0 < features["global"] <= features["local"] * 1.001


def test_every_method_can_be_found_and_others_are_refused():
    assert all(callable(entry.load()) for entry in METHODS.values())
    with pytest.raises(UserError, match="unknown method 'radr'; there are: radar, radar-closed, radar-simplex"):
        method("radr")
