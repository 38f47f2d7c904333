"""Claims of the noise study (Fučka et al. 2023), asked of its own tables and of every set on which its chapter runs."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from study.claims import OURS, ROUNDED, Claim, Evidence, Finding, each_set
from study.metrics import TIE
from study.noise.names import LABELS, TEXTURES
from study.noise.plan import FILTER, FILTERS, START
from study.tables import with_interval

T1, T2, T3, T4 = (
    "noise_table1_image_auroc", "noise_table2_pixel", "noise_table3_steps", "noise_table4_filter",
)  # fmt: skip

PAPER = "data/paper/noise_table{}.csv"
SURE = 0.9  # share of resamples in which what is called the highest is so
FLAT = 0.02  # a spread of AUROC that counts as insensitive; the paper's own is 0.006
GREAT = 0.05  # a spread of AUROC that counts as of great importance
APART = 0.084  # between Gaussian and mixture noise on Cable, which the paper calls a notable exception


def _each(exhibit: str, ask: Callable[[pd.DataFrame], tuple[str, bool]]) -> Callable[[Evidence], Finding]:
    """The same question for every set of ours in an exhibit."""
    return each_set(exhibit, ask, OURS)


def _listed(part: pd.DataFrame) -> str:
    rows = part.set_index("noise")
    cells = ((LABELS[n], rows.loc[n, ["ours", "low", "high"]]) for n in FILTER)
    return ", ".join(f"{label} {with_interval(*values)}" for label, values in cells)


def _detects_best(part: pd.DataFrame) -> tuple[str, bool]:
    chance = part.set_index("noise")["p_highest"]["gaussian"]
    return f"{_listed(part)}; Gaussian highest with probability {chance:.3f}", bool(chance >= SURE)


def _segments_best(part: pd.DataFrame) -> tuple[str, bool]:
    wide = part.pivot_table(index="metric", columns="noise", values="ours")
    ahead = wide["gaussian"] > wide[["simplex", "mixture"]].max(axis=1) + TIE
    texts = [
        f"{metric.removeprefix('pixel_').upper()} {_listed(rows)}"
        for metric, rows in part.groupby("metric", sort=False)
    ]
    return "; ".join(texts), bool(ahead.all())


def _structured(part: pd.DataFrame) -> tuple[str, bool]:
    rows = part.set_index("noise")["ours"]
    return _listed(part), bool(rows[["simplex", "mixture"]].min() > rows["gaussian"] + TIE)


def _may_help(evidence: Evidence) -> Finding:
    table = evidence.table(T1).query(OURS)
    means = table.groupby("noise")["ours"].mean()
    text = ", ".join(f"{LABELS[n]} {means[n]:.2f}" for n in FILTER)
    helps = bool(means[["simplex", "mixture"]].max() > means["gaussian"] + TIE)
    return Finding(f"means over {table['set'].nunique()} sets: {text}", (helps,))


def _top(part: pd.DataFrame, noise: str, key: str, value: str = "ours") -> set[int]:
    """The values of `key` whose AUROC lies within TIE of the noise's highest."""
    line = part[part["noise"] == noise].set_index(key)[value]
    return {int(k) for k in line.index[line >= line.max() - TIE]}


def _best(tops: dict[str, set[int]]) -> str:
    return ", ".join(f"{LABELS[n]} {' or '.join(map(str, sorted(top)))}" for n, top in tops.items())


def _peak(key: str, wanted: dict[str, int]) -> Callable[[pd.DataFrame], tuple[str, bool]]:
    """Whether no other value of `key` is better for any noise than the wanted one, by more than a TIE."""

    def ask(part: pd.DataFrame) -> tuple[str, bool]:
        tops = {noise: _top(part, noise, key) for noise in FILTER}
        return f"highest at: {_best(tops)}", all(wanted[noise] in top for noise, top in tops.items())

    return ask


def _apart(tops: dict[str, set[int]]) -> bool:
    """Whether no value is among the best of every noise."""
    return not set.intersection(*tops.values())


def _differ(part: pd.DataFrame) -> tuple[str, bool]:
    tops = {noise: _top(part, noise, "start") for noise in FILTER}
    return f"highest at: {_best(tops)}", _apart(tops)


def _differ_printed(evidence: Evidence) -> Finding:
    table = evidence.printed_table("noise_table3")
    tops = {noise: _top(table, noise, "start", "auroc") for noise in FILTER}
    return Finding(f"its Table 3: {_best(tops)}", (_apart(tops),))


def _spread(part: pd.DataFrame, noise: str) -> float:
    line = part[part["noise"] == noise]["ours"]
    return float(line.max() - line.min())


