"""Drawing images. Each function takes numbers and images and returns a matplotlib figure; nothing is saved."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from scipy import stats

from radarlib.oneclass import OneClass
from study.drawing import ANOMALOUS, HEAT, NORMAL, TRAIN, WIDTH, show_image


def feature_plane(
    ax: Axes, train: pd.DataFrame, test: pd.DataFrame, classifier: OneClass, highlight: str | None = None
) -> None:
    """RADAR's two features with the one-class decision shaded; log axes, since defects span decades."""
    ax.scatter(train["global"], train["local"], s=7, c=TRAIN, marker=".", label="normal, training")
    normal, anomalous = test[test["defect"] == "good"], test[test["defect"] != "good"]
    ax.scatter(
        normal["global"], normal["local"], s=12, facecolors="none", edgecolors=NORMAL, lw=0.8, label="normal, test"
    )
    ax.scatter(anomalous["global"], anomalous["local"], s=12, c=ANOMALOUS, marker="x", lw=0.8, label="anomalous, test")
    if highlight is not None:
        here = test[test["image"] == highlight]
        ax.scatter(here["global"], here["local"], s=70, facecolors="none", edgecolors="k", lw=1)
    ax.set(xscale="log", yscale="log", xlabel="global feature", ylabel="largest local feature")
    (x0, x1), (y0, y1) = ax.get_xlim(), ax.get_ylim()
    gx, gy = np.meshgrid(np.geomspace(x0, x1, 120), np.geomspace(y0, y1, 120))
    flagged = classifier.predict(np.column_stack([gx.ravel(), gy.ravel()])).reshape(gx.shape)
    ax.contourf(gx, gy, flagged, levels=[-0.5, 0.5], colors=[NORMAL], alpha=0.12, zorder=0)
    ax.set(xlim=(x0, x1), ylim=(y0, y1), title="Isolation Forest (shaded: normal)")
    for axis, low, high in ((ax.xaxis, x0, x1), (ax.yaxis, y0, y1)):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)) if high / low > 4 else MaxNLocator(4))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
    ax.legend(loc="lower right", handletextpad=0.2)


def overview(
    image: np.ndarray,
    corners: list[tuple[int, int]],
    patch: int,
    noise: np.ndarray,
    s: np.ndarray,
    train: pd.DataFrame,
    test: pd.DataFrame,
    classifier: OneClass,
    highlight: str,
) -> Figure:
    """RADAR Fig. 1: image with patches, noise map, blurred Sobel map, feature plane."""
    fig, axes = plt.subplots(1, 4, figsize=(WIDTH, 1.95), width_ratios=[1, 1, 1, 1.35])
    show_image(axes[0], image, "image, some of its patches")
    for r, c in corners:
        axes[0].add_patch(Rectangle((c, r), patch, patch, fill=False, ec=NORMAL, lw=0.7))
    limit = np.quantile(np.abs(noise), 0.995)
    show_image(axes[1], noise, r"noise map $\epsilon_\theta(x_1, 1)$", vmin=-limit, vmax=limit)
    show_image(axes[2], s, "blurred, Sobel: $S$", cmap=HEAT, vmin=0, vmax=None)
    feature_plane(axes[3], train, test, classifier, highlight)
    return fig


def chain_figure(patches: dict[str, dict[int, np.ndarray]]) -> Figure:
    """RADAR Fig. 2: forward (top, left to right) and backward (bottom, right to left)."""
    times = sorted(patches["forward"])
    fig, axes = plt.subplots(2, len(times), figsize=(WIDTH, 2 * WIDTH / len(times) * 1.05))
    for row, direction in enumerate(("forward", "backward")):
        for ax, t in zip(axes[row], times, strict=True):
            scale = max(1.0, float(np.quantile(np.abs(patches[direction][t]), 0.99)))
            show_image(ax, patches[direction][t], f"$t = {t}$", vmin=-scale, vmax=scale)
        axes[row, 0].set_ylabel({"forward": "forward →", "backward": "← backward"}[direction])
    return fig


