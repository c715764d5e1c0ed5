"""The command line: `synthgap --help`."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..base.disk import disk_fault
from ..base.errors import UserError
from . import scale as scale_cli
from .options import (
    ClassWeights,
    Dataset,
    Device,
    Flip,
    Grey,
    ImageSize,
    MaxImages,
    Model,
    Out,
    PresetName,
    Results,
    Seed,
    Seeds,
    Synthetic,
    Workers,
    number,
    parameters_of,
    run_name,
)

if TYPE_CHECKING:
    from ..exhibits.study import Study

WORTH_ASKING = 1.0  # minutes of work before which a run asks
INTERRUPTED = 130  # exit code after Ctrl-C; typer turns the exception into it

app = typer.Typer(
    name="synthgap",
    help="Would synthetic images of a diffusion model replace your real ones, or help them?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def run(
    dataset: Dataset = "auto",
    preset: PresetName = "quick",
    results: Results = "results",
    seeds: Seeds = "auto",
    image_size: ImageSize = "auto",
    device: Device = "auto",
    workers: Workers = "auto",
    scheduler: Annotated[
        str | None,
        typer.Option(help="Address of a Dask scheduler whose workers compute instead, and share the results folder."),
    ] = None,
    synthetic: Synthetic = "none",
    max_images: MaxImages = "auto",
    flip: Flip = None,
    grey: Grey = False,
    class_weights: ClassWeights = "none",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask before a long run.")] = False,
    answer_only: Annotated[
        bool, typer.Option("--answer-only", help="Stop at the page with the answer: no other chapter, no book.")
    ] = False,
    book: Annotated[bool, typer.Option(help="Execute the chapters and build the book, too.")] = True,
    publish: Annotated[bool, typer.Option(help="Replace the notebooks in book/executed/ by this run's.")] = False,
) -> None:
    """Say what synthetic images would do for a data set: one page with the answer, then the whole book for it.

    Before it starts, it says what it found in a folder, what it will do with it, and how long that takes. The page
    (answer.html) is there as soon as what it needs is computed. Interrupted, the same command goes on where it
    stopped.

    Example: synthgap run --dataset folder:photos
    """
    from ..book import costs, guards, provenance, trace
    from ..book import execute as pages
    from ..book.stages import Stages
    from ..exhibits.study import Study

    started, stages = time.monotonic(), Stages()
    parameters = parameters_of(
        dataset, preset, results, seeds, image_size, device, workers, synthetic, max_images, flip, grey, class_weights
    )
    if answer_only and publish:
        raise UserError("--publish wants the whole book; leave out --answer-only")
    if publish:
        guards.check_parameters(parameters)
    root = pages.find_root() if book or publish or answer_only else None
    study = Study(**parameters, scheduler=scheduler)
    for line in [*study.found(), *study.intended()]:
        typer.echo(line)
    plan = study.answer_plan() if answer_only else study.plan()
    minutes = study.minutes(plan)
    chapters = 0.0 if root is None else 0.5 if answer_only else 1.5
    where = "of one core's work, which the scheduler's workers share" if scheduler else "here"
    typer.echo(f"this takes about {_duration(minutes + chapters)} {where}")
    if minutes > WORTH_ASKING and not yes and sys.stdin.isatty() and not typer.confirm("Go on?", default=True):
        raise typer.Exit()

    if root is None:
        study.compute(plan)
        typer.echo(f"artifacts: {study.store.root}")
        return
    folder = study.results / run_name(parameters)
    executed = folder / "chapters"
    with stages("artifacts"):
        computed = study.compute(study.answer_plan())
    with stages("chapters"):
        page = pages.answer_page(root, folder, parameters, study.arms.name)
    typer.echo(f"the answer, after {_duration((time.monotonic() - started) / 60)}: {page}")
    if answer_only:
        return
    with stages("artifacts"):
        computed += study.compute(plan)
    with stages("chapters"):
        pages.execute_chapters(root, executed, parameters, say=typer.echo, done=(pages.ANSWER,))
        study.save_raw(executed)
        provenance.write(trace.provenance(study, executed), executed)
    took = costs.measure(study.preset.name, plan, study.store, computed, time.monotonic() - started)
    kept = costs.save(took, folder / "costs.json")
    if publish:
        pages.place_executed(root, executed, root / pages.EXECUTED, published=True)
        costs.publish(kept, root)
    with stages("book"):
        index = pages.build(pages.stage(root, executed, folder / "book"), say=typer.echo, published=publish)
    stages.save(folder)
    typer.echo(f"done in {(time.monotonic() - started) / 60:.1f} minutes; open the book:")
    typer.echo(str(index))


@app.command()
def pdf(
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("_build/synthgap.pdf"),
    executed: Annotated[
        Path | None, typer.Option(help="Folder of executed chapters; default the published ones, book/executed.")
    ] = None,
) -> None:
    """Print the whole book into one PDF. It takes a Chromium (or Chrome), and no LaTeX.

    Example: synthgap pdf --executed results/quick/chapters --out mine.pdf
    """
    from ..book import execute as pages
    from ..book.pdf import make_pdf

    root = pages.find_root()
    typer.echo(str(make_pdf(root, executed or root / pages.EXECUTED, out)))


@app.command()
def generate(
    out: Annotated[
        Path, typer.Option(help="New folder for the PNGs, one subfolder a class; or NAME.shards, for any number.")
    ],
    per_class: Annotated[int, typer.Option(min=1, help="Images of each class.")] = 10,
    dataset: Dataset = "auto",
    preset: PresetName = "quick",
    results: Results = "results",
    image_size: ImageSize = "auto",
    device: Device = "auto",
    seed: Seed = 0,
    model: Model = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Solver steps; default the preset's.")] = None,
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
    from ..base.device import resolve_device
    from ..data.imageset import check_new_folder
    from ..data.shards import ENDING, is_shards
    from ..data.shardwriter import SHARD_IMAGES, check_shards_folder
    from ..gan.stylegan3 import Generator

    if shard_images is not None and not is_shards(out):
        raise UserError(f"--shard-images is for shards; name a folder that ends in {ENDING} in place of {out}")
    (check_shards_folder if is_shards(out) else check_new_folder)(out)
    if model is not None:
        drawing, names = load_model(model).to(resolve_device(device)), None
    else:
        study = _opened(dataset, preset, results, seed, image_size, device)
        drawing, names = _preset_model(study), study.class_names()
    if isinstance(drawing, Generator):
        if steps is not None:
            raise UserError("--steps is of diffusion models; the file holds a GAN, leave it out")
        known, options = drawing.config.label_dim, {}
    else:
        known, options = drawing.config.network.label_dim, {"solver": _solver(preset, dataset, steps)}
    which = {"labels": np.repeat(np.arange(known), per_class), "classes": names} if known else {"count": per_class}
    if is_shards(out):
        with _bar("generated", per_class * max(known, 1)) as bar:
            size = shard_images or SHARD_IMAGES
            shards = generate_shards(
                drawing, out, seed=seed, shard_images=size, progress=bar.update, **which, **options
            )
        count = len(shards.index.shards)
        typer.echo(f"{len(shards):,} images of {len(shards.classes)} classes in {count} shards: {out}")
        return
    images = draw(drawing, seed=seed, **which, **options)
    typer.echo(f"{len(images)} images of {len(images.classes)} classes: {images.export_folder(out)}")


@app.command()
def reconstruct(
    out: Out,
    t_re: Annotated[str, typer.Option(help='Reverse step 0–100, or a range drawn per image ("50-100").')] = "50",
    dataset: Dataset = "auto",
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "train",
    preset: PresetName = "quick",
    results: Results = "results",
    image_size: ImageSize = "auto",
    device: Device = "auto",
    seed: Seed = 0,
    model: Model = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Solver steps; default the preset's.")] = None,
) -> None:
    """Noise real images up to a reverse step, denoise them back, and write them as PNGs (Algorithm 1).

    Example: synthgap reconstruct --dataset digits --t-re 50-100 --out halfway
    """
    from ..base.device import resolve_device
    from ..data.imageset import check_new_folder
    from ..design.preset import parse_t_re
    from ..diffusion.edm import load_edm
    from ..diffusion.reconstruct import reconstruct as rebuild

    check_new_folder(out)
    steps_back = parse_t_re(t_re)
    _check_split(split)
    study = _opened(dataset, preset, results, seed, image_size, device)
    real = study.store.get(study.main.data[split])
    edm = load_edm(model).to(resolve_device(device)) if model else _preset_model(study)
    images = rebuild(edm, real, steps_back, seed, solver=_solver(preset, dataset, steps))
    typer.echo(f"{len(images)} images reconstructed from t_re = {t_re}: {images.export_folder(out)}")


@app.command()
def export(
    out: Annotated[Path, typer.Option(help="A new folder for PNGs, one subfolder a class, or a new .npz file.")],
    t_re: Annotated[
        str, typer.Option(help='Reverse step: 100 fully synthetic, 0 real; or a range ("50-100").')
    ] = "100",
    multiple: Annotated[int, typer.Option(min=1, help="Images, as a multiple of the training set.")] = 1,
    split: Annotated[str, typer.Option(help="Of real images (t_re 0): train, validation or test.")] = "train",
    dataset: Dataset = "auto",
    preset: PresetName = "quick",
    results: Results = "results",
    image_size: ImageSize = "auto",
    device: Device = "auto",
    seed: Seed = 0,
) -> None:
    """Write the very images that a study's arm was trained on: ImageFolder PNGs, or one npz that npz:PATH reads.

    What is in the results folder is reused, the rest is computed.

    Example: synthgap export --dataset digits --t-re 50-100 --multiple 5 --out mix.npz
    """
    from ..data.imageset import ImageSet, check_new_folder
    from ..data.npz import save_npz
    from ..design.preset import parse_t_re

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
    study = _opened(dataset, preset, results, seed, image_size, device)
    specs = [study.main.samples(seed, step, copy) if step else study.main.data[split] for copy in range(multiple)]
    study.compute(specs)
    images = ImageSet.concat([study.store.get(spec) for spec in specs])
    path = save_npz(images, out) if as_npz else images.export_folder(out)
    typer.echo(f"{len(images):,} images of {len(images.classes)} classes at t_re = {t_re}, seed {seed}: {path}")


for command in (scale_cli.estimate, scale_cli.plan, scale_cli.compute):
    app.command()(command)


@app.command()
def train_diffusion(
    out: Annotated[Path, typer.Option(help="The model's file, .safetensors; checkpoints and samples lie beside it.")],
    dataset: Dataset = "auto",
    preset: PresetName = "quick",
    image_size: ImageSize = "auto",
    device: Device = "auto",
    seed: Annotated[int, typer.Option(min=0, help="Of initial weights, image order and noise.")] = 0,
    images: Annotated[int | None, typer.Option(min=1, help="Images to train on; default the preset's.")] = None,
    precision: Annotated[str | None, typer.Option(help="fp32, bf16 or fp16 (GPU); default the preset's.")] = None,
    samples: Annotated[bool, typer.Option(help="Save a grid of samples with every checkpoint.")] = True,
) -> None:
    """Train a diffusion model on the training split of a data set and save it.

    Interrupted, the same command goes on from the last checkpoint. Several GPUs or machines:
    torchrun --nproc-per-node 2 -m synthgap.cli train-diffusion --out edm.safetensors …

    Example: synthgap train-diffusion --dataset folder:photos --out photos.safetensors
    """
    from ..api.training import train

    train(out, dataset, preset, number(image_size, "image-size"), device, seed, images, precision, samples)
    typer.echo(str(out))


@app.command()
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
    seed: Annotated[int, typer.Option(min=0, help="Of the classifier, detectors and halvings.")] = 0,
    cache: Annotated[Path | None, typer.Option(help="Folder to keep features in, by content.")] = None,
    pairwise: Annotated[
        int | None, typer.Option(min=5, help="Of a set in shards: most images for precision, …; default 50,000.")
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
    from ..base.device import resolve_device

    size = number(image_size, "image-size")
    with _bar("features") as bar:
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


@app.command()
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


@app.command()
def datasets(
    name: Annotated[str | None, typer.Argument(help="One of the paper's sets, to check a local copy of it.")] = None,
    root: Annotated[
        Path | None, typer.Option(help="The data folder; default: the variable SYNTHGAP_DATA, or data/.")
    ] = None,
    download: Annotated[bool, typer.Option(help="Fetch it first, where torchvision has an address.")] = False,
) -> None:
    """Say which data sets there are and where each comes from; with a name, verify a local copy of it.

    Checked are the numbers of images and classes, and the published checksums.

    Example: synthgap datasets cifar10 --root ~/data --download
    """
    from ..data.public import download as fetch
    from ..data.public import verify
    from ..data.sources import DESCRIPTIONS

    if name is not None:
        if download:
            fetch(name, root)
        typer.echo("\n".join(verify(name, root)))
        return
    if download or root is not None:
        raise UserError("which data set? give its name, for instance: synthgap datasets cifar10")
    for known, text in DESCRIPTIONS.items():
        typer.echo(f"{known}\n    {text}")


def _bar(what: str, total: int | None = None):
    """A bar that counts images, on a terminal alone."""
    from tqdm import tqdm

    return tqdm(desc=what, total=total, unit="image", disable=not sys.stderr.isatty(), leave=False)


def _duration(minutes: float) -> str:
    """ "40 seconds", "12 minutes", "3.5 hours"."""
    if minutes < 1.5:
        return f"{max(5, round(60 * minutes / 5) * 5)} seconds"
    return f"{minutes:.0f} minutes" if minutes < 90 else f"{minutes / 60:.1f} hours"


def _check_split(split: str) -> None:
    if split not in ("train", "validation", "test"):
        raise UserError(f"split is {split!r}; give train, validation or test")


def _solver(preset: str, dataset: str, steps: int | None):
    """The preset's solver for a data set, or the same with another number of steps."""
    from ..design.options import Options
    from ..design.preset import load_preset

    solver = Options().applied(load_preset(preset), dataset).generator.solver
    return solver if steps is None else solver.model_copy(update={"steps": steps})


