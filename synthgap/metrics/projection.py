"""Two-dimensional views of classifier features (Figures 2 and 9)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.decomposition import PCA

from ..errors import UserError


@dataclass(frozen=True)
class Projection:
    """A PCA plane fitted on real features: `project` maps N × D features to N × 2.

    explained : share of the real features' variance along each of the two axes.
    """

    pca: PCA

    @classmethod
    def fit(cls, real: np.ndarray) -> Projection:
        """Fit on real training features only, so that other sets are seen from where the real ones lie."""
        if len(real) < 2 or real.shape[1] < 2:
            raise UserError(f"features of shape {real.shape} have no plane; give 2 or more samples and dimensions")
        return cls(PCA(n_components=2, svd_solver="full").fit(np.asarray(real, dtype=np.float64)))

    @property
    def explained(self) -> tuple[float, float]:
        first, second = self.pca.explained_variance_ratio_
        return float(first), float(second)

    def project(self, features: np.ndarray) -> np.ndarray:
        return self.pca.transform(np.asarray(features, dtype=np.float64))


def spread_ratio(fake: np.ndarray, real: np.ndarray) -> float:
    """Trace of the fake features' covariance over that of the real: below 1 the fakes are concentrated."""
    return float(np.var(fake, axis=0, ddof=1).sum() / np.var(real, axis=0, ddof=1).sum())
