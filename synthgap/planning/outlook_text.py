"""What `synthgap estimate` prints: the sums of a plan as a dictionary, and that as a table with a few lines."""

from __future__ import annotations

from dataclasses import asdict

from ..base.words import SHORT_UNITS, duration
from ..graph.specification import in_order
from .accelerator import ASSUMED, SEVERAL, table
from .accelerator import seconds as on_h100
from .calibrate import Ratios
from .outlook import Outlook, by_kind, hours, most_scratch, peak, together

SMALLEST = 32  # pixels a side, below which nothing is assumed of a GPU


def summary(outlook: Outlook, workers: int, ratios: Ratios) -> dict:
    """Sums over the whole plan, nothing of it being there: bytes, hours, FLOP; see `lines` for what they are."""
    specs, d = in_order(outlook.plan()), outlook.design
    needed, largest = peak(specs)
    kinds = by_kind(specs, ratios.seconds)
    out = {
        "preset": d.preset.name,
        "data": [f"{a.name} ({a.data['train'].count:,} train, {a.data['test'].count:,} test)" for a in d.columns],
        "stood_in": outlook.stood_in,
        "seeds": len(d.seeds),
        "kinds": {kind: asdict(one) for kind, one in kinds.items()},
        "all": asdict(together(kinds.values())),
        "checkpoints": most_scratch(specs, workers),
        "memory": needed,
        "memory_of": f"{largest.kind} {largest.key[:12]}",
        "workers": workers,
        "hours": hours(specs, workers, ratios.seconds, ratios.busy),
        "measured": asdict(ratios),
    }
    if d.device == "cpu" and min(min(a.data["train"].shape[1:]) for a in d.columns) >= SMALLEST:
        several = {str(n): hours(specs, n, on_h100, busy=1.0) for n in (1, SEVERAL)}
        out["h100"] = {"hours": several, "assumed": ASSUMED, "table": table(outlook)}
    return out


def lines(found: dict) -> list[str]:
    """The same for people."""
    out = [f"preset {found['preset']}, {found['seeds']} seeds: {', '.join(found['data'])}"]
    if found["stood_in"]:
        out.append(f"published numbers and shapes stand in for {', '.join(found['stood_in'])}: no copy was read")
    out.append(_row("kind", "artifacts", "evaluations", "PFLOP", "disk", "core time"))
    for kind, one in (*found["kinds"].items(), ("all", found["all"])):
        numbers = f"{one['artifacts']:,}", _short(one["evaluations"]), _short(one["flop"] / 1e15)
        out.append(_row(kind, *numbers, size(one["disk"]), _span(one["hours"])))
    ratios, workers = found["measured"], found["workers"]
    training, sampling = (f"{ratios[name]:.2g}" for name in ("training", "sampling"))
    denoiser = f"training takes {training} times the model's seconds, its sampling {sampling}"
    if "load-diffusion" in found["kinds"]:  # in the place of one that is trained
        denoiser = f"sampling takes {sampling} times the model's seconds"
    out += [
        f"disk: {size(found['all']['disk'])}, and {size(found['checkpoints'])} of checkpoints while networks train",
        f"memory: up to {size(found['memory'])} a worker, for {found['memory_of']}",
        f"time: {_span(found['hours'])} with {workers} worker{'s' * (workers != 1)} on this machine's "
        f"{ratios['device']}; measured a moment ago, the denoiser's {denoiser}, the classifier's training "
        f"{ratios['classifier']:.2g}"
        + (f"; other work makes it {ratios['crowded']:.2g} times as long" if ratios["crowded"] > 1 else ""),
    ]
    if "h100" in found:
        one, several = found["h100"]["hours"]["1"], found["h100"]["hours"][str(SEVERAL)]
        out.append(
            f"on NVIDIA H100s: {one:,.0f} hours on one, {several:,.0f} on {SEVERAL}. Assumed, not measured: {ASSUMED}"
        )
        out += ["each by itself, with all that it needs:", *found["h100"]["table"].splitlines()]
    elif ratios["device"] == "cpu":
        out.append(f"on a GPU: nothing is assumed of images below {SMALLEST}×{SMALLEST}, where it is hardly busy")
    return out


def size(count: float) -> str:
    """ "12 MB", "3.4 GB": decimal units."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.3g} TB"


def _span(hours: float) -> str:
    return duration(3600 * hours, units=SHORT_UNITS)


def _short(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.2g}"


def _row(kind: str, *cells: str) -> str:
    widths = (9, 15, 9, 9, 9)
    return f"{kind:<17}" + "".join(f" {cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
