"""Generate sets of images that are too large for memory, into shards on the disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from ..base.errors import UserError
from ..base.labels import default_names
from ..data.shards import Shards
from ..data.shardwriter import SHARD_IMAGES, write_shards
from ..diffusion.edm import EDM
from ..diffusion.reconstruct import LANES
from ..diffusion.solver import Solver
from ..gan.stylegan3 import Generator
from ..metrics.extractors import weights_hash
from .functions import generate

TURN = 4 * LANES  # images drawn in one call: progress is told after each, and little is held beside a shard


def generate_shards(
    model: EDM | Generator,
    folder: str | Path,
    labels: np.ndarray | None = None,
    seed: int = 0,
    *,
    count: int | None = None,
    classes: tuple[str, ...] | None = None,
    solver: Solver | None = None,
    shard_images: int = SHARD_IMAGES,
    progress: Callable[[int], None] | None = None,
) -> Shards:
    """The images of `generate` with the same arguments, byte for byte, written to `folder` shard by shard.

    A network's answer may differ in its last bit with the batch that an image is in. `generate` fills batches of
    LANES = 256 images in order, and all images of a batch end together, since all start from t_re = 100 with one
    solver. So cuts at multiples of 256 change no batch, and no byte; others could. `shard_images` is rounded up to
    such a multiple.

    Parameters
    ----------
    labels, seed, count, classes : as for `generate`.
    solver : of a diffusion model; default as for `generate`. A GAN takes none.
    shard_images : images of a shard, which is what memory must hold (twice).
    progress : called with a number of images, after these are drawn or found in a finished shard.

    Returns
    -------
    The finished set. A call that was stopped goes on where it stopped, see `write_shards`.

    Raises
    ------
    UserError : as `generate` and `write_shards` do.
    """
    gan = isinstance(model, Generator)
    sizes = model.config if gan else model.config.network
    known, shape = sizes.label_dim, (sizes.channels, sizes.height, sizes.width)
    if gan and solver is not None:
        raise UserError("solver is an option of diffusion models; a GAN has no reverse process")
    options = {} if gan else {"solver": solver or Solver()}
    if shard_images < 1:
        raise UserError(f"shard_images is {shard_images}; give 1 or more")
    labels = None if labels is None else np.asarray(labels)
    # draws nothing, and refuses what can't be drawn before a folder is made
    generate(model, None if labels is None else labels[:0], seed, count=None if count is None else min(count, 0))
    labels = np.zeros(count, dtype=np.int64) if labels is None else labels
    names = classes or model.config.classes or default_names(known) or ("image",)

    def make(start: int, stop: int) -> np.ndarray:
        out = np.empty((stop - start, *shape), dtype=np.uint8)
        for first in range(start, stop, TURN):
            last = min(first + TURN, stop)
            which = {"labels": labels[first:last]} if known else {"count": last - first}
            drawn = generate(model, seed=seed, first_index=first, classes=names, **which, **options)
            out[first - start : last - start] = drawn.images
            if progress:
                progress(last - first)
        return out

    provenance = {
        "model": weights_hash(model.state_dict(), model.config.model_dump_json()),
        "seed": seed,
        "solver": options["solver"].model_dump() if options else None,
        "lanes": LANES,
        "device": next(model.parameters()).device.type,
        "torch": torch.__version__,
    }
    size = -(-shard_images // LANES) * LANES
    return write_shards(folder, labels, names, shape, make, shard_images=size, provenance=provenance, progress=progress)
