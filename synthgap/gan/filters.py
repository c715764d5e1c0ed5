"""Low-pass filters, and the leaky ReLU between two of them (Karras et al. 2021, Section 3.2 and Appendix C).

A pointwise nonlinearity makes frequencies that the sampling grid can't hold. So it is applied at a higher rate, to
a signal upsampled by a Kaiser-windowed sinc, and what is too high for the output is filtered away before sampling.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from scipy.signal import firwin
from torch import Tensor

from .layers import SLOPE

MATRIX_SIDE = 64  # output sides up to this are filtered by matrix products: faster on a CPU, where measured


def lowpass(taps: int, cutoff: float, half_width: float, rate: float) -> Tensor:
    """Kaiser-windowed sinc of `taps` weights whose sum is one, symmetric, float32.

    Passes frequencies below `cutoff` − `half_width`, and stops those above `cutoff` + `half_width`, all in the
    units of the sampling rate `rate` (Appendix C, Eq. 6–9).
    """
    return torch.as_tensor(firwin(taps, cutoff, width=2 * half_width, fs=rate), dtype=torch.float32)


def first_sample(size_in: int, size_out: int, up: int, down: int, taps_up: int, taps_down: int) -> int:
    """Where reading starts in the upsampled signal so that input and output have the same centre.

    Index 0 is the first sample that the upsampling filter touches. May be negative: zeros.
    """
    twice = (size_in - 1) * up + taps_up - taps_down - (size_out - 1) * down
    if twice % 2:
        raise ValueError(f"{size_in} samples ×{up} can't be centred on {size_out} samples ×{down}")
    return twice // 2


def filtered_leaky(
    x: Tensor, taps_up: Tensor, taps_down: Tensor, *, up: int, down: int, size: int, clamp: float | None = None
) -> Tensor:
    """Upsample, leaky ReLU times √2, clip to ± `clamp`, low-pass filter, keep every `down`-th sample.

    x: B × C × N × N  →  B × C × size × size with the same centre; beyond x are zeros. The filters are symmetric,
    1-D, sum to one and work along both axes; a positive constant comes out √2 times as large.
    """
    bound = None if clamp is None else clamp / math.sqrt(2)
    product = x.shape[-1] <= MATRIX_SIDE and size <= MATRIX_SIDE
    # the activation is homogeneous: its gain √2 may come later, as 2^¼ an axis, which saves a pass over the large map
    return (by_matrices if product else by_convolutions)(
        x, taps_up * up, taps_down * 2**0.25, up=up, down=down, size=size, bound=bound
    )


def by_matrices(
    x: Tensor, taps_up: Tensor, taps_down: Tensor, *, up: int, down: int, size: int, bound: float | None
) -> Tensor:
    """`filtered_leaky` with the taps as they are, without √2: every 1-D filtering is a product with a matrix."""
    inner, start = _fine_grid(x, taps_up, taps_down, up, down, size)
    fine = torch.arange(inner, device=x.device)
    raised = _banded(taps_up, fine[:, None] + start - up * torch.arange(x.shape[-1], device=x.device))
    lowered = _banded(taps_down, fine - down * torch.arange(size, device=x.device)[:, None])
    x = _leaky(raised @ x @ raised.T, bound)
    return lowered @ x @ lowered.T


def by_convolutions(
    x: Tensor, taps_up: Tensor, taps_down: Tensor, *, up: int, down: int, size: int, bound: float | None
) -> Tensor:
    """`by_matrices`, by 1-D convolutions of each channel: fewer operations on large maps."""
    channels, length = x.shape[1], (x.shape[-1] - 1) * up + len(taps_up)
    inner, start = _fine_grid(x, taps_up, taps_down, up, down, size)
    for axis in (2, 3):
        x = F.conv_transpose2d(x, _along(taps_up, axis, channels), stride=_stride(up, axis), groups=channels)
    x = _leaky(F.pad(x, (-start, start + inner - length) * 2), bound)
    for axis in (2, 3):
        x = F.conv2d(x, _along(taps_down, axis, channels), stride=_stride(down, axis), groups=channels)
    return x


def _fine_grid(x: Tensor, taps_up: Tensor, taps_down: Tensor, up: int, down: int, size: int) -> tuple[int, int]:
    """(samples of the upsampled signal that are needed, index of the first one)."""
    inner = (size - 1) * down + len(taps_down)
    return inner, first_sample(x.shape[-1], size, up, down, len(taps_up), len(taps_down))


def _leaky(x: Tensor, bound: float | None) -> Tensor:
    x = F.leaky_relu(x, SLOPE)
    return x if bound is None else x.clamp(-bound, bound)


def _banded(taps: Tensor, index: Tensor) -> Tensor:
    """taps[index], zero where the index is none of the taps."""
    return F.pad(taps, (1, 1))[(index + 1).clamp(0, len(taps) + 1)]


def _along(taps: Tensor, axis: int, channels: int) -> Tensor:
    return taps.reshape((1, 1, -1, 1) if axis == 2 else (1, 1, 1, -1)).repeat(channels, 1, 1, 1)


def _stride(step: int, axis: int) -> tuple[int, int]:
    return (step, 1) if axis == 2 else (1, step)
