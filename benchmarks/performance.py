"""The book's performance page: the table of benchmarks as text, its summary, and its place between two marks."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch
from measure import HEAD, Row, cells, ratio

from synthgap.base.machine import processor

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "book" / "performance.md"
BUSY = 0.5  # load average from which ratios by the clock are in doubt


def machine(device: str = "cpu") -> str:
    """What it ran on, in one line: processor, cores, versions, date, and how busy the machine was just now."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    parts = [f"{processor()}, {len(os.sched_getaffinity(0))} cores, {memory:.0f} GiB"]
    if device == "cuda":
        parts.append(torch.cuda.get_device_name())
    parts.append(f"PyTorch {torch.__version__}, NumPy {version('numpy')}, Python {platform.python_version()}")
    parts.append(f"{platform.system()} {platform.machine()}")
    parts.append(f"{datetime.now(UTC):%Y-%m-%d}")
    return "; ".join(parts)


def load_average() -> float:
    return os.getloadavg()[0]


def table(rows: list[Row]) -> str:
    """Markdown."""
    lines = [f"| {' | '.join(HEAD)} |", "|---|---:|---:|---:|---|---|---|"]
    return "\n".join([*lines, *(f"| {' | '.join(cells(row))} |" for row in rows)])


def summary(rows: list[Row]) -> str:
    """One line: how many targets are reached, and each ratio that has one."""
    judged = [row for row in rows if row.reached is not None]
    missed = [f"{row.benchmark} ({ratio(row)}, target {row.target})" for row in judged if not row.reached]
    reached = [f"{row.benchmark} {ratio(row)}" for row in judged if row.reached]
    text = f"{len(reached)} of {len(judged)} targets reached"
    if reached:
        text += f": {'; '.join(reached)}"
    return f"{text}. Missed: {'; '.join(missed)}" if missed else text


def told(rows: list[Row], where: str, load: float) -> str:
    """What stands between the marks: table, summary and machine."""
    busy = ""
    if load > BUSY:
        busy = (
            f" **The machine was busy (load {load:.1f} before it started): the ratios by the clock are provisional.**"
        )
    return f"{table(rows)}\n\n{summary(rows)}.\n\nMeasured on {where}.{busy}"
