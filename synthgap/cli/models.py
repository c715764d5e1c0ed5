"""The commands about models and data sets: train one, judge its images, read a released one, list the sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..base.errors import UserError
from .notice import progress_bar
from .options import Device, ImageSize, number, of_images


@of_images(results="", generator="none")
def train_diffusion(
    parameters: dict,
    out: Annotated[Path, typer.Option(help="The model's file, .safetensors; checkpoints and samples lie beside it.")],
    seed: Annotated[int, typer.Option(min=0, help="Seed of initial weights, image order and noise.")] = 0,
    images: Annotated[int | None, typer.Option(min=1, help="Images to train on; default the preset's.")] = None,
    precision: Annotated[str | None, typer.Option(help="fp32, bf16 or fp16 (GPU); default the preset's.")] = None,
    samples: Annotated[bool, typer.Option(help="Save a grid of samples with every checkpoint.")] = True,
) -> None:
    """Train a diffusion model on the training split of a data set and save it.

    With the same options about images (--groups, --max-images, --grey, …) the split is that of synthgap run.

    Interrupted, the same command goes on from the last checkpoint. Several GPUs or machines:
    torchrun --nproc-per-node 2 -m synthgap.cli train-diffusion --out edm.safetensors …

    Example: synthgap train-diffusion --dataset folder:photos --out photos.safetensors
    """
    from ..api.training import train
    from ..design.options import Options

    about = {name: parameters[name] for name in ("image_size", "max_images", "flip", "grey", "groups")}
    first = (parameters[name] for name in ("dataset", "preset", "image_size", "device"))
    train(out, *first, seed, images, precision, samples, Options(**about))
    typer.echo(str(out))


def metrics(
    real: Annotated[str, typer.Argument(help="Real images: a folder, npz:PATH, a .safetensors file, digits:test, …")],
    fake: Annotated[str, typer.Argument(help="The images to judge; scaled to the size of the real ones.")],
    held_out: Annotated[
        str | None, typer.Option(help="Real images that the generator has not seen: tests for copies, too.")
    ] = None,
    extractor: Annotated[
        str, typer.Option(help="classifier (trained here), inception, efficientnet-lite0.")
    ] = "classifier",
    weights: Annotated[
        Path | None, typer.Option(help="Weights file of the extractor; SYNTHGAP_WEIGHTS may name a folder of them.")
    ] = None,
    detector: Annotated[str, typer.Option(help="Fake detector: logistic, cnn or resnet18.")] = "logistic",
    preset: Annotated[str, typer.Option(help="Recipe of the classifier: smoke, quick, full or paper.")] = "quick",
    image_size: ImageSize = "auto",
    device: Device = "auto",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the classifier, the detectors and the halvings.")] = 0,
    cache: Annotated[Path | None, typer.Option(help="Folder to keep features in, by content.")] = None,
    pairwise: Annotated[
        int | None, typer.Option(min=5, help="Most images of a set in shards for precision, …; default 50,000.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of the table.")] = False,
) -> None:
    """Compare two sets of images: fidelity with intervals and a real-against-real floor, fake detection, copying.

    A minute or more, most of it for training the classifier whose features are compared. More than 10,000 images in
    shards (NAME.shards) stay on the disk: the Fréchet distance is of all of them, the rest of stated, seeded draws.

    Example: synthgap metrics photos/train synthetic --held-out photos/test
    """
    from ..api.comparison import as_json as to_json
    from ..api.comparison import as_text, compare
    from ..base.machine import resolve_device

    size = number(image_size, "image-size")
    with progress_bar("features") as bar:
        result = compare(
            real,
            fake,
            held_out,
            extractor,
            weights=weights,
            preset=preset,
            image_size=None if size == "auto" else size,
            detector=detector,
            cache=cache,
            device=resolve_device(device),
            seed=seed,
            pairwise=pairwise,
            progress=lambda done, total: (bar.reset(total), bar.update(done)),
        )
    typer.echo(to_json(result) if as_json else as_text(result))


def convert(
    source: Annotated[Path, typer.Argument(help="A released EDM checkpoint, .pkl.")],
    target: Annotated[Path, typer.Argument(help="The file to write, .safetensors.")],
) -> None:
    """Read a released EDM pickle without running what is inside it, and save it as safetensors.

    Example: synthgap convert edm-cifar10-32x32-cond-vp.pkl edm.safetensors
    """
    from ..released.edm import from_released

    if target.suffix != ".safetensors":
        raise UserError(f"the target is {target}; name a file that ends in .safetensors")
    edm = from_released(source)
    edm.save(target, {"converted from": source.name})
    count = sum(p.numel() for p in edm.parameters())
    typer.echo(f"{edm.config.network.architecture}, {count:,} parameters: {target}")


def datasets(
    name: Annotated[str | None, typer.Argument(help="One of the paper's sets, to check a local copy of it.")] = None,
    root: Annotated[
        Path | None, typer.Option(help="The data folder; default: the variable SYNTHGAP_DATA, or data/.")
    ] = None,
    download: Annotated[bool, typer.Option(help="Fetch it first, where torchvision has an address.")] = False,
    unpack: Annotated[bool, typer.Option(help="Unpack its archives first, which lie in the data folder.")] = False,
    check: Annotated[bool, typer.Option(help="Without a name: say of each of the paper's sets what is there.")] = False,
) -> None:
    """Say which data sets there are and where each comes from; with a name, verify a local copy of it.

    Checked are the numbers of images and classes, and the published checksums. --check looks at all five sets: which
    are ready, which archives are partial, and what to download or unpack next.

    Example: synthgap datasets --check, then synthgap datasets cifar10 --unpack
    """
    from ..data import archives
    from ..data.publicfiles import download as fetch
    from ..data.publicfiles import verify
    from ..data.sources import DESCRIPTIONS

    if name is not None:
        if check:
            raise UserError("--check looks at all sets; leave out the name, or --check")
        if download:
            fetch(name, root)
        if unpack:
            archives.unpack(name, root)
        typer.echo("\n".join(verify(name, root)))
        return
    if check and not (download or unpack):
        typer.echo("\n".join(archives.survey(root)))
        return
    if download or unpack or root is not None:
        raise UserError("which data set? give its name, for instance: synthgap datasets cifar10")
    for known, text in DESCRIPTIONS.items():
        typer.echo(f"{known}\n    {text}")


COMMANDS = (train_diffusion, metrics, convert, datasets)
