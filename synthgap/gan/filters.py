"""Low-pass filters, and the leaky ReLU between two of them (Karras et al. 2021, Section 3.2 and Appendix C).

A pointwise nonlinearity makes frequencies that the sampling grid can't hold. So it is applied at a higher rate, to
a signal upsampled by a Kaiser-windowed sinc, and what is too high for the output is filtered away before sampling.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from scipy.signal import firwin
from torch import Tensor

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


def filtered(
    x: Tensor, point: Callable[[Tensor], Tensor], taps_up: Tensor, taps_down: Tensor, up: int, down: int, size: int
) -> Tensor:
    """x, B × C × N × N → upsampled by `up`, filtered, `point`wise changed, filtered, every `down`-th → size × size.

    Input and output have the same centre; beyond the input are zeros. Filters are symmetric, 1-D, used along
    both axes; amplitudes are kept.
    """
    product = x.shape[-1] <= MATRIX_SIDE and size <= MATRIX_SIDE
    return (by_matrices if product else by_convolutions)(x, point, taps_up, taps_down, up, down, size)


def by_matrices(x, point, taps_up, taps_down, up, down, size):
    """`filtered`, every 1-D filtering as the matrix that it is."""
    inner = (size - 1) * down + len(taps_down)
    start = first_sample(x.shape[-1], size, up, down, len(taps_up), len(taps_down))
    device = x.device
    fine = torch.arange(inner, device=device)
    raised = _banded(taps_up * up, fine[:, None] + start - up * torch.arange(x.shape[-1], device=device))
    lowered = _banded(taps_down, fine - down * torch.arange(size, device=device)[:, None])
    x = point(raised @ x @ raised.T)
    return lowered @ x @ lowered.T


def by_convolutions(x, point, taps_up, taps_down, up, down, size):
    """`filtered`, by 1-D convolutions of each channel."""
    channels, sides = x.shape[1], x.shape[-1]
    inner = (size - 1) * down + len(taps_down)
    start = first_sample(sides, size, up, down, len(taps_up), len(taps_down))
    end = inner + start - ((sides - 1) * up + len(taps_up))
    for axis in (2, 3):
        x = F.conv_transpose2d(x, _along(taps_up * up, axis, channels), stride=_stride(up, axis), groups=channels)
    x = point(F.pad(x, (-start, end, -start, end)))
    for axis in (2, 3):
        x = F.conv2d(x, _along(taps_down, axis, channels), stride=_stride(down, axis), groups=channels)
    return x


def _banded(taps: Tensor, index: Tensor) -> Tensor:
    """taps[index], zero where the index is none of the taps."""
    return F.pad(taps, (1, 1))[(index + 1).clamp(0, len(taps) + 1)]


def _along(taps: Tensor, axis: int, channels: int) -> Tensor:
    return taps.reshape((1, 1, -1, 1) if axis == 2 else (1, 1, 1, -1)).repeat(channels, 1, 1, 1)


def _stride(step: int, axis: int) -> tuple[int, int]:
    return (step, 1) if axis == 2 else (1, step)
