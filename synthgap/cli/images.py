"""The commands that write images: new ones, reconstructed ones, and those of an arm."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..base.errors import UserError
from .notice import found, progress_bar
from .options import Model, Out, RemedyName, Seed, Strength, of_images

if TYPE_CHECKING:
    from ..data.imageset import ImageSet
    from ..exhibits.study import Study


@of_images()
def generate(
    parameters: dict,
    out: Annotated[
        Path, typer.Option(help="New folder for the PNGs, one subfolder a class; or NAME.shards, for any number.")
    ],
    per_class: Annotated[int, typer.Option(min=1, help="Images of each class.")] = 10,
    seed: Seed = 0,
    model: Model = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps of the preset's solver; default its own.")] = None,
    remedy: RemedyName = "none",
    strength: Strength = None,
    shard_images: Annotated[
        int | None, typer.Option(min=1, help="Images of a shard, rounded up to a multiple of 256; default 10,240.")
    ] = None,
) -> None:
    """Write fully synthetic images (t_re = 100) of every class, as PNGs or, to NAME.shards, as shards.

    Shards are written one by one, in memory that does not grow with their number. Interrupted, the same command goes
    on after the last finished one. synthgap metrics reads them, and so does shards:NAME.shards as a data set.

    Example: synthgap generate --dataset digits --per-class 20 --out synthetic
    """
    import numpy as np

    from ..api.functions import generate as draw
    from ..api.functions import load_model
    from ..api.streaming import generate_shards
    from ..base.machine import resolve_device
    from ..data.imageset import check_new_folder
    from ..data.shards import ENDING, is_shards
    from ..data.shardwriter import SHARD_IMAGES, check_shards_folder
    from ..gan.stylegan3 import Generator

    if shard_images is not None and not is_shards(out):
        raise UserError(f"--shard-images is for shards; name a folder that ends in {ENDING} in place of {out}")
    (check_shards_folder if is_shards(out) else check_new_folder)(out)
    _check_strength(remedy, strength)
    if remedy != "none":
        if model is not None or is_shards(out):
            raise UserError("--remedy is for PNGs of the preset's own model; leave --model out, and name a folder")
        images = _under_remedy(parameters, seed, remedy, strength, per_class, steps)
        typer.echo(f"{len(images)} images of {len(images.classes)} classes, {remedy}: {images.export_folder(out)}")
        return
    if model is not None:
        drawing, names = load_model(model).to(resolve_device(parameters["device"])), None
    else:
        study = _opened(parameters, seed)
        drawing, names = _preset_model(study), study.store.get(study.main.data["train"]).classes
    if isinstance(drawing, Generator):
        if steps is not None:
            raise UserError("--steps is of diffusion models; the file holds a GAN, leave it out")
        known, options = drawing.config.label_dim, {}
    else:
        known, options = drawing.config.network.label_dim, {"solver": _solver(parameters, steps)}
    which = {"labels": np.repeat(np.arange(known), per_class), "classes": names} if known else {"count": per_class}
    if is_shards(out):
        with progress_bar("generated", per_class * max(known, 1)) as bar:
            size = shard_images or SHARD_IMAGES
            shards = generate_shards(
                drawing, out, seed=seed, shard_images=size, progress=bar.update, **which, **options
            )
        count = len(shards.index.shards)
        typer.echo(f"{len(shards):,} images of {len(shards.classes)} classes in {count} shards: {out}")
        return
    images = draw(drawing, seed=seed, **which, **options)
    typer.echo(f"{len(images)} images of {len(images.classes)} classes: {images.export_folder(out)}")


@of_images()
def reconstruct(
    parameters: dict,
    out: Out,
    t_re: Annotated[str, typer.Option(help='Reverse step 0–100, or a range drawn per image ("50-100").')] = "50",
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "train",
    seed: Seed = 0,
    model: Model = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps of the preset's solver; default its own.")] = None,
) -> None:
    """Noise real images up to a reverse step, denoise them back, and write them as PNGs (Algorithm 1).

    Example: synthgap reconstruct --dataset digits --t-re 50-100 --out halfway
    """
    from ..base.machine import resolve_device
    from ..data.imageset import check_new_folder
    from ..design.values import parse_t_re
    from ..diffusion.reconstruct import reconstruct as rebuild
    from ..released.edm import load_edm

    check_new_folder(out)
    steps_back = parse_t_re(t_re)
    _check_split(split)
    study = _opened(parameters, seed)
    real = study.store.get(study.main.data[split])
    edm = load_edm(model).to(resolve_device(parameters["device"])) if model else _preset_model(study)
    images = rebuild(edm, real, steps_back, seed, solver=_solver(parameters, steps))
    typer.echo(f"{len(images)} images reconstructed from t_re = {t_re}: {images.export_folder(out)}")


@of_images()
def export(
    parameters: dict,
    out: Annotated[Path, typer.Option(help="A new folder for PNGs, one subfolder a class, or a new .npz file.")],
    t_re: Annotated[
        str, typer.Option(help='Reverse step: 100 fully synthetic, 0 real; or a range ("50-100").')
    ] = "100",
    multiple: Annotated[int, typer.Option(min=1, help="Images, as a multiple of the training set.")] = 1,
    split: Annotated[str, typer.Option(help="Which real images (t_re 0): train, validation or test.")] = "train",
    seed: Seed = 0,
    remedy: RemedyName = "none",
    strength: Strength = None,
) -> None:
    """Write the very images that a study's arm was trained on: ImageFolder PNGs, or one npz that npz:PATH reads.

    What is in the results folder is reused, the rest is computed: give the options about images (--image-size,
    --max-images, --flip, --grey, --groups) that the run was given.

    Example: synthgap export --dataset digits --t-re 50-100 --multiple 5 --out mix.npz
    """
    from ..api.remedied import remedied
    from ..data.imageset import ImageSet, check_new_folder
    from ..data.npz import save_npz
    from ..design.values import parse_t_re

    step = parse_t_re(t_re)
    as_npz = out.suffix == ".npz"
    if as_npz and out.exists():
        raise UserError(f"{out} exists; name a new file for the images")
    if not as_npz:
        check_new_folder(out)
    _check_split(split)
    if step == 0 and multiple > 1:
        raise UserError(f"real images are there once, not ×{multiple}; leave --multiple out, or give another --t-re")
    if step != 0 and split != "train":
        raise UserError(f"arms are made from training images; --split {split} is for real images, --t-re 0")
    _check_strength(remedy, strength)
    if remedy != "none" and (step, multiple) != (100, 1):
        raise UserError("--remedy has one set of fully synthetic images; leave out --t-re and --multiple")
    study = _opened(parameters, seed)
    specs = [study.main.samples(seed, step, copy) if step else study.main.data[split] for copy in range(multiple)]
    if remedy != "none":
        specs = [remedied(study.main, seed, remedy, strength)]
    study.compute(specs)
    images = ImageSet.concat([study.store.get(spec) for spec in specs])
    what = f"at t_re = {t_re}" if remedy == "none" else remedy
    path = save_npz(images, out) if as_npz else images.export_folder(out)
    typer.echo(f"{len(images):,} images of {len(images.classes)} classes, {what}, seed {seed}: {path}")


def _under_remedy(
    parameters: dict, seed: int, remedy: str, strength: float | None, per_class: int, steps: int | None
) -> ImageSet:
    """So many images of each class under a remedy, of the preset's own model."""
    import numpy as np

    from ..api.remedied import draw, needed, remedied

    study = _opened(parameters, seed)
    made, classes = remedied(study.main, seed, remedy, strength), study.store.get(study.main.data["train"]).classes
    study.compute(needed(made))
    labels = np.repeat(np.arange(len(classes)), per_class)
    return draw(made, study.store.get, labels, classes, seed, _solver(parameters, steps))


