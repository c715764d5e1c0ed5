"""From a user's request to a design: data are read, named by their content, and become arms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ..base.errors import UserError
from ..base.machine import resolve_device
from ..data.imageset import ImageSet
from ..data.pool import load_like
from ..data.shelf import Shelf
from ..data.sources import own_path
from ..data.splits import SPLITS, Splits
from ..diffusion.edm import EDM
from ..graph.codehash import code_hash
from ..graph.reading import load_all, load_split
from ..graph.settings import Loading
from ..graph.specs import Data, FitHead, LoadDiffusion
from .arms import Arms
from .generators import NONE, GivenGenerator, fitted, read_generator
from .heads import Heads, Seeing, numbered, seeing
from .options import Options, seeds_of
from .preset import DataChoice, HeadChoice, Preset, changed, load_preset
from .values import ArmCell

READINGS = "readings"  # folder of decoded images, beside the store
DECODES = "synthgap.data.folder"  # the module whose code, with all that it imports, makes them
LEAST_SIDE = 4  # pixels, of an image's longer side, as of `image_size`

Keep = Callable[[Data | LoadDiffusion, ImageSet | EDM], None]  # where images and models go, by their specification
Read = Callable[[Loading, Shelf | None], Splits]
Named = Callable[[ImageSet, Loading], str]  # the fingerprint that images go by


@dataclass(frozen=True)
class Design:
    """What a study compares: arms of its data sets, at one preset, for some seeds.

    columns : the arms of each data set, in the order of the preset; choices and records are theirs: what of the preset
        they are, and how they were read. found_in_given : what there is to say of the user's synthetic images.
    heads : the second judge, which the plain answer then goes by; None where ResNets are the judge.
    looks : of a study that grows until it is decided, the numbers of seeds at which it was looked at; else ().
    """

    options: Options
    preset: Preset
    seeds: tuple[int, ...]
    device: str
    choices: tuple[DataChoice, ...]
    columns: tuple[Arms, ...]
    records: tuple[dict, ...]
    found_in_given: tuple[str, ...] = ()
    looks: tuple[int, ...] = ()
    heads: Heads | None = None

    @property
    def main(self) -> Arms:
        """The data set that the book is about."""
        return self.columns[0]

    @property
    def arms(self) -> Arms:
        """The data set of Table 3, and of everything else about arms; elsewhere `main` is shown."""
        return self.columns_of(3)[0]

    @property
    def given(self) -> bool:
        """Are images of another generator judged?"""
        return "given" in self.arms.data

    @property
    def judged(self) -> dict[str, Data]:
        """The images that the plain answer is about, by part: "train", "validation", "test", "given"."""
        return self.heads.data if self.heads else self.arms.data

    @property
    def record(self) -> dict:
        """How these were split and read, as of `Splits`."""
        return self.heads.record if self.heads else self.arms_record

    @property
    def arms_record(self) -> dict:
        """The same of the generators' images, which a second judge may see at another size."""
        return self.records[self.columns.index(self.arms)]

    @property
    def judging(self) -> tuple[int, ...]:
        """Seeds whose generators' images a second judge is fitted to; given images belong to none."""
        return (0,) if self.given else self.seeds

    def head(self, cell: ArmCell, seed: int = 0, count: int | None = None) -> FitHead:
        """The second judge's head on one arm of the answer; see `Heads.on`."""
        return self.heads.on(self.arms, cell, seed, count)

    @property
    def fitted_to(self) -> int:
        """Real images that a classifier of the plain answer is trained on, where it is trained on all there are."""
        return self.heads.count if self.heads else self.arms.data["train"].count

    def grown(self, looks: tuple[int, ...]) -> Design:
        """The same with the seeds of the last of these looks, 0 and on."""
        return self.of(tuple(range(looks[-1])), looks)

    def of(self, seeds: tuple[int, ...], looks: tuple[int, ...] = ()) -> Design:
        """The same with these seeds."""
        columns = tuple(replace(arms, seeds=seeds) for arms in self.columns)
        return replace(self, seeds=seeds, columns=columns, looks=looks)

    def columns_of(self, table: int) -> list[Arms]:
        """The data sets that are part of one of the paper's Tables 2, 3 and 4."""
        return [arms for arms, choice in zip(self.columns, self.choices, strict=True) if table in choice.tables]


