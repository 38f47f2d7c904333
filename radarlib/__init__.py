"""radarlib: single-step diffusion anomaly detection (RADAR) and its neighbours, one concept per module.

Data flows one way: images → patches → denoiser → map (radar, feature_step) → map_features → oneclass → detector.
"""

import sys

__version__ = "1.0.0"

# jsonschema builds a grammar for IRIs when it is imported: two seconds of every start, for a format that no schema here
# names. It does without the package where it is missing.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
