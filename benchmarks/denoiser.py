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
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from plain_unet import DIGITS, plain_forward
from torch import Tensor, nn

from synthgap.diffusion.edm import EDM, EDMConfig
from synthgap.diffusion.unet import SongUNet, UNetConfig
from synthgap.study.estimate import unet_flop

CIFAR10 = UNetConfig(label_dim=10, dropout=0.0)
CASES = {  # name: (network, precision, images forward, images forward and backward)
    "digits": (DIGITS, torch.float32, 256, 64),
    "cifar10": (CIFAR10, torch.bfloat16, 4, 4),
}


def build(config: UNetConfig) -> EDM:
    """Weights of one order of size everywhere: at initialisation the residual branches answer almost nothing."""
    torch.manual_seed(0)
    edm = EDM(EDMConfig(network=config)).eval()
    for p in edm.parameters():
        if p.ndim > 1:
            nn.init.normal_(p, 0, 1 / math.sqrt(p[0].numel()))
    return edm


def draw(config: UNetConfig, batch: int) -> tuple[Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(batch, config.channels, config.height, config.width, generator=rng)
    labels = F.one_hot(torch.arange(batch) % config.label_dim, config.label_dim).float()
    return x, torch.randn(batch, generator=rng), labels


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def peak(dtype: torch.dtype) -> float:
    """FLOP/s of a matrix product or a convolution, whichever is faster."""
    a, b = torch.randn(2, 1024, 1024).to(dtype)
    x = torch.randn(8, 128, 32, 32).to(dtype, memory_format=torch.channels_last)
    weight = torch.randn(128, 128, 3, 3).to(dtype, memory_format=torch.channels_last)
    with torch.inference_mode():
        product = min(seconds(lambda: a @ b) for _ in range(9))
        convolution = min(seconds(lambda: F.conv2d(x, weight, padding=1)) for _ in range(9))
    return max(2 * 1024**3 / product, 2 * weight.numel() * 8 * 32 * 32 / convolution)


def compare(name: str, backward: bool, rounds: int) -> tuple[str, float]:
    """(a row of the table, the ratio)."""
    config, dtype, *batches = CASES[name]
    edm, batch = build(config), batches[backward]
    plain: SongUNet = edm.model
    ours = plain if dtype == torch.float32 else edm.in_bfloat16().model
    x, noise, labels = draw(config, batch)

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
    times: dict[str, list[float]] = {kind: [] for kind in works}
    for _ in range(rounds):
        for kind, work in works.items():
            times[kind].append(seconds(work))
    speed = {kind: batch / statistics.median(each) for kind, each in times.items()}
    ratio = statistics.median(b / a for a, b in zip(times["ours"], times["baseline"], strict=True))
    ceiling, flop = peak(dtype), unet_flop(config) * (3 if backward else 1)
    direction = "fwd+bwd" if backward else "fwd"
    kind = str(dtype).removeprefix("torch.")
    row = f"{name:8} {kind:9} {direction:8} {batch:5} {speed['ours']:10.1f} {speed['baseline']:10.1f} {ratio:6.2f}×"
    share = speed["ours"] * flop / ceiling
    return f"{row} {error:9.1e} {ceiling / 1e9:8.0f} {share:6.0%}", ratio


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9, help="alternations of ours and the baseline")
    parser.add_argument("--networks", nargs="+", choices=sorted(CASES), default=list(CASES))
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("network  precision direction batch  ours im/s  base im/s  ratio  rel. err. GFLOP/s  share")
    said = []
    for name in options.networks:
        for backward in (False, True):
            row, ratio = compare(name, backward, options.rounds)
            print(row, flush=True)
            said.append(f"{name} {'fwd+bwd' if backward else 'fwd'} {ratio:.2f}×")
    print(f"one thread, {options.rounds} alternations, against plain float32 PyTorch: {', '.join(said)}")


if __name__ == "__main__":
    main()