@dataclass(frozen=True)
class Loaded:
    """Data of a study, read and checked; nothing is written yet. `design` names and keeps them."""

    empty: Design  # without columns
    splits: tuple[tuple[Splits, Loading], ...]
    given: tuple[ImageSet, str] | None
    place: int  # of the data set of Table 3
    sharp: tuple[Splits, Loading, ImageSet | None, Seeing] | None = None  # the second judge's; ImageSet: given images
    models: tuple[GivenGenerator | None, ...] = ()  # of each data set, in the place of one that is trained

    @property
    def judged(self) -> Splits:
        """The splits that the plain answer is about."""
        return self.sharp[0] if self.sharp else self.splits[self.place][0]

    def design(self, keep: Keep, named: Named = lambda images, how: images.fingerprint) -> Design:
        """The design; every set of images and every given model goes to `keep`. named : what images are called by."""
        stored = _Stored(keep, named)
        d = self.empty
        columns = [
            Arms(
                _title(how.source),
                stored.parts(splits, how, d.preset),
                d.preset.of(choice),
                d.seeds,
                d.device,
                mirrored="flip" in splits.train.augment,
                model=stored.model(given),
            )
            for choice, (splits, how), given in zip(d.choices, self.splits, self.models, strict=True)
        ]
        if self.given is not None:
            images, source = self.given
            how = self.splits[self.place][1].model_copy(update={"synthetic": source})
            columns[self.place].data["given"] = stored.one(images, how)
        return replace(d, columns=tuple(columns), heads=self._heads(stored, columns[self.place].preset))

    def _heads(self, stored: _Stored, preset: Preset) -> Heads | None:
        if self.sharp is None:
            return None
        splits, how, given, (network, weights, _) = self.sharp
        data = {}
        if given is not None:
            data["given"] = stored.one(given, how.model_copy(update={"synthetic": self.given[1]}))
        crossed, most = given is not None and "test" in splits.record.get("cut", ()), preset.head.most_pooled
        for split in SPLITS:
            mine = how.model_copy(update={"split": split, "pooled": crossed and split != "validation"})
            mine = mine.model_copy(update={"take": most if mine.pooled else None})
            data[split] = stored.one(load_split(mine, splits), mine)
        groups = numbered(splits, data["train"].loading) if crossed else ()
        mirrored, generators = "flip" in splits.train.augment, 1 if given else len(self.empty.seeds)
        device = self.empty.device
        return Heads(data, splits.record, preset, network, mirrored, groups, generators, weights, device)


