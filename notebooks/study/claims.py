"""What the ledger is made of: claims of the papers, the exhibits in `figures/<profile>/` that they are held against,
and how far a difference must go to count.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import norm

from radarlib.config import resolve
from radarlib.errors import UserError
from study.methods import METHODS
from study.metrics import DETECTION, interval
from study.plan import BORROWED, DOUBLINGS, LENGTHS, LONG, without_steps

ROUNDED = 0.00101  # what a mean printed to 0.001 may be off that of values printed to 0.001
OURS = "ours == ours"  # rows with a value of ours: not those that the paper alone has
HOLDS, FAILS, PARTLY, UNTESTED = "holds", "fails", "partly", "cannot be tested here"
UNDECIDED, MOVING, UNFOLLOWED, FULL, CHANCE, READING, SHORTENED = (
    "undecided (within the interval or the margin)", "undecided (still moving)", "undecided (training not followed)",
    "undecided (nothing left to gain)", "undecided (no better than chance)",
    "undecided (speaks against our reading of a rival)", "undecided (chains back are shortened)",
)  # fmt: skip
EXPERIMENT, ITSELF, OWN = "experiment of ours", "the paper against itself", "a question of ours"
LEVEL = 0.95  # of the interval that must lie on one side
RESAMPLES, FEWEST = 400, 5  # of images, where an exhibit brings none; images below which nothing is said
AUROCS = ("auroc", "pixel_auroc")
GUESS = 0.5  # AUROC of a score that knows nothing
NEVER, UNKNOWN, NO_NETWORK = "never", "unknown", "no network"
STEADY, TURNED = "not over the last doubling", "over the last doubling"
NOT_FOLLOWED = None
"""How far longer training moves figures of networks that nobody followed along it: the run with half the training says,
where there is one (`followed`).
"""
LITTLE = 1e-9  # that a followed training moved a figure at least, so that 0 says "no network"


@dataclass(frozen=True)
class Part:
    """One comparison that a claim rests on.

    slack : (1 + resamples,) how far it lies on the claim's side, above 0, or off it: the value, and its resamples over
        test images and trainings; (1,) where there is nothing to resample.
    margin : a difference below it is none: what another seed or another processor changes.
    moved : how far the last doubling of the training moved it; 0 without a network, None where nobody has looked.
    tracked : whether `Evidence.at` gives it at earlier times of the training; the ledger then takes `moved` from there.
    room : how far ahead it could lie at most: 0 where a rival is perfect already.
    chance : whether nothing of what is compared is better than chance: which of two guesses is ahead says nothing.
    effect : the difference that the paper prints. Below the margin it cannot be told here; but as long as it is not
        excluded, nothing speaks against the claim.
    stated : whether the line that it must reach is a number that the claim names, and not its rival's own value.
    extreme : whether it rests on the highest, the lowest or the range of several values. Resamples vary around the
        values, which vary around the truth, so theirs lie off the value to one side.
    among : how many comparisons must all hold, this one among them.
    reading : whether one of the two is our reading of a method whose text was not at hand: it may have been read wrong,
        so that it can bear a claim out and not refute it.
    shortened : whether something that is compared reconstructs in fewer steps than its paper: with all of them it may
        find more, or less.
    """

    slack: np.ndarray
    margin: float = 0.0
    moved: float | None = 0.0
    tracked: bool = False
    room: float = np.inf
    effect: float = np.inf
    chance: bool = False
    stated: bool = False
    extreme: bool = False
    among: int = 1
    reading: bool = False
    shortened: bool = False

    @property
    def verdict(self) -> str:
        """HOLDS or FAILS where value and interval say so and the training's last doubling does not; else what is
        missing: UNFOLLOWED, MOVING, CHANCE, UNDECIDED or FULL, or SHORTENED instead of both, READING instead of FAILS.

        It holds where it is ahead by the margin or more, and by all of the interval; it fails where the interval has no
        advantage that counts, nor as small a one as the paper's own, though there was room for one. A line that the
        claim states leaves no advantage to ask for: there it fails where it is off by the margin or more, and by all of
        the interval. Of many comparisons one is off by chance alone, and any that fails makes the claim fail: so each
        must be the surer (Bonferroni). Without resamples the margin alone decides.
        """
        found = self._verdict
        if found in (HOLDS, FAILS) and self.shortened:
            return SHORTENED
        return READING if found == FAILS and self.reading else found

    @property
    def _verdict(self) -> str:
        value = self.slack[0]
        if self.moved is None:
            return UNFOLLOWED
        if self.moved > max(abs(value), self.margin):
            return MOVING
        if self.chance:
            return CHANCE
        low, high = self._reach
        if value >= self.margin and low >= 0:
            return HOLDS
        if self.stated:
            missed = FULL if self.room < self.margin else FAILS
            return missed if value <= -self.margin and high < 0 else UNDECIDED
        if high < self.margin and high >= 0 and self.room < self.margin:
            return FULL
        return FAILS if high < max(0.0, min(self.margin, self.effect)) else UNDECIDED

    @property
    def _reach(self) -> tuple[float, float]:
        """How low and how high it may lie: what decides whether it holds, and whether it fails."""
        value, draws = float(self.slack[0]), self.slack[1:]
        if not len(draws):
            return value, value + (0 if self.stated else 2 * self.margin)
        low, high = interval(draws, LEVEL)
        if self.extreme:  # the wider of the percentile and the basic interval (Davison & Hinkley 1997, §5.2)
            low, high = min(low, 2 * value - high), max(high, 2 * value - low)
        if self.among > 1:  # a normal tail, which few resamples have not
            high = max(high, float(draws.mean() + norm.isf((1 - LEVEL) / 2 / self.among) * draws.std()))
        return low, high

    @property
    def waits(self) -> bool:
        """Whether the comparison itself was not followed: nothing of it, or the figures that it compares alone."""
        return self.moved is None or bool(self.moved and not self.tracked)

    @property
    def side(self) -> bool:
        """On which side the value lies, with or without a difference that counts."""
        return bool(self.slack[0] >= 0)


def exactly(holds: bool) -> Part:
    """A comparison that is not random, of counts or of printed numbers."""
    return Part(np.array([1.0 if holds else -1.0]))


@dataclass(frozen=True)
class Joined:
    """Comparisons of which all must hold."""

    parts: tuple[Part, ...]

    @property
    def verdict(self) -> str:
        found = {part.verdict for part in self.parts}
        return next(
            verdict
            for verdict in (FAILS, UNFOLLOWED, MOVING, UNDECIDED, CHANCE, READING, SHORTENED, FULL, HOLDS)
            if verdict in found
        )

    @property
    def waits(self) -> bool:
        return any(part.waits for part in self.parts)

    @property
    def side(self) -> bool:
        return all(part.side for part in self.parts)

    @property
    def moved(self) -> float | None:
        """None where nobody has looked at one of them, 0 where none has a network."""
        moved = [part.moved for part in self.parts]
        return None if None in moved else max(value for value in moved if value is not None)

    @property
    def tracked(self) -> bool:
        return all(part.tracked for part in self.parts)


def each_of(part: Part | Joined) -> tuple[Part, ...]:
    return part.parts if isinstance(part, Joined) else (part,)


def all_of(parts: Iterable[Part | Joined]) -> Joined:
    """One comparison that holds where all do."""
    every = [one for part in parts for one in each_of(part)]
    return Joined(tuple(replace(part, among=len(every)) for part in every))


def by_chains(part: Part | Joined, cut: bool) -> Part | Joined:
    """The same comparison of what reconstructs along chains; cut : of fewer steps than in the paper."""
    if isinstance(part, Joined):
        return Joined(tuple(replace(one, shortened=cut) for one in part.parts))
    return replace(part, shortened=cut)


@dataclass(frozen=True)
class Finding:
    """What the study finds: `ours` in words and numbers, and the comparisons that the claim rests on, one a data set
    (none: not tested).

    measured : times, which differ from run to run and so are shown, but stand in no CSV.
    """

    ours: str
    parts: tuple[Part | Joined, ...] = ()
    measured: str = ""

    @property
    def verdict(self) -> str:
        """PARTLY where it holds on some sets and fails on others; where a set is undecided, why. Sets on which nothing
        was left to gain say nothing where others say something.
        """
        if not self.parts:
            return UNTESTED
        found = {part.verdict for part in self.parts}
        if {HOLDS, FAILS} <= found:
            return PARTLY
        order = (UNFOLLOWED, MOVING, UNDECIDED, CHANCE, READING, SHORTENED, HOLDS, FAILS, FULL)
        return next(verdict for verdict in order if verdict in found)


def followed(found: Finding, before: Finding, tracked: bool = False) -> Finding:
    """A finding with how far the last doubling of the training moved its comparisons: off `before`, the same after half
    of the training. Comparisons that are not the same stay as they are.

    tracked : whether the comparisons are meant that were followed themselves; else those that were not.
    """
    if len(found.parts) != len(before.parts):
        return found
    pairs = zip(found.parts, before.parts, strict=True)
    return replace(found, parts=tuple(_moved(part, old, tracked) for part, old in pairs))


def _moved(part: Part | Joined, before: Part | Joined, tracked: bool) -> Part | Joined:
    if isinstance(part, Joined) and isinstance(before, Joined) and len(part.parts) == len(before.parts):
        return Joined(tuple(_moved_part(a, b, tracked) for a, b in zip(part.parts, before.parts, strict=True)))
    return _moved_part(part, before, tracked) if isinstance(part, Part) and isinstance(before, Part) else part


def _moved_part(part: Part, before: Part, tracked: bool) -> Part:
    meant = part.tracked and part.moved if tracked else part.waits
    return replace(part, moved=max(LITTLE, abs(float(part.slack[0] - before.slack[0])))) if meant else part


class Evidence:
    """The exhibits of a profile, read when they are asked for; `used` names those that were.

    at : optimiser steps at which networks that were followed are asked, instead of after the whole training.
    whole : of a run with another length of the training, the run that it stands beside: what does not depend on the
        training is there alone.
    partial : whether a run may have left some exhibits alone: then networks are followed where it has left how.
    """

    def __init__(self, folder: Path, paper: Path, at: int | None = None):
        self.folder, self.paper_folder, self.used, self.at = folder, paper, set[Path](), at
        self.whole: Evidence | None = None
        self.partial = False

    def other(self, folder: Path, at: int | None = None) -> Evidence:
        """The exhibits of another folder, or of this one at another time; what is read of them is remembered here."""
        found = Evidence(folder, self.paper_folder, at)
        found.used = self.used
        return found

    def lengthened(self, ending: str, exhibit: str) -> Evidence | None:
        """The exhibits after a training of another length, an ending of LENGTHS ("" for this one), where that run has
        left this one and on the same terms: the same images, and settings that differ in the steps alone.
        """
        if not ending:
            return self
        run = self.other(self.folder.with_name(self.folder.name + ending))
        files = [each.folder / f"{exhibit}.provenance.json" for each in (self, run)]
        if not exhibit or not all(file.is_file() for file in files):
            return None
        run.whole = self
        return run if _terms(files[0]) == _terms(files[1]) else None

    def doublings(self, exhibit: str) -> Iterator[tuple[Evidence, Evidence]]:
        """Longer trainings that have left an exhibit, the longest first, each with its half where that is there. A run
        that has lost its resamples is not asked: without them the margin alone would decide.
        """
        sampled = self._draws(exhibit).is_file()
        for ending, half in DOUBLINGS:
            run, before = self.lengthened(ending, exhibit), self.lengthened(half, exhibit)
            if run and before and (run._draws(exhibit).is_file() or not sampled):
                yield run, before

    def _draws(self, exhibit: str) -> Path:
        return self.folder / f"{exhibit}.draws.npz"

    @property
    def length(self) -> float:
        """How many times the profile's own training it stands for."""
        return next((times for ending, times in LENGTHS.items() if self.folder.name.endswith(ending)), 1)

    def longer(self, exhibit: str) -> Evidence | None:
        """The exhibits of the run that follows trainings for hours, where it has left this one."""
        long = self.other(self.folder.with_name(LONG))
        return long if (long.folder / f"{exhibit}.csv").is_file() else None

    def _read(self, file: Path) -> Path:
        if not file.is_file():
            raise UserError(f"{file}: missing; run the workflow, the ledger reads its exhibits")
        self.used.add(file)
        return file

    def table(self, exhibit: str, *needed: str) -> pd.DataFrame:
        """An exhibit's rows; where it has resamples, `value` holds (1 + resamples,): ours, and its resamples.

        needed : columns that exhibits of an older version have not; UserError without one.
        """
        table = pd.read_csv(self._read(self.folder / f"{exhibit}.csv"))
        if missing := set(needed) - set(table):
            raise UserError(f"{self.folder / exhibit}.csv: no column {missing.pop()}; run its notebook again")
        file = self._draws(exhibit)
        if "ours" not in table:
            return table
        ours, off = table["ours"].to_numpy(float), np.zeros((len(table), 0))
        if file.is_file():
            with np.load(self._read(file)) as kept:
                off = kept["off"].astype(float)
        values = np.concatenate([ours[:, None], ours[:, None] + off], axis=1)
        return table.assign(value=list(values))

    def settings(self, exhibit: str) -> dict:
        """The settings that an exhibit was made with."""
        file = self._read(self.folder / f"{exhibit}.provenance.json")
        return resolve(json.loads(file.read_text())["settings"], str(file))

    def cut(
        self, exhibit: str, section: str = "reconstruction", start: int | None = None, key: str = "reverse_steps"
    ) -> bool:
        """Whether reconstructions of an exhibit skip steps on their way back; the papers take every one.

        section, key : of the settings, where the number of steps stands. start : where the way begins (None: at
            `t_start`).
        """
        settings = self.settings(exhibit)
        return settings[section][key] < (start or settings["reconstruction"]["t_start"])

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
        if self.whole:
            return self.whole.surfaces
        return self.table("radar_table1_datasets").groupby("set", sort=False)["surface"].first()

    def sets(self, kind: str) -> list[str]:
        return list(self.surfaces.index if kind == "any" else self.surfaces.index[self.surfaces == kind])

    @cached_property
    def detection(self) -> pd.Series:
        """Table II by (set, method, metric), with resamples; the networks that were followed as they were at `at`."""
        table = self.table("radar_table2_detection").set_index(["set", "method", "metric"])["value"]
        if self.at is None:
            return table
        curve = self._curve[self._curve["steps"].isin([self.at, self._curve["steps"].max()])]
        wide = curve.pivot_table(index=["set", "method", "metric"], columns="steps", values="ours")
        change = wide[self.at] - wide[wide.columns.max()]
        return pd.Series([value + change.get(key, 0.0) for key, value in table.items()], table.index)

    @cached_property
    def _curve(self) -> pd.DataFrame:
        """Detection by followed networks that are trained as published, by set, method, steps and metric."""
        keys = ["set", "method", "steps"]
        table = pd.read_csv(self._read(self.folder / "budget.csv"))
        return table.melt(keys, list(DETECTION), "metric", "ours")

    @cached_property
    def milestones(self) -> list[int]:
        return sorted(int(v) for v in set(self._curve["steps"]))

    @cached_property
    def earlier(self) -> dict[int, Evidence]:
        """The same at each milestone but the last, by its steps."""
        return {step: self.other(self.folder, step) for step in self.milestones[:-1]}

    @cached_property
    def _changes(self) -> pd.Series:
        if self.whole:
            return self.whole._changes
        file = self.folder / "budget_stability.csv"
        if self.partial and not file.is_file():
            return pd.Series(dtype=float)
        table = pd.read_csv(self._read(file))
        return table.set_index(["set", "method", "metric"])["change"].abs()

    def moved(self, name: str, methods: Iterable[str], metric: str) -> float | None:
        """How far the last doubling of the training moved a difference of these methods at most: their two largest
        changes, added. None if one of them has a network that was not followed.
        """
        found = [self._changes.get((name, m, metric)) for m in methods if METHODS[m].trained]
        if any(value is None or np.isnan(value) for value in found):
            return None
        return max(LITTLE, float(sum(sorted(value for value in found if value is not None)[-2:]))) if found else 0.0

    @cached_property
    def margins(self) -> pd.Series:
        """By metric the difference that another seed or another processor makes."""
        return pd.read_csv(self._read(self.paper_folder.parent / "wobble.csv")).set_index("metric")["margin"]

    def margin(self, metric: str) -> float:
        """Raises UserError for a metric whose wobble nobody has measured."""
        value = float(self.margins.get(metric, np.nan))
        if not np.isfinite(value):
            raise UserError(f"data/wobble.csv: no margin of {metric}; make it with workflow/wobble.py")
        return value

    def guessed(self, aurocs: Iterable[np.ndarray]) -> bool:
        """Whether none of some AUROCs is better than chance: by the margin, and by all of the interval."""
        return not any(self.part(np.asarray(value) - GUESS, "auroc", 0.0).verdict == HOLDS for value in aurocs)

    def part(
        self,
        slack: np.ndarray,
        metric: str,
        moved: float | None,
        tracked: bool = False,
        aurocs: Iterable[np.ndarray] | None = None,
        room: float = np.inf,
        effect: float = np.inf,
        stated: bool = False,
        extreme: bool = False,
    ) -> Part:
        """A comparison in units of a metric. aurocs : of what is compared, where that may be no better than chance."""
        chance = aurocs is not None and self.guessed(aurocs)
        return Part(
            np.atleast_1d(slack), self.margin(metric), moved, tracked,
            room=room, effect=effect, chance=chance, stated=stated, extreme=extreme,
        )  # fmt: skip

    def ahead(
        self,
        ours: np.ndarray,
        rivals: np.ndarray | Iterable[np.ndarray],
        metric: str,
        moved: float | None,
        tracked: bool = False,
        aurocs: Iterable[np.ndarray] | None = None,
        lead: float = 0.0,
        printed: Iterable[float] | None = None,
    ) -> Part | Joined:
        """A comparison of values of a metric of which 1 is the most: it holds where ours is higher than the rival's, or
        than each of several rivals'. Each is asked by itself: the highest of several varies upwards, so that resamples
        of it lie off its value.

        aurocs : what says whether anything is better than chance (None: the values themselves, if they are AUROCs).
        lead : how much higher, where the claim states it.
        printed : how far the paper has it ahead of each rival; None where it prints no numbers.
        """
        several = [rivals] if isinstance(rivals, np.ndarray) else list(rivals)
        if aurocs is None and metric in AUROCS:
            aurocs = [ours, *several]
        alike = self.part(ours, metric, moved, tracked, aurocs, stated=lead > 0)
        effects = [np.inf] * len(several) if printed is None else list(printed)
        parts = [
            replace(alike, slack=np.atleast_1d(ours - rival - lead), room=1 - float(rival[0] + lead), effect=effect)
            for rival, effect in zip(several, effects, strict=True)
        ]
        return parts[0] if len(parts) == 1 else all_of(parts)

    def no_worse(
        self, slack: np.ndarray, metric: str, moved: float | None, aurocs: Iterable[np.ndarray] | None = None
    ) -> Part:
        """A comparison that holds unless it is off the claim's side by a difference that counts."""
        return replace(self.part(slack + self.margin(metric), metric, moved, aurocs=aurocs), margin=0)

    def within(
        self,
        values: Iterable[np.ndarray],
        line: float,
        metric: str,
        moved: float | None,
        aurocs: Iterable[np.ndarray] | None = None,
    ) -> Joined:
        """Whether values lie within `line` of each other: each pair of them, either way round.

        aurocs : those of which none lies above chance by more than that lie within it whatever they are.
        """
        pairs, above = itertools.permutations(values, 2), None if aurocs is None else [auc - line for auc in aurocs]
        alike = self.part(np.zeros(1), metric, moved, aurocs=above, stated=True)
        return all_of(replace(alike, slack=np.atleast_1d(line - (a - b))) for a, b in pairs)

    def beyond(
        self, slack: np.ndarray, metric: str, moved: float | None, aurocs: Iterable[np.ndarray] | None = None
    ) -> Part:
        """Of an extremum that is never below 0: a comparison that holds where all of the interval is a difference that
        counts.
        """
        return replace(self.part(slack - self.margin(metric), metric, moved, aurocs=aurocs, extreme=True), margin=0)

    @cached_property
    def counts(self) -> pd.Series:
        """RADAR's Table I by (set, part, class)."""
        return self.printed_table("radar_table1").set_index(["set", "part", "class"])["count"].sort_index()

    @cached_property
    def mvtec(self) -> pd.Series:
        """MVTec AD's own counts by (set, part, class); the set "all" is all of it."""
        return self.printed_table("mvtec_counts").set_index(["set", "part", "class"])["count"].sort_index()

    @cached_property
    def printed(self) -> pd.DataFrame:
        """RADAR's Table II."""
        return self.printed_table("radar_table2").set_index(["set", "method"])


