"""What figures share: style, colours, images, curves with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

WIDTH, COLUMN = 7.16, 3.5  # in: two columns of a page, and one
NORMAL, ANOMALOUS, TRAIN = "#005288", "#D55E00", "0.6"  # apart in gray print, too
HEAT = "inferno"


def use_style() -> None:
    """The study's matplotlib style, for a notebook's first cell."""
    plt.style.use(Path(__file__).with_name("study.mplstyle"))


def words(name: str) -> str:
    """A data set's or a defect's name as people read it."""
    return name.replace("_", " ")


def show_image(ax: Axes, image: np.ndarray, title: str = "", **options: Any) -> None:
    """An image without ticks; gray values on the fixed scale [-1, 1] unless told otherwise."""
    ax.imshow(image, **{"cmap": "gray", "vmin": -1, "vmax": 1, **options})
    ax.set(title=title, xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


def outlined(ax: Axes, mask: np.ndarray | None, colour: str = ANOMALOUS) -> None:
    """The outline of a defect, where there is one."""
    if mask is not None and mask.any():
        ax.contour(mask, levels=[0.5], colors=colour, linewidths=0.6)


def contact_sheet(
    images: Sequence[np.ndarray], masks: Sequence[np.ndarray | None], titles: Sequence[str], columns: int = 6
) -> Figure:
    """Images with the outline of their masks, as many in a row as `columns`."""
    n = -(-len(images) // columns)
    fig, axes = plt.subplots(n, columns, figsize=(WIDTH, WIDTH / columns * n * 1.12), squeeze=False)
    for ax in axes.flat[len(images) :]:
        ax.axis("off")
    for ax, image, mask, title in zip(axes.flat, images, masks, titles, strict=False):
        show_image(ax, image, words(title))
        outlined(ax, mask)
    return fig


class Picture(NamedTuple):
    """A panel of a grid. mask : outlined on it. style : of imshow, where it is no gray image."""

    image: np.ndarray
    title: str = ""
    mask: np.ndarray | None = None
    style: dict[str, Any] = {}  # noqa: RUF012 - a tuple's default, which nobody changes


MAP = {"cmap": HEAT, "vmin": 0, "vmax": None}
"""Style of a map, on its own scale."""


def picture_grid(rows: Sequence[Sequence[Picture]], labels: Sequence[str]) -> Figure:
    """Rows of pictures with a label each."""
    columns = len(rows[0])
    cell = WIDTH / max(columns + 0.35, 6)
    size = (cell * columns + 0.35, 1.06 * cell * len(rows) + 0.3)
    fig, axes = plt.subplots(len(rows), columns, figsize=size, squeeze=False)
    for line, pictures, label in zip(axes, rows, labels, strict=True):
        for ax, picture in zip(line, pictures, strict=True):
            show_image(ax, picture.image, picture.title, **picture.style)
            outlined(ax, picture.mask, "w" if picture.style.get("cmap") == HEAT else ANOMALOUS)
        line[0].set_ylabel(label.replace("T_max", r"$T_{max}$"))
    return fig


Example = tuple[str, np.ndarray, np.ndarray | None, dict[str, np.ndarray]]
"""Title, image, mask, and by label maps or reconstructions of the image."""


def examples_figure(examples: Sequence[Example], maps: bool = True) -> Figure:
    """Images with the outline of the defect, over what is shown of each by label: maps, each on its own scale, or
    images.
    """
    columns = [
        [
            Picture(image, words(title), mask),
            *(Picture(x, "", mask, MAP) if maps else Picture(x) for x in found.values()),
        ]
        for title, image, mask, found in examples
    ]
    return picture_grid(list(zip(*columns, strict=True)), ["image", *examples[0][3]])


def message(text: str) -> Figure:
    """A figure that says why there is nothing to draw."""
    fig, ax = plt.subplots(figsize=(3.5, 0.8))
    ax.text(0.5, 0.5, text, ha="center", va="center")
    ax.axis("off")
    return fig


def legend_above(figure: Figure, columns: int, handles: Sequence[Artist], labels: Sequence[str]) -> None:
    """One legend of the whole figure, in as many columns of at most `columns` as its width has room for: a wider one
    would make the print wider, and LaTeX would shrink all of it.
    """
    for n in range(columns, 0, -1):
        legend = figure.legend(handles, labels, loc="outside upper center", ncols=n)
        if n == 1 or legend.get_window_extent().width <= figure.bbox.width:
            return
        legend.remove()


STYLES = [("o", "-"), ("s", "--"), ("^", "-."), ("D", ":"), ("v", "-"), ("P", "--")]


def curve(ax: Axes, part: pd.DataFrame, x: str, y: str, k: int, label: str, band: bool = True) -> None:
    """One line with its interval, in the k-th style."""
    marker, dashes = STYLES[k % len(STYLES)]
    ax.plot(part[x], part[y], color=f"C{k % 7}", marker=marker, ls=dashes, ms=3, label=label)
    if band:
        ax.fill_between(part[x], part["low"], part["high"], color=f"C{k % 7}", alpha=0.12, lw=0)
