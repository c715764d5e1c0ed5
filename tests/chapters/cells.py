"""A chapter's cells without a kernel, and folders of images of one shape."""

from __future__ import annotations

import re
from pathlib import Path

import IPython.display
import nbformat
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from synthgap.book import execute as book
from synthgap.exhibits import preliminary
from synthgap.stats import nulls, toy

ROOT = book.find_root()


def folder_of(root: Path, width: int, height: int, *, grey: bool = False, each: int = 16) -> Path:
    """Two classes of `each` images, told apart by their brightness."""
    rng = np.random.default_rng(0)
    for label, name in enumerate(("dark", "light")):
        (root / name).mkdir(parents=True)
        for i in range(each):
            pixels = 60 + 120 * label + rng.integers(-50, 50, (height, width, 3))
            image = Image.fromarray(pixels.astype(np.uint8))
            (image.convert("L") if grey else image).save(root / name / f"{i}.png")
    return root


def quickened(monkeypatch) -> None:
    """The simulations of chapter a1, which look at no data set, with few studies; Algorithm 1 at one short step."""
    monkeypatch.setattr(preliminary, "ALGORITHM_STEPS", (25,))
    simulate, coverage = toy.simulate, nulls.coverage
    monkeypatch.setattr(toy, "simulate", lambda seeds, images, *rest: simulate(3, 200, *rest))
    monkeypatch.setattr(nulls, "coverage", lambda studies, *rest, **options: coverage(2, *rest, **options))


def executed(name: str, parameters: dict, monkeypatch) -> str:
    """What a chapter's cells show as text; each figure is laid out."""
    shown: list = []
    monkeypatch.setattr(IPython.display, "display", lambda one, **_: shown.append(one))
    names: dict = {"__name__": "__main__"}
    notebook = nbformat.read(ROOT / "chapters" / f"{name}.ipynb", as_version=4)
    for number, cell in enumerate(c for c in notebook.cells if c.cell_type == "code"):
        exec(compile(cell.source, f"{name}, cell {number}", "exec"), names)
        if "parameters" in cell.metadata.get("tags", ()):
            names |= parameters
    for figure in (one for one in shown if isinstance(one, Figure)):
        figure.draw_without_rendering()
    return "\n".join(one.data for one in shown if not isinstance(one, Figure))


def impossible(text: str) -> list[str]:
    """Words of a page that no number may have: NaN, a share above 100% and a difference beyond 100 points."""
    found = re.findall(r"\bnan\b", text)
    for number in re.findall(r"([+\u2212-]?\d+(?:\.\d+)?)(?:%| points)", text.replace(",", "")):
        if abs(float(number.replace("\u2212", "-"))) > 100:
            found.append(number)
    return found
