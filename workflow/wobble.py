"""How far figures of merit move when nothing that matters changes: the margin below which the ledger sees no
difference.

Of a folder with the exhibits of a profile, by metric, the root mean square of the difference between two seeds of a
training (`seeds`), of all figures of trained methods. With two further folders, of equal settings and from two kinds of
processor, that between the processors (`processors`); without them what was known of it stays. `margin` is the larger
of both. Left in data/wobble.csv.

    python workflow/wobble.py figures/default [~/one/figures/default ~/another/figures/default]
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "notebooks")]  # where the packages `radarlib` and `study` lie

from radarlib.files import write_csv  # noqa: E402
from study.methods import label_of, table_rows  # noqa: E402
from study.unclean.claims import PIXELS  # noqa: E402

METRICS = ("accuracy", "precision", "recall", "f1", "auroc", "pixel_auroc", "pixel_ap", "pro", "mse")
EXTREME = ("radar_fig8_contamination", "radar_conformal", "radar_classifiers")  # at thresholds that flag next to none
VALUES = ("ours", "low", "high", "sd", "seed_low", "seed_high", "seeds", "paper", "p_highest", "images", "test_images")
ELSEWHERE = ("terms_whole", "terms_patterns", "radar_by_grade")  # differences of figures; figures of few images


def figures(folder: Path) -> pd.DataFrame:
    """All rows of a folder's tables that have a metric, by `exhibit` and by what names them."""
    parts = []
    for file in sorted(folder.glob("*.csv")):
        table = pd.read_csv(file)
        if {"metric", "ours"} <= set(table) and file.stem not in ELSEWHERE:
            if file.name.startswith(("rddpm", "unclean_radar")):  # whose metrics are of pixels
                table["metric"] = table["metric"].replace(PIXELS)
            names = [c for c in table if c not in (*VALUES, "metric") and table[c].notna().any()]
            key = table[names].map(str).agg(" ".join, axis=1)
            parts.append(table.assign(exhibit=file.stem, key=key))
    found = pd.concat(parts)
    fixed = [name for name, entry in table_rows().items() if not getattr(entry, "trained", True)]
    trained = ~found["method"].isin([*fixed, *map(label_of, fixed)])
    return found[found["metric"].isin(METRICS) & found["ours"].notna() & trained]


def between_seeds(table: pd.DataFrame) -> pd.Series:
    """By metric the root mean square difference of two seeds."""
    several = table[(table["seeds"] > 1) & ~table["exhibit"].isin(EXTREME)]
    n = several["seeds"]
    apart = np.where(
        several["sd"].notna(), several["sd"] * np.sqrt(2 * n / (n - 1)), several["seed_high"] - several["seed_low"]
    )
    return _rms(several["metric"], pd.Series(apart, several.index))


def between_processors(one: pd.DataFrame, other: pd.DataFrame) -> pd.Series:
    """By metric the root mean square difference of two runs. What is the same to the last digit rests on no training; a
    figure that several exhibits show counts once.
    """
    keys = ["exhibit", "key", "metric"]
    both = one.drop_duplicates(keys).merge(other.drop_duplicates(keys), on=keys)
    both = both[both["ours_x"] != both["ours_y"]].drop_duplicates(["metric", "ours_x", "ours_y"])
    return _rms(both["metric"], both["ours_x"] - both["ours_y"])


def _rms(metric: pd.Series, apart: pd.Series) -> pd.Series:
    return (apart.astype(float) ** 2).groupby(metric).mean() ** 0.5


if __name__ == "__main__":
    folder, *others = (figures(Path(folder)) for folder in sys.argv[1:4])
    if len(others) == 1:
        sys.exit("two folders are needed to compare processors")
    known = pd.read_csv(ROOT / "data/wobble.csv").set_index("metric")["processors"]
    table = pd.DataFrame({"seeds": between_seeds(folder)}).reindex(METRICS)
    table["processors"] = between_processors(*others) if others else known
    if others and not (table["processors"] > 0).any():
        sys.exit("nothing moved between the two folders: they are of one kind of processor, or copies")
    table["margin"] = table.max(axis=1)
    write_csv(ROOT / "data/wobble.csv", table.rename_axis("metric").reset_index(), 4)
    print(table.round(4))
