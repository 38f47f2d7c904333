"""Methods on whole images."""

import numpy as np
import pytest

from radarlib.config import merge
from radarlib.denoiser import Denoiser
from radarlib.images import resize
from radarlib.methods import reconstruct, whole
from radarlib.train import Trainer
from study.methods import METHODS, WHOLE, model_settings


@pytest.fixture
def own(settings) -> dict:
    return merge(settings, {"whole": {"side": 16, "batch": 3}})


def test_an_image_is_seen_whole_at_one_size(own, images):
    """One evaluation a step, and the map has the image's size."""
    denoiser = Denoiser.untrained(model_settings(own, "whole"), 0)
    found, features = whole.score(images[1], denoiser, own, 0)
    assert found.shape == images[1].shape == (20, 24)
    assert denoiser.evaluations == own["reconstruction"]["reverse_steps"] and denoiser.pixels == 3 * 16**2
    assert features == reconstruct.score(resize(images[1], 16), denoiser, own, 0)[1]


def test_patches_cost_more_evaluations_than_whole_images(own, images):
    counts = {}
    for name, method in (("patches", "ddpm"), ("whole", "ddpm-whole")):
        denoiser = Denoiser.untrained(model_settings(own, METHODS[method].model), 0)
        METHODS[method].load()(images[1], denoiser, own, 0)
        counts[name] = denoiser.evaluations
    assert counts == {"patches": 3 * 4 * 5, "whole": 3}  # 20 x 24 px in patches of 8 at a stride of 4, three steps


@pytest.mark.parametrize("model", WHOLE)
def test_a_network_of_whole_images_trains_on_them(own, images, model):
    trainer = Trainer([resize(image, 16) for image in images], model_settings(own, model), 0)
    assert len(trainer.sampler) == len(images)  # one patch an image: the image
    assert np.isfinite(trainer.train_step())