def _terms(provenance: Path) -> tuple[dict, list]:
    """What an exhibit was made of, but for the steps: settings, and the images of each set. A key that is new since
    then has the value that the schema gives it; sections of chapters whose results it does not read do not count.
    """
    record = json.loads(provenance.read_text())
    images = {
        Path(name).parent.name: digest for name, digest in record["inputs"].items() if name.endswith("images.npz")
    }
    read = {part for name in record["inputs"] for part in Path(name).parts}
    read |= {section for folder, section in BORROWED.items() if folder in read}
    settings = without_steps(resolve(record["settings"], str(provenance)))
    chapters = {name for name, part in settings.items() if isinstance(part, dict) and {"sets", "runs"} <= part.keys()}
    return {name: part for name, part in settings.items() if name not in chapters - read}, sorted(images.items())


@dataclass(frozen=True)
class Claim:
    """`text` in our own words, `where` in the paper, the number that it prints, the exhibit that shows ours.

    own : whether the paper does not claim it: a control, or what its numbers make one ask.
    """

    text: str
    where: str
    paper: str
    exhibit: str
    check: Callable[[Evidence], Finding]
    own: bool = False

    @property
    def measured(self) -> bool:
        """Whether exhibits of ours are held against it, and not the paper's own numbers."""
        return bool(self.exhibit) and not self.exhibit.startswith("data/")

    def kind(self, found: Finding) -> str:
        """What was held against the claim: an experiment of ours, the paper's own numbers, or nothing. What no paper
        claims is counted apart from these.
        """
        if not found.parts:
            return UNTESTED
        if self.own:
            return OWN
        return EXPERIMENT if self.measured else ITSELF


