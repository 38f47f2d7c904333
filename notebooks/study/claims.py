"""What the ledger is made of: claims of the papers, and the exhibits in `figures/<profile>/` that they are held
against.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from radarlib.errors import UserError

ROUNDED = 0.00101  # what a mean printed to 0.001 may be off that of values printed to 0.001
OURS = "ours == ours"  # rows with a value of ours: not those that the paper alone has
HOLDS, FAILS, PARTLY, UNTESTED = "holds", "fails", "partly", "cannot be tested here"


@dataclass(frozen=True)
class Finding:
    """What the study finds: `ours` in words and numbers, and whether each part of the claim holds (none: not tested).

    measured : times, which differ from run to run and so are shown, but stand in no CSV.
    """

    ours: str
    parts: tuple[bool, ...] = ()
    measured: str = ""

    @property
    def verdict(self) -> str:
        if not self.parts:
            return UNTESTED
        return HOLDS if all(self.parts) else PARTLY if any(self.parts) else FAILS


class Evidence:
    """The exhibits of a profile, read when they are asked for; `used` names those that were."""

    def __init__(self, folder: Path, paper: Path):
        self.folder, self.paper_folder, self.used = folder, paper, set[Path]()

    def _read(self, file: Path) -> Path:
        if not file.is_file():
            raise UserError(f"{file}: missing; run the workflow, the ledger reads its exhibits")
        self.used.add(file)
        return file

    def table(self, exhibit: str) -> pd.DataFrame:
        return pd.read_csv(self._read(self.folder / f"{exhibit}.csv"))

    def printed_table(self, name: str) -> pd.DataFrame:
        """Values that a paper prints."""
        return pd.read_csv(self._read(self.paper_folder / f"{name}.csv"))

    def measured(self, exhibit: str) -> dict[str, pd.DataFrame]:
        """Measured times, which stand beside an exhibit's CSV since they differ from run to run."""
        data = json.loads(self._read(self.folder / f"{exhibit}.measured.json").read_text())
        return {name: pd.DataFrame(rows) for name, rows in data.items()}

    @cached_property
    def surfaces(self) -> pd.Series:
        """ "periodic" or "stochastic" by data set."""
        return self.table("radar_table1_datasets").groupby("set", sort=False)["surface"].first()

    def sets(self, kind: str) -> list[str]:
        return list(self.surfaces.index if kind == "any" else self.surfaces.index[self.surfaces == kind])

    @cached_property
    def detection(self) -> pd.Series:
        """Table II by (set, method, metric)."""
        return self.table("radar_table2_detection").set_index(["set", "method", "metric"])["ours"]

    @cached_property
    def counts(self) -> pd.Series:
        """RADAR's Table I by (set, part, class)."""
        return self.printed_table("radar_table1").set_index(["set", "part", "class"])["count"]

    @cached_property
    def printed(self) -> pd.DataFrame:
        """RADAR's Table II."""
        return self.printed_table("radar_table2").set_index(["set", "method"])


@dataclass(frozen=True)
class Claim:
    """`text` in our own words, `where` in the paper, the number that it prints, the exhibit that shows ours."""

    text: str
    where: str
    paper: str
    exhibit: str
    check: Callable[[Evidence], Finding]


def gathered(answers: dict[str, tuple[str, bool]], none: str) -> Finding:
    """Answers by data set as one finding; the text `none` where no set was asked."""
    text = "; ".join(f"{name}: {answer}" for name, (answer, _) in answers.items())
    return Finding(text or none, tuple(holds for _, holds in answers.values()))


def per_set(evidence: Evidence, kind: str, ask: Callable[[str], tuple[str, bool]]) -> Finding:
    """The same question for every set of one kind of surface."""
    return gathered({name: ask(name) for name in evidence.sets(kind)}, f"no {kind} surface in this profile")


def each_set(
    exhibit: str, ask: Callable[[pd.DataFrame], tuple[str, bool]], where: str = "", none: str = "no set suits"
) -> Callable[[Evidence], Finding]:
    """The same question for every set of an exhibit.

    where : a query that picks rows of it; none : the text without a set.
    """

    def check(evidence: Evidence) -> Finding:
        table = evidence.table(exhibit)
        groups = (table.query(where) if where else table).groupby("set", sort=False)
        return gathered({str(name): ask(part) for name, part in groups}, none)

    return check


def untestable(why: str) -> Callable[[Evidence], Finding]:
    return lambda _: Finding(why)


def told(values: pd.Series) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in values.items())
