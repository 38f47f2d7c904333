"""Tables and pictures of the chapter on RAN: errors at intermediate steps, in pixels and in features, and gradients to normality."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import cv2
import numpy as np
import pandas as pd

from radarlib.chapters import chapter_seeds, chapter_sets
from radarlib.d3ad_study import picture, restored
from radarlib.detection import auroc_row
from radarlib.diffusion import chain
from radarlib.exhibits import first_of_each_defect, pixel_rows
from radarlib.metrics import pixel_histograms
from radarlib.ran_study import ALL, SPACES
from radarlib.study import Study
from radarlib.tables import wide

LABELS = {"pixel": "pixels", "feature": "features", "both": "both"}
METRICS = {"auroc": "I-AUROC", "pro": "PRO", "pixel_auroc": "P-AUROC"}


def sets(study: Study) -> list[str]:
    return chapter_sets(study.settings, "ran", study.root)


def seeds(study: Study) -> list[int]:
    return chapter_seeds(study.settings, "ran")


def steps(study: Study) -> list[str]:
    """The time steps at which errors are read, and ALL for their mean."""
    times = chain(study.settings["reconstruction"]["t_start"], study.settings["ran"]["steps"])
    return [*map(str, times[:-1]), ALL]


def setup(study: Study) -> str:
    """How the chapter's numbers were made, for captions."""
    n = len(seeds(study))
    return (
        f"{n} seed{'s' if n > 1 else ''}; RADAR's network, led back from t = {study.settings['reconstruction']['t_start']};"
        f" [bootstrap {study.settings['evidence']['level']:.0%} interval over test images]"
    )


@cache
def _kept(study: Study, name: str, seed: int, file: str, part: str) -> np.ndarray:
    with np.load(study.path(name, f"seed{seed}", "ran", file)) as found:
        return found[part]


def maps(study: Study, name: str, seed: int, space: str, step: str) -> list[np.ndarray]:
    """Of the test images in the order of the index, at the images' own sizes, float32."""
    data, kept = study.data(name), _kept(study, name, seed, "maps.npz", space)[:, steps(study).index(step)]
    shapes = (data.images[i].shape for i in data.where("test"))
    return [
        cv2.resize(m.astype(np.float32), (w, h), interpolation=cv2.INTER_LINEAR)
        for m, (h, w) in zip(kept, shapes, strict=True)
    ]


def steps_spaces(study: Study) -> pd.DataFrame:
    """`ran_table_steps_spaces`: I-AUROC, PRO and P-AUROC by set, space and step; pixel level where a defect has a mask."""
    rows: list[dict] = []
    for name in sets(study):
        data = study.data(name)
        masks = [data.masks[i] for i in data.where("test")]
        known = [m for m in masks if m is not None]
        defective = np.array([m.any() for m in known])
        parts = [
            pd.read_csv(study.path(name, f"seed{seed}", "ran", "scores.csv"), dtype={"step": str}).assign(seed=seed)
            for seed in seeds(study)
        ]
        scores = pd.concat(parts).join(data.index["defect"], on="position")
        for space in SPACES:
            for step in steps(study):
                keys = {"set": name, "space": space, "step": step}
                part = scores[(scores["space"] == space) & (scores["step"] == step)]
                rows.append({**keys, **auroc_row(study, part)[0]})
                if not defective.any():
                    continue
                runs = []
                for seed in seeds(study):
                    some = [
                        m
                        for m, mask in zip(maps(study, name, seed, space, step), masks, strict=True)
                        if mask is not None
                    ]
                    runs.append(pixel_histograms(some, known))
                found = pixel_rows(runs, defective, study.settings["evidence"])
                rows += [{**keys, **row, "seeds": len(runs)} for row in found if row["metric"] in METRICS]
    return pd.DataFrame(rows)


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """The table as people read it: a row per set, metric and space, a column per step."""
    told = table.assign(kind=table["metric"].map(METRICS), space=table["space"].map(LABELS))
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


Row = tuple[str, np.ndarray, np.ndarray | None, list[tuple[str, np.ndarray]], dict[str, np.ndarray]]
"""Title, image, mask, x̂_0 by time step, and error maps by space."""


def reconstructions(study: Study) -> tuple[list[Row], pd.DataFrame]:
    """The first defective images of each set: x̂_0 at each step, and the mean error maps in both spaces.

    With them, per image and step, the mean absolute difference of x̂_0 on the defect and elsewhere.
    """
    found, rows, seed, most = [], [], seeds(study)[0], max(1, 5 // len(sets(study)))
    for name in sets(study):
        data = study.data(name)
        place = {i: k for k, i in enumerate(data.where("test"))}
        estimates = _kept(study, name, seed, "estimates.npz", "estimates")
        errors = {LABELS[space]: maps(study, name, seed, space, ALL) for space in ("pixel", "feature")}
        for i in first_of_each_defect(data, most):
            shape, kind = data.images[i].shape, data.index["defect"][i]
            states = [
                (step, restored(x, shape)) for step, x in zip(steps(study)[:-1], estimates[place[i]], strict=True)
            ]
            own = {label: each[place[i]] for label, each in errors.items()}
            found.append((f"{name}\n{kind}", data.images[i], data.masks[i], states, own))
            image = as_kept(data.images[i], estimates.shape[-1])
            rows += _changes(name, kind, data.masks[i], image, states)
    return found, pd.DataFrame(rows, columns=["set", "defect", "step", "region", "change"])


def as_kept(image: np.ndarray, side: int) -> np.ndarray:
    """An image that has lost what pictures lose when they are kept, so that the two can be compared."""
    return restored(picture(image, side), image.shape)


def _changes(
    name: str, kind: str, mask: np.ndarray | None, image: np.ndarray, states: Iterable[tuple[str | int, np.ndarray]]
) -> list[dict]:
    """Mean absolute differences of an image's later states from it, on a defect and elsewhere."""
    if mask is None or not mask.any():
        return []
    return [
        {"set": name, "defect": kind, "step": int(step), "region": region, "change": np.abs(x - image)[where].mean()}
        for step, x in states
        for region, where in (("defect", mask), ("normal", ~mask))
    ]


Path = tuple[str, np.ndarray, np.ndarray | None, list[tuple[int, np.ndarray]]]
"""Title, image, mask, and the image after some steps of the gradient."""


def gradient(study: Study, most: int = 5) -> tuple[list[Path], pd.DataFrame]:
    """The test images with the highest scores on their way to normality; with them the change on the defect and elsewhere."""
    found, rows, seed = [], [], seeds(study)[0]
    for name in sets(study)[:most]:
        data = study.data(name)
        positions, paths = (_kept(study, name, seed, "gradient.npz", part) for part in ("positions", "paths"))
        some = np.unique(np.linspace(1, paths.shape[1], 4).round().astype(int))
        for i, path in list(zip(positions, paths, strict=True))[: max(1, most // len(sets(study)))]:
            shape, kind = data.images[i].shape, data.index["defect"][i]
            states = [(int(k), restored(path[k - 1], shape)) for k in some]
            image = as_kept(data.images[i], paths.shape[-1])
            found.append((f"{name}\n{kind}", image, data.masks[i], states))
            rows += _changes(name, kind, data.masks[i], image, states)
    return found, pd.DataFrame(rows, columns=["set", "defect", "step", "region", "change"])
