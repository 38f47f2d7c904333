"""Claims of the RADAR paper (Moradi, Grasso, Colosimo & Paynabar 2025).

What it says of its 3D prints is asked of the periodic surfaces of a profile, what it says of Tile of the stochastic
ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from radarlib.errors import UserError
from radarlib.oneclass import CLASSIFIERS
from study.claims import (
    FEWEST,
    GUESS,
    NOT_FOLLOWED,
    RESAMPLES,
    Answer,
    Claim,
    Evidence,
    Finding,
    Joined,
    Part,
    all_of,
    by,
    by_chains,
    each_of,
    each_set,
    exactly,
    gathered,
    per_set,
    printed_leads,
    untestable,
)
from study.methods import METHODS, PAPER_METHODS
from study.metrics import FAR
from study.radar.names import ATTENTION, MEMORY, OWN_PATCHES, TRAINING

RECONSTRUCTION = ("ddpm", "anoddpm", "diffusionad")
CHAINED = ("ddpm", "anoddpm")  # along a chain; DiffusionAD takes one step
STATISTICAL = ("ba", "lf")
OUR_READING = "lf"  # its text was not at hand
PRINTED = {"periodic": "prints", "stochastic": "tile"}  # the paper's surfaces of each kind
FEW_REJECTED, MANY_REJECTED = 0.15, 0.5  # shares of patches: at most of normal ones, at least of anomalous ones
CLEARLY = 1.25  # times as fast; within less, two measurements on one machine need not agree


def _leads(evidence: Evidence, name: str, kind: str, metric: str, points: float = 0) -> Joined:
    """Whether RADAR is this far ahead of each other method."""
    values = {m: evidence.detection[name, m, metric] for m in PAPER_METHODS}
    ours, moved = values.pop("radar"), evidence.moved(name, PAPER_METHODS, metric)
    printed = printed_leads(evidence.printed.loc[PRINTED[kind]][metric], "radar", values)
    found = evidence.ahead(ours, values.values(), metric, moved, tracked=True, lead=points, printed=printed)
    cut = evidence.cut(T2)
    return all_of(
        replace(p, reading=m == OUR_READING, shortened=cut and m in CHAINED)
        for p, m in zip(each_of(found), values, strict=True)
    )


def _margin(kind: str, points: float) -> Callable[[Evidence], Finding]:
    """Whether RADAR's F1 is this far above the next best's."""

    def check(evidence: Evidence) -> Finding:
        def ask(name: str) -> Answer:
            f1 = {m: evidence.detection[name, m, "f1"][0] for m in PAPER_METHODS}
            ours = f1.pop("radar")
            rivals = sorted(f1, key=lambda m: -f1[m])[:2]
            text = f"{ours:.2f}, next {', '.join(f'{METHODS[m].label} {f1[m]:.2f}' for m in rivals)}"
            return text, _leads(evidence, name, kind, "f1", points)

        return per_set(evidence, kind, ask)

    return check


def _all_metrics(evidence: Evidence) -> Finding:
    def ask(name: str) -> Answer:
        parts = {m: _leads(evidence, name, "periodic", m) for m in ("accuracy", "precision", "recall", "f1")}
        won = [metric for metric, part in parts.items() if part.side]
        return f"ahead in {', '.join(won) or 'none of the four'}", all_of(parts.values())

    return per_set(evidence, "periodic", ask)


def _compare(kind: str, *orders: tuple[tuple[str, ...], tuple[str, ...]]) -> Callable[[Evidence], Finding]:
    """Whether on a surface each of some methods has a higher F1 than each of others, in every such pair."""
    methods = list(dict.fromkeys(m for better, worse in orders for m in (*better, *worse)))
    pairs = [(a, b) for better, worse in orders for a in better for b in worse]

    def check(evidence: Evidence) -> Finding:
        def ask(name: str) -> Answer:
            f1, paper = evidence.detection[name].xs("f1", level="metric"), evidence.printed.loc[PRINTED[kind]]["f1"]
            moved = evidence.moved(name, methods, "f1")
            text = ", ".join(f"{METHODS[m].label} {f1[m][0]:.2f}" for m in methods)
            parts = (
                evidence.part(
                    f1[a] - f1[b],
                    "f1",
                    moved,
                    tracked=True,
                    room=1 - float(f1[b][0]),
                    effect=printed_leads(paper, a, [b])[0],
                )
                for a, b in pairs
            )
            cut = evidence.cut(T2)
            return text, all_of(
                replace(p, reading=OUR_READING in pair, shortened=cut and not {*pair}.isdisjoint(CHAINED))
                for p, pair in zip(parts, pairs, strict=True)
            )

        return per_set(evidence, kind, ask)

    return check


def _gaussian_noise(evidence: Evidence) -> Finding:
    columns = ["images", "rejected", "rejected_sd"]
    table = evidence.table("radar_fig4_noise_distribution", *columns).set_index(["set", "kind"])[columns]

    def ask(name: str) -> Answer:
        if (name, "anomalous") not in table.index:
            return "no masks to find anomalous patches by", None
        if table.loc[name, "images"].min() < FEWEST:
            return "too few images", None
        rng = np.random.default_rng(0)
        normal, anomalous = (
            np.r_[share, rng.normal(share, sd, RESAMPLES)]
            for _, share, sd in (table.loc[(name, kind)] for kind in ("normal", "anomalous"))
        )
        text = f"a Shapiro–Wilk test rejects {normal[0]:.0%} of normal and {anomalous[0]:.0%} of anomalous patches"
        return text, all_of(
            Part(slack, 0, NOT_FOLLOWED) for slack in (FEW_REJECTED - normal, anomalous - MANY_REJECTED)
        )

    return per_set(evidence, "any", ask)


def _localises(rival: str | None) -> Callable[[Evidence], Finding]:
    """Whether RADAR's map tells defective pixels better than another's, or than chance (None)."""

    def check(evidence: Evidence) -> Finding:
        table = by(evidence.table("radar_pixel_level"), "set", "method", "metric")

        def ask(name: str) -> Answer:
            ours, other = (table.get((name, m, "pixel_auroc"), np.full(1, np.nan)) for m in ("radar", rival))
            if np.isnan(ours[0]):
                return "no masks", None
            text = f"pixel AUROC {ours[0]:.2f}" + (f", {METHODS[rival].label} {other[0]:.2f}" if rival else "")
            line = other if rival else np.full(1, GUESS)
            # No better than chance is an answer here.
            return text, evidence.part(ours - line, "pixel_auroc", NOT_FOLLOWED, room=1 - float(line[0]))

        return per_set(evidence, "any", ask)

    return check


def _noise_shows(evidence: Evidence) -> Finding:
    """Whether RADAR detects better with the noise that it adds than without: one network, so both move with it."""

    def ask(name: str) -> Answer:
        ours, without = (evidence.detection[name, m, "auroc"] for m in ("radar", "noiseless"))
        text = f"AUROC {ours[0]:.2f}, without added noise {without[0]:.2f}"
        return text, evidence.ahead(ours, without, "auroc", evidence.moved(name, ["radar", "radar"], "auroc"))

    return per_set(evidence, "any", ask)


def _needs_a_network(evidence: Evidence) -> Finding:
    """Whether the trained network detects better than its closed form, which knows mean and covariance alone."""

    def ask(name: str) -> Answer:
        ours, closed = (evidence.detection[name, m, "auroc"] for m in ("radar", "radar-closed"))
        text = f"AUROC {ours[0]:.2f}, closed form {closed[0]:.2f}"
        return text, evidence.ahead(ours, closed, "auroc", evidence.moved(name, ["radar"], "auroc"), tracked=True)

    return per_set(evidence, "any", ask)


def _second_pattern_costs(evidence: Evidence, part: pd.DataFrame) -> Answer:
    found = evidence.part(by(part, "method")["ddpm"], "auroc", NOT_FOLLOWED)
    return _angles(part, "ddpm"), by_chains(found, evidence.cut("terms_patterns"))


def _single_step_bears_it(evidence: Evidence, part: pd.DataFrame) -> Answer:
    return _angles(part, "radar"), evidence.no_worse(-by(part, "method")["radar"], "auroc", NOT_FOLLOWED)


def _angles(part: pd.DataFrame, method: str) -> str:
    row = part.set_index("method").loc[method]
    return f"AUROC {row['one']:.2f} after training on one angle, {row['both']:.2f} on both"


def _patches_pay(evidence: Evidence, part: pd.DataFrame) -> Answer:
    """Of RADAR alone: the same step by a network of patches and by one of whole images."""
    gain = by(part, "method")["radar"]
    patches, whole = part.loc[part["method"] == "radar", ["patches", "whole"]].iloc[0]
    return f"AUROC {patches:.2f}, whole images {whole:.2f}", evidence.part(gain, "auroc", NOT_FOLLOWED)


def _patches_bear_few_images(evidence: Evidence) -> Finding:
    """Of the fewest images: where the profile itself does not follow such networks, those of `long`."""
    table = evidence.table(FEW)
    if table.empty and (longer := evidence.longer(FEW)):
        table = longer.table(FEW)
        if FAR not in set(table["metric"]):
            raise UserError(f"{longer.folder / FEW}.csv: no rows of {FAR}; run its notebook again")
    table = table[table["metric"] == FAR]  # beyond few images a forest's score is flat
    table = table[table["images"] == table["images"].min()]

    def ask(row: pd.Series) -> Answer:
        text = (
            f"with {row['images']} images {row['patches_all']:.2f} → {row['patches_few']:.2f}, whole images"
            f" {row['whole_all']:.2f} → {row['whole_few']:.2f}"
        )
        return text, evidence.part(row["value"], "auroc", row["moved"])

    return gathered({row["set"]: ask(row) for _, row in table.iterrows()}, "no network of few images was followed")


def _faster(evidence: Evidence) -> Finding:
    times = evidence.measured("radar_cost")["methods"].set_index("method")["seconds_per_image"]
    ratio, cut = {m: times[m] / times["radar"] for m in RECONSTRUCTION}, evidence.cut("radar_cost")
    slower = ", ".join(METHODS[m].label for m, r in ratio.items() if r > CLEARLY)
    numbers = ", ".join(f"{METHODS[m].label} {r:.1f} times" for m, r in ratio.items())
    measured = f" ({times['radar']:.2g} s per image; {numbers})"
    # What takes longer with some of its steps does so with all of them.
    parts = (replace(exactly(r > CLEARLY), shortened=cut and m in CHAINED and r <= CLEARLY) for m, r in ratio.items())
    return Finding(f"faster than {slower or 'none of them'}", tuple(parts), measured)


def _counted(quantity: str, low: float = 0.0, high: float = np.inf) -> Callable[[Evidence], Finding]:
    """Whether a count is what a claim says, or better: a saving may be larger, a cost smaller."""

    def check(evidence: Evidence) -> Finding:
        value = evidence.table("radar_cost").set_index("quantity")["ours"][quantity]
        return Finding(f"{value:.3g}", (exactly(low <= value <= high),))

    return check


def _contamination(evidence: Evidence) -> Finding:
    table = evidence.table("radar_fig8_contamination").query("contamination > 0")  # at 0 nobody flags anything
    told = by(
        table[table["curve"] == "told to the classifier"], "set", "metric", "contamination", "method"
    ).sort_index()

    cut = evidence.cut("radar_fig8_contamination")

    def ask(name: str) -> Answer:
        shares, parts = [], []
        for metric in ("accuracy", "precision", "f1"):
            gaps = {
                (level, rival): line.droplevel(0)["radar"] - line.droplevel(0)[rival]
                for level, line in told[name, metric].groupby(level=0)
                for rival in RECONSTRUCTION
            }
            levels = {level for level, _ in gaps}
            moved = evidence.moved(name, ("radar", *RECONSTRUCTION), metric)
            shares.append(float(np.mean([all(gaps[level, m][0] > 0 for m in RECONSTRUCTION) for level in levels])))
            parts += [
                replace(evidence.part(gap, metric, moved), shortened=cut and rival in CHAINED)
                for (_, rival), gap in gaps.items()
            ]
        text = "ahead at {:.0%} (accuracy), {:.0%} (precision), {:.0%} (F1) of the levels".format(*shares)
        return text, all_of(parts)

    return per_set(evidence, "stochastic", ask)


def _orders(evidence: Evidence) -> Finding:
    """Orders are upper bounds: a fit that grows more slowly keeps within its own."""
    slope = evidence.measured("radar_classifiers")["fits"].groupby("classifier")["exponent"].first()
    asked = {"isolation_forest": 1.3, "lof": 2.4, "ocsvm": 3.5}
    parts = {kind: bool(slope[kind] <= high) for kind, high in asked.items()}
    kept = ", ".join(CLASSIFIERS[kind] for kind, ok in parts.items() if ok)
    measured = " (exponents {:.1f}, {:.1f}, {:.1f})".format(*(slope[kind] for kind in asked))
    return Finding(f"within its order: {kept or 'none'}", tuple(map(exactly, parts.values())), measured)


def _forest_wins(evidence: Evidence) -> Finding:
    table = by(evidence.table("radar_classifiers"), "set", "classifier", "metric")

    def ask(name: str) -> Answer:
        f1 = [table[name, kind, "f1"] for kind in ("isolation_forest", "lof", "ocsvm")]
        text = "F1 {:.2f}, {:.2f}, {:.2f}".format(*(value[0] for value in f1))
        return text, evidence.ahead(f1[0], f1[1:], "f1", evidence.moved(name, ["radar", "radar"], "f1"))

    return per_set(evidence, "any", ask)


def _table_is_consistent(evidence: Evidence) -> Finding:
    """Precision, recall and the counts of Table I give the accuracies back."""
    worst = 0.0
    for (name, _), row in evidence.printed.iterrows():
        anomalous, normal = evidence.counts[name, "test", "defective"], evidence.counts[name, "test", "good"]
        tp = row["recall"] * anomalous
        fp = tp / row["precision"] - tp
        worst = max(worst, abs((tp + normal - fp) / (anomalous + normal) - row["accuracy"]))
    return Finding(f"largest difference {worst:.3f}, from rounding", (exactly(worst < 0.02),))


Value = Callable[[str, str, str], float]
"""What Table II prints of a set, a method and a metric."""


def _printed(ask: Callable[[Value], tuple[str, bool]]) -> Callable[[Evidence], Finding]:
    """A sentence of the paper against its own Table II."""

    def check(evidence: Evidence) -> Finding:
        text, holds = ask(lambda name, method, metric: float(evidence.printed.loc[name, method][metric]))
        return Finding(f"its Table II: {text}", (exactly(holds),))

    return check


def _precision_of_lf(value: Value) -> tuple[str, bool]:
    found = value("tile", "lf", "precision")
    return f"{found:.2f}", abs(found - 0.95) < 0.005


def _diffusionad_below_ddpm(value: Value) -> tuple[str, bool]:
    diffusionad, ddpm = (value("prints", method, "f1") for method in ("diffusionad", "ddpm"))
    return f"{diffusionad:.2f} against {ddpm:.2f}", diffusionad < ddpm


def _precision_highest(value: Value) -> tuple[str, bool]:
    radar, ba = (value("prints", method, "precision") for method in ("radar", "ba"))
    return f"{radar:.2f}, B&A {ba:.2f}", radar > ba


def _tile_is_whole(evidence: Evidence) -> Finding:
    """Whether Table I has MVTec AD's defective images of Tile: by types, and in all."""
    ours, printed = evidence.mvtec["tile", "test"], evidence.counts["tile", "test"]
    types = ours.index.intersection(printed.index).drop("good")
    missing = ours[types] - printed[types]
    text = ", ".join(f"{name.replace('_', ' ')} {printed[name]} of {ours[name]}" for name in types)
    return Finding(f"its Table I: {text}", (exactly(bool((missing == 0).all())),))


