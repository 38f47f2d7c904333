"""One-class decisions on features of normal images: RADAR's (§III-E), and one that goes on rising."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import OneClassSVM

from radarlib import conformal

CLASSIFIERS = {"isolation_forest": "Isolation Forest", "lof": "Local Outlier Factor", "ocsvm": "one-class SVM"}
NEIGHBOURS = 20  # of the Local Outlier Factor, at most half of the images
TAILS, NORMAL_RANGE = (0.1, 0.9), 2.563  # quantiles, and what lies between them of a standard normal distribution
POOLED = 8  # images that the mean over features counts for: of few images one feature's range is hardly known
PARTS = 10  # of the normal images, each of which is judged by a decision that was fitted without it
LEAST_SPREAD = 0.01  # of a feature's logarithm: one in a hundred is no defect, however alike few images are


class OneClass:
    """RADAR's Isolation Forest, or one of the classifiers that it is compared with; a larger score is more anomalous.

    Parameters
    ----------
    contamination : share of the training images called anomalous, 0 … 0.5. At 0, which scikit-learn refuses,
        the threshold is the highest training score (Fig. 8). Also the one-class SVM's ν, at least 0.001.
    kind : a key of CLASSIFIERS. The forest sees the features as they are, as in the paper; the others their
        logarithms, standardised, for both depend on distances.

    Attributes
    ----------
    threshold : an image is anomalous if its score is above it.
    training_scores : (n,) of the images that it was fitted on.
    """

    def __init__(self, contamination: float = 0.05, trees: int = 100, seed: int = 0, kind: str = "isolation_forest"):
        self.contamination, self.kind = contamination, kind
        logs = FunctionTransformer(lambda x: np.log(np.maximum(x, 1e-12)))
        models: dict[str, Any] = {
            "isolation_forest": lambda: IsolationForest(n_estimators=trees, random_state=seed),
            "lof": lambda: make_pipeline(logs, StandardScaler(), LocalOutlierFactor(novelty=True)),
            "ocsvm": lambda: make_pipeline(logs, StandardScaler(), OneClassSVM(nu=max(contamination, 1e-3))),
        }
        self.model = models[kind]()
        self.training_scores = np.array([])
        self.threshold = np.nan

    def fit(self, features: np.ndarray) -> OneClass:
        """features : (n, k) of normal training images."""
        if self.kind == "lof":
            # With all but one of few images as neighbours, LOF would be 1 everywhere but for rounding.
            self.model.set_params(localoutlierfactor__n_neighbors=min(NEIGHBOURS, max(1, len(features) // 2)))
        self.model.fit(features)
        # LOF takes each image that it is asked about for new: of its own ones each would be its own neighbour.
        self.training_scores = -self.model[-1].negative_outlier_factor_ if self.kind == "lof" else self.score(features)
        self.threshold = self.threshold_at(self.contamination)
        return self

    def threshold_at(self, contamination: float) -> float:
        """The threshold that calls this share of the training images anomalous."""
        # np.quantile at 1 − c is the negative of scikit-learn's percentile of score_samples at c.
        return float(np.quantile(self.training_scores, 1 - contamination))

    def score(self, features: np.ndarray) -> np.ndarray:
        """(n, k) → (n,); the forest's is the isolation score of Liu et al. 2008, in (0, 1]."""
        return -self.model.score_samples(features)

    def predict(self, features: np.ndarray) -> np.ndarray:
        """(n, k) → (n,) bool, True = anomalous."""
        return self.score(features) > self.threshold


class Distance:
    """How far an image's features lie above those of normal images; a larger score is more anomalous.

    Of each feature's logarithm the excess over the median in units of the normal images' spread; of all of them the
    root of the sum of squares. A forest's score is flat beyond the images that it was fitted on, and so blind to a
    gross defect where there are few; this one goes on rising. Lower features are no alarm: what a step answers to a
    defect is more. Of distances and tails, held-out normal images with artificial defects on them chose it.

    Attributes
    ----------
    centre, spread : (k,) median of the features' logarithms, and their range without the tails, as a normal
        distribution's standard deviation: a few unclean images do not move it.
    """

    def __init__(self) -> None:
        self.centre = self.spread = np.array([])

    def fit(self, features: np.ndarray) -> Distance:
        """features : (n, k) of normal images, positive; best of images that the features' model has not seen."""
        logs = _logs(features)
        self.centre = np.median(logs, axis=0)
        low, high = np.quantile(logs, TAILS, axis=0)
        variances = ((high - low) / NORMAL_RANGE) ** 2
        pooled = (len(logs) * variances + POOLED * variances.mean()) / (len(logs) + POOLED)
        self.spread = np.maximum(np.sqrt(pooled), LEAST_SPREAD)
        return self

    def score(self, features: np.ndarray) -> np.ndarray:
        """(n, k) → (n,), 0 where no feature is above the median."""
        return np.sqrt((np.maximum((_logs(features) - self.centre) / self.spread, 0) ** 2).sum(axis=1))


def _logs(features: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(features, 1e-12))


def calibrated(features: np.ndarray, rate: float, seed: int) -> tuple[Distance, np.ndarray, float]:
    """A decision on all normal images (n, k), the score (n,) of each by one that was fitted without it, and the
    threshold that about a share `rate` of new normal images exceeds, or as few as n images can tell (cross-conformal).
    """
    n = len(features)
    part, scores = np.random.default_rng(seed).permutation(n) % min(PARTS, n), np.empty(n)
    for k in range(part.max() + 1):
        scores[part == k] = Distance().fit(features[part != k]).score(features[part == k])
    return Distance().fit(features), scores, conformal.threshold(scores, conformal.promised(n, rate))
