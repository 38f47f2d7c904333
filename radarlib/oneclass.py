"""One-class decision on features of normal images (RADAR §III-E)."""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import IsolationForest


class OneClass:
    """Isolation Forest with RADAR's settings; a larger score means more anomalous.

    Parameters
    ----------
    contamination : share of the training images called anomalous, 0 … 0.5. At 0, which scikit-learn refuses,
        the threshold is the highest training score (Fig. 8).

    Attributes
    ----------
    threshold : an image is anomalous if its score is above it.
    """

    def __init__(self, contamination: float = 0.05, trees: int = 100, seed: int = 0):
        self.contamination = contamination
        self.forest = IsolationForest(n_estimators=trees, random_state=seed)
        self.threshold = np.nan

    def fit(self, features: np.ndarray) -> OneClass:
        """features : (n, k) of normal training images."""
        self.forest.fit(features)
        scores = self.score(features)
        # np.quantile at 1 − c is the negative of scikit-learn's percentile of score_samples at c.
        self.threshold = float(np.quantile(scores, 1 - self.contamination))
        return self

    def score(self, features: np.ndarray) -> np.ndarray:
        """(n, k) → (n,) in (0, 1], the isolation score of Liu et al. 2008."""
        return -self.forest.score_samples(features)

    def predict(self, features: np.ndarray) -> np.ndarray:
        """(n, k) → (n,) bool, True = anomalous."""
        return self.score(features) > self.threshold
