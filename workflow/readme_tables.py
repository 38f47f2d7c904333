"""Puts the exhibits' numbers into the tables of README.md and figures/README.md that follow a comment like

    <!-- table of figures/default/unclean_practice.csv: auroc, method by set share -->

that is: the metrics, the column that names the rows, and those whose values (with `metric`: the metrics) head the
columns; "with seeds" adds their number to the rows' names, "without intervals" leaves those out. The rows of a second
exhibit ("of … and …") follow those of the first. A Markdown exhibit is taken as it is, but for its padding
and what is printed in papers alone. After

    <!-- verdicts of figures/default/claims.csv -->

stands how many claims of each paper hold, of those that an experiment of ours was held against, on simulated sets and,
after a semicolon, on real ones where those were run; of what no paper claims; and of the papers' own numbers against
themselves. Where an exhibit is missing, as those of `figures/real` are on a new machine, its table stays.

    python workflow/readme_tables.py
"""

import json
import re
import sys
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "notebooks")]  # where the packages `radarlib` and `study` lie

from study.claims import (  # noqa: E402
    CHANCE,
    EXPERIMENT,
    FAILS,
    FULL,
    HOLDS,
    ITSELF,
    MOVING,
    OWN,
    PARTLY,
    READING,
    SHORTENED,
    UNDECIDED,
    UNFOLLOWED,
    UNTESTED,
)  # fmt: skip
from study.methods import METHODS, TOGETHER, label_of  # noqa: E402
from study.metrics import LEVELS  # noqa: E402
from study.noise.names import LABELS  # noqa: E402
from study.tables import wide  # noqa: E402

OPEN = "undecided"
UNDECIDEDS = (UNDECIDED, MOVING, UNFOLLOWED, CHANCE, FULL, READING, SHORTENED)
VERDICTS = {HOLDS: HOLDS, PARTLY: PARTLY, FAILS: FAILS, **dict.fromkeys(UNDECIDEDS, OPEN)}
"""How verdicts are counted."""
PAGES = ("README.md", "figures/README.md")
MARK = re.compile(
    r"(<!-- (table|verdicts) of (\S+?)(?: and (\S+?))?"
    r"(?:: (.+?), (\w+) by ([\w ]+?)( with seeds| without intervals)?)? -->\n)(?:\|.*\n)*"
)


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
    return LEVELS[str(value)] if column == "metric" else f"`{value}`"


def _markdown(lines: list[list[str]]) -> str:
    """Rows of cells, the first of them the head."""
    head, *rows = lines
    return "".join(f"| {' | '.join(line)} |\n" for line in (head, ["---"] * len(head), *rows))


def pivot(table: pd.DataFrame, metrics: list[str], rows: str, columns: list[str], more: str) -> str:
    """A Markdown table of "ours [interval] (printed value)"; of methods, the highest of each column is in bold.

    more : "with seeds" or "without intervals".
    """
    table = table[table["metric"].isin(metrics) & table["ours"].notna()]
    head = [" ".join(map(_head, values, columns)) for values in table[columns].itertuples(index=False)]
    table = table.assign(head=head)
    found = wide(table, [rows], "head", more=1 if rows == "set" else 0).set_index(rows)
    if rows in ("method", "label"):
        ours = table.pivot_table(index=rows, columns="head", values="ours").round(2).reindex_like(found)
        found = found.mask(ours == ours.max(), "**" + found + "**")
    if more == "without intervals":
        found = found.replace(r" \[.*?\]", "", regex=True)
    names = {key: _name(key, rows) for key in found.index}
    if more == "with seeds":
        runs = table.groupby(rows)["seeds"].max()
        names = {key: f"{name} ({runs[key]:.0f})" for key, name in names.items()}
    lines = [[names[key], *cells] for key, cells in zip(found.index, found.to_numpy(), strict=True)]
    first = "method" if rows == "label" else rows
    return _markdown([[first + (" (seeds)" if more == "with seeds" else ""), *found.columns], *lines])


def verdicts(claims: Path) -> str:
    """How many claims of each paper hold: the ledger's own verdicts, and those that rest on measured times."""
    table, late = pd.read_csv(claims), json.loads(claims.with_suffix(".measured.json").read_text())
    timed = {(row["claim"], row["where"]): row["verdict"] for row in late["verdicts"]}
    rows = table[["claim", "where", "verdict"]].itertuples(index=False)
    found = pd.Series([timed.get(tuple(key), verdict) for *key, verdict in rows])
    tested = table["kind"] != UNTESTED
    if unknown := set(found[tested]) - set(VERDICTS):
        raise ValueError(f"{claims}: {', '.join(unknown)}: a verdict that is none of {', '.join(VERDICTS)}")
    ours, papers = table["kind"] == EXPERIMENT, table["where"].str.partition(", ")[0]
    groups = {str(paper): ours & (papers == paper) for paper in papers[ours].unique()}
    groups |= {
        "all experiments of ours": ours, "questions of ours": table["kind"] == OWN,
        "the papers against themselves": table["kind"] == ITSELF,
    }  # fmt: skip
    told = table["real_verdict"] if "real_verdict" in table else pd.Series(index=table.index)
    real = told.astype(object).map(VERDICTS)
    heads, lines = [*dict.fromkeys(VERDICTS.values())], []
    for name, where in groups.items():
        counts, there = (
            verdict[where].value_counts().reindex(heads, fill_value=0) for verdict in (found.map(VERDICTS), real)
        )
        cells = [f"{a}; {b}" if there.sum() else f"{a}" for a, b in zip(counts, there, strict=True)]
        lines.append([name, *cells, str(int(where.sum()))])
    lines.append([UNTESTED, *["–"] * len(heads), str(int((~tested).sum()))])
    return _markdown([["paper", *heads, "claims"], *lines])


def unpadded(line: str) -> str:
    """A line of a Markdown table with one space around each cell."""
    cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
    return f"| {' | '.join('---' if re.fullmatch(':?-{3,}:?', cell) else cell for cell in cells)} |\n"


def table_of(files: list[Path], metrics: str | None, rows: str, columns: str, more: str) -> str:
    if files[0].suffix == ".md":
        lines = files[0].read_text().splitlines(keepends=True)
        return "".join(unpadded(line) for line in lines if line.startswith("|") and not line.startswith("| printed"))
    return pivot(pd.concat(map(pd.read_csv, files)), str(metrics).split(), rows, columns.split(), more)


def filled(text: str) -> str:
    """The page with the tables of the exhibits that are there."""

    def replace(match: re.Match) -> str:
        head, kind, file, second, metrics, rows, columns, more = match.groups()
        files = [ROOT / name for name in (file, second) if name]
        if not all(path.exists() for path in files):
            return match.group()
        if kind == "verdicts":
            return head + verdicts(files[0])
        return head + table_of(files, metrics, rows, columns, (more or "").strip())

    return MARK.sub(replace, text)


if __name__ == "__main__":
    for page in PAGES:
        path = ROOT / page
        path.write_text(filled(path.read_text()))
        print(f"{page}: {len(MARK.findall(path.read_text()))} tables", file=sys.stderr)
