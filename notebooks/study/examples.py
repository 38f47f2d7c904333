"""Which images are shown: the first of each defect, a choice that looks at no result."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from radarlib.datasets import GOOD, ImageSet
from study.drawing import Example
from study.session import Session


def first_of_each_defect(data: ImageSet, limit: int = 5) -> list[int]:
    """Positions of the first test image of each defect type in file order: a choice that looks at no result."""
    test = data.index[(data.index["split"] == "test") & (data.index["defect"] != GOOD)]
    return list(test.groupby("defect", sort=False).head(1).index[:limit])


def few(sets: Sequence[str]) -> int:
    """How many images of each set a figure of examples shows: six in all, or one a set."""
    return max(1, 6 // len(sets))


def places(data: ImageSet) -> dict[int, int]:
    """Where each test image stands among them, by its position in the set: jobs keep what they find in that order."""
    return {position: k for k, position in enumerate(data.where("test"))}


def regions(defect: np.ndarray | None) -> dict[str, np.ndarray]:
    """Where an image is defective, and where it is not, of those with a mask."""
    return {} if defect is None else {"defect": defect, "normal": ~defect}


def examples(
    session: Session,
    names: Sequence[str],
    maps_of: Callable[[str], dict[str, list[np.ndarray]]],
    data_of: Callable[[Session, str], ImageSet],
) -> tuple[list[Example], pd.DataFrame]:
    """The first defective images of each set, six in all or one a set, with the maps that `maps_of` a set gives of its
    test images.

    Returns with them, per image and map, its mean on the defect and elsewhere.
    """
    found, rows = [], []
    most = few(names)
    for name in names:
        data = data_of(session, name)
        place = places(data)
        all_maps = maps_of(name)
        for i in first_of_each_defect(data, most):
            maps = {label: each[place[i]].astype(np.float32) for label, each in all_maps.items()}
            defect, kind = data.masks[i], data.index["defect"][i]
            found.append((f"{name}\n{kind}", data.images[i], defect, maps))
            for label, m in maps.items():
                for region, where in regions(defect).items():
                    rows.append({"set": name, "defect": kind, "map": label, "region": region, "mean": m[where].mean()})
    return found, pd.DataFrame(rows, columns=["set", "defect", "map", "region", "mean"])
