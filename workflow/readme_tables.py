"""Puts the exhibits' numbers into the tables of README.md and figures/README.md that follow a comment like

    <!-- table of figures/default/unclean_practice.csv: auroc, method by set share -->

that is: the metrics, the column that names the rows, and those whose values (with `metric`: the metrics) head the columns; "with
seeds" adds their number to the rows' names. A Markdown exhibit is taken as it is, but for what is printed in papers alone. Where an
exhibit is missing, as those of `figures/real` are on a new machine, its table stays.

    python workflow/readme_tables.py
"""

import re
import sys
from pathlib import Path

import pandas as pd

from radarlib.methods import METHODS, TOGETHER, label_of
from radarlib.noise_exhibits import LABELS
from radarlib.tables import with_interval

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "figures/README.md")
MARK = re.compile(r"(<!-- table of (\S+?)(?:: (.+?), (\w+) by ([\w ]+?)( with seeds)?)? -->\n)(?:\|.*\n)*")
HEADS = {"auroc": "I-AUROC", "pro": "PRO"}


def _name(key: str, column: str) -> str:
    """Of a row, as the exhibits' own tables have it."""
    base, comma, rest = key.partition(", ")
    if column != "method":
        return key
    return f"{label_of(base)}{comma}{rest}" if base in (*METHODS, *TOGETHER) else key


def _head(value: object, column: str) -> str:
    if column == "share":
        return f"{float(str(value)):.0%}"
    if column == "noise":
        return LABELS[str(value)]
    return HEADS[str(value)] if column == "metric" else f"`{value}`"


def pivot(table: pd.DataFrame, metrics: list[str], rows: str, columns: list[str], seeds: bool) -> str:
    """A Markdown table of "ours [interval] (printed value)"; of methods, the highest of each column is in bold."""
    table = table[table["metric"].isin(metrics) & table["ours"].notna()].copy()
    best = table.groupby(columns)["ours"].transform("max").round(2)
    table["cell"] = [with_interval(row.ours, row.low, row.high) for row in table.itertuples()]
    if "paper" in table:
        table["cell"] += [
            f" ({value:.{3 if rows == 'set' else 2}f})" if value == value else "" for value in table["paper"]
        ]
    if rows == "method":
        table["cell"] = table["cell"].mask(table["ours"].round(2) == best, "**" + table["cell"] + "**")
    names = {key: _name(key, rows) for key in table[rows].unique()}
    if seeds:
        names = {key: f"{name} ({table.loc[table[rows] == key, 'seeds'].max():.0f})" for key, name in names.items()}
    found = table.pivot_table(index=rows, columns=columns, values="cell", aggfunc="first", sort=False).fillna("–")
    heads = [value if isinstance(value, tuple) else (value,) for value in found.columns]
    lines = [
        [rows + (" (seeds)" if seeds else ""), *(" ".join(map(_head, head, columns)) for head in heads)],
        ["---"] * (1 + len(heads)),
        *([names[str(key)], *cells] for key, cells in zip(found.index, found.to_numpy(), strict=True)),
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def table_of(file: Path, metrics: str | None, rows: str, columns: str, seeds: bool) -> str:
    if file.suffix == ".md":
        lines = file.read_text().splitlines(keepends=True)
        return "".join(line for line in lines if line.startswith("|") and not line.startswith("| printed"))
    return pivot(pd.read_csv(file), str(metrics).split(), rows, columns.split(), seeds)


def filled(text: str, root: Path = ROOT) -> str:
    """The page with the tables of the exhibits that are there."""

    def replace(match: re.Match) -> str:
        head, file, metrics, rows, columns, seeds = match.groups()
        path = root / file
        return head + table_of(path, metrics, rows, columns, bool(seeds)) if path.exists() else match.group()

    return MARK.sub(replace, text)


if __name__ == "__main__":
    for page in PAGES:
        path = ROOT / page
        path.write_text(filled(path.read_text()))
        print(f"{page}: {len(MARK.findall(path.read_text()))} tables", file=sys.stderr)
