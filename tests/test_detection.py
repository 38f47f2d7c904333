"""From features to decisions."""

import numpy as np

from radarlib.datasets import ImageSet
from radarlib.detection import fitted
from radarlib.study import Study


def test_copies_of_a_training_image_count_once(smoke, monkeypatch):
    monkeypatch.chdir(smoke)
    study = Study("smoke")
    data = study.data("tiles")
    first, *others = data.where("train")
    images = [data.images[first] if i in others[:3] else image for i, image in enumerate(data.images)]
    classifier, train, test = fitted(study, "tiles", "radar", 0)
    monkeypatch.setattr(study, "data", lambda name: ImageSet(images, data.index, data.masks))
    study.contents.cache_clear()
    again, fewer, same = fitted(study, "tiles", "radar", 0)
    study.contents.cache_clear()
    assert len(fewer) == len(train) - 3 == len(again.training_scores) and same.equals(test)
    assert data.index["image"][first] in fewer.index.get_level_values("image") and not np.array_equal(
        again.training_scores, classifier.training_scores
    )
