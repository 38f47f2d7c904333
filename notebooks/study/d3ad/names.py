"""The chapter on D3AD: how its tables and figures name things, and what they show of the paper's."""

from __future__ import annotations

from study.d3ad.plan import D3AD, FIXED, GUIDED, NOISED, ONE_GRID, SCALED, SHUFFLED, STATIC, Variant

STEP = "one step on features"

RIVALS = {"patchcore": "PatchCore", "spade": "SPADE", "padim": "PaDiM"}
ON_ONE_GRID = {f"{key}{ONE_GRID}": f"{label}, one grid" for key, label in {D3AD.name: "D3AD", **RIVALS}.items()}

METHODS = {
    D3AD.name: "D3AD",
    Variant(guidance=GUIDED).name: "D3AD, guided",
    "step": STEP,
    **RIVALS,
    **ON_ONE_GRID,
    Variant(trained=False).name: "control: untrained diffusion",
    "raw": "control: image's mean",
}
"""Rows of Table 1 by their names in the job's results."""

POLICIES = {**{Variant(share).name: f"{share:.0%} of T_max" for share in STATIC}, D3AD.name: "dynamic"}

DISTANCE = "control: the distance alone"
CONTROLS = {
    SHUFFLED.name: "control: dynamic steps, permuted among images",
    SCALED: f"control: {FIXED.steps:.0%} of T_max, map × distance",
}
"""What dynamic steps must beat: as many steps, but not the image's own; and the distance without the steps."""

PLAIN, SCALED_ONLY = Variant(omega=1.0, adapted=False), Variant(adapted=False)

ABLATION = {
    PLAIN.name: "noise, features as they are", SCALED_ONLY.name: "scaling, features as they are",
    NOISED.name: "noise, adapted features", D3AD.name: "scaling, adapted features",
}  # fmt: skip

WITHOUT = {
    **dict.fromkeys(("RD4AD", "RD++", "DRAEM", "SkipGANomaly", "SimpleNet", "FastFlow", "CFA"), "runs in notebook 17"),
    "DDAD": "runs in notebook 17; its guidance alone: the row D3AD, guided",
}
"""Where a method whose printed values are shown is run instead."""
