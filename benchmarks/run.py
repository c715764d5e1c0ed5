"""All benchmarks, one table: `make bench`.

    python benchmarks/run.py [--only NAME …] [--quick] [--write] [--device cuda]

Each benchmark is a process of its own, one after the other, and may be run by itself. Ratios are medians of rounds in
which ours and the baseline take turns. Best on a machine that does nothing else: about ten minutes on two cores. The
last line printed is a summary; --write puts the table into book/performance.md.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from measure import HEADLINE, Row, plain, read_rows
from performance import BUSY, PAGE, ROOT, load_average, machine, summary, told

from synthgap.base.marks import fill

FOLDER = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Benchmark:
    """program : its file. quick : words that make it shorter. devices : where it runs."""

    program: str
    quick: tuple[str, ...] = ("--quick",)
    devices: tuple[str, ...] = ("cpu", "cuda")


BENCHMARKS = {
    "denoiser": Benchmark("denoiser.py", ("--rounds", "3")),
    "reconstruction": Benchmark("reconstruction.py"),
    "classifier": Benchmark("sweep.py"),
    "precision-recall": Benchmark("precision_recall.py", devices=("cpu",)),
    "scaling": Benchmark("scaling.py", devices=("cpu",)),
}


def run(name: str, quick: bool, device: str) -> list[Row]:
    """The rows of one benchmark; its own output goes to standard error."""
    benchmark = BENCHMARKS[name]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.json"
        words = [*(benchmark.quick if quick else ()), "--device", device, "--json", str(file)]
        command = [sys.executable, str(FOLDER / benchmark.program), *words]
        subprocess.run(command, env=environment, check=True, stdout=sys.stderr)
        return read_rows(file)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=list(BENCHMARKS), metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--quick", action="store_true", help="fewer rounds and smaller sizes, for a first look")
    parser.add_argument("--write", action="store_true", help="put the table into book/performance.md")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    options = parser.parse_args(arguments)
    if options.write and (options.only or options.quick):
        parser.error("--write wants all benchmarks at their usual size; leave out --only and --quick")
    names = [name for name in options.only or BENCHMARKS if options.device in BENCHMARKS[name].devices]
    started, load, where = time.monotonic(), load_average(), machine(options.device)
    print(where, flush=True)
    if load > BUSY:
        print(f"this machine is busy (load {load:.1f}): ratios by the clock mean little", flush=True)
    rows: list[Row] = []
    for name in names:
        print(f"{name} …", file=sys.stderr, flush=True)
        rows += run(name, options.quick, options.device)
    print("\n".join([HEADLINE, *map(plain, rows)]))
    if options.write:
        fill(PAGE, f"measured on {options.device}", told(rows, where, load))
        print(f"written to {PAGE.relative_to(ROOT)}")
    print(f"{(time.monotonic() - started) / 60:.1f} minutes; {summary(rows)}")


if __name__ == "__main__":
    main()
