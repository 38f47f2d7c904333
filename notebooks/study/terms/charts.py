"""Drawing the chapter on equal terms."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from study.drawing import STYLES, WIDTH, words

LINES = {"proxy": "artificial defects, AUROC", "auroc": "test images, AUROC", "f1": "test images, F1"}


def blur_figure(table: pd.DataFrame, width: float = WIDTH) -> Figure:
    """What RADAR's blur does to artificial defects and to the test images: a panel per set.

    Full line: the width that normal images choose; dashed: the study's.
    """
    sets = list(dict.fromkeys(table["set"]))
    columns = min(len(sets), 3 if width == WIDTH else 1)
    rows = -(-len(sets) // columns)
    fig, axes = plt.subplots(rows, columns, figsize=(width, 1.7 * rows + 0.6), squeeze=False, sharey=True)
    for ax in axes.flat[len(sets) :]:
        ax.set_axis_off()
    for ax, name in zip(axes.flat, sets, strict=False):
        part = table[table["set"] == name]
        for k, (key, label) in enumerate(LINES.items()):
            marker, dashes = STYLES[k]
            ax.plot(part["sigma"], part[key], color=f"C{k}", marker=marker, ls=dashes, ms=3, lw=1, label=label)
            if f"{key}_low" in part:
                ax.fill_between(part["sigma"], part[f"{key}_low"], part[f"{key}_high"], color=f"C{k}", alpha=0.1, lw=0)
        for mark, dashes in (("chosen", "-"), ("study", "--")):
            for value in part.loc[part[mark], "sigma"]:
                ax.axvline(value, color="0.4", lw=0.7, ls=dashes, zorder=0)
        ax.set(title=words(name), ylim=(0, 1.03))
    for ax in axes[-1]:
        ax.set_xlabel("blur, standard deviation in px")
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3 if width == WIDTH else 1)
    return fig
