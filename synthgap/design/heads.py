"""The second judge of a data set: which linear heads on frozen features stand behind each arm of the plain answer."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from ..classifier.head import FOLDS
from ..classifier.policies import Policy
from ..data.transform import MIRRORED, views
from ..graph.settings import Frozen
from ..graph.specs import Data, Extract, FitHead, Images
from ..metrics.extractors import extractor
from .arms import multiples_within
from .preset import Preset
from .values import GIVEN, GIVEN_ONLY, REAL, Arm, ArmCell

WORTH_MORE = 1.25  # times as many images as in the last multiple are worth one of their own; inferred


@functools.cache
def frozen(name: str) -> Frozen:
    """The frozen network of that name. Raises UserError as `extractor` does."""
    found = extractor(name)
    return Frozen(extractor=name, fingerprint=found.fingerprint, dimensions=found.dimensions)


@dataclass(frozen=True)
class Heads:
    """Specifications of heads, arm by arm.

    data : {"train", "validation", "test", "given"} at the size that the frozen network sees. Where no test images came
        with the data, "train" and "test" are one set, and each of its images is asked about with a head that was
        fitted to others (cross-fitting; see `classifier.head.judge`).
    record : how the images were split and read, as of `Splits`.
    mirrored : do all heads see the real images mirrored left to right, too?
    groups : number of the group of each image of that one set, which cross-fitting does not part; () where there are
        none.
    """

    data: dict[str, Data]
    record: dict[str, Any]
    preset: Preset
    network: Frozen
    mirrored: bool = False
    groups: tuple[int, ...] = ()

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
        return Extract(images=images, network=self.network, view=view)

    def head(self, cell: ArmCell, count: int | None = None) -> FitHead:
        """Heads on one arm of the answer; count : of the training images, where they are not all."""
        arm, multiple = cell
        given = self.features(self.data["given"]) if arm.base in (GIVEN, GIVEN_ONLY) else None
        drawn = min(round(multiple * self.count), self.data["given"].count) if given else None
        return FitHead(
            real=tuple(self.features(self.data["train"], view) for view in self._views(arm.policy)),
            synthetic=given,
            beside=arm.base != GIVEN_ONLY,
            count=count,
            drawn=drawn,
            balanced=self.preset.classifier.training.class_weights == "balanced",
            validation=self.features(self.data["validation"]),
            shown=self.features(self.data["given"]) if (cell, count) == (REAL, None) else None,
            test=None if self.crossed else self.features(self.data["test"]),
            groups=self.groups,
            classes=self.data["train"].classes,
            draws=self.preset.head.draws,
        )

    def curve(self) -> dict[int, FitHead]:
        """Real images that a head is fitted to → heads on so many of them alone, ascending."""
        train = self.data["train"]
        counts = [max(2 * train.classes, round(share * train.count)) for share in sorted(self.preset.subsets)]
        several = {self.fitted(n): self.head(REAL, n) for n in counts if n < train.count}
        return several | {self.count: self.head(REAL)}

    def policies(self) -> list[ArmCell]:
        """The real images under a policy without a generator."""
        return [(Arm(policy), 0) for policy in self.preset.head.policies if not (self.mirrored and policy == "flip")]

    def _views(self, policy: Policy) -> tuple[int, ...]:
        if policy == "turns":
            return views(self.data["train"].shape)
        return (0, MIRRORED) if self.mirrored or policy == "flip" else (0,)
