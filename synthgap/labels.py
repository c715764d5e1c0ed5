"""Class labels as networks take them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .errors import UserError


def one_hot(labels: Tensor | None, batch: int, classes: int) -> Tensor | None:
    """Labels of a batch, int64 B or one-hot float B × classes, as float B × classes; None where there are no classes.

    Integer and one-hot labels are told apart by dtype and rank.
    Raises UserError when labels are missing, unwanted, out of range or of another form.
    """
    if classes == 0:
        if labels is not None:
            raise UserError("this model is unconditional; call it without labels")
        return None
    if labels is None:
        raise UserError(f"this model is class-conditional; give labels of {classes} classes")
    if labels.is_floating_point() and labels.shape == (batch, classes):
        return labels
    if labels.dtype != torch.int64 or labels.shape != (batch,):
        raise UserError(
            f"labels are {labels.dtype} of shape {tuple(labels.shape)} for {batch} images; "
            f"give {batch} int64 numbers, or float one-hot rows of {classes}"
        )
    if batch and not (labels.min() >= 0 and labels.max() < classes):
        raise UserError(f"labels run from {labels.min()} to {labels.max()}; the model has {classes} classes")
    return F.one_hot(labels, classes).float()
