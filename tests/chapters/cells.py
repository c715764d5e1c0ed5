"""A chapter's cells without a kernel, small presets with cells of every kind, and folders of images of one shape."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import IPython.display
import nbformat
import numpy as np
import yaml
from matplotlib.figure import Figure
from PIL import Image

from synthgap.book import execute as book
from synthgap.exhibits import preliminary
from synthgap.stats import nulls, toy

ROOT = book.find_root()
STEPS = {"images": 32, "batch": 16, "checkpoint_images": 16, "ema_half_life": 16}
FEW = {  # one cell of each kind, or two where something is compared along them
    "table2": [0, 50, 100],
    "curves": [0, 100],
    "grid": [50],
    "grid_images": 2,
    "attention_images": 4,
    "sensitivity": {"steps": [100], "variants": ["vp-ancestral", "imagenet-stem"]},
    "augmentation": {"0": [1], "100": [1], "50-100": [1]},
    "policies": ["TrivialAugment"],
    "combined": {},
    "subsets": [0.5],
    "trimmed": [0.75],
    "checkpoints": [0.5],
    "epoch_matched": [],
    "bootstrap": [1],
    "replication": [1, 3],
    "likelihood": {"images": 2, "sigmas": [0.1], "settings": {"steps": 1, "method": "hutchinson"}},
}


def shipped(name: str) -> dict:
    return yaml.safe_load((files("synthgap") / "presets" / f"{name}.yaml").read_text(encoding="utf-8"))


def small_preset(path: Path, name: str = "smoke", **changes) -> Path:
    """A preset with the structure of a shipped one, its networks and budgets tiny."""
    content, smallest = shipped(name), shipped("smoke")
    content["generator"] |= {"model_channels": 8, "num_blocks": 1}
    content["generator"]["solver"]["steps"] = 2
    content["generator"]["training"] = STEPS | {"ramp_images": 16}
    if "gan" in content:
        content["gan"] = smallest["gan"] | {"training": smallest["gan"]["training"] | STEPS}
    content["classifier"] |= {"width": 4, "training": {"epochs": 1, "batch": 16, "learning_rate": 0.05}}
    content |= {"limits": smallest["limits"], "probe": 8, "grid_images": 2, "attention_images": 4}
    content["likelihood"] |= {"images": 2, "settings": {"steps": 1, "method": "hutchinson"}}
    content["data"] = [{"dataset": choice["dataset"]} for choice in smallest["data"]]
    for part in ("generator", "likelihood"):
        content.get("own", {}).pop(part, None)
    path.write_text(yaml.safe_dump(content | changes), encoding="utf-8")
    return path


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
    monkeypatch.setattr(IPython.display, "display", shown.append)
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
