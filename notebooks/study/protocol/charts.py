"""Drawing the chapter on protocols."""

from __future__ import annotations

import textwrap

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from study.drawing import STYLES, WIDTH, legend_above, words
from study.methods import label_of
from study.protocol.names import LABELS

LINE = 22  # characters of a label in one column of a page


def protocol_figure(table: pd.DataFrame, width: float = WIDTH) -> Figure:
    """Points of F1 that each practice adds, by method: a column per set, in one column of a page a row."""
    part = table[table["metric"] == "f1"]
    sets, methods, practices = (list(dict.fromkeys(part[key])) for key in ("set", "method", "practice"))
    shape = (1, len(sets)) if width == WIDTH else (len(sets), 1)
    line = None if width == WIDTH else LINE
    height = 0.42 * len(practices) * shape[0] + 1.1
    fig, axes = plt.subplots(*shape, figsize=(width, height), squeeze=False, sharey=True, sharex=True)
    for ax, name in zip(axes.flat, sets, strict=True):
        for k, method in enumerate(methods):
            rows = part[(part["set"] == name) & (part["method"] == method)]
            y = rows["practice"].map(practices.index).to_numpy() + 0.1 * (k - (len(methods) - 1) / 2)
            colour = f"C{k % 7}"
            ax.hlines(y, 100 * rows["low"], 100 * rows["high"], color=colour, lw=0.8)
            ax.plot(100 * rows["gain"], y, STYLES[k % 6][0], color=colour, ms=3, label=label_of(method),
                    mfc=colour if k < 7 else "w")  # fmt: skip
        ax.axvline(0, color="0.7", lw=0.6, zorder=0)
        ax.set(title=words(name), xlabel=_broken("points of F1 over the label-free judgement", line))
        ax.set_yticks(np.arange(len(practices)), [_broken(LABELS[p], line) for p in practices])
        ax.set_ylim(len(practices) - 0.45, -0.55)
    legend_above(fig, 4, *axes.flat[0].get_legend_handles_labels())
    return fig


def _broken(text: str, line: int | None) -> str:
    """In lines of so many characters; None: in one."""
    return textwrap.fill(text, line) if line else text
