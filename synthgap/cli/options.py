"""Options that several commands share, and how their words become the parameters of a Study."""

from __future__ import annotations

import functools
import hashlib
import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from ..base.errors import UserError
from ..data.groups import SUBFOLDERS
from ..data.sources import own_path
from ..design.parameters import PARAMETERS, as_meant

LONGEST = 36  # bytes of one part of a run's folder name; file systems allow 255 in all

Dataset = Annotated[
    str,
    typer.Option(help="auto (the preset's own), one that synthgap datasets lists, or folder:, npz:, edm-zip:PATH."),
]
PresetName = Annotated[
    str,
    typer.Option(
        help="smoke (tests), quick (minutes), full (hours), paper and paper-cifar10 (GPU), or a YAML file of your own."
    ),
]
Results = Annotated[str, typer.Option(help="Folder for artifacts and the book; runs share and reuse it.")]
Seeds = Annotated[str, typer.Option(help="How many seeds, or which (0,1,2); auto: the preset's number.")]
ImageSize = Annotated[str, typer.Option(help="Longest side in pixels; auto: the set's own, limited for folders.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, or auto.")]
Workers = Annotated[str, typer.Option(help="Processes on this machine; auto is one a core. Each GPU has one more.")]
Synthetic = Annotated[
    str, typer.Option(help="Images of another generator, folder:PATH or npz:PATH, to judge in place of ours.")
]
Seed = Annotated[int, typer.Option(min=0, help="Number that chooses the generator, and the draw from it.")]
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
Judge = Annotated[
    str,
    typer.Option(
        help="Who gives the answer: resnet18, trained from scratch; features, a linear classifier on the features of "
        "a network that was trained on ImageNet, at its own resolution; or both; auto: features where --synthetic "
        "gives images, else resnet18."
    ),
]
Features = Annotated[
    str,
    typer.Option(
        help="The network whose features judge: efficientnet-lite0, inception, or torchvision:NAME=FILE and "
        "timm:NAME=FILE, a classifier of these libraries with the file of its weights; auto: the preset's. It asks for "
        "--judge features."
    ),
]
Measure = Annotated[
    str,
    typer.Option(
        help="The measure of the answer: accuracy, balanced, auc, average-precision, recall or precision; auto: "
        "accuracy, balanced where classes are uneven."
    ),
]
Positive = Annotated[
    str, typer.Option(help="The class that recall, precision, auc and average-precision are about; none: all alike.")
]
Groups = Annotated[
    str,
    typer.Option(
        help="Images that belong together (of one patient, module, site), which no split separates: a CSV file with "
        "the columns file and group, or subfolders: PATH/<class>/<group>/<image>; none: every image by itself."
    ),
]
GeneratorFile = Annotated[
    str,
    typer.Option(
        help="A diffusion model that takes the place of the study's own, which is then not trained: a released EDM "
        "checkpoint (.pkl), or what train-diffusion or convert wrote; none: one is trained for each seed."
    ),
]
Minutes = Annotated[
    str,
    typer.Option(
        help="Add seeds until the answer's questions are decided, or for so many minutes: it looks at 3, 6, 12 and 24 "
        "seeds, and --seeds is the most. none: the number of seeds is fixed."
    ),
]
RemedyName = Annotated[
    str,
    typer.Option(
        "--remedy",
        help="How images are made better than plain samples: filtered (by a classifier of yours), all that agree, "
        "the least sure, the outskirts, autoguidance, entropy guidance, particle guidance, …; chapter A3 says what "
        "each does. none: plain samples.",
    ),
]
Strength = Annotated[
    float | None, typer.Option(help="Strength of a remedy that has one; default: the first that the preset tries.")
]
Out = Annotated[Path, typer.Option(help="New folder for the PNGs, one subfolder a class.")]