def _spreads(part: pd.DataFrame) -> str:
    return "spread over filters: " + ", ".join(f"{LABELS[n]} {_spread(part, n):.2f}" for n in FILTER)


def _mixture_flat(part: pd.DataFrame) -> tuple[str, bool]:
    return _spreads(part), _spread(part, "mixture") <= FLAT and _spread(part, "mixture") < _spread(part, "gaussian")


def _filter_matters(part: pd.DataFrame) -> tuple[str, bool]:
    return _spreads(part), all(_spread(part, noise) >= GREAT for noise in FILTER)


def _unfiltered_worst(part: pd.DataFrame) -> tuple[str, bool]:
    line = part[part["noise"] == "gaussian"].set_index("filter")["ours"]
    return ", ".join(f"{v:.2f}" for v in line.loc[list(FILTERS)]), bool(line.loc[1] < line.drop(1).min() - TIE)


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
            parts.append(bool(abs(rows[name] - value) <= ROUNDED))
            if not parts[-1] and metric == "auroc":
                wrong.append(f"{LABELS[str(noise)]}, {name}: printed {rows[name]:.3f}, its rows give {value:.3f}")
    return Finding(f"{sum(parts)} of {len(parts)} averages follow; Table 1: {'; '.join(wrong)}", tuple(parts))


def _printed_averages(evidence: Evidence) -> pd.Series:
    return evidence.printed_table("noise_table1").query("set == 'average'").set_index("noise")["auroc"]


def _text_against_table(evidence: Evidence) -> Finding:
    table = _printed_averages(evidence)
    text = "its Table 1: " + ", ".join(f"{LABELS[n]} {table[n]:.3f}" for n in FILTER)
    stated = {"gaussian": 0.904, "mixture": 0.930}
    return Finding(text, tuple(abs(table[noise] - value) <= ROUNDED for noise, value in stated.items()))


def _simplex_in_the_end(evidence: Evidence) -> Finding:
    table, other = _printed_averages(evidence), evidence.printed_table("noise_table4")
    unlike = other.query("filter == 5 and noise == 'simplex'")["auroc"].item()
    text = f"its Table 1: {table['simplex']:.3f}; {unlike:.3f} stands in Table 4 for a filter of 5 px"
    return Finding(text, (abs(table["simplex"] - 0.815) <= ROUNDED,))


def _exceptions(evidence: Evidence) -> Finding:
    table = evidence.printed_table("noise_table1")
    wide = table[~table["set"].str.startswith("average")].pivot_table(index="set", columns="noise", values="auroc")
    gap = (wide["gaussian"] - wide["mixture"]).abs().sort_values(ascending=False)
    gap = gap[gap >= APART - 1e-9]
    text = ", ".join(f"{name.replace('_', ' ')} {100 * value:.1f}" for name, value in gap.items())
    return Finding(f"its Table 1, points apart: {text}", (set(gap.index) == {"cable", "screw"},))


def _beats_reconstruction(evidence: Evidence) -> Finding:
    table, rivals = _printed_averages(evidence), ["RIAD", "GANomaly", "ARNet", "InTra"]
    text = ", ".join(f"{name} {table[name]:.3f}" for name in rivals)
    behind = int((table["gaussian"] > table[rivals]).sum())
    return Finding(f"its Table 1: {text}; none of them is run here", (2 * behind > len(rivals),))


CLAIMS = [
    Claim(
        "Gaussian noise detects images best of the three",
        "Table 1, §6", "0.930, 0.835, 0.904", T1, _each(T1, _detects_best),
    ),
    Claim(
        "Gaussian noise segments best of the three, in AUROC and average precision",
        "Table 2", "0.923 / 0.662, 0.831 / 0.423, 0.884 / 0.511", T2, _each(T2, _segments_best),
    ),
    Claim(
        "On textures, simplex and mixture noise detect better than Gaussian noise",
        "Table 1", "0.935, 0.970, 0.975", T1, _each(T1, _structured),
    ),
    Claim(
        "Noise of unequal spectrum may let the model learn the normal appearance better",
        "§1, a hypothesis", "0.930, 0.835, 0.904", T1, _may_help,
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
        "The size of the filter is of great importance (AUROC spans 0.05 or more)",
        "§5.5", "spans 0.122, 0.032, 0.006", T4, _each(T4, _filter_matters),
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
    Claim("Simplex noise reaches 81.5 %", "§6", "0.815", PAPER.format(1), _simplex_in_the_end),
]  # fmt: skip
