"""The detector for people's own images: fitted on good ones, asked about others."""

ALL, FLAGGED, NONE = MAPS = ("all", "anomalous", "none")
"""Of which images a detection keeps maps and overlays."""