STUDY: dict[str, tuple[Any, Any]] = {  # what describes a study, by the chapters' names: (option, default)
    "dataset": (Dataset, "auto"),
    "preset": (PresetName, "quick"),
    "results": (Results, "results"),
    "seeds": (Seeds, "auto"),
    "image_size": (ImageSize, "auto"),
    "device": (Device, "auto"),
    "workers": (Workers, "auto"),
    "synthetic": (Synthetic, "none"),
    "max_images": (MaxImages, "auto"),
    "flip": (Flip, None),
    "grey": (Grey, False),
    "class_weights": (ClassWeights, "none"),
    "judge": (Judge, "auto"),
    "features": (Features, "auto"),
    "measure": (Measure, "auto"),
    "positive": (Positive, "none"),
    "groups": (Groups, "none"),
    "generator": (GeneratorFile, "none"),
    "minutes": (Minutes, "none"),
}


def of_study(**fixed: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options that describe a study; it gets them as its first argument, the chapters' parameters.

    fixed : options that the command has not, and their values. The command's own options come after these.
    """

    def given(command: Callable[..., None]) -> Callable[..., None]:
        _, *own = inspect.signature(command, eval_str=True).parameters.values()
        needed = [p for p in own if p.default is p.empty]
        shared = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=option)
            for name, (option, default) in STUDY.items()
            if name not in fixed
        ]
        several = [p.replace(kind=p.KEYWORD_ONLY) for p in (*needed, *shared, *(p for p in own if p not in needed))]

        @functools.wraps(command)
        def called(**words: Any) -> None:
            described = {name: words.pop(name, fixed.get(name)) for name in STUDY}
            command(_parameters(described), **words)

        called.__signature__ = inspect.Signature(several)  # type: ignore[attr-defined]
        called.__annotations__ = {p.name: p.annotation for p in several}
        return called

    return given


def of_images(**fixed: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """`of_study` for commands about images and models, which have no options of how these are judged."""
    judged = dict.fromkeys(("class_weights", "synthetic", "positive", "minutes"), "none")
    return of_study(**judged | dict.fromkeys(("seeds", "workers", "judge", "features", "measure"), "auto") | fixed)


def _parameters(words: dict[str, Any]) -> dict[str, Any]:
    """The chapters' parameters; UserError for a word where a number is wanted."""
    flip = words["flip"]
    numeric = {name: number(words[name], name.replace("_", "-")) for name in ("image_size", "workers", "max_images")}
    numeric |= {"seeds": numbers(words["seeds"], "seeds"), "flip": "auto" if flip is None else flip}
    return words | numeric | {"minutes": as_meant(words["minutes"], PARAMETERS["minutes"])}


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

    Sources, presets and generators that are files get some digits of their path's hash, so that two of one name stay
    apart; other options get a folder of their own, too, so that their answers can be laid side by side.
    """
    preset, sources = parameters["preset"], [parameters[name] for name in ("dataset", "synthetic")]
    own_preset = preset.endswith((".yaml", ".yml"))
    names = [f"{Path(preset).stem}-{_digits('preset', preset)}" if own_preset else preset]
    names += [_source_name(source) for source in sources if source not in ("auto", "none")]
    for name in ("seeds", "image_size", "max_images", "flip", "grey", "class_weights", "judge", "measure", "positive"):
        value = parameters[name]
        if value not in ("auto", "none", False) or (name == "flip" and value is False):
            names.append(f"{name}_{'_'.join(map(str, value)) if isinstance(value, list) else value}")
    if parameters["groups"] != "none":
        names.append(f"groups_{_group_name(parameters['groups'])}")
    network, _, file = parameters["features"].partition("=")
    names += [f"features_{network}{'-' * bool(file)}{file and _digits('features', file)}"] if network != "auto" else []
    generator = parameters["generator"]
    names += [f"generator_{_source_name(f'generator:{generator}')}"] if generator != "none" else []
    names += ["minutes"] if parameters["minutes"] != "none" else []  # more minutes go on with the same answer
    return "-".join(_short("".join(c if c.isalnum() or c in "-_." else "_" for c in name)) for name in names)


def _group_name(groups: str) -> str:
    return groups if groups == SUBFOLDERS else f"{own_path(groups).stem}-{_digits('groups', groups)}"


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
