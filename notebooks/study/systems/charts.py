"""Charts of the chapter on systems."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from study.drawing import MAP, STYLES, WIDTH, Picture, picture_grid, words
from study.systems.plan import SYSTEMS
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
            ax.plot(part["step"], part["loss"], color=f"C{k % 7}", ls=style, label=words(str(set_name)))
        ax.set(title=SYSTEMS[str(name)].label)
        ax.tick_params(labelsize=6)
    for ax in axes[-1]:
        ax.set_xlabel("step")
    for line in axes:
        line[0].set_ylabel("loss")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside upper center", ncols=max(1, min(6, len(labels))))
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
    fig.legend(loc="outside upper center", ncols=4 if width == WIDTH else 2)
    return fig


def page_figure(rows: Sequence[tuple[str, list[Seen]]]) -> Figure:
    """What a system found and what it missed: a row of images and a row of its maps for every set."""
    pictures, labels = [], []
    for name, shown in rows:
        pictures.append([Picture(image, title, mask) for title, image, mask, _ in shown])
        pictures.append([Picture(image if found is None else found, "", mask, MAP) for _, image, mask, found in shown])
        labels += [words(name), "map"]
    return picture_grid(pictures, labels)