T2, DATA, FEW = "radar_table2_detection", "data/paper/radar_table2.csv", "budget_few"

CLAIMS = [
    Claim(
        "RADAR's F1 is the highest of the six methods on periodic prints",
        "Table II", "0.85, next B&A 0.72", T2, _margin("periodic", 0),
    ),
    Claim(
        "RADAR's F1 is the highest of the six methods on a stochastic surface",
        "Table II", "0.67, next AnoDDPM 0.60", T2, _margin("stochastic", 0),
    ),
    Claim(
        "RADAR is ahead in accuracy, precision, recall and F1 on prints",
        "§IV-B", "all four (precision a tie)", T2, _all_metrics,
    ),
    Claim("RADAR's F1 is 13 points above the next best on prints", "abstract", "+0.13", T2, _margin("periodic", 0.13)),
    Claim("RADAR's F1 is 7 points above the next best on Tile", "abstract", "+0.07", T2, _margin("stochastic", 0.07)),
    Claim(
        "Methods that reconstruct by diffusion stay below F1 0.5 on prints",
        "§IV-B", "0.22, 0.18, 0.27", T2,
        untestable("how hard the simulated defects are is ours to set; recall by their contrast: radar_by_grade"),
    ),
    Claim(
        "AnoDDPM and DiffusionAD are worse than DDPM on prints",
        "§IV-B", "0.18 and 0.27 against 0.22", T2,
        _compare("periodic", (("ddpm",), ("anoddpm", "diffusionad"))),
    ),
    Claim(
        "B&A and L&F are strong on prints, ahead of every method that reconstructs",
        "§IV-B", "0.72, 0.67", T2,
        _compare("periodic", (STATISTICAL, RECONSTRUCTION)),
    ),
    Claim(
        "DDPM and AnoDDPM beat the statistical methods on Tile",
        "§IV-B", "0.58, 0.60 against 0.50, 0.13", T2,
        _compare("stochastic", (("ddpm", "anoddpm"), STATISTICAL)),
    ),
    Claim(
        "AnoDDPM is second on Tile: simplex noise suits a stochastic surface",
        "§IV-B", "0.60", T2,
        _compare("stochastic", (("radar",), ("anoddpm",)), (("anoddpm",), ("ddpm", *STATISTICAL, "diffusionad"))),
    ),
    Claim(
        "L&F is worse than B&A on Tile",
        "§IV-B", "0.13 against 0.50", T2, _compare("stochastic", (("ba",), ("lf",))),
    ),
    Claim(
        "The predicted noise is Gaussian on normal patches (a test rejects at most 15 %) and is not on anomalous"
        " ones (at least half)",
        "§III-C, Fig. 4", "histograms", "radar_fig4_noise_distribution", _gaussian_noise,
    ),
    Claim(
        "The noise that the single step adds is what reveals the defect: without it RADAR detects worse",
        "§III-C, control", "no number", T2, _noise_shows, own=True,
    ),
    Claim(
        "A trained network is needed: it detects better than what mean and covariance of normal patches give",
        "§III-C, control", "no number", T2, _needs_a_network, own=True,
    ),
    Claim(
        "RADAR's map shows where the defect is",
        "§IV-C, Figs. 6, 7", "pictures", "radar_pixel_level", _localises(None),
    ),
    Claim(
        "It shows it better than edges of the blurred image itself, which §III-F may mean",
        "§III-F, control", "pictures", "radar_pixel_level", _localises("raw"), own=True,
    ),
    Claim(
        "One step is faster than reconstructing, by a quarter or more",
        "abstract, §III-F", "real time", "radar_cost", _faster,
    ),
    Claim(
        "Patches of 1/400 of the image take 1/400 of the memory, or less",
        "§III-C", "400", "radar_cost", _counted(MEMORY, low=360),
    ),
    Claim(
        "The same where the matrices of attention are kept as well",
        "§III-C, control", "400", "radar_cost", _counted(ATTENTION, low=360), own=True,
    ),
    Claim(
        "The single step detects better on patches than on whole images",
        "§III-C", "no number", "terms_whole", each_set("terms_whole", _patches_pay, "metric == 'auroc'"),
    ),
    Claim(
        "With several normal patterns a reconstruction may end in another one: DDPM detects worse after training on two"
        " angles than on one",
        "§I", "no number", "terms_patterns",
        each_set("terms_patterns", _second_pattern_costs, "metric == 'auroc'", "no set has several angles"),
    ),
    Claim(
        "The single step bears several patterns: after training on two angles it is no worse than on one",
        "§I", "no number", "terms_patterns",
        each_set("terms_patterns", _single_step_bears_it, "metric == 'auroc'", "no set has several angles"),
    ),
    Claim(
        "Training on overlapping patches takes only 25 times as long as on whole images",
        "§III-C", "25", "radar_cost", _counted(TRAINING, high=30),
    ),
    Claim(
        "The same with the patches that the paper trains on: 73 × 73 of an image of 100 px",
        "§III-C, §IV-A", "25, of other patches", "radar_cost", _counted(OWN_PATCHES, high=30), own=True,
    ),
    Claim(
        "RADAR is ahead in accuracy, precision and F1 at every contamination, on Tile",
        "§IV-D, Fig. 8", "curves", "radar_fig8_contamination", _contamination,
    ),
    Claim(
        "Fitting takes at most O(n log n) for the Isolation Forest, O(n²) for LOF, O(n³) for the one-class SVM",
        "§III-E", "orders", "radar_classifiers", _orders,
    ),
    Claim(
        "The Isolation Forest is the better choice among the three",
        "§III-E", "not measured", "radar_classifiers", _forest_wins,
    ),
    Claim("Table II is consistent with Table I", "Tables I, II", "accuracy", DATA, _table_is_consistent),
    Claim(
        "Tile is tested on all of MVTec AD's defective images",
        "Table I", "15, 16, 14, 16, 13", "data/paper/mvtec_counts.csv", _tile_is_whole, own=True,
    ),
    Claim("L&F's precision on Tile is 0.95", "§IV-B", "0.95", DATA, _printed(_precision_of_lf)),
    Claim("DiffusionAD is below DDPM on prints", "§IV-B", "below", DATA, _printed(_diffusionad_below_ddpm)),
    Claim("RADAR's precision is above all others' on prints", "§IV-B", "above", DATA, _printed(_precision_highest)),
    Claim(
        "The numbers on RADAR's own 3D prints and on MVTec AD's Tile",
        "Table II", "see there", T2,
        untestable("the prints are not public; Tile runs with the `real` or `paper` profile where the user has it"),
    ),
    Claim(
        "Patch-based training prevents overfitting on few images: AUROC by distance falls by less than on whole images",
        "§III-C", "not measured", FEW, _patches_bear_few_images,
    ),
]  # fmt: skip
