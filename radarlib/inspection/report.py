"""One page of a detection run: every image with its score, sortable, with its overlay; without network."""

from __future__ import annotations

import html
from pathlib import Path
from string import Template
from urllib.parse import quote

import pandas as pd

from radarlib.files import write_bytes

PAGE = Template(Path(__file__).with_name("report.html").read_text())
HEADS = {"score": "score", "threshold": "threshold", "p_value": "p-value", "regions": "regions", "anomalous": "verdict"}


def report(table: pd.DataFrame, failures: list[str], out: Path, of: tuple[int, int] | None = None) -> None:
    """Leave `report.html` in `out`, where the overlays lie. table : of `scores.csv`; rows with a `shard` have theirs
    in its folder. failures : lines of images that could not be judged. of : anomalous images and all, where the table
    has the highest scores alone.
    """
    table = table.sort_values("score", ascending=False)
    columns = [key for key in HEADS if key in table]
    heads = "".join(f"<th{' class=n' * (key != 'anomalous')}><button>{HEADS[key]}</button></th>" for key in columns)
    rows = "\n".join(_row(row, columns, out) for row in table.to_dict("records"))
    bad, n = of or (int(table["anomalous"].sum()), len(table))
    here = f"; the {len(table)} highest scores" if len(table) < n else ""
    listed = "".join(f"<li>{html.escape(line)}</li>" for line in failures)
    page = PAGE.substitute(
        title=f"{bad:,} of {n:,} images are anomalous{here}",
        failures=f"<p>Could not be judged:</p><ul>{listed}</ul>" if failures else "",
        heads=heads,
        rows=rows,
    )
    write_bytes(out / "report.html", page.encode())


def _row(row: dict, columns: list[str], out: Path) -> str:
    name = str(row["image"])
    file = f"shards/{row['shard']}/overlays/{name}.png" if "shard" in row else f"overlays/{name}.png"
    source, label = quote(file), html.escape(name)
    picture = f'<a href="{source}"><img src="{source}" alt="overlay of {label}" loading="lazy"></a>'
    cells = [f"<td>{picture if (out / file).is_file() else ''}</td>", f'<td class="name">{label}</td>']
    for key in columns:
        if key == "anomalous":
            verdict = ("bad", "anomalous") if row[key] else ("ok", "normal")
            cells.append(f'<td data-v="{int(row[key])}" class="{verdict[0]}">{verdict[1]}</td>')
        else:
            cells.append(f'<td class="n" data-v="{row[key]}">{row[key]:.3g}</td>')
    return f'<tr data-bad="{int(row["anomalous"])}">{"".join(cells)}</tr>'
