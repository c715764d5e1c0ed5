"""The plain answer, looked at image by image: copies, images that are misread, and images that are out of reach."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..classifier.head import Features
from ..data.imageset import ImageSet
from ..data.splits import spread
from ..design.loading import Design
from ..design.values import REAL
from ..diffusion.schedule import REVERSE_STEPS
from ..graph.estimate import image_count
from ..graph.specs import Attend, MeasureMemorization, Predict, Spec, Subset
from ..metrics.neighbours import nearest
from ..metrics.projection import covered_by, outermost
from ..stats.intervals import Estimate, estimate_mean
from .answer import Compared, answer_cells, compared
from .attention import attended
from .base import IMAGES, WHOLE, Cells, Values, class_by_class, measured, result
from .text import in_percent

SHOWN = 6  # images a row of the answer's pictures


def synthetic_shown(d: Design, seed: int) -> Spec:
    """The synthetic images that are looked at one by one: ×1 of a seed's generator, or all given ones."""
    return d.judged["given"] if d.given else d.arms.samples(seed, REVERSE_STEPS)


def _unseen(d: Design) -> Spec:
    """Real images that no classifier was trained on."""
    return d.heads.unseen if d.heads else d.arms.data["test"]


def _space(d: Design, images: Spec) -> Spec:
    """Where distances between images are taken: their pixels, or the features of a second judge."""
    return d.heads.features(images) if d.heads else images


# copies


@dataclass(frozen=True)
class Copying:
    """C_T (None: too few images) and the percentage of authentic images over seeds; see `Memorization`.

    Given images belong to no seed: there is one value then. images : how many are looked at.
    """

    score: Estimate | None
    authentic: Estimate
    images: int


def copying_cells(d: Design) -> Cells:
    """(seed,) → copying of the training images by the synthetic ones; given images stand under the first seed."""
    train, test = _space(d, d.judged["train"]), _space(d, _unseen(d))
    seeds = d.seeds[:1] if d.given else d.seeds
    return {(s,): MeasureMemorization(train=train, test=test, fake=_space(d, synthetic_shown(d, s))) for s in seeds}


# of the answer's images: columns seed, copying (C_T), authentic (a share), n_fake
copies = result("copies", copying_cells)(measured(("seed",), ("copying", "authentic", "n_fake")))


@result("copying", reads=[copies], no_rows=WHOLE)
def copying(d: Design, rows: pd.DataFrame) -> Copying:
    """Whether the synthetic images lie nearer to the training images than other real images do."""
    score = None if rows.copying.isna().any() else estimate_mean(list(rows.copying))
    return Copying(score, in_percent(list(rows.authentic)), int(rows.n_fake.iloc[0]))


def nearest_cells(d: Design) -> Cells:
    """(name, as what) → training images, test images, and the first seed's synthetic ones, and where these lie."""
    several = {"train": d.judged["train"], "test": _unseen(d), "synthetic": synthetic_shown(d, d.seeds[0])}
    return {
        (name, what): spec
        for name, images in several.items()
        for what, spec in (("images", images), ("places", _space(d, images)))
    }


@result("nearest", nearest_cells, no_rows=IMAGES)
def nearest_pairs(d: Design, values: Values) -> dict[str, np.ndarray]:
    """The synthetic images nearest to a training image, beside it and the nearest test image: uint8 N × C × H × W.

    One of a class, nearest first; where classes are few, then the second-nearest of each.
    """
    fake, train, test = (values[name, "images"].images for name in ("synthetic", "train", "test"))
    at_fake, at_train, at_test = (_flat(values[name, "places"]) for name in ("synthetic", "train", "test"))
    distance, to_train = nearest(at_fake, at_train)
    _, to_test = nearest(at_fake, at_test)
    nearest_first = np.argsort(distance[:, 0], kind="stable")
    as_met, _ = pd.factorize(values["synthetic", "images"].labels[nearest_first])  # classes by their nearest image
    first = nearest_first[class_by_class(as_met)][:SHOWN]
    return {
        "synthetic": fake[first],
        "nearest training image": train[to_train[first, 0]],
        "nearest test image": test[to_test[first, 0]],
    }


def _flat(places: ImageSet | Features) -> np.ndarray:
    return places.features if isinstance(places, Features) else places.images.reshape(len(places), -1)


# images that are misread


@dataclass(frozen=True)
class Misread:
    """Test images that real images teach and synthetic ones don't; uint8 N × C × H × W.

    maps : GradCAM maps by classifier, N × H × W in [0, 1]; none of heads. captions : class and who is right, N.
    """

    images: np.ndarray
    maps: dict[str, np.ndarray]
    captions: list[str]


