"""Drawing the chapter on RAN. Each function takes images and returns a matplotlib figure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from study.drawing import MAP, Picture, picture_grid, words
from study.ran.tables import Descent, Estimates


def estimates_figure(shown: Sequence[Estimates]) -> Figure:
    """Images, x̂_0 at each step, and the mean error maps in pixels and in features, a row per image."""
    rows = []
    for title, image, mask, states, errors in shown:
        row = [Picture(image, "image", mask), *(Picture(x, rf"$\hat x_0$, $t = {step}$") for step, x in states)]
        row += [Picture(m, f"error, {label}", mask, MAP) for label, m in errors.items()]
        rows.append((title, row))
    return _labelled(rows)


def descents_figure(shown: Sequence[Descent]) -> Figure:
    """Images on their way to normality, and what has changed in the end, a row per image."""
    rows = []
    for title, image, mask, states in shown:
        row = [Picture(image, "image", mask)]
        row += [Picture(x, f"after {step} step{'s' if step > 1 else ''}") for step, x in states]
        rows.append((title, [*row, Picture(np.abs(states[-1][1] - image), "change", mask, MAP)]))
    return _labelled(rows)


def _labelled(rows: Sequence[tuple[str, list[Picture]]]) -> Figure:
    """A grid whose columns are titled once, above its first row."""
    first, *others = (row for _, row in rows)
    untitled = [[picture._replace(title="") for picture in row] for row in others]
    return picture_grid([first, *untitled], [words(title) for title, _ in rows])
