"""Computes what a file lists, for tests that disturb it: child.py STORE PLAN WORKERS [KILL]

"ready" is printed before work starts. Given KILL, the process kills itself at that operation on a file of the store.
"""

import json
import os
import signal
import sys
from pathlib import Path

from synthgap.base.errors import UserError
from synthgap.graph.run import run
from synthgap.graph.specs import parse_spec
from synthgap.graph.store import Store

OPERATIONS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree"}


def kill_at(number: int, root: str) -> None:
    count = 0

    def watch(event: str, arguments: tuple) -> None:
        nonlocal count
        if event in OPERATIONS and str(arguments[0]).startswith(root):
            count += 1
            if count == number:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def main(root: str, plan: str, workers: str, kill: str = "0") -> None:
    specs = [parse_spec(text) for text in json.loads(Path(plan).read_text(encoding="utf-8"))]
    store = Store(root)
    print("ready", flush=True)
    kill_at(int(kill), root)
    try:
        print(run(specs, store, workers=int(workers)))
    except UserError as error:
        sys.exit(f"UserError: {error}")


if __name__ == "__main__":
    main(*sys.argv[1:])
