"""A small data set of a reader's own, with images of a generator of their own: no diffusion model is needed."""

import functools
from pathlib import Path

import numpy as np

from synthgap.data.npz import save_npz
from synthgap.data.sources import load_splits
from synthgap.design.loading import load
from synthgap.design.options import Options
from synthgap.exhibits.base import Lab
from synthgap.graph.store import Store


@functools.cache
def given_lab(folder: Path, judge: str) -> Lab:
    """Two classes, four to one, of dark and light noise; the given images are the training set's own, shuffled."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    labels = (np.arange(150) % 5 == 0).astype(np.int64)
    images = np.clip(rng.normal(100 + 25 * labels[:, None, None], 40, (150, 8, 8)), 0, 255).astype(np.uint8)
    real, given = folder / "real.npz", folder / "given.npz"
    np.savez(real, images=images, labels=labels, classes=np.array(["dark", "light"]))
    train = load_splits(f"npz:{real}", limits={"train": 40, "validation": 20, "test": 40}).train
    save_npz(train.subset(rng.permutation(len(train))), given)
    return lab_of(f"npz:{real}", folder / "results", synthetic=f"npz:{given}", judge=judge)


def lab_of(dataset: str, results: Path, seeds="auto", synthetic: str = "none", **options) -> Lab:
    """The smoke preset on a data set."""
    store = Store(results / "store")
    loaded = load(dataset, "smoke", results, seeds, "cpu", synthetic, Options(**options))
    return Lab(loaded.design(store.put), store, 1)
