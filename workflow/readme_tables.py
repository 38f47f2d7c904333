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
from radarlib.tables import wide

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
    table = table[table["metric"].isin(metrics) & table["ours"].notna()]
    head = [" ".join(map(_head, values, columns)) for values in table[columns].itertuples(index=False)]
    table = table.assign(head=head)
    found = wide(table, [rows], "head", more=1 if rows == "set" else 0).set_index(rows)
    if rows == "method":
        ours = table.pivot_table(index=rows, columns="head", values="ours").round(2).reindex_like(found)
        found = found.mask(ours == ours.max(), "**" + found + "**")
    names = {key: _name(key, rows) for key in found.index}
    if seeds:
        runs = table.groupby(rows)["seeds"].max()
        names = {key: f"{name} ({runs[key]:.0f})" for key, name in names.items()}
    lines = [
        [rows + (" (seeds)" if seeds else ""), *found.columns],
        ["---"] * (1 + len(found.columns)),
        *([names[key], *cells] for key, cells in zip(found.index, found.to_numpy(), strict=True)),
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def table_of(file: Path, metrics: str | None, rows: str, columns: str, seeds: bool) -> str:
    if file.suffix == ".md":
        lines = file.read_text().splitlines(keepends=True)
        return "".join(line for line in lines if line.startswith("|") and not line.startswith("| printed"))
    return pivot(pd.read_csv(file), str(metrics).split(), rows, columns.split(), seeds)


def filled(text: str) -> str:
    """The page with the tables of the exhibits that are there."""

    def replace(match: re.Match) -> str:
        head, file, metrics, rows, columns, seeds = match.groups()
        path = ROOT / file
        return head + table_of(path, metrics, rows, columns, bool(seeds)) if path.exists() else match.group()

    return MARK.sub(replace, text)


if __name__ == "__main__":
    for page in PAGES:
        path = ROOT / page
        path.write_text(filled(path.read_text()))
        print(f"{page}: {len(MARK.findall(path.read_text()))} tables", file=sys.stderr)
