"""Tables as people read them: numbers with their intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

PRINTED = "printed: "  # before the name of a set that only the paper has
BENCHMARKS = {"d3ad_table1": "VisA", "d3ad_table2": "BTAD", "d3ad_table7": "MVTec AD"}
"""Tables of D3AD whose rows "average" are what many systems reach on a public set: VisA's are of its Tables 4 and 8 as
well, MVTec AD's of Table 3.
"""


def with_interval(value: float, low: float, high: float, digits: int = 2) -> str:
    """ "0.94 [0.90, 0.97]", or "–" where there is no value."""
    if pd.isna(value):
        return "–"
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def stands(ours: pd.Series, rival: pd.Series) -> str:
    """How a row with `low` and `high` stands to another: apart only where the intervals do not meet."""
    if ours["low"] > rival["high"]:
        return "ahead of"
    return "behind" if ours["high"] < rival["low"] else "not clearly apart from"


def beside(table: pd.DataFrame, paper: pd.Series) -> pd.DataFrame:
    """The table with the printed values, which are indexed by some of its columns, as `paper`."""
    at = zip(*(table[column] for column in paper.index.names), strict=True)
    return table.assign(paper=[paper.get(key, np.nan) for key in at])


def wide(
    table: pd.DataFrame,
    rows: Sequence[str],
    columns: str,
    names: dict | None = None,
    digits: dict[str, int] | None = None,
    more: int = 0,
) -> pd.DataFrame:
    """A long table as people read it: "ours [interval] (paper)", a row per `rows`, a column per value of `columns`.

    names : of the columns. digits : of a `metric`, where those are not 2. more : digits of the printed values beyond
        ours.
    """
    cells = []
    for row in table.itertuples():
        places, paper = (digits or {}).get(row.metric, 2), getattr(row, "paper", np.nan)
        printed = "" if pd.isna(paper) else f" ({paper:.{places + more}f})"
        cells.append(with_interval(row.ours, row.low, row.high, places) + printed)
    result = table.assign(cell=cells).pivot_table(
        index=list(rows), columns=columns, values="cell", aggfunc="first", sort=False
    )
    return result.fillna("–").rename(columns=names or {}).rename(columns=str).rename_axis(columns=None).reset_index()


def to_markdown(table: pd.DataFrame, caption: str) -> str:
    return f"{caption}\n\n{table.to_markdown(index=False, disable_numparse=True)}\n"
