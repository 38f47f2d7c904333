"""The ledger: what the papers claim, what this study finds, and whether the claim holds here.

Every verdict is computed from the exhibits in `figures/<profile>/`; change one and its verdict changes.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from radarlib import claims_d3ad, claims_noise, claims_radar, claims_rddpm
from radarlib.evidence import Evidence

CLAIMS = {
    "RADAR": claims_radar.CLAIMS, "RDDPM": claims_rddpm.CLAIMS, "noise study": claims_noise.CLAIMS, "D3AD": claims_d3ad.CLAIMS,
    "RAN": claims_d3ad.RAN_CLAIMS,
}  # fmt: skip
"""The claims of each paper."""


def ledger(folder: Path, paper: Path) -> tuple[pd.DataFrame, set[Path]]:
    """A row per claim with its verdict, and the files that were used.

    `measured` holds the times that a verdict rests on, empty where it rests on none. folder : a profile's exhibits;
    paper : the paper's printed tables. Raises UserError for an exhibit that is missing.
    """
    evidence, rows = Evidence(folder, paper), []
    for source, claims in CLAIMS.items():
        for claim in claims:
            found = claim.check(evidence)
            rows.append({
                "claim": claim.text, "where": f"{source}, {claim.where}", "paper": claim.paper, "ours": found.ours,
                "verdict": found.verdict, "exhibit": claim.exhibit, "measured": found.measured,
            })  # fmt: skip
    return pd.DataFrame(rows), evidence.used


def exact(table: pd.DataFrame) -> pd.DataFrame:
    """The ledger without what rests on measured times, which differ from run to run: those stand beside it."""
    table = table.copy()
    table.loc[table["measured"] != "", ["ours", "verdict"]] = "timed: see claims.measured.json"
    return table.drop(columns="measured")


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """The ledger as people read it."""
    return table.assign(ours=table["ours"] + table["measured"]).drop(columns=["measured", "exhibit"])
