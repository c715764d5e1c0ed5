"""A disk of one's own, in a mount namespace of one's own, for tests that fill it or forbid writing to it:

disk.py full FOLDER STORE PLAN   a small disk at FOLDER holds a copy of STORE; several times so full that PLAN fails
disk.py read-only FOLDER RESULTS a view of RESULTS at FOLDER that can't be written: a smoke study on it

Prints a list of lines, as JSON.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from synthgap.base.errors import UserError
from synthgap.graph.run import run
from synthgap.graph.specs import parse_spec
from synthgap.graph.store import Store

FREE = (0, 24, 160, 420)  # KiB that are left for the work


def full(disk: Path, source: Path, plan: Path) -> list[str]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", disk], check=True)
    specs = [parse_spec(text) for text in json.loads(plan.read_text(encoding="utf-8"))]
    shutil.copytree(source, disk / "store", symlinks=True)
    store, told, ballast = Store(disk / "store"), [], disk / "ballast"
    for free in FREE:
        status = os.statvfs(disk)
        ballast.write_bytes(bytes(max(status.f_bavail * status.f_bsize - 1024 * free, 0)))
        try:
            told.append(f"computed {run(specs, store, workers=1)}")
        except UserError as error:
            told.append(str(error))
        left = [*store.root.glob(".work/*.new"), *store.root.glob(".work/*/*.tmp")]
        told += [f"left behind: {path.name}" for path in left]
        ballast.unlink()
    told.append(f"computed {run(specs, store, workers=1)}")
    shutil.rmtree(source)
    shutil.copytree(store.root, source)
    return told


def read_only(view: Path, results: Path) -> list[str]:
    from synthgap.exhibits.study import Study

    subprocess.run(["mount", "--bind", results, view], check=True)
    subprocess.run(["mount", "-o", "remount,ro,bind", view], check=True)
    study = Study(preset="smoke", results=view, device="cpu", workers=1)
    told = [f"computed {study.compute()}", f"{len(study.table2())} rows"]
    try:
        Study(preset="smoke", results=view, device="cpu", workers=1, seeds=[7]).compute()
    except UserError as error:
        told.append(str(error))
    return told


if __name__ == "__main__":
    what, *paths = sys.argv[1:]
    print(json.dumps({"full": full, "read-only": read_only}[what](*map(Path, paths))))
