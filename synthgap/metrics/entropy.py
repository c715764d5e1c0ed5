"""Output entropy of a classifier (Eq. 4)."""

from __future__ import annotations

import numpy as np
from scipy.special import log_softmax


def output_entropy(logits: np.ndarray) -> float:
    """Mean entropy of the predicted class distributions, in nats, within [0, ln C].

    logits: N × C. This is Eq. 4 of the paper, −(1/N) Σᵢ Σⱼ p(j|xᵢ) ln p(j|xᵢ): the mean *conditional* entropy,
    though the paper calls it marginal.
    """
    log_p = log_softmax(np.asarray(logits, dtype=np.float64), axis=1)
    return float(-(np.exp(log_p) * log_p).sum(axis=1).mean())