def noise_prediction_figure(shown: list[tuple], table: pd.DataFrame) -> Figure:
    """RADAR Fig. 3: noise in, noisy patch, noise predicted, per time step."""
    fig, axes = plt.subplots(3, len(shown), figsize=(WIDTH, 3 * WIDTH / len(shown) * 1.08))
    for column, (t, eps, x_t, predicted) in enumerate(shown):
        row = table[table["t"] == t].iloc[0]
        show_image(axes[0, column], eps, f"$t = {t}$", vmin=-2.5, vmax=2.5)
        limit = max(1.0, float(np.quantile(np.abs(x_t), 0.99)))
        show_image(axes[1, column], x_t, vmin=-limit, vmax=limit)
        show_image(axes[2, column], predicted, vmin=-2.5, vmax=2.5)
        axes[2, column].set_xlabel(f"correlation {row['correlation']:.2f}")
    for ax, label in zip(
        axes[:, 0], (r"noise $\epsilon$", "noisy patch $x_t$", r"predicted $\epsilon_\theta$"), strict=True
    ):
        ax.set_ylabel(label)
    return fig


def noise_distribution_figure(groups: dict[str, dict[str, np.ndarray]], tables: pd.DataFrame) -> Figure:
    """RADAR Fig. 4, a row per data set: histogram and Q-Q plot of the predicted noise, and the test's verdict by
    patch.
    """
    fig, axes = plt.subplots(len(groups), 3, figsize=(WIDTH, 1.9 * len(groups)), squeeze=False)
    for row, (name, noise) in zip(axes, groups.items(), strict=True):
        scale = noise["normal"].std()
        for (kind, values), colour, style in zip(noise.items(), (NORMAL, ANOMALOUS), ("-", "--"), strict=False):
            z = values.ravel() / scale
            z = z[np.abs(z) < 8]
            sns.kdeplot(
                x=z[:: max(1, z.size // 40000)],
                ax=row[0],
                color=colour,
                ls=style,
                label=kind,
                bw_adjust=0.6,
            )
            own = np.sort((values.ravel() - values.mean()) / values.std())
            q = (np.arange(len(own)) + 0.5) / len(own)
            keep = np.unique(np.linspace(0, len(own) - 1, 400).astype(int))
            row[1].plot(stats.norm.ppf(q[keep]), own[keep], color=colour, ls=style, label=kind)
            w = [stats.shapiro(patch).statistic for patch in values]
            sns.ecdfplot(x=w, ax=row[2], color=colour, ls=style, label=kind)
        grid = np.linspace(-5, 5, 200)
        row[0].plot(grid, stats.norm.pdf(grid), color="k", lw=0.7, ls=":", label="Gaussian")
        row[0].set(
            yscale="log",
            ylim=(1e-4, 1),
            xlim=(-8, 8),
            xlabel="predicted noise / sd of normal patches",
            ylabel=f"{name}\ndensity",
        )
        row[1].axline((0, 0), slope=1, color="k", lw=0.7, ls=":")
        row[1].set(xlabel="Gaussian quantile", ylabel="standardised quantile")
        row[2].set(xlabel="Shapiro–Wilk $W$ of a patch (1 = Gaussian)", ylabel="share of patches")
        row[1].legend(*row[0].get_legend_handles_labels(), loc="upper left")
        text = "\n".join(f"{r.kind}: {r.rejected:.0%} rejected" for r in tables[tables["set"] == name].itertuples())
        row[2].text(0.03, 0.97, text, transform=row[2].transAxes, va="top", fontsize=7)
    return fig


BLOCK_COLOURS = {"ResNet": "#56B4E9", "ResNet\n+ att.": "#9FC98D", "attention": "#E69F00"}


def unet_figure(layers: pd.DataFrame, patch: int) -> Figure:
    """RADAR Fig. 5: the blocks that the model object has, in the order of data, placed by their resolution."""
    drawn = layers[layers["side"] > 1].reset_index(drop=True)
    sides = sorted(drawn["side"].unique(), reverse=True)
    fig, ax = plt.subplots(figsize=(WIDTH, 0.72 * len(sides) + 0.55))
    for i, row in drawn.iterrows():
        y, colour = -sides.index(row["side"]), BLOCK_COLOURS.get(row["label"], "#CCCCCC")
        ax.add_patch(
            FancyBboxPatch((i - 0.4, y - 0.34), 0.8, 0.68, boxstyle="round,pad=0.02", fc=colour, ec="k", lw=0.6)
        )
        count = f"{row['parameters'] / 1e3:.2g}k" if row["parameters"] < 99_500 else f"{row['parameters'] / 1e6:.2g}M"
        text = f"{row['label']}\n{row['channels']}×{row['side']}²\n{count}"
        ax.text(i, y, text, ha="center", va="center", fontsize=5, linespacing=1.1)
        if i:
            start = (i - 1 + 0.43, -sides.index(drawn["side"][i - 1]))
            ax.add_patch(
                FancyArrowPatch(start, (i - 0.43, y), arrowstyle="-|>", mutation_scale=5, lw=0.6, shrinkA=0, shrinkB=0)
            )
    places = {
        block: (i, -sides.index(side))
        for i, (block, side) in enumerate(zip(drawn["block"], drawn["side"], strict=True))
    }
    for block, (x, y) in places.items():
        partner = places.get(block.replace("down.", "up.")) if block.startswith("down.") else None
        if partner:
            bend = f"arc3,rad={-0.9 / (partner[0] - x):.3f}"
            arrow = {"arrowstyle": "-|>", "ls": "--", "lw": 0.6, "color": "0.4", "connectionstyle": bend}
            ax.annotate("", (partner[0], y + 0.37), (x, y + 0.37), arrowprops=arrow)
    ax.set(xlim=(-0.6, len(drawn) - 0.4), ylim=(-len(sides) + 0.55, 0.85), xticks=[])
    ax.set_yticks(-np.arange(len(sides)), [f"{s}×{s}" for s in sides])
    ax.set_title(
        f"$\\epsilon_\\theta$ for a {patch}×{patch} patch: {layers['parameters'].sum() / 1e6:.2f} M parameters,"
        f" {layers['mflops'].sum():.0f} MFLOPs. Block, channels × side², parameters; dashed: skip connections"
    )
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    return fig


Panel = tuple[str, np.ndarray, np.ndarray | None, dict[str, np.ndarray]]
"""Title, image, mask or None, maps by their labels."""


def maps_figure(groups: dict[str, tuple[list[Panel], dict[str, float]]]) -> Figure:
    """RADAR Figs. 6, 7: per set, defective images over their ground truth over maps, each map on one scale per set.

    groups : by set its panels, and the scale of each map by its label.
    """
    columns = max(len(panels) for panels, _ in groups.values())
    kinds = len(next(iter(groups.values()))[1])
    cell = WIDTH / max(columns, 5)
    fig = plt.figure(figsize=(cell * columns + 0.5, (2.2 + kinds) * cell * len(groups)))
    parts = fig.subfigures(len(groups), 1, squeeze=False)[:, 0]
    for part, (name, (panels, scales)) in zip(parts, groups.items(), strict=True):
        axes = part.subplots(2 + kinds, columns, squeeze=False)
        part.suptitle(name, fontsize=8, fontweight="bold")
        for ax in axes[:, len(panels) :].flat:
            ax.axis("off")
        for (top, middle, *bottom), (title, image, mask, maps) in zip(axes.T, panels, strict=False):
            show_image(top, image, title.replace("_", " "))
            if mask is None:
                middle.text(0.5, 0.5, "no mask", ha="center", va="center", transform=middle.transAxes)
                middle.axis("off")
            else:
                show_image(middle, mask, vmin=0, vmax=1)
            for ax, (label, s) in zip(bottom, maps.items(), strict=True):
                show_image(ax, s.astype(float), cmap=HEAT, vmin=0, vmax=scales[label])
        for ax, label in zip(axes[:, 0], ("image", "ground truth", *scales), strict=True):
            ax.set_ylabel(label)
        for row, scale in zip(axes[2:], scales.values(), strict=True):
            colours = plt.cm.ScalarMappable(plt.Normalize(0, scale), HEAT)
            part.colorbar(colours, ax=row, fraction=0.02, pad=0.01).ax.tick_params(labelsize=6)
    return fig
