"""Which frequencies, sampling rates and sizes the layers of the alias-free generator have (Karras et al. 2021).

Frequencies are in cycles per canvas: an image of N × N pixels has the sampling rate N and holds frequencies below N/2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..base.labels import check_names

LEAST_CANVAS = 8


class GeneratorConfig(BaseModel):
    """Size of a generator of configuration T. The defaults are the paper's for 256 × 256 (Appendix D).

    `margin` is how many pixels of its own resolution a map reaches beyond the canvas on each side. The zeros beyond
    it tell the network where the border is. Measured on untrained networks of 6 layers at 8 × 8: where the input
    moves by a pixel, the image does so with an error 13, 18, 23, 34 and 69 dB below it at margins of 2, 3, 4, 6 and
    10 (the paper's); at 16 × 16 and 32 × 32 it is much the same. At 8 × 8 a margin of 10 means maps of 28 × 28 and
    one of 3 maps of 14 × 14: a small net that need not be equivariant exactly does well with 2 or 3.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    height: int = Field(256, ge=1, le=4096)
    width: int = Field(256, ge=1, le=4096)
    channels: int = Field(3, gt=0, le=4)
    label_dim: int = Field(0, ge=0, le=10**6)  # number of classes; 0 is unconditional
    z_dim: int = Field(512, gt=0, le=100_000)
    w_dim: int = Field(512, gt=0, le=100_000)
    mapping_layers: int = Field(2, gt=0, le=100)
    channel_base: int = Field(32768, gt=0, le=10**9)  # a layer of cutoff f has channel_base/2/f channels …
    channel_max: int = Field(512, gt=0, le=100_000)  # … but at most these
    layers: int = Field(14, gt=0, le=100)  # without the last one, to colours
    critical_layers: int = Field(2, ge=0)  # layers at the end whose cutoff is the image's Nyquist frequency
    first_cutoff: float = Field(2.0, ge=0.1)
    first_stopband: float = Field(2**2.1, gt=0)
    last_stopband_rel: float = Field(2**0.3, gt=1, le=4)  # relative to the last cutoff
    margin: int = Field(10, ge=0, le=1000)
    filter_size: int = Field(6, gt=0, le=32, multiple_of=2)  # taps of a filter at the lower of its two rates
    conv_clamp: float | None = Field(256.0, gt=0)  # activations are clipped to ± this; None is no clipping
    output_scale: float = Field(0.25, gt=0)
    magnitude_decay: float = Field(0.999, ge=0, lt=1)  # of the moving average of a layer's input, a batch
    w_decay: float = Field(0.998, ge=0, lt=1)  # of the moving average of w, a batch
    classes: tuple[str, ...] = ()  # names of the labels, where they are known

    @model_validator(mode="after")
    def _possible(self) -> Self:
        check_names(self.classes, self.label_dim)
        if self.critical_layers >= self.layers:
            raise ValueError(f"{self.critical_layers} critical layers of {self.layers}; at least one must not be")
        if self.first_cutoff >= self.side / 2:
            raise ValueError(f"first_cutoff {self.first_cutoff} is not below {self.side / 2:g}, half the canvas's side")
        if not self.first_cutoff < self.first_stopband <= self.side:
            raise ValueError(
                f"first_stopband {self.first_stopband} is not above first_cutoff {self.first_cutoff} "
                f"and at most {self.side}, the canvas's side"
            )
        return self

    @property
    def side(self) -> int:
        """Side of the square canvas on which images are made: the power of two that holds one, from 8.

        On a smaller canvas the first cutoff, 2 cycles, would be the last one already.
        """
        return 2 ** math.ceil(math.log2(max(self.height, self.width, LEAST_CANVAS)))

    def schedule(self) -> list[Level]:
        """Outputs of the `layers` + 1 layers: cutoff and stopband rise geometrically (Section 3.2, Figure 4c)."""
        share = np.minimum(np.arange(self.layers + 1) / (self.layers - self.critical_layers), 1)
        last = self.side / 2
        cutoffs = self.first_cutoff * (last / self.first_cutoff) ** share
        stopbands = self.first_stopband * (last * self.last_stopband_rel / self.first_stopband) ** share
        rates = 2 ** np.ceil(np.log2(np.minimum(2 * stopbands, self.side)))
        widths = np.round(np.minimum(self.channel_base / 2 / cutoffs, self.channel_max))
        levels = []
        for i, (cutoff, stopband, rate) in enumerate(zip(cutoffs, stopbands, rates, strict=True)):
            size = self.side if i >= self.layers - 1 else int(rate) + 2 * self.margin
            channels = self.channels if i == self.layers else max(int(widths[i]), 1)
            half_width = max(stopband, rate / 2) - cutoff
            levels.append(Level(float(cutoff), float(half_width), int(rate), size, channels))
        return levels


@dataclass(frozen=True)
class Level:
    """What a layer puts out."""

    cutoff: float  # of the low-pass filter, cycles per canvas
    half_width: float  # of the filter's transition band
    rate: int  # samples per canvas, along one axis
    size: int  # samples with the margin, along one axis
    channels: int
