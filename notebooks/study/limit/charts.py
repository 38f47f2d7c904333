"""Drawing the chapter on the exact limit. Each function takes tables and returns a matplotlib figure."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from study.drawing import STYLES, WIDTH, curve, legend_above, words
from study.limit.names import LABELS
from study.limit.plan import CLOSED, GAUSSIAN, NETWORK, NOISELESS, OWN
from study.limit.tables import NEW

LINES = (
    (OWN, NETWORK, "network, the surface itself", "C0", "o"),
    (OWN, CLOSED, "closed form, the surface itself", "C1", "s"),
    (GAUSSIAN, CLOSED, "closed form, Gaussian field", "C2", "^"),
)


def errors_figure(errors: pd.DataFrame, alike: pd.DataFrame, width: float = WIDTH) -> Figure:
    """Errors on new normal images against t, and how alike the maps are: a row per set, in a column two."""
    sets = list(dict.fromkeys(errors["set"]))
    fig, axes = plt.subplots(len(sets), 2, figsize=(width, 1.75 * len(sets) + 0.5), squeeze=False, sharex=True)
    for (left, right), name in zip(axes, sets, strict=True):
        part = errors[errors["set"] == name]
        for k, predictor in enumerate((NETWORK, CLOSED)):
            curve(
                left,
                part[(part["predictor"] == predictor) & (part["images"] == NEW)],
                "t",
                "ours",
                k,
                LABELS[predictor],
            )
        bound = part[part["predictor"] == "bound"]
        left.plot(bound["t"], bound["ours"], "k:", lw=0.9, label="least error of a Gaussian surface")
        for k, pair in enumerate((CLOSED, NOISELESS)):
            line = alike[(alike["set"] == name) & (alike["pair"] == pair)]
            curve(right, line, "t", "ours", k + 2, f"network and {LABELS[pair]}")
        left.set(xscale="log", ylim=(0, None), ylabel=f"{words(name)}\nerror a pixel")
        right.set(xscale="log", ylim=(min(0, line["low"].min()), 1.03), ylabel="correlation of maps")
    for ax in axes[-1]:
        ax.set_xlabel("$t$")
    handles = [part for ax in axes[0] for part in zip(*ax.get_legend_handles_labels(), strict=True)]
    legend_above(fig, 3, *zip(*handles, strict=True))
    return fig


def power_figure(table: pd.DataFrame, width: float = WIDTH) -> Figure:
    """AUROC of graded defects against their contrast, predicted and measured: a row per set, a column per size, and
    further columns with a sensor's noise at the middle size.
    """
    part = table[table["feature"] == "global"]
    sets, radii, sensors = (list(dict.fromkeys(part[key])) for key in ("set", "radius", "sensor"))
    columns = [(r, sensors[0]) for r in radii] + [(radii[len(radii) // 2], tau) for tau in sensors[1:]]
    rows = len(sets) if width == WIDTH else len(sets) * 2
    per_row = -(-len(columns) * len(sets) // rows)
    fig, axes = plt.subplots(rows, per_row, figsize=(width, 1.45 * rows + 0.6), squeeze=False, sharex=True, sharey=True)
    for row, (line, name) in enumerate(zip(axes.reshape(len(sets), -1), sets, strict=True)):
        for ax, (radius, tau) in zip(line, columns, strict=False):
            own = part[(part["set"] == name) & (part["radius"] == radius) & (part["sensor"] == tau)]
            predicted = own[own["predictor"] == "predicted"]
            ax.plot(predicted["contrast"], predicted["ours"], "k-", lw=1, label="predicted for a Gaussian surface")
            for k, (surface, predictor, label, colour, marker) in enumerate(LINES):
                found = own[(own["surface"] == surface) & (own["predictor"] == predictor)]
                x = found["contrast"] * 1.06 ** (k - 1)
                ax.vlines(x, found["low"], found["high"], color=colour, lw=0.8)
                ax.plot(x, found["ours"], marker, color=colour, ms=3, label=label, mfc=colour if k else "w")
            title = f"size {radius:g} px" + (f"\nnoise {tau:g} sd" if tau else "")
            ax.set_title(title if not row or width != WIDTH else "", fontsize=7)
            ax.set(xscale="log", ylim=(0, 1.04))
            ticks = sorted(set(part["contrast"]))
            ax.set_xticks(ticks, [f"{v:g}" for v in ticks], fontsize=6)
            ax.minorticks_off()
            ax.axhline(0.5, color="0.8", lw=0.6, zorder=0)
        for ax in line[len(columns) :]:
            ax.set_axis_off()
        for ax in line[::per_row]:
            ax.set_ylabel(f"{words(name)}\nAUROC")
    fig.supxlabel("contrast in standard deviations of the surface", fontsize=8)
    legend_above(fig, 4, *axes[0, 0].get_legend_handles_labels())
    return fig


def gain_figure(table: pd.DataFrame, width: float = WIDTH) -> Figure:
    """What the network adds to the closed form's AUROC and F1, against two measures of a surface's departure from
    Gaussianity.
    """
    part = table[table["against"] == CLOSED]
    sets = list(dict.fromkeys(part["set"]))
    shape, size = ((1, 2), (width, 2.5)) if width == WIDTH else ((2, 1), (width, 4.6))
    fig, axes = plt.subplots(*shape, figsize=size, sharey=True)
    titles = {
        "kurtosis": "excess kurtosis of whitened pixels",
        "overdispersion": "overdispersion of a whitened patch's length",
    }
    for ax, (key, title) in zip(np.ravel(axes), titles.items(), strict=True):
        aside = 0.008 * max(1e-3, float(np.ptp(part[key])))
        for metric, fill, shift in (("auroc", True, -aside), ("f1", False, aside)):
            for row in part[part["metric"] == metric].itertuples():
                colour, marker = f"C{sets.index(row.set) % 7}", STYLES[sets.index(row.set) % 6][0]
                x = getattr(row, key) + shift
                ax.vlines(x, row.low, row.high, color=colour, lw=0.9)
                label = words(row.set) if fill else None
                ax.plot(x, row.gain, marker, color=colour, mfc=colour if fill else "w", ms=5, label=label)
        ax.axhline(0, color="0.7", lw=0.6, zorder=0)
        ax.set(xlabel=title)
    np.ravel(axes)[0].set_ylabel("network over closed form\nAUROC (filled), F1 (open)")
    legend_above(fig, 4, *np.ravel(axes)[0].get_legend_handles_labels())
    return fig