def stability(
    claim: Claim, found: Finding, evidence: Evidence, before: Finding | None = None, length: float = 1
) -> str:
    """Whether the side on which a claim falls changes along the training of the networks that it rests on: NEVER, "at N
    steps" (where it last did), UNKNOWN, or NO_NETWORK. Of networks that a run with half the training alone has
    followed: STEADY or TURNED, and of a run of another `length` than the profile's own how long that is.
    """
    if not found.parts or all(part.moved == 0 for part in found.parts):
        return NO_NETWORK if found.parts else ""
    sides = [part.side for part in found.parts]
    if before and all(part.moved is not None for part in found.parts):
        side = STEADY if sides == [part.side for part in before.parts] else TURNED
        return side if length == 1 else f"{side}, to {length:g} times the training"
    if any(part.moved is None or not (part.tracked or part.moved == 0) for part in found.parts):
        return UNKNOWN
    later = evidence.milestones[-1]
    for step, earlier in reversed(evidence.earlier.items()):
        if [part.side for part in claim.check(earlier).parts] != sides:
            return f"at {later:,} steps"
        later = step
    return NEVER


def highest(values: Iterable[np.ndarray]) -> np.ndarray:
    """The highest of values with their resamples, resample by resample; a part that rests on it is `extreme`."""
    return np.max(np.broadcast_arrays(*values), axis=0)


