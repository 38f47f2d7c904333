"""Who plays which part when training is unclean: what is trained on, what dirties it, and what is judged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from radarlib.datasets import GOOD, ImageSet
from radarlib.errors import UserError
from study.unclean.plan import SHARES

OUTSIDE = 5  # images that a defect type should have to be the one that is held apart
FEWEST = 10  # training images, that a tenth of them may be one


class UnsuitedError(UserError):
    """A set has too few images for what is asked of it."""


@dataclass(frozen=True)
class Roles:
    """What each image of a set is for, as positions in it.

    normals : training images, shuffled. donors : defective test images that are given up for training, shuffled.
    inside, outside : defective images to be judged, of the donors' types and of a type that no training sees.
    good : normal test images.
    """

    normals: list[int]
    donors: list[int]
    inside: list[int]
    outside: list[int]
    good: list[int]

    def training(self, share: float) -> list[int]:
        """Training images of which `share` are defective: as many for every share, and the dirtier hold the cleaner's
        dirt.
        """
        dirty = round(share * len(self.normals))
        return [*self.donors[:dirty], *self.normals[dirty:]]

    @property
    def judged(self) -> list[int]:
        return [*self.good, *self.inside, *self.outside]


def deal(index: pd.DataFrame, seed: int) -> Roles:
    """Deal the images out: a seeded draw that looks at splits and at types of defects, never at a score.

    Half of each type's images become donors, but for one type that is held apart: never the most frequent one, and of
    the others the rarest that has OUTSIDE images, or else the rarest. The number of training images is what the donors
    can dirty to the largest share. Raises UnsuitedError where that is fewer than FEWEST.
    """
    rng = np.random.default_rng(seed)
    test = index[index["split"] == "test"]
    types = test.loc[test["defect"] != GOOD, "defect"].value_counts(sort=False)
    others = types.drop(types.idxmax())
    enough = others[others >= OUTSIDE]
    apart = None if others.empty else (others if enough.empty else enough).idxmin()
    donors: list[int] = []
    inside: list[int] = []
    for kind in types.index.drop(apart) if apart else types.index:
        order = rng.permutation(test.index[test["defect"] == kind])
        donors += order[: len(order) // 2].tolist()
        inside += sorted(order[len(order) // 2 :].tolist())
    train = rng.permutation(index.index[index["split"] == "train"])
    count = min(len(train), int(len(donors) / max(SHARES)))
    if count < FEWEST:
        raise UnsuitedError(
            f"{len(train)} training images and {len(donors)} defective ones to dirty them are too few to train on"
            " unclean data; name other sets in robust.sets"
        )
    return Roles(
        train[:count].tolist(), rng.permutation(donors).tolist(), inside, test.index[test["defect"] == apart].tolist(),
        test.index[test["defect"] == GOOD].tolist(),
    )  # fmt: skip


def pixel_images(data: ImageSet, dealt: Roles, limit: int) -> dict[str, list[int]]:
    """Defective images with a mask whose pixels are judged, at most `limit` inside the donors' types and as many
    outside.
    """

    def chosen(positions: list[int]) -> list[int]:
        known = [i for i in positions if (mask := data.masks[i]) is not None and mask.any()]
        return [known[k] for k in np.linspace(0, max(0, len(known) - 1), min(limit, len(known))).round().astype(int)]

    return {"inside": chosen(dealt.inside), "outside": chosen(dealt.outside)}
