"""Charts of the chapter on systems."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from study.drawing import ANOMALOUS, HEAT, STYLES, WIDTH, Example, legend_above, outlined, words
from study.systems.plan import SHARED, SYSTEMS
from study.systems.tables import Seen


def curves_figure(table: pd.DataFrame) -> Figure:
    """The loss of every trained system along its training, a panel each, a line a set."""
    names = list(dict.fromkeys(table["system"]))
    columns = 5
    rows = -(-len(names) // columns)
    fig, axes = plt.subplots(rows, columns, figsize=(WIDTH, 1.15 * rows + 0.4), squeeze=False)
    for ax in axes.flat[len(names) :]:
        ax.axis("off")
    for ax, name in zip(axes.flat, names, strict=False):
        for k, (set_name, part) in enumerate(table[table["system"] == name].groupby("set", sort=False)):
            style = STYLES[k % len(STYLES)][1]
            ax.plot(
                part["step"], part["loss"], color=f"C{k % 7}", ls=style, marker=".", ms=2, label=words(str(set_name))
            )
        ax.set(title=SYSTEMS[str(name)].label if name in SYSTEMS else SHARED)
        ax.tick_params(labelsize=6)
    for ax in axes[-1]:
        ax.set_xlabel("step")
    for line in axes:
        line[0].set_ylabel("loss")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    legend_above(fig, 6, handles, labels)
    return fig


def ranks_figure(table: pd.DataFrame, width: float = WIDTH) -> Figure:
    """Mean ranks over sets with their intervals: systems whose intervals meet are not told apart."""
    fig, ax = plt.subplots(figsize=(width, 0.17 * len(table) + 0.7))
    families = list(dict.fromkeys(system.family for system in SYSTEMS.values()))
    for k, family in enumerate(families):
        own = np.flatnonzero([SYSTEMS[key].family == family for key in table["system"]])
        part = table.iloc[own]
        ax.hlines(own, part["low"], part["high"], color=f"C{k}", lw=1)
        ax.plot(part["rank"], own, STYLES[k][0], color=f"C{k}", ms=4, label=family)
    ax.set(yticks=range(len(table)), yticklabels=[SYSTEMS[key].label for key in table["system"]])
    ax.set(xlabel="mean rank of I-AUROC over sets (1 is the best)", ylim=(len(table) - 0.4, -0.6))
    legend_above(fig, 4, *ax.get_legend_handles_labels())
    return fig


GAP = 0.06  # between the pictures of a mosaic, of their side

Cell = tuple[np.ndarray | None, np.ndarray | None]
"""A picture, gray in [-1, 1] or a map, and the defect's mask; None where nothing is to be shown."""


def _mosaic(ax: Axes, rows: Sequence[Sequence[Cell]], titles: Sequence[str], labels: Sequence[str], gray: int) -> None:
    """Pictures of one size in rows, of which the first `gray` are images and the others maps, each on its own scale.

    They are one image to matplotlib: a panel for each would take it minutes.
    """
    side = next(picture.shape[0] for row in rows for picture, _ in row if picture is not None)
    step = round(side * (1 + GAP))
    shape = (step * (len(rows) - 1) + side, step * (len(rows[0]) - 1) + side)
    canvas, lines = np.ones((*shape, 3)), np.zeros((2, *shape), bool)
    for r, row in enumerate(rows):
        for k, (picture, mask) in enumerate(row):
            if picture is None:
                continue
            h, w = picture.shape
            where = slice(step * r, step * r + h), slice(step * k, step * k + w)
            if r < gray:
                canvas[where] = ((picture + 1) / 2).clip(0, 1)[..., None]
            else:
                canvas[where] = colormaps[HEAT](picture / max(picture.max(), 1e-12))[..., :3]
            if mask is not None:
                lines[(int(r >= gray), *where)] = mask
    ax.imshow(canvas)
    for mask, colour in zip(lines, (ANOMALOUS, "w"), strict=True):
        outlined(ax, mask, colour)
    for k, title in enumerate(titles):
        ax.text(step * k + side / 2, -0.05 * side, title, ha="center", va="bottom", fontsize=6)
    ax.set(xticks=[], yticks=[step * r + side / 2 for r in range(len(rows))], yticklabels=labels)
    ax.tick_params(length=0, labelsize=6)
    ax.spines[:].set_visible(False)


def page_figure(rows: Sequence[tuple[str, list[Seen]]]) -> Figure:
    """What a system found and what it missed: a row of images over a row of its maps for every set."""
    fig, axes = plt.subplots(len(rows), 1, figsize=(WIDTH, len(rows) * 2.55), squeeze=False)
    for ax, (name, shown) in zip(axes.flat, rows, strict=True):
        images: list[Cell] = [(None if found is None else image, mask) for _, image, mask, found in shown]
        maps: list[Cell] = [(found, mask) for _, _, mask, found in shown]
        if any(found is not None for found, _ in maps):
            _mosaic(ax, [images, maps], [title for title, *_ in shown], [words(name), "map"], 1)
        else:
            ax.axis("off")
    return fig


def systems_figure(examples: Sequence[Example], maps: bool) -> Figure:
    """Images, and below them what every system shows of each, in two blocks that stand side by side.

    maps : each on its own scale; else reconstructions.
    """
    labels = list(examples[0][3])
    half = -(-len(labels) // 2)
    ratio = (half + 1) * (1 + GAP) / len(examples)
    fig, axes = plt.subplots(1, 2, figsize=(WIDTH, (WIDTH / 2 - 0.8) * ratio + 0.4))
    for ax, part in zip(axes, (labels[:half], labels[half:]), strict=True):
        rows: list[list[Cell]] = [[(image, mask) for _, image, mask, _ in examples]]
        rows += [[(found[label], mask if maps else None) for *_, mask, found in examples] for label in part]
        rows += [[(None, None)] * len(examples)] * (half - len(part))
        titles = [words(title).replace(" ", "\n") for title, *_ in examples]
        _mosaic(ax, rows, titles, ["image", *part, *[""] * (half - len(part))], 1 if maps else len(rows))
    return fig
