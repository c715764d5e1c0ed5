"""Hours on NVIDIA H100s, by assumption: for `book/scale.md`, and for `synthgap estimate` where there is no GPU."""

from __future__ import annotations

from pathlib import Path

from ..base.marks import fill
from ..graph.estimate import ARTIFACT_OVERHEAD, cost, on_gpu, work_of
from ..graph.specification import in_order
from ..graph.specs import Spec, TrainDiffusion
from .footprint import disk
from .outlook import Outlook, hours

WHOLE, HALF = 495e12, 989e12  # FLOP/s without sparsity of an H100 SXM by its data sheet: TF32; bfloat16 and float16
SHARE = 0.4  # of it that networks reach on images of 32×32 and larger: assumed, not measured
SEVERAL = 8
ASSUMED = (
    f"one worker a GPU; {SHARE:.0%} of the card's peak in networks that run on it, which is {WHOLE / 1e12:.0f} TFLOP/s "
    f"for float32 (PyTorch convolves it in TF32) and {HALF / 1e12:.0f} for a training in bf16 or fp16; the reference "
    "core's overhead for each optimiser step; one reference core for the kinds that stay on the CPU"
)


def seconds(spec: Spec) -> float:
    """Of one worker with a GPU of its own."""
    if not on_gpu(spec):
        return cost(spec)
    work = work_of(spec)
    whole = not isinstance(spec, TrainDiffusion) or spec.training.precision == "fp32"
    return ARTIFACT_OVERHEAD + work.flop / (SHARE * (WHOLE if whole else HALF)) + work.overhead


def table(outlook: Outlook) -> str:
    """Markdown: a row a table, figure or section, by itself with all that it needs, and one for the whole plan."""
    groups = {**outlook.groups(), "**everything, each artifact once**": outlook.plan()}
    lines = [
        f"| | artifacts | PFLOP | hours on one H100 | of them on a CPU core | hours on {SEVERAL} |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for title, plan in groups.items():
        specs = in_order(plan)
        petaflop, one = sum(work_of(spec).flop for spec in specs) / 1e15, sum(map(seconds, specs)) / 3600
        cores = sum(seconds(spec) for spec in specs if not on_gpu(spec)) / 3600
        several = hours(specs, SEVERAL, seconds, busy=1.0)
        numbers = f"{len(specs):,} | {petaflop:,.0f} | {one:,.1f} | {cores:,.1f} | {several:,.1f}"
        lines.append(f"| {title} | {numbers} |")
    return "\n".join(lines)


def one_card(outlooks: dict[str, Outlook]) -> str:
    """Markdown: a row a study, hours of the card and of a core beside it, and what it leaves on the disk."""
    lines = ["| what | hours of the card | hours of a core | disk |", "|---|---:|---:|---:|"]
    for title, outlook in outlooks.items():
        specs = in_order(outlook.plan())
        card, core = (sum(seconds(s) for s in specs if on_gpu(s) == there) / 3600 for there in (True, False))
        lines.append(f"| {title} | {card:,.0f} | {core:,.0f} | {sum(map(disk, specs)) / 1e9:,.0f} GB |")
    return "\n".join(lines)


if __name__ == "__main__":  # python -m synthgap.planning.accelerator
    fill(Path("book") / "scale.md", "hours", table(Outlook(preset="paper", device="cpu")))
