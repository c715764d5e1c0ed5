"""Presets for tests: a shipped one, or its structure with less to compute."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import yaml

from synthgap.base.files import replacing

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
    "remedies": {"filtered": [], "autoguidance": [1.5]},
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


def few_preset(path: Path, **changes) -> Path:
    """The smoke preset with few cells of each kind; several processes may write it at a time."""
    with replacing(path) as temporary:
        temporary.write_text(yaml.safe_dump(shipped("smoke") | FEW | changes), encoding="utf-8")
    return path


def full_size(path: Path, name: str, **changes) -> Path:
    """A shipped preset with its networks as they are, but for a small GAN, and as little work as a cell can have."""
    content = shipped(name)
    content["gan"] |= {"channel_max": 16, "discriminator_max": 16, "layers": 4, "critical_layers": 1, "margin": 2}
    content["gan"]["training"] |= {"images": 8, "batch": 4}
    content["classifier"]["training"]["epochs"] = 1
    content["likelihood"] = {"images": 1, "sigmas": [0.1], "settings": {"steps": 1, "method": "hutchinson"}}
    content |= {"seeds": 1, "probe": 10, "grid_images": 2, "checkpoints": [], "subsets": [0.5]}
    for part in ("solver", "training"):
        content["generator"][part] |= changes.pop(part, {})
    path.write_text(yaml.safe_dump(content | changes, sort_keys=False), encoding="utf-8")
    return path
