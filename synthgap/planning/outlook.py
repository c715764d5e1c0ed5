"""What a study will take, before anything runs: a study whose images are not stored, and sums over its plan."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass
from pathlib import Path

from ..base.errors import UserError
from ..data.imageset import ImageSet
from ..data.public import PUBLIC, stand_in
from ..data.splits import Splits
from ..data.transform import greyed, mirrored, padded
from ..design.preset import DataChoice
from ..exhibits.figures import FIGURE4_STEPS, FIGURE9_STEPS
from ..exhibits.results import ALGORITHM_STEPS
from ..exhibits.study import Study
from ..graph.estimate import BUSY, cost, work_of
from ..graph.run import longest_chain
from ..graph.specs import Data, Loading, Spec
from .footprint import disk, memory, scratch

Seconds = Callable[[Spec], float]


class _Shown:
    """In the place of a store: keeps images in memory, and holds nothing that is computed."""

    def __init__(self) -> None:
        self.images: dict[str, ImageSet] = {}

    def put(self, spec: Data, value: ImageSet) -> None:
        self.images[spec.key] = value

    def get(self, spec: Spec) -> ImageSet:
        return self.images[spec.key]


class Outlook(Study):
    """A study that can be planned and never computed: it writes nothing, and the paper's data sets need not be there.

    Their numbers of images, shapes and classes are the published ones (`stood_in` names them); other sets are loaded.
    """

    def __init__(self, dataset: str = "auto", preset: str = "quick", **options):
        self.stood_in: list[str] = []
        super().__init__(dataset, preset, **options)

    def _opened(self, folder: Path) -> _Shown:
        del folder
        return _Shown()

    def _load(self, choice: DataChoice) -> tuple[Splits, Loading]:
        loading = self._loading(choice)
        if choice.dataset not in PUBLIC:
            return super()._load(choice)
        self.stood_in.append(PUBLIC[choice.dataset].title)
        splits = stand_in(choice.dataset, loading.image_size, loading.train_size, 0, dict(loading.limits))
        splits = padded(greyed(splits) if loading.grey else splits, loading.divisor)
        return mirrored(splits, loading.flip), loading

    def _fingerprint(self, images: ImageSet, how: Loading) -> str:
        """Named by how they are loaded: reading all pixels would take longer than the sums."""
        del images
        return hashlib.sha256(how.model_dump_json().encode()).hexdigest()

    def compute(self, specs: list[Spec] | None = None) -> int:
        raise UserError("an outlook computes nothing; make a Study")

    def groups(self) -> dict[str, list[Spec]]:
        """Title → what that table or figure reads, of every data set that it is about."""
        main, arms = self.main, self.arms
        grid = (*FIGURE4_STEPS, *ALGORITHM_STEPS, *self.preset.grid, *main.rivals)
        groups = {
            "Table 1": [main.table1()],
            "Table 2": [a.table2() for a in self.columns_of(2)],
            "Table 3 and its controls": arms.augmentation(),
            "Table 4": [cells for a in self.columns_of(4) for cells in (a.table4(), a.table4_fidelity())],
            "Figures 4 and 5": [main.grid(grid)],
            "Figure 6": [main.figure6()],
            "Figure 7": [main.figure7()],
            "Figure 8": [main.figure8()],
            "Figures 2 and 9": [main.features((*FIGURE9_STEPS, *main.rivals))],
            "likelihood": [main.likelihood()],
            "sensitivity": [main.sensitivity(), main.sensitivity_fidelity()],
        }
        return {title: [spec for cells in several for spec in cells.values()] for title, several in groups.items()}


@dataclass(frozen=True)
class Sums:
    """Of some artifacts: how many, images through networks, FLOP, bytes on disk, and hours of one worker."""

    artifacts: int
    evaluations: float
    flop: float
    disk: float
    hours: float


def sums(specs: list[Spec], seconds: Seconds = cost) -> Sums:
    """Of `specs` themselves, not of their inputs; `seconds` is what one takes."""
    work = [work_of(spec) for spec in specs]
    hours = sum(map(seconds, specs)) / 3600
    flop, evaluations = sum(w.flop for w in work), sum(w.evaluations for w in work)
    return Sums(len(specs), evaluations, flop, sum(map(disk, specs)), hours)


def together(several: Iterable[Sums]) -> Sums:
    """Of disjoint lists of artifacts."""
    return Sums(*map(sum, zip(*map(astuple, several), strict=True)))


def by_kind(specs: list[Spec], seconds: Seconds = cost) -> dict[str, Sums]:
    """Kind → sums, what takes the longest first."""
    kinds = {spec.kind: [s for s in specs if s.kind == spec.kind] for spec in specs}
    several = {kind: sums(members, seconds) for kind, members in kinds.items()}
    return dict(sorted(several.items(), key=lambda item: -item[1].hours))


def hours(specs: list[Spec], workers: int, seconds: Seconds = cost, busy: float = BUSY) -> float:
    """Of `workers` together: their share of the work, but no less than the longest chain, which nothing shortens.

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