def _check_strength(remedy: str, strength: float | None) -> None:
    if remedy == "none" and strength is not None:
        raise UserError("--strength is of a remedy; name it (--remedy), or leave the strength out")


def _check_split(split: str) -> None:
    if split not in ("train", "validation", "test"):
        raise UserError(f"split is {split!r}; give train, validation or test")


def _solver(parameters: dict, steps: int | None):
    """The preset's solver for a data set, or the same with another number of steps."""
    from ..design.options import Options
    from ..design.preset import load_preset

    solver = Options().applied(load_preset(parameters["preset"]), parameters["dataset"]).generator.solver
    return solver if steps is None else solver.model_copy(update={"steps": steps})


def _opened(parameters: dict, seed: int) -> Study:
    """A study of one seed. What was found in a reader's own data is said beside the output, on the error stream."""
    from ..exhibits.study import Study

    study = Study(**parameters | {"seeds": [seed]})
    if ":" in parameters["dataset"]:
        for line in found(study):
            typer.echo(line, err=True)
    return study


def _preset_model(study):
    """The study's generator of its only seed, trained where the store lacks it."""
    spec = study.main.generator(study.seeds[0])
    study.compute([spec])
    return study.store.get(spec).to(study.design.device)


COMMANDS = (generate, reconstruct, export)
