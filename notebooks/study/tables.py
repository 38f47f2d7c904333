"""Tables as people read them: numbers with their intervals, in Markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from study.latex import as_commands, escaped

PRINTED = "printed: "  # before the name of a set that only the paper has
BENCHMARKS = {"d3ad_table1": "VisA", "d3ad_table2": "BTAD", "d3ad_table7": "MVTec AD"}
"""Tables of D3AD whose rows "average" are what many systems reach on a public set: VisA's are of its Tables 4 and 8 as
well, MVTec AD's of Table 3.
"""
TEXT = 30  # characters beyond which a cell is running text
LONG = 50  # rows beyond which a table does not fit on a page
CHARACTER = 0.0085  # width of a character at \scriptsize, in \textwidth, with its share of the space between columns
SMALL = "\\scriptsize\n\\setlength{\\tabcolsep}{2pt}\n"


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


def to_latex(table: pd.DataFrame, caption: str, label: str) -> str:
    """A booktabs table over both columns of a page, or over several pages where it has more than LONG rows; needs
    \\usepackage{booktabs}, and for long ones \\usepackage{longtable} and a text of one column. What is not ASCII is
    written as commands, so that any LaTeX takes it.

    Columns of short cells are as wide as they must be, columns of running text share what is left of the page.
    """
    longest = table.astype(str).map(len).max()
    text = [c for c in table if longest[c] > TEXT]
    rest = 0.94 - sum(max(longest[c], len(c)) for c in table if c not in text) * CHARACTER
    share = max(rest, 0.3) / max(1, sum(min(longest[c], 4 * TEXT) for c in text))
    widths = {c: f"p{{{share * min(longest[c], 4 * TEXT):.2f}\\textwidth}}" for c in text}
    long = len(table) > LONG
    body = table.astype(str).to_latex(
        index=False,
        escape=True,
        longtable=long,
        column_format="".join(widths.get(c, "l") for c in table),
        caption=escaped(caption),
        label=f"tab:{label}",
        position=None if long else "t",
    )
    if long:
        body = f"{{{SMALL}{body}}}\n"
    body = body.replace("{table}", "{table*}").replace("\\begin{tabular}", SMALL + "\\begin{tabular}")
    return as_commands(body)
