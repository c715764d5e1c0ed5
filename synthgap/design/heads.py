"""The second judge of a data set: which linear heads on frozen features stand behind each arm of the plain answer."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..classifier.head import FOLDS
from ..classifier.policies import Policy
from ..data.splits import Splits
from ..data.transform import MIRRORED, views
from ..diffusion.schedule import REVERSE_STEPS
from ..graph.reading import pooled
from ..graph.settings import Device, Frozen, Loading
from ..graph.specs import Data, Extract, FitHead, Images
from ..metrics.extractors import extractor
from .arms import Arms, multiples_within
from .preset import Preset
from .values import GIVEN, GIVEN_ONLY, REAL, REDUCED, SYNTHETIC_ONLY, Arm, ArmCell

LEAST_DRAWS = 10  # a standard deviation is then known to a quarter; inferred
WORTH_MORE = 1.25  # times as many images as in the last multiple are worth one of their own; inferred


class Seeing(NamedTuple):
    """A frozen network, the file of its weights where it has one, and the longer side that it sees, in pixels."""

    network: Frozen
    weights: str | None
    side: int | None


@functools.cache
def seeing(name: str, weights: str | None = None) -> Seeing:
    """The frozen network of that name. Raises UserError as `extractor` does."""
    found = extractor(name, weights=weights)
    network = Frozen(extractor=name, fingerprint=found.fingerprint, dimensions=found.dimensions)
    return Seeing(network, weights, found.side)


def frozen(name: str) -> Frozen:
    """The frozen network of that name, with the weights that it finds itself."""
    return seeing(name).network


def numbered(splits: Splits, how: Loading) -> tuple[int, ...]:
    """Number of the group of each image of a pool, in the order in which groups appear; () without groups."""
    several = splits.record.get("groups")
    if several is None:
        return ()
    together = [*several["train"], *several["test"]]
    mine = [together[i] for i in pooled(how, splits)]
    number = {group: n for n, group in enumerate(dict.fromkeys(mine))}
    return tuple(number[group] for group in mine)


@dataclass(frozen=True)
class Heads:
    """Specifications of heads, arm by arm.

    data : {"train", "validation", "test"} at the size that the frozen network sees, and "given", where synthetic images
        are. Where these are and no test images came with the data, "train" and "test" are one set, and each of its
        images is asked about with a head that was fitted to others (cross-fitting; see `classifier.head.judge`). A
        study's own generators must not have seen test images, so that there they are a set of their own.
    record : how the images were split and read, as of `Splits`.
    mirrored : do all heads see the real images mirrored left to right, too?
    groups : number of the group of each image of that one set, which cross-fitting does not part; () where there are
        none.
    generators : how many draw the synthetic images, each fitted to by a head of its own; 1 where images are given.
    weights : the file of the network's weights, where the user gives one; None of a run that is only read again.
    device : where the frozen network runs; the heads are fitted on the CPU.
    """

    data: dict[str, Data]
    record: dict[str, Any]
    preset: Preset
    network: Frozen
    mirrored: bool = False
    groups: tuple[int, ...] = ()
    generators: int = 1
    weights: str | None = None
    device: Device = "cpu"

    @property
    def draws(self) -> int:
        """Redraws of each head: together as many as the preset says, but no fewer than tell a spread."""
        return max(LEAST_DRAWS, -(-self.preset.head.draws // self.generators))

    @property
    def crossed(self) -> bool:
        """Are train and test one set?"""
        return self.data["train"].loading.pooled

    @property
    def parts(self) -> int:
        """Parts that are tested in turn where train and test are one set: no more than there are groups."""
        return min(FOLDS, len(set(self.groups))) if self.groups else FOLDS

    @property
    def count(self) -> int:
        """Real images that a head is fitted to."""
        return self.fitted(self.data["train"].count)

    def fitted(self, count: int) -> int:
        """Of so many images those that a head is fitted to, the part that is asked about being left out."""
        return round(count * (1 - 1 / self.parts)) if self.crossed else count

    @property
    def unseen(self) -> Data:
        """Real images that are no training images of any head."""
        return self.data["validation" if self.crossed else "test"]

    def given_multiples(self) -> tuple[float, ...]:
        """The preset's multiples that the given images suffice for, and then all of them, where that is more."""
        most = self.data["given"].count / self.count
        several = multiples_within(self.preset.replication, most)
        return several if most < WORTH_MORE * several[-1] else (*several, round(most, 3))

    def features(self, images: Images, view: int = 0) -> Extract:
        """The features of any images."""
        return Extract(images=images, network=self.network, view=view, weights=self.weights, device=self.device)

    def on(self, arms: Arms, cell: ArmCell, seed: int = 0, count: int | None = None) -> FitHead:
        """Heads on one arm of the answer: on given images, or on those of the generator of this seed.

        arms : the study's, whose generators draw. count : of the real images, where a head is not given all of them.
        """
        (arm, multiple), whole = cell, (cell, count) == (REAL, None)
        if "given" in self.data:
            given, taken = self.data["given"], None
            if arm.base in (GIVEN, GIVEN_ONLY):
                taken = min(round(multiple * self.count), given.count)
            return self._fitted(arm, (given,) if taken else (), given if whole else None, count=count, drawn=taken)
        drawn: tuple[Images, ...] = ()
        if arm == SYNTHETIC_ONLY or arm.mixed:
            drawn = arms.copies(seed, REVERSE_STEPS if arm == SYNTHETIC_ONLY else arm.t_re, int(multiple))
        shown = arms.samples(arms.seeds[0], REVERSE_STEPS) if whole else None
        return self._fitted(arm, drawn, shown, arms.data["train"] if arm == REDUCED else None, count=count)

    def _fitted(
        self,
        arm: Arm,
        synthetic: tuple[Images, ...],
        shown: Images | None,
        real: Images | None = None,
        **how: int | None,
    ) -> FitHead:
        """shown : images whose labels it is asked about, too. real : what stands in the place of the real images."""
        return FitHead(
            real=tuple(self.features(real or self.data["train"], view) for view in self._views(arm.policy)),
            synthetic=tuple(map(self.features, synthetic)),
            beside=arm.base not in (GIVEN_ONLY, SYNTHETIC_ONLY),
            balanced=self.preset.classifier.training.class_weights == "balanced",
            validation=self.features(self.data["validation"]),
            shown=self.features(shown) if shown else None,
            test=None if self.crossed else self.features(self.data["test"]),
            groups=self.groups,
            classes=self.data["train"].classes,
            draws=self.draws,
            **how,
        )

    def curve(self) -> list[int]:
        """Of training images, how many the learning curve's heads are given, ascending; the last are all."""
        train = self.data["train"]
        counts = [max(2 * train.classes, round(share * train.count)) for share in sorted(self.preset.subsets)]
        return [*(n for n in counts if n < train.count), train.count]

    def policies(self) -> list[ArmCell]:
        """The real images under a policy without a generator."""
        return [(Arm(policy), 0) for policy in self.preset.head.policies if not (self.mirrored and policy == "flip")]

    def _views(self, policy: Policy) -> tuple[int, ...]:
        if policy == "turns":
            return views(self.data["train"].shape)
        return (0, MIRRORED) if self.mirrored or policy == "flip" else (0,)
