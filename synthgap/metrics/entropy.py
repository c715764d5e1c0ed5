"""Entropies of a classifier's output (Eq. 4), in nats."""

from __future__ import annotations

import numpy as np
from scipy.special import entr, log_softmax


def entropies(logits: np.ndarray) -> np.ndarray:
    """Entropy of each predicted class distribution: float64 N, each within [0, ln C].

    logits: N × C, any real type. Raises ValueError when they are of another shape, empty or not finite.
    """
    return _entropy(_probabilities(logits))


def output_entropy(logits: np.ndarray) -> float:
    """Mean entropy of the predicted class distributions, in nats, within [0, ln C].

    logits: N × C. This is Eq. 4 of the paper, −(1/N) Σᵢ Σⱼ p(j|xᵢ) ln p(j|xᵢ): the mean *conditional* entropy,
    though the paper calls it marginal.
    """
    return float(entropies(logits).mean())


def marginal_entropy(logits: np.ndarray) -> float:
    """Entropy of the mean prediction, in nats, within [0, ln C]: how evenly the set uses the classes.

    logits: N × C. It is what the paper's words say of Eq. 4; never below `output_entropy`.
    """
    return float(_entropy(_probabilities(logits).mean(axis=0, keepdims=True))[0])


def _probabilities(logits: np.ndarray) -> np.ndarray:
    logits = np.asarray(logits, dtype=np.float64)
    if logits.ndim != 2 or not logits.size:
        raise ValueError(f"logits have shape {logits.shape}; an entropy needs N × C")
    if not np.isfinite(logits).all():
        raise ValueError("logits hold NaN or infinity")
    return np.exp(log_softmax(logits, axis=1))


def _entropy(probabilities: np.ndarray) -> np.ndarray:
    return entr(probabilities).sum(axis=1).clip(0, np.log(probabilities.shape[1]))
