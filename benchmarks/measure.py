"""What the benchmarks share: one row of the table, clocks, and the command line of each."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch


@dataclass(frozen=True)
class Row:
    """One line of the table.

    ours, baseline : in `unit`; a share in [0, 1] where that is "%".
    ratio : of the two, the larger the better unless `most` is given.
    least, most : the target of `ratio`. ceiling : how much there is to be had at all, in words.
    """

    benchmark: str
    ours: float
    unit: str
    baseline: float | None = None
    ratio: float | None = None
    least: float | None = None
    most: float | None = None
    ceiling: str = ""

    @property
    def target(self) -> str:
        bounds = (("≥", self.least), ("≤", self.most))
        return " and ".join(f"{sign} {bound:g}" for sign, bound in bounds if bound is not None)

    @property
    def reached(self) -> bool | None:
        """None where there is no target."""
        if not self.target:
            return None
        return (self.least is None or self.ratio >= self.least) and (self.most is None or self.ratio <= self.most)


def seconds(work: Callable[[], object], device: str = "cpu", *, wall: bool = False) -> float:
    """What `work` takes: of this process's CPU, which a busy machine disturbs less, or by the clock on a GPU."""
    if device == "cuda":
        torch.cuda.synchronize()
    clock = time.perf_counter if wall or device == "cuda" else time.process_time
    start = clock()
    work()
    if device == "cuda":
        torch.cuda.synchronize()
    return clock() - start


def alternate(
    works: dict[str, Callable[[], object]], rounds: int, device: str = "cpu", *, wall: bool = False
) -> dict[str, list[float]]:
    """Seconds of each in every round, one after the other."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            times[name].append(seconds(work, device, wall=wall))
    return times


def median_ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """Median over the rounds of one over the other."""
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


def memory(which: str = "VmHWM") -> int:
    """MiB that this process has held at most; VmRSS: holds now. Linux.

    getrusage would not do: its maximum is that of the process that started this one, where that was larger.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(which))) // 1024


def program(
    description: str, measure: Callable[..., list[Row]], sizes: Sequence[object], arguments: Sequence[str] | None = None
) -> list[Row]:
    """The command line of a benchmark, `measure(size, device)` with sizes = (usual, quick): prints its rows."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds and smaller sizes")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--json", type=Path, help="a file for the rows")
    options = parser.parse_args(arguments)
    rows = measure(sizes[options.quick], options.device)
    if options.json:
        write_rows(options.json, rows)
    for row in rows:
        print(plain(row), flush=True)
    return rows


def write_rows(path: Path, rows: list[Row]) -> None:
    path.write_text(json.dumps([asdict(row) for row in rows], ensure_ascii=False), encoding="utf-8")


def read_rows(path: Path) -> list[Row]:
    return [Row(**fields) for fields in json.loads(path.read_text(encoding="utf-8"))]


HEAD = ("benchmark", "ours", "baseline", "ratio", "target", "ceiling", "unit")


def cells(row: Row) -> list[str]:
    """One for each word of HEAD."""
    told = {None: "", True: ", reached", False: ", missed"}[row.reached]
    baseline = "" if row.baseline is None else number(row.baseline, row.unit)
    return [
        row.benchmark,
        number(row.ours, row.unit),
        baseline,
        ratio(row),
        f"{row.target}{told}",
        row.ceiling,
        row.unit,
    ]


def ratio(row: Row) -> str:
    if row.ratio is None:
        return ""
    return f"{row.ratio:.2f}" if row.ratio >= 0.1 else f"{row.ratio:.3f}"


def number(value: float, unit: str) -> str:
    """Three digits or more; a share as a percentage."""
    if unit == "%":
        return f"{100 * value:.2f}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def plain(row: Row) -> str:
    """A line of the table on a terminal."""
    return _line(cells(row))


def _line(values: Sequence[str]) -> str:
    benchmark, ours, baseline, ratio, target, ceiling, unit = values
    return f"{benchmark:58} {ours:>9} {baseline:>9} {ratio:>6}  {target:14} {unit:9} {ceiling}".rstrip()


HEADLINE = _line(HEAD)