@dataclass(frozen=True)
class _Stored:
    keep: Keep
    named: Named

    def parts(self, splits: Splits, loading: Loading, preset: Preset) -> dict[str, Data]:
        """The parts of one data set, as `Arms` names them."""
        wanted = {
            "train": ("train", None),
            "validation": ("validation", None),
            "test": ("test", None),
            "probe": ("test", preset.probe),
            "floor": ("test", len(splits.train)),
            "other": ("test", len(splits.train) // 2),
            "grid": ("train", preset.grid_images),
        }
        data = {}
        for part, (split, take) in wanted.items():
            how = loading.model_copy(update={"split": split, "take": take})
            data[part] = self.one(load_split(how, splits), how)
        return data

    def one(self, images: ImageSet, how: Loading) -> Data:
        """Keep images, named by content."""
        spec = Data(
            fingerprint=self.named(images, how),
            name=images.name,
            count=len(images),
            shape=images.shape,
            classes=len(images.classes),
            loading=how,
        )
        self.keep(spec, images)
        return spec

    def model(self, given: GivenGenerator | None) -> LoadDiffusion | None:
        """Keep a generator, named by its file's content."""
        if given is None:
            return None
        self.keep(given.spec, given.edm)
        return given.spec


def load(
    dataset: str,
    preset: str,
    results: str | Path,
    seeds: int | Sequence[int] | str,
    device: str,
    synthetic: str,
    options: Options,
    read: Read = load_all,
) -> Loaded:
    """Read all that a study needs; see `Study` for the arguments.

    results : the folder beside whose store decoded images are kept for the next reading; "" for none. read : from how a
        set is loaded to its splits.
    Raises UserError for anything wrong in the arguments or the data.
    """
    chosen = options.applied(load_preset(preset), dataset)
    several = seeds_of(seeds, chosen)
    device = resolve_device(device)
    _check_places(dataset, synthetic, results)
    shelf = Shelf(own_path(str(results)) / READINGS, code_hash((DECODES,))) if results else None
    main = chosen.choose(dataset, options.image_size)
    beside = chosen.data[1:] if dataset == "auto" and options.image_size == "auto" else ()
    choices = (main, *beside)
    models = _models(chosen, choices, options.generator)
    eye = seeing(*options.network(chosen.head.extractor)) if options.by_features(synthetic) else None
    kept = partial(read, shelf=shelf)
    sized = [read_sized(choice, chosen, options, kept, model) for choice, model in zip(choices, models, strict=True)]
    choices, loaded = tuple(choice for choice, _ in sized), tuple(read for _, read in sized)
    chosen = chosen.model_copy(update={"larger": {}})  # what of it holds is in the choices
    place = next(i for i, choice in enumerate(choices) if 3 in choice.tables)
    options.place(loaded[place][0].train.classes)
    told: list[str] = []
    given, sharp = None, None
    if synthetic != "none":
        given = load_like(synthetic, loaded[place][0].train, options.grey, told, shelf), synthetic
    if eye is not None:
        own = {"longest_side": eye.side} if options.features != "auto" and eye.side else {}  # what the network sees
        mine, asked = changed(chosen.head, own), options
        if given is None:  # the same images as the generators', at a size of their own
            mine, asked = changed(mine, {"limits": chosen.limits}), replace(options, image_size="auto")
        splits, how = _read(choices[place], chosen, asked, kept, mine)
        sharp = splits, how, load_like(synthetic, splits.train, options.grey, shelf=shelf) if given else None, eye
    records = tuple(
        splits.record | ({"generator": fitted(model, splits.train, chosen.of(choice))} if model else {})
        for choice, (splits, _), model in zip(choices, loaded, models, strict=True)
    )
    empty = Design(options, chosen, several, device, choices, (), records, tuple(told))
    return Loaded(empty, loaded, given, place, sharp, models)


def _models(preset: Preset, choices: tuple[DataChoice, ...], asked: str) -> tuple[GivenGenerator | None, ...]:
    """The generators that are given, by data set; `asked` is the option, which is about one."""
    if asked != NONE and len(choices) > 1:
        names = ", ".join(choice.dataset for choice in choices)
        raise UserError(
            f"generator is {asked}, a model of one data set, and the preset {preset.name} has {len(choices)} "
            f"({names}); name the one that it was trained on (--dataset {choices[0].dataset})"
        )
    paths = [asked if asked != NONE else preset.of(choice).generator.pretrained for choice in choices]
    read = {path: read_generator(path) for path in dict.fromkeys(paths) if path is not None}
    return tuple(read.get(path) for path in paths)


def read_sized(
    choice: DataChoice,
    preset: Preset,
    options: Options,
    read: Callable[[Loading], Splits] = load_all,
    model: GivenGenerator | None = None,
) -> tuple[DataChoice, tuple[Splits, Loading]]:
    """A data set, read, with the networks for its images; how large these are is known once they are read.

    model : its generator, where that is given.
    """
    found = _read(choice, preset, options, read, model=model)
    choice = preset.sized(choice, max(found[0].train.shape[1:]))
    if model is None and preset.of(choice).generator.divisor != found[1].divisor:  # which the sides are multiples of
        found = _read(choice, preset, options, read)
    return choice, found


def _read(
    choice: DataChoice,
    preset: Preset,
    options: Options,
    read: Callable[[Loading], Splits],
    head: HeadChoice | None = None,
    model: GivenGenerator | None = None,
) -> tuple[Splits, Loading]:
    """The splits of a data set; head : as its heads are shown them, where it is not as the study's networks are."""
    divisor = model.divisor if model else preset.of(choice).generator.divisor
    size = options.image_size if options.image_size != "auto" else None
    loading = Loading(
        source=choice.dataset,
        split="train",
        image_size=size if head else choice.image_size,
        train_size=choice.train_size,
        limits=tuple((head or preset).limits.items()),
        longest_side=(head or preset).longest_side,
        divisor=1 if head else divisor,
        flip=options.mirrored,
        grey=options.grey,
        groups=options.grouped,
    )
    splits = read(loading)
    height, width = splits.train.shape[1:]
    if max(height, width) < LEAST_SIDE:
        raise UserError(
            f"{loading.source} has images of {width}×{height} pixels; image_size {LEAST_SIDE} (--image-size "
            f"{LEAST_SIDE}) enlarges them to what can be studied"
        )
    return splits, loading


def _title(source: str) -> str:
    """How a data set is called in tables: its name, or the last part of its path."""
    kind, _, path = source.partition(":")
    return Path(path).name or kind


def _check_places(dataset: str, synthetic: str, results: str | Path) -> None:
    """UserError where results would become data, or data are judged as their own imitation."""
    paths = {s: s.partition(":")[2] for s in (dataset, synthetic) if isinstance(s, str)}
    places = {source: own_path(path).resolve() for source, path in paths.items() if path}
    inside = own_path(str(results)).resolve()
    for source, place in places.items():
        if source.startswith(("folder:", "shards:")) and inside.is_relative_to(place):
            raise UserError(
                f"the results folder {results} lies inside {source}, where its images would be taken for data; "
                "choose another results folder"
            )
    if synthetic != "none" and (synthetic == dataset or places.get(synthetic, 0) == places.get(dataset, 1)):
        raise UserError(f"synthetic is {synthetic}, the data set itself; name the images of a generator")
