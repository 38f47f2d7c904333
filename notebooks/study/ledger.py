"""The ledger: what the papers claim, what this study finds, and whether the claim holds here.

Every verdict is computed from the exhibits in `figures/<profile>/`; change one and its verdict changes.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from study.claims import Claim, Evidence, followed, stability
from study.d3ad import claims as d3ad
from study.noise import claims as noise
from study.radar import claims as radar
from study.ran import claims as ran
from study.unclean import claims as unclean

CLAIMS: dict[str, list[Claim]] = {
    "RADAR": radar.CLAIMS,
    "RDDPM": unclean.CLAIMS,
    "noise study": noise.CLAIMS,
    "D3AD": d3ad.CLAIMS,
    "RAN": ran.CLAIMS,
}
"""The claims of each paper."""


def verdicts(folder: Path, paper: Path) -> tuple[pd.DataFrame, set[Path]]:
    """A row per claim with its verdict, and the files that were used.

    Networks that are followed nowhere are held against a run with half of the training, where there is one beside
    `folder`. `kind` says what was held against the claim, `stability` whether its side changes while networks learn;
    `measured` holds the times that a verdict rests on, empty where it rests on none. folder : a profile's exhibits;
    paper : the paper's printed tables. Raises UserError for an exhibit that is missing.
    """
    evidence, rows = Evidence(folder, paper), []
    for source, claims in CLAIMS.items():
        for claim in claims:
            found, half = claim.check(evidence), evidence.halved(claim.exhibit)
            before = claim.check(half) if half and any(part.moved is None for part in found.parts) else None
            found = followed(found, before) if before else found
            rows.append({
                "claim": claim.text, "where": f"{source}, {claim.where}", "kind": claim.kind(found),
                "paper": claim.paper, "ours": found.ours, "verdict": found.verdict,
                "stability": stability(claim, found, evidence, before), "exhibit": claim.exhibit,
                "measured": found.measured,
            })  # fmt: skip
    return pd.DataFrame(rows), evidence.used


def counted(table: pd.DataFrame) -> pd.DataFrame:
    """Verdicts by kind: experiments apart from papers that are held against themselves."""
    return pd.crosstab(table["kind"], table["verdict"]).rename_axis(columns=None).reset_index()


def exact(table: pd.DataFrame) -> pd.DataFrame:
    """The ledger without what rests on measured times, which differ from run to run: those stand beside it."""
    table = table.copy()
    table.loc[table["measured"] != "", ["ours", "verdict"]] = "timed: see claims.measured.json"
    return table.drop(columns="measured")


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """The ledger as people read it."""
    return table.assign(ours=table["ours"] + table["measured"]).drop(columns=["measured", "exhibit"])
