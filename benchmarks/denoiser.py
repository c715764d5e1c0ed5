"""Denoiser evaluations a second of one CPU thread, against the same network in straightforward PyTorch.

    OMP_NUM_THREADS=1 python benchmarks/denoiser.py --rounds 9

The baseline is `plain_unet.py`: float32, NCHW, eager. Ours and the baseline alternate; times are those of the CPU, not
the clock's, so that a busy machine disturbs them less, and ratios are medians over the rounds. The ceiling is the
faster of a matrix product and a 3 × 3 convolution in that precision, measured in the same run; our share of it counts
every multiplication of ours, also those with the zeros around an image, which a convolution skips: on 4 × 4 pixels
they are 31% of a 3 × 3 kernel's.
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from measure import Row, alternate, median_ratio, seconds, write_rows
from plain_unet import DIGITS, plain_forward
from torch import Tensor, nn

from synthgap.diffusion.edm import EDM, EDMConfig
from synthgap.diffusion.unet import SongUNet, UNetConfig
from synthgap.graph.estimate import unet_flop

CIFAR10 = UNetConfig(label_dim=10, dropout=0.0)
CASES = {  # name: (network, precision, images forward, images forward and backward)
    "digits": (DIGITS, torch.float32, 256, 64),
    "cifar10": (CIFAR10, torch.bfloat16, 4, 4),
}
TARGETS = {"digits": (1.4, 1.4), "cifar10": (2.0, 1.7)}  # ratios forward, forward and backward
LARGER = 64  # times the images on a GPU


@dataclass(frozen=True)
class Comparison:
    """Speeds in images/s, their ratio, the relative error of our answer, the unit's FLOP/s and our share of them."""

    network: str
    precision: str
    direction: str
    batch: int
    ours: float
    baseline: float
    ratio: float
    error: float
    ceiling: float
    share: float

    def __str__(self) -> str:
        row = f"{self.network:8} {self.precision:9} {self.direction:8} {self.batch:5} {self.ours:10.1f}"
        row += f" {self.baseline:10.1f} {self.ratio:6.2f}×"
        return f"{row} {self.error:9.1e} {self.ceiling / 1e9:8.0f} {self.share:6.0%}"

    def row(self) -> Row:
        """The same as a line of the book's table."""
        name = f"denoiser, {self.network}, {'forward' if self.direction == 'fwd' else 'forward and backward'}"
        target = TARGETS[self.network][self.direction != "fwd"]
        ceiling = f"{self.share:.0%} of {self.ceiling / 1e9:,.0f} GFLOP/s ({self.precision}); error {self.error:.0e}"
        return Row(name, self.ours, "images/s", self.baseline, self.ratio, least=target, ceiling=ceiling)


def build(config: UNetConfig, device: str = "cpu") -> EDM:
    """Weights of one order of size everywhere: at initialisation the residual branches answer almost nothing."""
    torch.manual_seed(0)
    edm = EDM(EDMConfig(network=config)).eval()
    for p in edm.parameters():
        if p.ndim > 1:
            nn.init.normal_(p, 0, 1 / math.sqrt(p[0].numel()))
    return edm.to(device)


def draw(config: UNetConfig, batch: int, device: str = "cpu") -> tuple[Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(batch, config.channels, config.height, config.width, generator=rng)
    labels = F.one_hot(torch.arange(batch) % config.label_dim, config.label_dim).float()
    return x.to(device), torch.randn(batch, generator=rng).to(device), labels.to(device)


def peak(dtype: torch.dtype, device: str = "cpu") -> float:
    """FLOP/s of a matrix product or a convolution, whichever is faster."""
    side, images = (1024, 8) if device == "cpu" else (8192, 512)
    a, b = torch.randn(2, side, side).to(device, dtype)
    x = torch.randn(images, 128, 32, 32).to(device, dtype, memory_format=torch.channels_last)
    weight = torch.randn(128, 128, 3, 3).to(device, dtype, memory_format=torch.channels_last)
    with torch.inference_mode():
        product = min(seconds(lambda: a @ b, device) for _ in range(9))
        convolution = min(seconds(lambda: F.conv2d(x, weight, padding=1), device) for _ in range(9))
    return max(2 * side**3 / product, 2 * weight.numel() * images * 32 * 32 / convolution)


def compare(name: str, backward: bool, rounds: int, device: str = "cpu") -> Comparison:
    """Ours and the straightforward network on the same images."""
    config, dtype, *batches = CASES[name]
    edm, batch = build(config, device), batches[backward] * (1 if device == "cpu" else LARGER)
    plain: SongUNet = edm.model
    ours = plain if dtype == torch.float32 else edm.in_bfloat16().model
    x, noise, labels = draw(config, batch, device)

    def run(forward: Callable[..., Tensor], given: Tensor) -> Tensor:
        with torch.set_grad_enabled(backward):
            out = forward(given, noise, labels).float()
        if backward:
            out.square().mean().backward()
        return out.detach()

    works = {
        "ours": lambda: run(ours, x.to(dtype)),
        "baseline": lambda: run(lambda *given: plain_forward(plain, *given), x),
    }
    answers = {kind: work() for kind, work in works.items()}  # also a warm-up
    error = float((answers["ours"] - answers["baseline"]).norm() / answers["baseline"].norm())
    times = alternate(works, rounds, device)
    speed = {kind: batch / statistics.median(each) for kind, each in times.items()}
    ceiling, flop = peak(dtype, device), unet_flop(config) * (3 if backward else 1)
    return Comparison(
        network=name,
        precision=str(dtype).removeprefix("torch."),
        direction="fwd+bwd" if backward else "fwd",
        batch=batch,
        **speed,
        ratio=median_ratio(times["baseline"], times["ours"]),
        error=error,
        ceiling=ceiling,
        share=speed["ours"] * flop / ceiling,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9, help="alternations of ours and the baseline")
    parser.add_argument("--networks", nargs="+", choices=sorted(CASES), default=list(CASES))
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--json", type=Path, help="a file for the rows of the book's table")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("network  precision direction batch  ours im/s  base im/s  ratio  rel. err. GFLOP/s  share")
    found = []
    for name in options.networks:
        for backward in (False, True):
            found.append(compare(name, backward, options.rounds, options.device))
            print(found[-1], flush=True)
    if options.json:
        write_rows(options.json, [c.row() for c in found])
    said = ", ".join(f"{c.network} {c.direction} {c.ratio:.2f}×" for c in found)
    print(f"one thread, {options.rounds} alternations, against plain float32 PyTorch: {said}")


if __name__ == "__main__":
    main()
