"""Features of a set of images under an extractor, and the cache that keeps them."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from ..base.errors import UserError
from ..base.files import replacing
from ..base.portions import Portions
from ..data.imageset import ImageSet
from .backbones import one_line
from .extractors import Extractor

BATCH = 64  # fixed, so that features do not depend on the caller


def features(
    images: ImageSet,
    extractor: Extractor,
    *,
    cache: Path | None = None,
    batch: int = BATCH,
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """Features of `images`: float32 N × dimensions.

    Parameters
    ----------
    cache : folder to keep them in, under a hash of the pixels and of the extractor's fingerprint. Names, labels and
        classes play no part. A damaged file is computed again, with a notice on stderr.
    batch : images at once; it changes the speed, and features by rounding only.
    progress : called with (images done, images in all) after each batch; not at all where the cache has them.

    Raises
    ------
    UserError : no images, channels that the extractor does not take, features that are not finite, a batch below 1,
        a cache folder that cannot be written.
    """
    if not len(images):
        raise UserError(f"{images.name} is empty; there are no features to extract")
    if batch < 1:
        raise UserError(f"batch is {batch}; give 1 or more")
    if extractor.channels not in (None, images.shape[0]):
        raise UserError(
            f"{images.name} has {images.shape[0]} channels, the network of {extractor.name} was trained on "
            f"{extractor.channels}; load both the same way"
        )
    if cache is None:
        return _compute(images, extractor, batch, progress)
    file = cache_file(Path(cache), images, extractor)
    kept = read_cached(file, (len(images), extractor.dimensions))
    if kept is not None:
        return kept
    out = _compute(images, extractor, batch, progress)
    _write(file, out)
    return out


def _compute(
    images: ImageSet, extractor: Extractor, batch: int, progress: Callable[[int, int], None] | None
) -> np.ndarray:
    parts = []
    for part, seen in Portions(batch).map(len(images), lambda part: extractor(images.images[part])):
        parts.append(seen)
        if progress:
            progress(part.stop, len(images))
    out = np.concatenate(parts)
    if not np.isfinite(out).all():
        raise UserError(f"the {extractor.name} features of {images.name} hold NaN or infinity; check the weights")
    return out


# The cache


def cache_file(folder: Path, images: ImageSet, extractor: Extractor) -> Path:
    """Where the features of these pixels and this network belong; the folder is made before any long work."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from error
    digest = hashlib.sha256(f"{images.images.shape} {extractor.fingerprint}".encode())
    digest.update(images.images.tobytes())
    return folder / f"{digest.hexdigest()}.safetensors"


def read_cached(file: Path, shape: tuple[int, int]) -> np.ndarray | None:
    """The features that `features` kept in a file; None where it is not there, or (with a notice) damaged."""
    if not file.is_file():
        return None
    try:
        with safe_open(str(file), framework="numpy") as stored:
            kept, seal = stored.get_tensor("features"), (stored.metadata() or {}).get("seal")
        if kept.shape == shape and kept.dtype == np.float32 and seal == _seal(file, kept):
            return kept
        reason = "its content is not what was written"
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        reason = one_line(error)
    print(f"synthgap: cached features {file} are damaged ({reason}); computing them again", file=sys.stderr)
    return None


def _write(file: Path, values: np.ndarray) -> None:
    try:
        with replacing(file) as temporary:
            save_file({"features": values}, temporary, metadata={"seal": _seal(file, values)})
    except (OSError, SafetensorError) as error:
        raise _unwritable(file.parent, error) from error


def _seal(file: Path, values: np.ndarray) -> str:
    """SHA-256 of a cache file's name and values: a changed byte shows, and so does a file under another's name."""
    return hashlib.sha256(file.stem.encode() + values.tobytes()).hexdigest()


def _unwritable(folder: Path, error: Exception) -> UserError:
    return UserError(f"features cannot be kept in {folder} ({one_line(error)}); choose another cache folder")
