"""Tables and pictures of the chapter on RAN: errors at intermediate steps, in pixels and in features, and gradients to
normality.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from functools import cache, partial

import cv2
import numpy as np
import pandas as pd

from radarlib.diffusion import chain
from study.chapter import Chapter
from study.evaluate import auroc_row, pixel_rows
from study.examples import first_of_each_defect, places, regions
from study.kept import picture, restored
from study.metrics import LEVELS
from study.ran.names import LABELS
from study.ran.plan import ALL, JOB, SPACES
from study.session import Session
from study.tables import wide

CHAPTER = Chapter(JOB)


def steps(session: Session) -> list[str]:
    """The time steps at which errors are read, and ALL for their mean."""
    times = chain(session.settings["reconstruction"]["t_start"], session.settings["ran"]["steps"])
    return [*map(str, times[:-1]), ALL]


def setup(session: Session) -> str:
    """How the chapter's numbers were made, for captions."""
    start = session.settings["reconstruction"]["t_start"]
    return CHAPTER.setup(session, f"RADAR's network, led back from t = {start}")


@cache
def _maps(session: Session, name: str, seed: int, space: str) -> np.ndarray:
    """Of the test images, at every step: (n, steps + 1, MAP, MAP)."""
    return CHAPTER.array(session, name, seed, "maps.npz", space)


def maps(session: Session, name: str, space: str, step: str, seed: int) -> list[np.ndarray]:
    """Of the test images in the order of the index, at the images' own sizes, float32."""
    data, kept = session.data(name), _maps(session, name, seed, space)[:, steps(session).index(step)]
    shapes = (data.images[i].shape for i in data.where("test"))
    return [
        cv2.resize(m.astype(np.float32), (w, h), interpolation=cv2.INTER_LINEAR)
        for m, (h, w) in zip(kept, shapes, strict=True)
    ]


def steps_spaces(session: Session) -> pd.DataFrame:
    """`ran_table_steps_spaces`: I-AUROC, PRO and P-AUROC by set, space and step; pixel level where a defect has a
    mask.
    """
    rows: list[dict] = []
    for name in CHAPTER.sets(session):
        scores = CHAPTER.tables(session, name, "scores.csv", dtype={"step": str})
        for space, step in itertools.product(SPACES, steps(session)):
            keys = {"set": name, "space": space, "step": step}
            part = scores[(scores["space"] == space) & (scores["step"] == step)]
            rows.append({**keys, **auroc_row(session, part)[0]})
            of = partial(maps, session, name, space, step)
            found = pixel_rows(session, session.data(name), CHAPTER.seeds(session), of)
            rows += [{**keys, **row} for row in found if row["metric"] in LEVELS]
    return pd.DataFrame(rows)


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """The table as people read it: a row per set, metric and space, a column per step."""
    told = table.assign(kind=table["metric"].map(LEVELS), space=table["space"].map(LABELS))
    return wide(told, ["set", "kind", "space"], "step").rename(columns={"kind": "metric", ALL: "mean of the steps"})


def findings(table: pd.DataFrame) -> list[str]:
    """One computed line per set: the mean of the steps against the last one, and both spaces against pixels alone."""
    lines = []
    for name, part in table[table["metric"] == "auroc"].groupby("set", sort=False):
        found = part.set_index(["space", "step"])["ours"]
        last = [step for step in found["both"].index if step != ALL][-1]
        cells = [
            f"{LABELS[space]} {found[space, last]:.2f} at t = {last}, {found[space, ALL]:.2f} over all steps"
            for space in SPACES
        ]
        lines.append(f"{name}: I-AUROC of {'; '.join(cells)}")
    return lines


Estimates = tuple[str, np.ndarray, np.ndarray | None, list[tuple[str, np.ndarray]], dict[str, np.ndarray]]
"""Title, image, mask, x̂_0 by time step, and error maps by space."""


def reconstructions(session: Session) -> tuple[list[Estimates], pd.DataFrame]:
    """The first defective images of each set: x̂_0 at each step, and the mean error maps in both spaces.

    With them, per image and step, the mean absolute difference of x̂_0 on the defect and elsewhere.
    """
    found, rows, seed, most = [], [], CHAPTER.seeds(session)[0], max(1, 5 // len(CHAPTER.sets(session)))
    for name in CHAPTER.sets(session):
        data = session.data(name)
        place = places(data)
        estimates = CHAPTER.array(session, name, seed, "estimates.npz", "estimates")
        errors = {LABELS[space]: maps(session, name, space, ALL, seed) for space in ("pixel", "feature")}
        for i in first_of_each_defect(data, most):
            shape, kind = data.images[i].shape, data.index["defect"][i]
            states = [
                (step, restored(x, shape)) for step, x in zip(steps(session)[:-1], estimates[place[i]], strict=True)
            ]
            own = {label: each[place[i]] for label, each in errors.items()}
            found.append((f"{name}\n{kind}", data.images[i], data.masks[i], states, own))
            image = as_kept(data.images[i], estimates.shape[-1])
            rows += _changes({"set": name, "defect": kind, "image": int(i)}, data.masks[i], image, states)
    return found, pd.DataFrame(rows, columns=["set", "defect", "image", "step", "region", "change"])


def as_kept(image: np.ndarray, side: int) -> np.ndarray:
    """An image that has lost what pictures lose when they are kept, so that the two can be compared."""
    return restored(picture(image, side), image.shape)


def _changes(
    of: dict, mask: np.ndarray | None, image: np.ndarray, states: Iterable[tuple[str | int, np.ndarray]]
) -> list[dict]:
    """Mean absolute differences of an image's later states from it, on a defect and elsewhere.

    of : what names the image in the rows.
    """
    if mask is None or not mask.any():
        return []
    return [
        {**of, "step": int(step), "region": region, "change": np.abs(x - image)[where].mean()}
        for step, x in states
        for region, where in regions(mask).items()
    ]


Descent = tuple[str, np.ndarray, np.ndarray | None, list[tuple[int, np.ndarray]]]
"""Title, image, mask, and the image after some steps of the gradient."""


def gradient(session: Session, most: int = 5) -> tuple[list[Descent], pd.DataFrame]:
    """The test images with the highest scores on their way to normality, `most` at most of all sets; with all of them
    the change on the defect and elsewhere.
    """
    found, rows, seed = [], [], CHAPTER.seeds(session)[0]
    for name in CHAPTER.sets(session)[:most]:
        data = session.data(name)
        positions, paths = (CHAPTER.array(session, name, seed, "gradient.npz", part) for part in ("positions", "paths"))
        some = np.unique(np.linspace(1, paths.shape[1], 4).round().astype(int))
        for rank, (i, path) in enumerate(zip(positions, paths, strict=True)):
            shape, kind = data.images[i].shape, data.index["defect"][i]
            states = [(int(k), restored(path[k - 1], shape)) for k in some]
            image = as_kept(data.images[i], paths.shape[-1])
            if rank < max(1, most // len(CHAPTER.sets(session))):
                found.append((f"{name}\n{kind}", image, data.masks[i], states))
            rows += _changes({"set": name, "defect": kind, "image": int(i)}, data.masks[i], image, states)
    return found, pd.DataFrame(rows, columns=["set", "defect", "image", "step", "region", "change"])