def lowest(values: Iterable[np.ndarray]) -> np.ndarray:
    return np.min(np.broadcast_arrays(*values), axis=0)


Answer = tuple[str, Part | Joined | None]
"""What is found in words, and the comparison; None where the set has nothing to compare."""


def gathered(answers: dict[str, Answer], none: str) -> Finding:
    """Answers by data set as one finding; the text `none` where no set was asked."""
    text = "; ".join(f"{name}: {answer}" for name, (answer, _) in answers.items())
    return Finding(text or none, tuple(part for _, part in answers.values() if part is not None))


def per_set(evidence: Evidence, kind: str, ask: Callable[[str], Answer]) -> Finding:
    """The same question for every set of one kind of surface."""
    return gathered({name: ask(name) for name in evidence.sets(kind)}, f"no {kind} surface in this profile")


def each_set(
    exhibit: str, ask: Callable[[Evidence, pd.DataFrame], Answer], where: str = "", none: str = "no set suits"
) -> Callable[[Evidence], Finding]:
    """The same question for every set of an exhibit.

    where : a query that picks rows of it; none : the text without a set.
    """

    def check(evidence: Evidence) -> Finding:
        table = evidence.table(exhibit)
        groups = (table.query(where) if where else table).groupby("set", sort=False)
        return gathered({str(name): ask(evidence, part) for name, part in groups}, none)

    return check


def printed_leads(paper: pd.Series, ours: str, rivals: Iterable[str]) -> list[float]:
    """How far a paper has ours ahead of each rival; infinite where it prints no number of one of them."""
    leads = (float(paper.get(ours, np.nan) - paper.get(rival, np.nan)) for rival in rivals)
    return [np.inf if np.isnan(lead) else lead for lead in leads]


def by(part: pd.DataFrame, *keys: str) -> pd.Series:
    """The values of some rows, with their resamples, by the columns that name them."""
    return part.set_index(list(keys) if len(keys) > 1 else keys[0])["value"]


def untestable(why: str) -> Callable[[Evidence], Finding]:
    return lambda _: Finding(why)


def told(values: pd.Series) -> str:
    """Names and values, of values with resamples the value."""
    return ", ".join(f"{name} {np.atleast_1d(value)[0]:.2f}" for name, value in values.items())
