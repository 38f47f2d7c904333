"""The chapter on training: how its tables and figures name things."""

from __future__ import annotations

RULES = {
    "published": "as published: all $t$, to the last milestone",
    "error": "least error on held-out normal patches",
    "artificial": "best AUROC on artificial defects",
    "contrast": "most error on artificial defects over that on normal patches",
}
"""How a network may be chosen without a test image."""


def variant_label(t_max: int, width: int, images: int, noise: str, whole: bool, base: tuple[int, int]) -> str:
    """A network by what differs from the published one; base : its t_max and width."""
    parts = [] if t_max == base[0] else [f"t ≤ {t_max}"]
    parts += [] if width == base[1] else [f"width {width}"]
    parts += [f"{images} images"] if images else []
    parts += [] if noise == "gaussian" else [f"{noise} noise"]
    parts += ["whole images"] if whole else []
    return ", ".join(parts) or "as published"
