"""What every study has: its data, its seeds, and the store that answers for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..base.device import resolve_device
from ..base.errors import UserError
from ..data.imageset import ImageSet
from ..data.pool import load_like
from ..data.sources import Splits, own_path
from ..design.arms import Arms
from ..design.options import Options
from ..design.preset import DataChoice, Preset, load_preset
from ..diffusion.schedule import SIGMA_MIN, sigma_max_for, sigma_of
from ..graph.compute import load_all, load_split
from ..graph.run import check_workers, run
from ..graph.specs import Data, Loading, Spec
from ..graph.store import Store

MOST_SEEDS = 1000
LEAST_SIDE = 4  # pixels, of an image's longer side, as of `image_size`


class StudyBase:
    """Data sets, preset, seeds and store of a study; see `Study` for the arguments."""

    def __init__(
        self,
        dataset: str = "auto",
        preset: str = "quick",
        results: str | Path = "results",
        seeds: int | Sequence[int] | str = "auto",
        image_size: int | str = "auto",
        device: str = "auto",
        workers: int | str = "auto",
        synthetic: str = "none",
        max_images: int | str = "auto",
        flip: bool | str = "auto",
        grey: bool = False,
        class_weights: str = "none",
        scheduler: str | None = None,
    ):
        self.options = Options(image_size, max_images, flip, grey, class_weights)
        self.preset: Preset = self.options.applied(load_preset(preset), dataset)
        self.seeds = _seeds(seeds, self.preset)
        self.device = resolve_device(device)
        check_workers(workers)
        self.workers, self.scheduler = workers, scheduler
        main = self.preset.choose(dataset, image_size)
        _check_places(dataset, synthetic, results)
        beside = self.preset.data[1:] if dataset == "auto" and image_size == "auto" else ()
        self.choices = (main, *beside)
        self.given = synthetic != "none"  # images of another generator are judged
        loaded = [self._load(choice) for choice in self.choices]  # before anything is written
        place = next(i for i, choice in enumerate(self.choices) if 3 in choice.tables)
        self.told_of_given: list[str] = []
        given = load_like(synthetic, loaded[place][0].train, grey, self.told_of_given) if self.given else None
        self.results = Path(results)
        self.store = self._opened(self.results / "store")
        self.records = [splits.record for splits, _ in loaded]
        self.columns = [
            self._arms(choice, splits, loading) for choice, (splits, loading) in zip(self.choices, loaded, strict=True)
        ]
        self.main: Arms = self.columns[0]
        if given is not None:
            how = loaded[place][1].model_copy(update={"synthetic": synthetic})
            self.arms.data["given"] = self._stored(given, how)

    def _opened(self, folder: Path) -> Store:
        return Store(folder)

    @property
    def arms(self) -> Arms:
        """The data set of Table 3, and of everything else about arms; elsewhere `main` is shown."""
        return self.columns_of(3)[0]

    def columns_of(self, table: int) -> list[Arms]:
        """The data sets that are part of one of the paper's Tables 2, 3 and 4."""
        return [arms for arms, choice in zip(self.columns, self.choices, strict=True) if table in choice.tables]

    def _load(self, choice: DataChoice) -> tuple[Splits, Loading]:
        loading = self._loading(choice)
        splits = load_all(loading)
        height, width = splits.train.shape[1:]
        if max(height, width) < LEAST_SIDE:
            raise UserError(
                f"{loading.source} has images of {width}×{height} pixels; image_size {LEAST_SIDE} (--image-size "
                f"{LEAST_SIDE}) enlarges them to what can be studied"
            )
        return splits, loading

    def _loading(self, choice: DataChoice) -> Loading:
        return Loading(
            source=choice.dataset,
            split="train",
            image_size=choice.image_size,
            train_size=choice.train_size,
            limits=tuple(self.preset.limits.items()),
            longest_side=self.preset.longest_side,
            divisor=self.preset.of(choice).generator.divisor,
            flip=self.options.mirrored,
            grey=self.options.grey,
        )

    def _arms(self, choice: DataChoice, splits: Splits, loading: Loading) -> Arms:
        parts = {
            "train": ("train", None),
            "validation": ("validation", None),
            "test": ("test", None),
            "probe": ("test", self.preset.probe),
            "floor": ("test", len(splits.train)),
            "other": ("test", len(splits.train) // 2),
            "grid": ("train", self.preset.grid_images),
        }
        data = {}
        for part, (split, take) in parts.items():
            how = loading.model_copy(update={"split": split, "take": take})
            data[part] = self._stored(load_split(how, splits), how)
        return Arms(_title(loading.source), data, self.preset.of(choice), self.seeds, self.device)

    def _stored(self, images: ImageSet, how: Loading) -> Data:
        """Put images into the store and name them by content."""
        spec = Data(
            fingerprint=self._fingerprint(images, how),
            name=images.name,
            count=len(images),
            shape=images.shape,
            classes=len(images.classes),
            loading=how,
        )
        self.store.put(spec, images)
        return spec

    def _fingerprint(self, images: ImageSet, how: Loading) -> str:
        del how
        return images.fingerprint

    def plan(self) -> list[Spec]:
        """Every specification that the chapters read."""
        return []

    def compute(self, specs: list[Spec] | None = None) -> int:
        """Compute `specs` (default: the whole plan) where the store lacks them; returns how many that were."""
        return run(self.plan() if specs is None else specs, self.store, self.workers, scheduler=self.scheduler)

    def sigma(self, t_re: int, column: int = 0) -> float:
        """σ of a reverse step for one data set's image size."""
        _, height, width = self.columns[column].data["train"].shape
        return float(sigma_of(t_re, SIGMA_MIN, sigma_max_for(height, width)))

    def class_names(self) -> tuple[str, ...]:
        return self.store.get(self.main.data["train"]).classes


def _title(source: str) -> str:
    """How a data set is called in tables: its name, or the last part of its path."""
    kind, _, path = source.partition(":")
    return Path(path).name or kind if path else kind


def _check_places(dataset: str, synthetic: str, results: str | Path) -> None:
    """UserError where results would become data, or data are judged as their own imitation."""
    places = {}
    for source in (dataset, synthetic):
        path = source.partition(":")[2] if isinstance(source, str) else ""
        if path:
            places[source] = own_path(path).resolve()
    inside = own_path(str(results)).resolve()
    for source, place in places.items():
        if source.startswith(("folder:", "shards:")) and inside.is_relative_to(place):
            raise UserError(
                f"the results folder {results} lies inside {source}, where its images would be taken for data; "
                "choose another results folder"
            )
    if synthetic != "none" and (synthetic == dataset or places.get(synthetic, 0) == places.get(dataset, 1)):
        raise UserError(f"synthetic is {synthetic}, the data set itself; name the images of a generator")


def _seeds(seeds: int | Sequence[int] | str, preset: Preset) -> tuple[int, ...]:
    if seeds == "auto":
        return tuple(range(preset.seeds))
    if type(seeds) is int and seeds > MOST_SEEDS:
        raise UserError(f"seeds is {seeds}; give at most {MOST_SEEDS}, or a list of those wanted")
    several = range(seeds) if type(seeds) is int else seeds
    whole = isinstance(several, (list, tuple, range)) and all(type(s) is int and s >= 0 for s in several)
    if not whole or not several or len(set(several)) < len(several):
        raise UserError(f'seeds is {seeds!r}; give a number of seeds from 1, a list such as [0, 1, 2], or "auto"')
    return tuple(several)