def _opened(dataset: str, preset: str, results: str, seed: int, image_size: str, device: str) -> Study:
    """A study of one seed. What was found in a reader's own data is said beside the output, on the error stream."""
    from ..exhibits.study import Study

    study = Study(dataset, preset, results, [seed], number(image_size, "image-size"), device)
    if ":" in dataset:
        for line in study.found():
            typer.echo(line, err=True)
    return study


def _preset_model(study):
    """The study's generator of its only seed, trained where the store lacks it."""
    spec = study.main.generator(study.seeds[0])
    study.compute([spec])
    return study.store.get(spec).to(study.device)


def main() -> None:
    """Entry point: a user's error is one line and exit code 2; an interruption says how to go on."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: what was started is stopped, too
    try:
        sys.exit(_called())
    except typer.Abort:  # a question that got no answer
        sys.exit(1)
    except KeyboardInterrupt:
        typer.echo("synthgap: interrupted; the same command continues from here", err=True)
        sys.exit(INTERRUPTED)
    except Exception as error:
        line = _one_line(error)
        if line is None:
            raise
        typer.echo(f"synthgap: error: {line}", err=True)
        sys.exit(2)
    finally:
        signal.signal(signal.SIGTERM, before)


def _called() -> int:
    """Run the command that `sys.argv` names; returns its exit code."""
    code = app(prog_name="synthgap", standalone_mode=False)
    if code == INTERRUPTED:
        raise KeyboardInterrupt
    return code if isinstance(code, int) else 0


def _one_line(error: Exception) -> str | None:
    """What to tell of an error that a user can mend; None of one that they can't."""
    if isinstance(error, (UserError, FloatingPointError)):  # the latter: a training that diverged
        return str(error)
    if hasattr(error, "format_message"):  # words on the command line that typer refuses
        if type(error).__name__ == "NoArgsIsHelpError":
            error.show()
            sys.exit(error.exit_code)
        path = getattr(getattr(error, "ctx", None), "command_path", "synthgap")
        return f"{' '.join(error.format_message().split()).rstrip('.')}; see {path} --help"
    fault = disk_fault(error)
    if fault is None:
        return None
    reason, remedy = fault
    return f"{getattr(error, 'filename', None) or 'the output'} can't be written ({reason}); {remedy}"


if __name__ == "__main__":
    main()
