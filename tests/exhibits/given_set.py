"""A small data set of a reader's own, with images of a generator of their own: no diffusion model is needed."""

from pathlib import Path

import numpy as np
from filelock import FileLock
from presets import few_preset

from synthgap.data.npz import save_npz
from synthgap.data.sources import load_splits
from synthgap.design.loading import load
from synthgap.design.options import Options
from synthgap.exhibits.base import Lab
from synthgap.graph.store import Store


def save_noise(path: Path, side: int) -> np.random.Generator:
    """Save two classes, four to one, of dark and light noise; returns the generator as it is then."""
    rng = np.random.default_rng(0)
    labels = (np.arange(150) % 5 == 0).astype(np.int64)
    images = np.clip(rng.normal(100 + 25 * labels[:, None, None], 40, (150, side, side)), 0, 255).astype(np.uint8)
    np.savez(path, images=images, labels=labels, classes=np.array(["dark", "light"]))
    return rng


def given_lab(folder: Path, judge: str) -> Lab:
    """Two classes, four to one, of dark and light noise; the given images are the training set's own, shuffled.

    Both judges, and all workers, share the folder.
    """
    real, given = folder / "real.npz", folder / "given.npz"
    with FileLock(folder.with_suffix(".lock")):
        if not given.is_file():
            folder.mkdir(exist_ok=True)
            rng = save_noise(real, 8)
            train = load_splits(f"npz:{real}", limits={"train": 40, "validation": 20, "test": 40}).train
            save_npz(train.subset(rng.permutation(len(train))), given)
    preset = str(few_preset(folder / "few.yaml"))
    return lab_of(f"npz:{real}", folder / "results", synthetic=f"npz:{given}", preset=preset, judge=judge)


def lab_of(dataset: str, results: Path, seeds="auto", synthetic: str = "none", preset="smoke", **options) -> Lab:
    """A preset on a data set."""
    store = Store(results / "store")
    loaded = load(dataset, preset, results, seeds, "cpu", synthetic, Options(**options))
    return Lab(loaded.design(store.put), store, 1)


def drawn_lab(folder: Path, judge: str) -> Lab:
    """Two classes as above, at 12×12, with generators of the study's own that draw 8×8."""
    real = folder / "larger.npz"
    with FileLock(folder.with_suffix(".drawn.lock")):
        if not real.is_file():
            folder.mkdir(exist_ok=True)
            save_noise(real, 12)
    preset = str(few_preset(folder / "few_drawn.yaml"))
    return lab_of(f"npz:{real}", folder / "drawn", preset=preset, judge=judge, image_size=8)
