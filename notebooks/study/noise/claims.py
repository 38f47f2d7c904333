"""Claims of the noise study (Fučka et al. 2023), asked of its own tables and of every set on which its chapter runs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from study.claims import (
    NOT_FOLLOWED,
    OURS,
    ROUNDED,
    Answer,
    Claim,
    Evidence,
    Finding,
    all_of,
    by,
    by_chains,
    each_set,
    exactly,
    highest,
    lowest,
    untestable,
)
from study.metrics import TIE
from study.noise.names import LABELS, TEXTURES
from study.noise.plan import FILTER, FILTERS, START
from study.tables import with_interval

T1, T2, T3, T4 = (
    "noise_table1_image_auroc", "noise_table2_pixel", "noise_table3_steps", "noise_table4_filter",
)  # fmt: skip

PAPER = "data/paper/noise_table{}.csv"
FLAT = 0.02  # a spread of AUROC that counts as insensitive; the paper's own is 0.006
GREAT = 0.05  # a spread of AUROC that counts as of great importance
APART = 0.084  # between Gaussian and mixture noise on Cable, which the paper calls a notable exception


def _each(exhibit: str, ask: Callable[[Evidence, pd.DataFrame], Answer]) -> Callable[[Evidence], Finding]:
    """The same question for every set of ours in an exhibit; all its figures are of reconstructions."""

    def asked(evidence: Evidence, part: pd.DataFrame) -> Answer:
        text, found = ask(evidence, part)
        return text, found and by_chains(found, evidence.cut(exhibit, "noise_study", START))

    return each_set(exhibit, asked, OURS)


def _listed(part: pd.DataFrame) -> str:
    rows = part.set_index("noise")
    cells = ((LABELS[n], rows.loc[n, ["ours", "low", "high"]]) for n in FILTER)
    return ", ".join(f"{label} {with_interval(*values)}" for label, values in cells)


OTHERS = ["simplex", "mixture"]


def _segments_best(evidence: Evidence, part: pd.DataFrame) -> Answer:
    texts, parts = [], []
    aurocs = part.loc[part["metric"] == "pixel_auroc", "value"]
    for metric, rows in part.groupby("metric", sort=False):
        values = by(rows, "noise")
        texts.append(f"{str(metric).removeprefix('pixel_').upper()} {_listed(rows)}")
        parts.append(evidence.ahead(values["gaussian"], values[OTHERS], str(metric), NOT_FOLLOWED, aurocs=aurocs))
    return "; ".join(texts), all_of(parts)


def _structured(evidence: Evidence, part: pd.DataFrame) -> Answer:
    values = by(part, "noise")
    each = [evidence.ahead(values[n], values["gaussian"], "auroc", NOT_FOLLOWED, aurocs=values) for n in OTHERS]
    return _listed(part), all_of(each)


def _top(values: pd.Series, tie: float) -> list[int]:
    """Where values lie within a tie of the highest."""
    point = values.map(lambda value: np.atleast_1d(value)[0])
    return [int(k) for k in point.index[point >= point.max() - tie]]


def _best(tops: dict[str, list[int]]) -> str:
    return "highest at: " + ", ".join(f"{LABELS[n]} {' or '.join(map(str, sorted(top)))}" for n, top in tops.items())


def _lines(part: pd.DataFrame, key: str) -> dict[str, pd.Series]:
    return {noise: by(part[part["noise"] == noise], key) for noise in FILTER}


def _shortened(evidence: Evidence, part: pd.DataFrame) -> str:
    """Why a profile cannot compare numbers of steps: where the chain back skips steps, the longer ones are coarser."""
    most = int(part["start"].max())
    taken = evidence.settings(T3)["noise_study"]["reverse_steps"]
    return f"chains back are cut to {taken} steps" if evidence.cut(T3, "noise_study", most) else ""


def _peak(key: str, wanted: dict[str, int]) -> Callable[[Evidence, pd.DataFrame], Answer]:
    """Whether no other value of `key` is better for any noise than the wanted one by a difference that counts."""

    def ask(evidence: Evidence, part: pd.DataFrame) -> Answer:
        if key == "start" and (why := _shortened(evidence, part)):
            return why, None
        lines = _lines(part, key)
        tops = {noise: _top(line, evidence.margin("auroc")) for noise, line in lines.items()}
        slacks = [line[wanted[n]] - other for n, line in lines.items() for other in line.drop(wanted[n])]
        return _best(tops), all_of(evidence.no_worse(s, "auroc", NOT_FOLLOWED, part["value"]) for s in slacks)

    return ask


def _regret(lines: dict[str, pd.Series]) -> np.ndarray:
    """What the noises lose at least with one value for all of them: 0 if they share a best one."""
    values = next(iter(lines.values())).index
    best = {noise: highest(line) for noise, line in lines.items()}
    return lowest(highest(best[noise] - line[value] for noise, line in lines.items()) for value in values)


def _differ(evidence: Evidence, part: pd.DataFrame) -> Answer:
    if why := _shortened(evidence, part):
        return why, None
    lines = _lines(part, "start")
    tops = {noise: _top(line, evidence.margin("auroc")) for noise, line in lines.items()}
    return _best(tops), evidence.beyond(_regret(lines), "auroc", NOT_FOLLOWED, part["value"])


def _differ_printed(evidence: Evidence) -> Finding:
    table = evidence.printed_table("noise_table3")
    tops = {noise: _top(table[table["noise"] == noise].set_index("start")["auroc"], TIE) for noise in FILTER}
    apart = not set.intersection(*(set(top) for top in tops.values()))
    return Finding(f"its Table 3: {_best(tops)}", (exactly(apart),))


def _spread(part: pd.DataFrame, noise: str) -> np.ndarray:
    line = by(part[part["noise"] == noise], "filter")
    return highest(line) - lowest(line)


def _spreads(part: pd.DataFrame) -> str:
    return "spread over filters: " + ", ".join(f"{LABELS[n]} {_spread(part, n)[0]:.2f}" for n in FILTER)


def _mixture_flat(evidence: Evidence, part: pd.DataFrame) -> Answer:
    line = by(part[part["noise"] == "mixture"], "filter")
    flat = evidence.within(line, FLAT, "auroc", NOT_FOLLOWED, line)
    less = _spread(part, "gaussian") - _spread(part, "mixture")
    narrower = evidence.part(less, "auroc", NOT_FOLLOWED, aurocs=part["value"], extreme=True)
    return _spreads(part), all_of([flat, narrower])


def _filter_matters(evidence: Evidence, part: pd.DataFrame) -> Answer:
    slack, line = _spread(part, "gaussian") - GREAT, by(part[part["noise"] == "gaussian"], "filter")
    return _spreads(part), evidence.part(slack, "auroc", NOT_FOLLOWED, aurocs=line, stated=True, extreme=True)


def _unfiltered_worst(evidence: Evidence, part: pd.DataFrame) -> Answer:
    line = by(part[part["noise"] == "gaussian"], "filter")
    text = ", ".join(f"{line[size][0]:.2f}" for size in FILTERS)
    return text, all_of(evidence.ahead(other, line[1], "auroc", NOT_FOLLOWED) for other in line.drop(1))


def _averages(evidence: Evidence) -> Finding:
    """Whether the averages of its Tables 1 and 2 follow from their own rows."""
    one = evidence.printed_table("noise_table1").assign(metric="auroc").rename(columns={"auroc": "value"})
    both = pd.concat([one, evidence.printed_table("noise_table2")])
    parts, wrong = [], []
    for (noise, metric), part in both[both["noise"].isin(FILTER)].groupby(["noise", "metric"], sort=False):
        rows = part.set_index("set")["value"]
        single = rows[~rows.index.str.startswith("average")]
        for name, value in (
            ("average of textures", single.loc[TEXTURES].mean()), ("average of objects", single.drop(TEXTURES).mean()),
            ("average", single.mean()),
        ):  # fmt: skip
            parts.append(exactly(abs(rows[name] - value) <= ROUNDED))
            if not parts[-1].side and metric == "auroc":
                wrong.append(f"{LABELS[str(noise)]}, {name}: printed {rows[name]:.3f}, its rows give {value:.3f}")
    right = sum(part.side for part in parts)
    return Finding(f"{right} of {len(parts)} averages follow; Table 1: {'; '.join(wrong)}", tuple(parts))


def _printed_averages(evidence: Evidence) -> pd.Series:
    return evidence.printed_table("noise_table1").query("set == 'average'").set_index("noise")["auroc"]


def _text_against_table(evidence: Evidence) -> Finding:
    table = _printed_averages(evidence)
    text = "its Table 1: " + ", ".join(f"{LABELS[n]} {table[n]:.3f}" for n in FILTER)
    stated = {"gaussian": 0.904, "mixture": 0.930}
    return Finding(text, tuple(exactly(abs(table[noise] - value) <= ROUNDED) for noise, value in stated.items()))


def _simplex_in_the_end(evidence: Evidence) -> Finding:
    table, other = _printed_averages(evidence), evidence.printed_table("noise_table4")
    unlike = other.query("filter == 5 and noise == 'simplex'")["auroc"].item()
    text = f"its Table 1: {table['simplex']:.3f}; {unlike:.3f} stands in Table 4 for a filter of 5 px"
    return Finding(text, (exactly(abs(table["simplex"] - 0.815) <= ROUNDED),))


def _exceptions(evidence: Evidence) -> Finding:
    table = evidence.printed_table("noise_table1")
    wide = table[~table["set"].str.startswith("average")].pivot_table(index="set", columns="noise", values="auroc")
    gap = (wide["gaussian"] - wide["mixture"]).abs().sort_values(ascending=False)
    gap = gap[gap >= APART - 1e-9]
    text = ", ".join(f"{name.replace('_', ' ')} {100 * value:.1f}" for name, value in gap.items())
    return Finding(f"its Table 1, points apart: {text}", (exactly(set(gap.index) == {"cable", "screw"}),))


def _beats_reconstruction(evidence: Evidence) -> Finding:
    table, rivals = _printed_averages(evidence), ["RIAD", "GANomaly", "ARNet", "InTra"]
    text = ", ".join(f"{name} {table[name]:.3f}" for name in rivals)
    behind = int((table["gaussian"] > table[rivals]).sum())
    return Finding(
        f"its Table 1: {text}; RIAD, GANomaly and others are run here, in another row",
        (exactly(2 * behind > len(rivals)),),
    )


def _images_of_mvtec(evidence: Evidence) -> Finding:
    """The images that MVTec AD has, and with how many masks the printed number is reached."""
    counts = evidence.mvtec["all"]
    images, masks = int(counts.sum()), int(counts["test", "defective"])
    text = f"MVTec AD has {images:,} images; with its {masks:,} masks that makes {images + masks:,}"
    return Finding(text, (exactly(images == 6612),))


CLAIMS = [
    Claim(
        "Gaussian noise detects images best of the three, on average over textures and objects",
        "Table 1, §6", "0.930, 0.835, 0.904", T1,
        untestable("surfaces here are textures, on which its Table 1 has Gaussian noise last: the row after next"),
    ),
    Claim(
        "Gaussian noise segments textures best of the three, in AUROC and average precision",
        "Table 2", "0.939 / 0.745, 0.861 / 0.473, 0.909 / 0.609", T2, _each(T2, _segments_best),
    ),
    Claim(
        "On textures, simplex and mixture noise detect better than Gaussian noise",
        "Table 1", "0.935, 0.970, 0.975", T1, _each(T1, _structured),
    ),
    Claim(
        "Noise of unequal spectrum may let the model learn the normal appearance of an object better",
        "§1, a hypothesis", "0.930, 0.835, 0.904", T1,
        untestable("surfaces on which it does not leave a possibility open; on textures: the row above"),
    ),
    Claim(
        "With every noise, 200 steps detect best",
        "Table 3", "0.930, 0.835, 0.904 at 200", T3, _each(T3, _peak("start", dict.fromkeys(FILTER, START))),
    ),
    Claim("The best number of steps is not the same for each noise", "§5.5", "no number", T3, _each(T3, _differ)),
    Claim(
        "The best number of steps is not the same for each noise: by its own table",
        "§5.5", "no number", PAPER.format(3), _differ_printed,
    ),
    Claim(
        "A mean filter of 11 px is best for Gaussian and simplex noise, one of 5 px for mixture noise",
        "Table 4", "11, 11, 5", T4, _each(T4, _peak("filter", dict(FILTER))),
    ),
    Claim(
        "The size of the filter is of great importance (AUROC of Gaussian noise spans 0.05 or more)",
        "§5.5", "a span of 0.122; of the other noises 0.032, 0.006", T4, _each(T4, _filter_matters),
    ),
    Claim(
        "Without a filter Gaussian noise detects clearly worse",
        "Table 4", "0.808, 0.903, 0.930, 0.928", T4, _each(T4, _unfiltered_worst),
    ),
    Claim(
        "Mixture noise hardly needs the filter (AUROC within 0.02)",
        "Table 4", "0.898 to 0.904", T4, _each(T4, _mixture_flat),
    ),
    Claim(
        "Gaussian and mixture noise are comparable in most categories, Cable and Screw excepted",
        "§5.4", "Cable 8.4, Screw 38.9 points apart", PAPER.format(1), _exceptions,
    ),
    Claim(
        "Gaussian noise beats most earlier methods that reconstruct",
        "§5.4", "0.930 against 0.917, 0.762, 0.839, 0.950", PAPER.format(1), _beats_reconstruction,
    ),
    Claim(
        "The averages follow from the categories",
        "Tables 1, 2", "0.935, 0.970, 0.975 on textures", PAPER.format(1), _averages,
    ),
    Claim(
        "Gaussian noise reaches 90.4 %, mixture noise 93.0 %",
        "§5.4", "0.904, 0.930", PAPER.format(1), _text_against_table,
    ),
    Claim("MVTec AD has 6,612 images", "§5.1", "6,612", "data/paper/mvtec_counts.csv", _images_of_mvtec),
    Claim("Simplex noise reaches 81.5 %", "§6", "0.815", PAPER.format(1), _simplex_in_the_end),
]  # fmt: skip
