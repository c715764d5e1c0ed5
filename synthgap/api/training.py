"""What `synthgap train-diffusion` does: one training with progress, sample grids and a file at the end."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image
from pydantic import ValidationError
from tqdm import tqdm

from ..base.errors import UserError
from ..base.files import replacing
from ..base.machine import resolve_device
from ..base.processes import joined
from ..base.weights import impossible
from ..design.loading import read_sized
from ..design.options import Options
from ..design.preset import load_preset
from ..design.sizes import generator_network
from ..diffusion.edm import EDM
from ..diffusion.reconstruct import generate
from ..diffusion.solver import Solver
from ..diffusion.train import DiffusionTraining, train_edm

GRID_ROWS = 8


def train(
    out: Path,
    dataset: str,
    preset: str,
    image_size: int | str,
    device: str,
    seed: int,
    images: int | None,
    precision: str | None,
    samples: bool,
    options: Options | None = None,
) -> None:
    """Train on the training split and write `out`; see `synthgap train-diffusion --help` for the arguments.

    options : about the images; by them the training split is that of a study with the same ones.

    Beside `out`: `<stem>.checkpoint.safetensors` while it trains, `<stem>-<images seen>.png` grids of samples, one
    column a class. Raises UserError for anything wrong in the arguments or the data.
    """
    if out.suffix != ".safetensors":
        raise UserError(f"--out is {out}; name a file that ends in .safetensors")
    options = options or Options()
    chosen = options.applied(load_preset(preset), dataset)
    main = chosen.choose(dataset, image_size)
    main, (splits, _) = read_sized(main, chosen, options)
    choice, real = chosen.of(main).generator, splits.train
    training = _changed(choice.training, images=images, precision=precision)
    network = generator_network(choice, real.shape, len(real.classes))
    device = resolve_device(device)

    checkpoint = out.with_name(f"{out.stem}.checkpoint.safetensors")
    started = time.time()
    with joined(device) as rank:
        for line in (*splits.record.get("passed", ()), *splits.record.get("found", ())) if rank == 0 else ():
            print(line, file=sys.stderr)
        quiet = {"delay": 0.1, "disable": rank > 0}  # no bar before the first step or by the others
        with tqdm(total=training.images, unit="image", unit_scale=True, desc=out.stem, mininterval=1.0, **quiet) as bar:

            def report(seen: int, total: int, loss: float) -> None:
                bar.set_postfix(loss=f"{loss:.4f}", refresh=False)
                bar.update(seen - bar.n)

            def draw(edm: EDM, seen: int) -> None:
                if samples:
                    sample_grid(edm, seed, out.with_name(f"{out.stem}-{seen:09d}.png"), choice.solver)

            edm = train_edm(
                real,
                network,
                training,
                seed,
                device=device,
                checkpoint=checkpoint,
                progress=report,
                on_checkpoint=draw,
            )
        if rank == 0:
            draw(edm, training.images)
            told = {"data": real.name, "fingerprint": real.fingerprint, "preset": preset, "seed": seed}
            took = round(time.time() - started, 1)
            edm.save(out, told | {"training": training.model_dump(), "seconds": took})
            checkpoint.unlink(missing_ok=True)


def _changed(recipe: DiffusionTraining, **options: object) -> DiffusionTraining:
    """The recipe with those options in the place of its own that are not None; UserError for an impossible value."""
    changes = {k: v for k, v in options.items() if v is not None}
    try:
        return type(recipe)(**recipe.model_dump() | changes)
    except ValidationError as error:
        raise UserError(impossible(error)) from error


def sample_grid(edm: EDM, seed: int, path: Path, solver: Solver) -> None:
    """Write a PNG of samples: up to ten classes side by side, eight of each below one another."""
    known = edm.config.network.label_dim
    columns = min(10, known) or 10
    labels = np.tile(np.linspace(0, known - 1, columns).round().astype(int), GRID_ROWS) if known else None
    count = None if known else columns * GRID_ROWS
    drawn = generate(edm, labels, seed, count=count, solver=solver).images
    _, channels, height, width = drawn.shape
    rows = drawn.reshape(GRID_ROWS, columns, channels, height, width).transpose(0, 3, 1, 4, 2)
    sheet = rows.reshape(GRID_ROWS * height, columns * width, channels)
    zoom = max(1, 32 // max(height, width))
    sheet = sheet.repeat(zoom, axis=0).repeat(zoom, axis=1)
    with replacing(path) as temporary:
        Image.fromarray(sheet[..., 0] if channels == 1 else sheet).save(temporary, format="PNG")
