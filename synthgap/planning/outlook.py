"""What a study will take, before anything runs: a design whose images are not stored, and sums over its plan."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass

from ..data.imageset import ImageSet
from ..data.public import stand_in
from ..data.publicsets import PUBLIC
from ..data.shelf import Shelf
from ..data.splits import Splits
from ..data.transform import greyed, mirrored, padded
from ..design.loading import load
from ..design.options import Options
from ..exhibits.sections import TITLES, exhibits, results
from ..exhibits.study import plan
from ..graph.estimate import BUSY, cost, work_of
from ..graph.reading import load_all
from ..graph.run import check_workers, longest_chain
from ..graph.settings import Loading
from ..graph.specs import Spec
from .footprint import disk, memory, scratch

Seconds = Callable[[Spec], float]


class Outlook:
    """A study that can be planned and never computed: it writes nothing, and the paper's data sets need not be there.

    The arguments are those of `Study`. Numbers of images, shapes and classes of the paper's sets are the published ones
    (`stood_in` names them); other sets are loaded. Raises UserError as `Study` does.
    """

    def __init__(
        self,
        dataset: str = "auto",
        preset: str = "quick",
        results: str = "",
        seeds: int | list[int] | str = "auto",
        image_size: int | str = "auto",
        device: str = "auto",
        workers: int | str = "auto",
        synthetic: str = "none",
        **options,
    ):
        check_workers(workers)
        self.workers = workers
        self.stood_in: list[str] = []
        loaded = load(dataset, preset, results, seeds, device, synthetic, Options(image_size, **options), self._read)
        self.design = loaded.design(lambda spec, images: None, _by_loading)

    def _read(self, loading: Loading, shelf: Shelf | None) -> Splits:
        if loading.source not in PUBLIC:
            return load_all(loading, shelf)
        self.stood_in.append(PUBLIC[loading.source].title)
        splits = stand_in(loading.source, loading.image_size, loading.train_size, 0, dict(loading.limits))
        splits = padded(greyed(splits) if loading.grey else splits, loading.divisor)
        return mirrored(splits, loading.flip)

    def plan(self) -> list[Spec]:
        """Every specification that the book reads."""
        return list(self._plan)

    @functools.cached_property
    def _plan(self) -> list[Spec]:
        return plan(self.design)

    def groups(self) -> dict[str, list[Spec]]:
        """Table or figure of the paper, or else section of the book → the specifications that it reads.

        Together they are the plan; some are read by several.
        """
        out: dict[str, dict[str, Spec]] = {}
        places = {r: place for e in reversed(exhibits().values()) for r in e.reads for place in reversed(e.paper)}
        for result in results():
            title = places.get(result, TITLES[result.section])
            out.setdefault(title, {}).update((spec.key, spec) for spec in result.specs(self.design))
        return {title: list(mine.values()) for title, mine in out.items() if mine}


def _by_loading(images: ImageSet, how: Loading) -> str:
    """Images are named by how they are loaded: reading all pixels would take longer than the sums."""
    del images
    return hashlib.sha256(how.model_dump_json().encode()).hexdigest()


@dataclass(frozen=True)
class Sums:
    """Sums over some artifacts: their number, images through networks, FLOP, bytes on disk, hours of one worker."""

    artifacts: int
    evaluations: float
    flop: float
    disk: float
    hours: float


def sums(specs: list[Spec], seconds: Seconds = cost) -> Sums:
    """The sums over `specs` themselves, without their inputs; `seconds` is what one takes."""
    work = [work_of(spec) for spec in specs]
    hours = sum(map(seconds, specs)) / 3600
    flop, evaluations = sum(w.flop for w in work), sum(w.evaluations for w in work)
    return Sums(len(specs), evaluations, flop, sum(map(disk, specs)), hours)


def together(several: Iterable[Sums]) -> Sums:
    """The sums over disjoint lists of artifacts, from those of each."""
    return Sums(*map(sum, zip(*map(astuple, several), strict=True)))


def by_kind(specs: list[Spec], seconds: Seconds = cost) -> dict[str, Sums]:
    """Kind → sums, what takes the longest first."""
    kinds = {spec.kind: [s for s in specs if s.kind == spec.kind] for spec in specs}
    several = {kind: sums(members, seconds) for kind, members in kinds.items()}
    return dict(sorted(several.items(), key=lambda item: -item[1].hours))


def hours(specs: list[Spec], workers: int, seconds: Seconds = cost, busy: float = BUSY) -> float:
    """Hours that `workers` take together: their share of the work, no less than the longest chain, which nothing
    shortens.

    busy : how much slower each is while all of them work.
    """
    slower = busy if workers > 1 else 1.0
    chain = max(longest_chain(specs, seconds).values(), default=0.0)
    return max(slower * sum(map(seconds, specs)) / workers, chain) / 3600


def peak(specs: list[Spec]) -> tuple[float, Spec]:
    """(bytes, specification) of the artifact whose computation needs the most memory (see `footprint.memory`)."""
    return max(((memory(spec), spec) for spec in specs), key=lambda pair: pair[0])


def most_scratch(specs: list[Spec], workers: int) -> float:
    """Bytes of checkpoints beside the store while `workers` train the largest networks."""
    return sum(sorted(map(scratch, specs), reverse=True)[:workers])
