"""More images than one process should judge: a list cut into shards, each judged by itself, and one table of all.

Imports nothing heavy: `judge.judge_shard` judges.
"""

from __future__ import annotations

import csv
import heapq
import unicodedata
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

import pandas as pd

from radarlib.errors import UserError
from radarlib.files import alone_in, write_bytes, write_csv
from radarlib.inspection.inputs import inputs, refuse_within, state
from radarlib.inspection.report import report

SHOWN = 200  # of a whole run's images, the ones with the highest scores
COLUMNS = ("image", "path", "state")


def cut(targets: list[Path], out: Path, size: int) -> pd.DataFrame:
    """Cut images into shards of at most `size`: a list of each in `out/shards/<shard>.csv`, and all of them in
    `out/shards.csv`, which is returned (shard, images).

    What was cut before stays as it is, but for images that are gone; new ones open shards of their own. So nothing is
    judged twice. Raises UserError as `inputs` does, for a size below 1, for results among the images, for a name that
    no table can hold, and where `out` holds other results or another process writes to it.
    """
    refuse_within(out, targets)
    if size < 1:
        raise UserError(f"shard: {size} images; a shard needs one at least")
    with alone_in(out):
        return _cut(targets, out, size)


def _cut(targets: list[Path], out: Path, size: int) -> pd.DataFrame:
    if (out / "detect.json").is_file():
        raise UserError(f"{out}: holds what `radarlib detect` found; give another folder as out=…")
    left = {_tellable(name, path): path.resolve() for path, name in inputs(targets)}
    lists: dict[str, dict[str, Path]] = {}
    for file in sorted((out / "shards").glob("[0-9]*.csv")):
        known = {name: path for path, name in listed(file)}
        lists[file.stem] = {name: left.pop(name) for name in known if left.get(name) == known[name]}
    new, names = iter(left.items()), (name for name in map("{:05d}".format, count()) if name not in lists)
    while part := dict(islice(new, size)):
        lists[next(names)] = part
    for shard, images in lists.items():
        _write_list(out / "shards" / f"{shard}.csv", images)
    table = pd.DataFrame({"shard": list(lists), "images": [len(images) for images in lists.values()]})
    table = table[table["images"] > 0]
    write_csv(out / "shards.csv", table)
    return table


def _tellable(name: str, path: Path) -> str:
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in f"{name}{path}"):
        raise UserError(f"{name!r}: a name that no table can hold; rename the file")
    return name


def _write_list(file: Path, images: dict[str, Path]) -> None:
    """With the state of each image. Unless it is there already, so that its time says when it changed."""
    rows = [(name, str(path), state(path)) for name, path in images.items()]
    text = pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(index=False, lineterminator="\n").encode()
    if not file.is_file() or file.read_bytes() != text:
        write_bytes(file, text)


def listed(file: Path) -> list[tuple[Path, str]]:
    """A shard's images, each with its name in the results. Raises UserError for a file that is no such list."""
    try:
        with file.open(newline="", encoding="utf-8") as lines:
            rows = list(csv.reader(lines))
    except (UnicodeDecodeError, csv.Error):
        rows = []
    if not rows or tuple(rows[0]) != COLUMNS or any(len(row) != len(COLUMNS) for row in rows):
        raise UserError(f"{file}: no list of a shard (columns {', '.join(COLUMNS)}); remove it, and it is made anew")
    return [(Path(path), name) for name, path, _ in rows[1:]]


def _rows(files: list[Path]) -> Iterator[list[str]]:
    """The head of a table with a column `shard` before it, and then the rows of all of them."""
    for k, file in enumerate(files):
        with file.open(newline="", encoding="utf-8") as lines:
            reader = csv.reader(lines)
            head = next(reader)
            if k == 0:
                yield ["shard", *head]
            yield from ([file.parent.name, *row] for row in reader)


def gather(out: Path) -> tuple[int, int, int]:
    """Put the tables of the shards that `cut` named together, a row at a time: `scores.csv` (with a column `shard`, in
    whose folder the maps are), `failures.csv`, and `report.html` of the SHOWN images with the highest scores.

    Returns how many images were judged, how many of them are anomalous, and how many could not be judged. Raises
    UserError where another process writes to `out`.
    """
    with alone_in(out):
        return _gather(out)


def _gather(out: Path) -> tuple[int, int, int]:
    names = pd.read_csv(out / "shards.csv", dtype={"shard": str})["shard"]
    folders = [out / "shards" / name for name in names]
    seen = anomalous = 0
    highest: list[tuple[float, int, list[str]]] = []
    partial = out / "scores.csv.part"
    rows = _rows([folder / "scores.csv" for folder in folders])
    with partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(head := next(rows))
        flag, score = head.index("anomalous"), head.index("score")
        for row in rows:
            writer.writerow(row)
            seen += 1
            anomalous += row[flag] == "True"
            heapq.heappush(highest, (float(row[score]), -seen, row))
            if len(highest) > SHOWN:
                heapq.heappop(highest)
    partial.replace(out / "scores.csv")
    failures = [failure for _, failure in islice(_rows([folder / "failures.csv" for folder in folders]), 1, None)]
    write_csv(out / "failures.csv", pd.DataFrame({"failure": failures}))
    told = failures[:SHOWN] + ([f"… and {len(failures) - SHOWN:,} more"] if len(failures) > SHOWN else [])
    report(_numbers(pd.DataFrame([row for *_, row in highest], columns=head)), told, out, (anomalous, seen))
    return seen, anomalous, len(failures)


def _numbers(table: pd.DataFrame) -> pd.DataFrame:
    """What was read as text, as the values that it stands for."""
    found = table.copy()
    for column in found.columns.difference(["image", "shard"]):
        found[column] = found[column].eq("True") if column == "anomalous" else pd.to_numeric(found[column])
    return found
