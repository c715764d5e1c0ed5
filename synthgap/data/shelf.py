"""Decoded images of a user's folders, kept beside the results, so that a folder is decoded once."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from ..base.errors import UserError
from ..base.files import file_sha256, replacing
from ..base.machine import cores
from ..base.names import shown

MOST = 8  # readings that are kept; a run needs two of its images and two of those it is given


@dataclass(frozen=True)
class Readout:
    """Images on one canvas: uint8 N × C × H × W, how many were "grey" and "colour", and what was assumed."""

    images: np.ndarray
    colours: Counter
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Shelf:
    """Readings, each under a hash of the files' names and bytes, of what was made of them, and of `edition`.

    folder : may be absent; it is made. edition : what tells code that decodes from other code.
    """

    folder: Path
    edition: str

    def reading(self, paths: list[Path], how: str, read: Callable[[], Readout]) -> Readout:
        """What `read` makes of these files; decoded anew only where the shelf lacks it, or what it has is damaged.

        how : everything else that the outcome depends on. Raises UserError for a file that can't be read, and as
        `read` does.
        """
        place = self.folder / f"{self._key(paths, how)}.safetensors"
        try:
            with safe_open(place, framework="numpy") as file:
                told, images = json.loads(file.metadata()["told"]), file.get_tensor("images")
            place.touch()
        except (OSError, SafetensorError, ValueError, KeyError):
            fresh = read()
            self._keep(place, fresh)
            return fresh
        return Readout(images, Counter(told["colours"]), tuple(told["notes"]))

    def _key(self, paths: list[Path], how: str) -> str:
        with ThreadPoolExecutor(cores()) as threads:
            hashes = threads.map(_bytes_of, paths)
            lines = [f"{path}\0{content}" for path, content in zip(paths, hashes, strict=True)]
        return hashlib.sha256("\n".join([self.edition, how, *lines]).encode(errors="surrogatepass")).hexdigest()

    def _keep(self, place: Path, read: Readout) -> None:
        """Write a reading where there is room for it; it is a convenience, so that a full disk is no error here."""
        told = json.dumps({"colours": read.colours, "notes": read.notes})
        with suppress(OSError, SafetensorError):
            with replacing(place) as temporary:
                save_file({"images": read.images}, temporary, {"told": told})
            kept = sorted(self.folder.glob("*.safetensors"), key=lambda file: file.stat().st_mtime)
            for old in kept[:-MOST]:
                old.unlink(missing_ok=True)


def _bytes_of(path: Path) -> str:
    try:
        return file_sha256(path)
    except OSError as error:
        raise UserError(f"{shown(str(path))} can't be read ({error.strerror}); replace or remove it") from error