def map_cells(d: Design) -> Cells:
    """(classifier,) → its GradCAM maps of some test images, first seed; ("test",) → all test images."""
    if d.heads:
        return {("test",): d.judged["test"]}
    arms, images = d.arms, attended(d.arms)
    several = {"trained on real": REAL, "trained on synthetic": answer_cells(d)["alone"][0]}
    maps = {(name,): Attend(classifier=arms.arm(*cell, d.seeds[0]), images=images) for name, cell in several.items()}
    return {**maps, ("test",): images.images}


@result("misread", map_cells, reads=[compared], no_rows=IMAGES)
def misread(d: Design, values: Values, compared: Compared) -> Misread:
    """The smallest synthetic set is looked at; images that both get right or wrong fill the rest."""
    test = values["test",]
    among = spread(test.labels, len(test) if d.heads else attended(d.arms).count)
    alone = compared.right(answer_cells(d)["alone"][0])[0][among]
    real = compared.right(REAL)[0][among]
    order = np.argsort(-(real & ~alone).astype(int), kind="stable")[:SHOWN]
    captions = [
        f"{test.classes[test.labels[among[i]]]}\nreal: {_mark(real[i])}, synthetic: {_mark(alone[i])}" for i in order
    ]
    maps = {name: values[name,][order] for (name,) in values if name != "test"}
    return Misread(test.images[among[order]], maps, captions)


def _mark(right: bool) -> str:
    return "right" if right else "wrong"


# images that are out of reach


@dataclass(frozen=True)
class Coverage:
    """Percentage of the outermost tenth of test images that no synthetic image, or no other real one, comes near.

    images : how many are outermost. test : all of them and the others. shown : positions of a few that no synthetic
    image of the first seed comes near.
    """

    synthetic: Estimate
    real: Estimate
    images: int
    test: ImageSet
    shown: np.ndarray

    @property
    def uncovered(self) -> np.ndarray:
        """Those few, uint8 N × C × H × W."""
        return self.test.images[self.shown]


def coverage_cells(d: Design) -> Cells:
    """(seed, which) → features of test images, of synthetic ones and of as many real ones, under the classifier of
    half A of train, which has seen none of them; ("images",) → the test images."""
    if d.heads:
        return _coverage_of_features(d)
    arms, cells = d.arms, {("images",): d.arms.data["test"]}
    count = arms.data["train"].count // 2  # images of half B
    for s in d.seeds:
        if d.given:
            given = arms.data["given"]
            fake: Spec = given if given.count <= count else Subset(images=given, count=count, seed=s)
        else:
            fake = Subset(images=arms.samples(s, REVERSE_STEPS), half="b")
        several = {"test": arms.data["test"], "synthetic": fake, "real": Subset(images=arms.data["train"], half="b")}
        judge = arms.crossfit(s)
        cells |= {(s, which): Predict(classifier=judge, images=images) for which, images in several.items()}
    return cells


def _coverage_of_features(d: Design) -> Cells:
    """The same of a second judge, which was trained on none of the images: halves of train where it is test, too."""
    train, given = d.judged["train"], synthetic_shown(d, d.seeds[0])
    test = Subset(images=train, half="a") if d.heads.crossed else d.judged["test"]
    count = train.count // 2
    fake = given if image_count(given) <= count else Subset(images=given, count=count, seed=0)
    several = {"test": test, "synthetic": fake, "real": Subset(images=train, half="b")}
    return {(0, which): d.heads.features(images) for which, images in several.items()} | {("images",): test}


@result("coverage", coverage_cells, no_rows=IMAGES)
def coverage(d: Design, values: Values) -> Coverage | None:
    """How much of the real images' edge the synthetic ones reach; None where no class has images enough."""
    left_out, beyond = [], []
    for s in (0,) if d.heads else d.seeds:
        test, fake, real = (values[s, which] for which in ("test", "synthetic", "real"))
        found = outermost(test.features, test.labels)
        if not len(found):
            return None
        near, as_near = (covered_by(test.features, test.labels, found, p.features, p.labels) for p in (fake, real))
        beyond.append(found[~near])
        left_out.append([1 - near.mean(), 1 - as_near.mean()])
    synthetic, others = np.array(left_out).T
    return Coverage(in_percent(synthetic), in_percent(others), len(found), values["images",], beyond[0][:SHOWN])
