"""The ledger: what the papers claim, what this study finds, and whether the claim holds here.

Every verdict is computed from the exhibits in `figures/<profile>/`; change one and its verdict changes.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pandas as pd

from radarlib.errors import UserError
from study.claims import Claim, Evidence, Finding, followed, stability
from study.d3ad import claims as d3ad
from study.noise import claims as noise
from study.plan import BESIDE, HALF
from study.radar import claims as radar
from study.ran import claims as ran
from study.systems import claims as systems
from study.unclean import claims as unclean

CLAIMS: dict[str, list[Claim]] = {
    "RADAR": radar.CLAIMS,
    "RDDPM": unclean.CLAIMS,
    "noise study": [*noise.CLAIMS, *systems.OF_NOISE_STUDY],
    "D3AD": [*d3ad.CLAIMS, *systems.OF_D3AD],
    "RAN": ran.CLAIMS,
}
"""The claims of each paper."""


def real_beside(folder: Path) -> Path | None:
    """The exhibits of real sets beside a profile's own; None where there are none."""
    other = BESIDE.get(folder.name)
    beside = folder.with_name(other) if other else None
    return beside if beside and any(beside.glob("*.csv")) else None


def verdicts(folder: Path, paper: Path) -> tuple[pd.DataFrame, set[Path]]:
    """A row per claim with its verdict, and the files that were used.

    A claim is asked of the longest training that has its exhibit beside `folder`, and held against the half of that.
    `kind` says what was held against the claim, `stability` whether its side changes while networks learn;
    `measured` holds the times that a verdict rests on, empty where it rests on none. `real` and `real_verdict` are the
    same claim asked of the exhibits of real sets, empty where they are not there. folder : a profile's exhibits;
    paper : the paper's printed tables. Raises UserError for an exhibit that is missing in `folder`.
    """
    evidence, real, rows = Evidence(folder, paper), None, []
    if beside := real_beside(folder):
        real = evidence.other(beside)
        real.partial = True
    for source, claims in CLAIMS.items():
        for claim in claims:
            found, before, length = _asked(claim, evidence)
            other = _asked_there(claim, real) if real and found.parts and claim.measured else Finding("")
            rows.append({
                "claim": claim.text, "where": f"{source}, {claim.where}", "kind": claim.kind(found),
                "paper": claim.paper, "ours": found.ours, "verdict": found.verdict,
                "stability": stability(claim, found, evidence, before, length),
                "real": other.ours, "real_verdict": other.verdict if other.parts else "",
                "exhibit": claim.exhibit, "measured": found.measured,
            })  # fmt: skip
    return pd.DataFrame(rows), evidence.used


def _asked_there(claim: Claim, real: Evidence) -> Finding:
    """What a claim finds in the exhibits of real sets; nothing where one that it needs is not there."""
    try:
        return _asked(claim, real)[0]
    except UserError:
        return Finding("")


def _asked(claim: Claim, evidence: Evidence) -> tuple[Finding, Finding | None, float]:
    """What a claim finds after the longest training whose half is there, too, and how far that last doubling moved it;
    what it finds after the half; and how many times the profile's own training the longest is. Where no longer run has
    the exhibit, networks that are followed on their way say what the last doubling moves, and of others the half.
    """
    found = claim.check(evidence)
    if all(part.moved == 0 for part in found.parts):
        return found, None, 1
    for run, half in evidence.doublings(claim.exhibit):
        with suppress(KeyError):  # of a method that one of them does not have
            before = claim.check(half)
            return followed(followed(claim.check(run), before), before, tracked=True), before, run.length
    if any(part.tracked and part.moved for part in found.parts) and len(evidence.milestones) > 1:
        found = followed(found, claim.check(evidence.earlier[evidence.milestones[-2]]), tracked=True)
    half_run = evidence.lengthened(HALF, claim.exhibit) if any(part.waits for part in found.parts) else None
    with suppress(KeyError):
        if half_run:
            before = claim.check(half_run)
            return followed(found, before), before, 1
    return found, None, 1


def counted(table: pd.DataFrame) -> pd.DataFrame:
    """Verdicts by kind: experiments apart from papers that are held against themselves, and from what we ask."""
    return pd.crosstab(table["kind"], table["verdict"]).rename_axis(columns=None).reset_index()


def exact(table: pd.DataFrame) -> pd.DataFrame:
    """The ledger without what rests on measured times, which differ from run to run: those stand beside it."""
    table = table.copy()
    timed = table["measured"] != ""
    table.loc[timed, ["ours", "verdict"]] = "timed: see claims.measured.json"
    table.loc[timed & (table["real"] != ""), ["real", "real_verdict"]] = "timed"
    return table.drop(columns="measured")


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """The ledger as people read it: real sets below the simulated ones, in the same cell."""
    both = table["real"] != ""
    ours, verdict = table["ours"] + table["measured"], table["verdict"]
    found = table.assign(
        ours=ours.where(~both, "simulated: " + ours + ". Real: " + table["real"]),
        verdict=verdict.where(~both, verdict + "; real: " + table["real_verdict"]),
    )
    return found.drop(columns=["measured", "exhibit", "real", "real_verdict"])
