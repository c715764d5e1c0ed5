"""Interrupted while a chapter runs: no half notebook at its final path, and no kernel that goes on unseen."""

import os
import signal
import subprocess
import sys

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from reliability import ENVIRONMENT
from test_kills import wait_for

from synthgap.book import execute as book

EXECUTE = """
import signal, sys
from pathlib import Path
from synthgap.book import execute as book
from synthgap.cli import commands as cli

def run():
    root = Path(sys.argv[1])
    book.execute_chapters(root, root / "executed", {"preset": "smoke"})

signal.signal(signal.SIGINT, signal.default_int_handler)  # a test run in the background is started without it
cli._called = run
cli.main()
"""
CELL = """
import os, pathlib, time
pathlib.Path("kernel").write_text(str(os.getpid()))
pathlib.Path("kernel").rename("started")
time.sleep(300)
"""


@pytest.fixture
def chapter(tmp_path):
    """(folder name, code) → a root with one chapter of that code."""

    def make(name, code):
        root = tmp_path / name
        (root / "chapters").mkdir(parents=True)
        (root / "_toc.yml").write_text("{root: intro, parts: [{chapters: [{file: book/executed/slow}]}]}")
        parameters = new_code_cell('preset = ""', metadata={"tags": ["parameters"]})
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        nbformat.write(
            new_notebook(cells=[parameters, new_code_cell(code)], metadata=kernel), root / "chapters/slow.ipynb"
        )
        return root

    return make


@pytest.mark.fault("synthgap run stopped (SIGINT, SIGTERM) or killed (SIGKILL) while a chapter executes")
def test_an_interrupted_chapter_leaves_neither_a_notebook_nor_a_process(chapter, survived):
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
    roots = {number: chapter(number.name, CELL) for number in signals}
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True, "env": ENVIRONMENT}
    started = {
        number: subprocess.Popen([sys.executable, "-c", EXECUTE, str(root)], cwd=root, start_new_session=True, **pipes)
        for number, root in roots.items()
    }
    for number, root in roots.items():
        kernel = int(wait_for((root / "started").is_file) and (root / "started").read_text())
        children = psutil.Process(started[number].pid).children(recursive=True)
        assert kernel in [p.pid for p in children]
        os.kill(started[number].pid, number)  # this process alone: its children must notice
        started[number].wait(60)
        assert not psutil.wait_procs(children, timeout=60)[1]  # none is alive
        assert not list((root / "executed").glob("[!.]*"))
    codes = {number: process.wait() for number, process in started.items()}
    assert codes == {signal.SIGINT: 130, signal.SIGTERM: 130, signal.SIGKILL: -9}
    for number in signals[:2]:
        assert started[number].stderr.read().splitlines()[-1:] == [
            "synthgap: interrupted; the same command continues from here"
        ]
    survived("no notebook at the final path, no process left; a stopped run says that the same command continues")


def test_what_a_killed_run_left_is_removed_by_the_next_and_braces_in_a_path_are_no_matter(chapter):
    root = chapter("{own} folder", "1 + 1")
    target = root / "executed" / "slow.ipynb"
    target.parent.mkdir()
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for number in (dead.pid, os.getpid()):
        (target.parent / f".slow.{number}.ipynb").write_text("half")
    (target.parent / ".slow.mine.ipynb").write_text("not ours")
    book._remove_abandoned(target)
    assert {p.name for p in target.parent.iterdir()} == {f".slow.{os.getpid()}.ipynb", ".slow.mine.ipynb"}
    book.execute_chapter(root / "chapters" / "slow.ipynb", target, {"preset": "smoke"})
    assert nbformat.read(target, as_version=4).cells[-1].outputs[0].data["text/plain"] == "2"
    assert {p.name for p in target.parent.iterdir()} == {"slow.ipynb", ".slow.mine.ipynb"}
