"""Fréchet distance and precision/recall between two sets of features, by torch-fidelity's pure functions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_prc import calculate_precision_recall_part

from ..errors import UserError

NEIGHBOURS = 3  # k of Kynkäänniemi et al. 2019


@dataclass(frozen=True)
class Fidelity:
    """How near a fake set is to a real one, in one extractor's feature space.

    frechet : Fréchet distance, ≥ 0; called FID only where the extractor is Inception. Biased upwards at small n.
    precision : share of fake samples inside the real manifold, in [0, 1].
    recall : share of real samples inside the fake manifold, in [0, 1].
    n : (real, fake) sizes.
    """

    frechet: float
    precision: float
    recall: float
    n: tuple[int, int]
    extractor: str


def fidelity_of_features(real: np.ndarray, fake: np.ndarray, extractor: str) -> Fidelity:
    """Compare two feature sets (Heusel et al. 2017; Kynkäänniemi et al. 2019, k = 3), in float64.

    Parameters
    ----------
    real, fake : N × D and M × D, any float type. Precision and recall use equal numbers, the first min(N, M).

    Raises
    ------
    UserError : fewer than k + 2 samples, other dimensions, NaN, or a set so full of duplicates that neighbour
        distances are zero.
    """
    for name, features in (("real", real), ("fake", fake)):
        if features.ndim != 2 or features.shape[1] != real.shape[1]:
            raise UserError(f"{name} features have shape {features.shape}; both sets need N × {real.shape[-1]}")
        if features.shape[1] < 2:
            raise UserError(f"{name} features have one dimension; the metrics need two or more")
        if len(features) < NEIGHBOURS + 2:
            raise UserError(f"{len(features)} {name} samples; precision/recall needs at least {NEIGHBOURS + 2}")
        if not np.isfinite(features).all():
            raise UserError(f"the {name} features hold NaN or infinity; check the images and the extractor")
        repeated = 1 - len(np.unique(features, axis=0)) / len(features)
        if repeated > 0.5:
            raise UserError(
                f"{repeated:.0%} of the {name} features repeat another one, which collapses the neighbour radii; "
                "remove the duplicates"
            )
    a, b = (torch.from_numpy(np.asarray(f, dtype=np.float64)) for f in (real, fake))
    statistics = [fid_features_to_statistics(f) for f in (a, b)]
    frechet = fid_statistics_to_metric(*statistics, verbose=False)[KEY_METRIC_FID]
    count = min(len(a), len(b))
    precision, recall = calculate_precision_recall_part(b[:count], a[:count], neighborhood=NEIGHBOURS)
    return Fidelity(max(frechet, 0.0), precision, recall, (len(a), len(b)), extractor)
