"""A rehearsal of `full`: its data sets, cells, multiples and variants with tiny networks and trainings.

Numbers mean nothing; what would fail in the last minute of an hour and a half, fails here in ten (one core):

    python benchmarks/rehearsal.py rehearsal.yaml
    synthgap run --preset rehearsal.yaml --yes --workers 1 --results rehearsal
"""

from __future__ import annotations

import sys
from importlib.resources import files
from pathlib import Path

import yaml


def rehearsal() -> dict:
    """The preset's fields."""
    preset = yaml.safe_load(files("synthgap").joinpath("presets", "full.yaml").read_text(encoding="utf-8"))
    tiny = {"ema_half_life": 300, "checkpoint_images": 1000}
    preset["summary"] = "the structure of full with tiny budgets; its numbers mean nothing"
    preset["seeds"] = 2
    preset["generator"] |= {"model_channels": 8, "solver": {"steps": 3}}
    preset["generator"]["training"] |= {"images": 4000, "ramp_images": 400, **tiny}
    preset["gan"] |= {"channel_base": 256, "channel_max": 8, "discriminator_base": 512, "discriminator_max": 16}
    preset["gan"] |= {"layers": 3}
    preset["gan"]["training"] |= {"images": 2000, "batch": 32, "ada_images": 5000, **tiny}
    for choice in preset["data"]:
        if "gan" in choice:
            choice["gan"] = {"training": {"images": 1500}}
    preset["classifier"]["width"] = 4
    preset["classifier"]["training"]["epochs"] = 3
    preset["likelihood"] |= {"images": 6, "settings": {"steps": 2, "method": "hutchinson"}}
    preset |= {"attention_images": 20, "probe": 100}
    preset["budget"] = {"core_seconds": 900, "minutes": 15, "cores": 1}
    return preset


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(yaml.safe_dump(rehearsal(), sort_keys=False, allow_unicode=True), encoding="utf-8")
