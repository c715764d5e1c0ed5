"""Options that several commands share, and how their words become the parameters of a Study."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Annotated

import typer

from ..base.errors import UserError
from ..data.sources import own_path

LONGEST = 36  # bytes of one part of a run's folder name; file systems allow 255 in all

Dataset = Annotated[
    str,
    typer.Option(help="auto (the preset's own), one that synthgap datasets lists, or folder:, npz:, edm-zip:PATH."),
]
PresetName = Annotated[
    str, typer.Option(help="smoke (tests), quick (minutes), full (hours), paper (GPU), or a YAML file of your own.")
]
Results = Annotated[str, typer.Option(help="Folder for artifacts and the book; runs share and reuse it.")]
Seeds = Annotated[str, typer.Option(help="How many seeds, or which (0,1,2); auto: the preset's number.")]
ImageSize = Annotated[str, typer.Option(help="Longest side in pixels; auto: the set's own, limited for folders.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, or auto.")]
Workers = Annotated[str, typer.Option(help="Processes on this machine; auto is one a core.")]
Synthetic = Annotated[
    str, typer.Option(help="Images of another generator, folder:PATH or npz:PATH, to judge in place of ours.")
]
Seed = Annotated[int, typer.Option(min=0, help="Which generator, and which draw of it.")]
Model = Annotated[
    Path | None, typer.Option(help="A model saved by EDM.save; without it the preset's model is trained or reused.")
]
MaxImages = Annotated[str, typer.Option(help="Most training images; auto: the preset's limit.")]
Flip = Annotated[
    bool | None, typer.Option("--flip/--no-flip", help="Mirror images left to right in training; default: as the set.")
]
Grey = Annotated[bool, typer.Option("--grey", help="Take colour away.")]
ClassWeights = Annotated[
    str, typer.Option(help="balanced: every class counts the same in training, however few its images; or none.")
]
Out = Annotated[Path, typer.Option(help="New folder for the PNGs, one subfolder a class.")]


def parameters_of(
    dataset: str,
    preset: str,
    results: str,
    seeds: str,
    image_size: str,
    device: str,
    workers: str,
    synthetic: str,
    max_images: str,
    flip: bool | None,
    grey: bool,
    class_weights: str,
) -> dict:
    """The chapters' parameters of the same names; UserError for a word where a number is wanted."""
    return {
        "dataset": dataset,
        "preset": preset,
        "results": results,
        "seeds": numbers(seeds, "seeds"),
        "image_size": number(image_size, "image-size"),
        "device": device,
        "workers": number(workers, "workers"),
        "synthetic": synthetic,
        "max_images": number(max_images, "max-images"),
        "flip": "auto" if flip is None else flip,
        "grey": grey,
        "class_weights": class_weights,
    }


def number(text: str, name: str, wanted: str = "a whole number or auto") -> int | str:
    """ "auto" as it is, digits as a number; UserError, which calls the option --`name`, otherwise."""
    if text == "auto":
        return text
    try:
        return int(text)
    except ValueError:
        raise UserError(f"--{name} is {text!r}; give {wanted}") from None


def numbers(text: str, name: str) -> int | list[int] | str:
    """The same of a list, too: "0,1,2" or "[0, 1, 2]"."""
    listed = text.strip().removeprefix("[").removesuffix("]")
    try:
        if "," in listed or listed != text.strip():
            return [int(word) for word in listed.split(",")]
    except ValueError:
        raise UserError(f"--{name} is {text!r}; give a whole number, several as in 0,1,2, or auto") from None
    return number(text, name, "a whole number, several as in 0,1,2, or auto")


def run_name(parameters: dict) -> str:
    """The subfolder of the results for one run's answer, chapters and book: "quick-digits", "quick-photos-4f1c20".

    Sources and presets that are files get some digits of their path's hash, so that two of one name stay apart; other
    options get a folder of their own, too, so that their answers can be laid side by side.
    """
    preset, sources = parameters["preset"], [parameters[name] for name in ("dataset", "synthetic")]
    own_preset = preset.endswith((".yaml", ".yml"))
    names = [f"{Path(preset).stem}-{_digits('preset', preset)}" if own_preset else preset]
    names += [_source_name(source) for source in sources if source not in ("auto", "none")]
    for name in ("seeds", "image_size", "max_images", "flip", "grey", "class_weights"):
        value = parameters[name]
        if value not in ("auto", "none", False) or (name == "flip" and value is False):
            names.append(f"{name}_{'_'.join(map(str, value)) if isinstance(value, list) else value}")
    return "-".join(_short("".join(c if c.isalnum() or c in "-_." else "_" for c in name)) for name in names)


def _source_name(source: str) -> str:
    kind, _, path = source.partition(":")
    return f"{own_path(path).resolve().name}-{_digits(kind, path)}" if path else source


def _digits(kind: str, path: str) -> str:
    """Six digits that stand for a kind of source and a place."""
    place = os.fsencode(own_path(path).resolve())
    return hashlib.sha256(kind.encode() + b":" + place).hexdigest()[:6]


def _short(name: str) -> str:
    """A name that file systems take: the end of a long one is replaced by digits of its hash."""
    data = name.encode("utf-8", "replace")
    if len(data) <= LONGEST:
        return name
    return f"{data[: LONGEST - 7].decode('utf-8', 'ignore')}-{hashlib.sha256(data).hexdigest()[:6]}"
