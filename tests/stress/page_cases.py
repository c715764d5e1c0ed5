"""Chapters, pages and command lines: rows of book/reliability.md."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from cases import (
    RUN,
    Case,
    Value,
    array,
    encoded,
    images,
    photos,
    picture,
    refusal,
    run_on,
    typed,
    words,
    written,
)

from synthgap.base import words as wording
from synthgap.cli.options import numbers, run_name
from synthgap.data.imageset import ImageSet
from synthgap.design.parameters import as_meant
from synthgap.design.preset import load_preset, preset_names
from synthgap.design.sizes import gan_networks
from synthgap.exhibits.chapters import open_study
from synthgap.exhibits.samples import fidelity_table
from synthgap.exhibits.text import UNMEASURED
from synthgap.gan.discriminator import Discriminator
from synthgap.gan.stylegan3 import Generator
from synthgap.graph.compute import Job, measure_fidelity
from synthgap.metrics.detection import fake_detection
from synthgap.planning.outlook import Outlook
from synthgap.stats.crossed import DIFFERENCE, crossed
from synthgap.stats.intervals import PERCENT, SHARE, estimate_mean

UNSET = dict.fromkeys(("dataset", "seeds", "image_size", "max_images", "flip", "workers"), "auto")
UNSET |= {
    "preset": "smoke",
    "synthetic": "none",
    "grey": False,
    "class_weights": "none",
    "device": "cpu",
    "judge": "auto",
    "features": "auto",
    "measure": "auto",
    "positive": "none",
    "groups": "none",
    "generator": "none",
    "minutes": "none",
}
SHAPES = ((6, 8), (4, 4), (8, 2), (2, 8), (7, 9))


def _planned(place: Path) -> str:
    files = {f"{'ab'[k % 2]}/{k}.png": encoded(picture(k).resize((24, 16))) for k in range(12)}
    root = written(place / "set", files)
    for preset in preset_names():
        assert Outlook(f"folder:{root}", preset, device="cpu").plan()
    return f"every chapter has its cells at {', '.join(preset_names())}: the GAN paints 8×6 pixels, too"


def _both_networks(place: Path) -> str:
    choice = load_preset("smoke").gan
    for height, width in SHAPES:
        generator, discriminator = gan_networks(choice, (3, height, width), 2)
        labels = torch.arange(4) % 2
        painted = Generator(generator)(torch.randn(4, choice.z_dim), labels)
        assert painted.shape == (4, 3, height, width)
        assert Discriminator(discriminator)(painted, labels).isfinite().all()
    return "the GAN paints and judges " + ", ".join(f"{w}×{h}" for h, w in SHAPES) + " pixels"


def _narrow_cnn(place: Path) -> str:
    rng = np.random.default_rng(0)
    real, fake = (rng.integers(low, low + 100, (8, 1, 8, 2), dtype=np.uint8) for low in (0, 150))
    sets = [ImageSet(pixels, np.zeros(8, dtype=np.int64), ("a",), "made") for pixels in (real, fake)]
    assert fake_detection(*sets, "pixel", "cnn", folds=2).accuracy > 0.9
    return "the cnn pads them with zeros to 4 pixels, and tells dark from light ones"


def _too_few(place: Path) -> str:
    class Seen:
        features = np.random.default_rng(0).normal(size=(2, 8))

    class Cell:
        real = fake = None

    value = measure_fidelity(Cell(), Job(lambda spec: Seen(), place, lambda share: None))
    assert all(math.isnan(getattr(value, name)) for name in ("frechet", "precision", "recall"))
    assert UNMEASURED in fidelity_table(None, pd.DataFrame())
    return f"the run goes on, and the tables say: {UNMEASURED}"


def _names(*several: dict) -> list[str]:
    return [run_name(UNSET | given) for given in several]


def _two_of_one_name(place: Path) -> str:
    first, second = (photos(place / at / "photos") for at in ("mine", "yours"))
    again = [first, f"{first}/", first / ".." / "photos"]
    names = _names(*({"dataset": f"folder:{root}"} for root in (second, *again)))
    assert names[0] != names[1]
    assert names[1] == names[2] == names[3]
    assert all(name.startswith("smoke-photos-") for name in names)
    return "each has a folder of results of its own: smoke-photos- and six digits of its place"


def _kinds_of_one_place(place: Path) -> str:
    sources = [f"{kind}:{place / 'set'}" for kind in ("folder", "npz", "edm-zip", "shards")]
    assert len(set(_names(*({"dataset": source} for source in sources)))) == 4
    assert len(set(_names(*({"dataset": "digits", "synthetic": source} for source in sources)))) == 4
    return "each has a folder of results of its own"


def _own_quick(place: Path) -> str:
    own = [{"preset": str(place / at / "quick.yaml")} for at in ("mine", "yours")]
    assert len(set(_names({"preset": "quick"}, *own))) == 3
    return "each has a folder of results of its own"


def _odd_place(place: Path) -> str:
    (name,) = _names({"dataset": f"folder:{place}/my 100% {{x}} 'q'"})
    assert name.startswith("smoke-my_100___x___q_-")
    return "the folder of results has _ in their place"


def _long_place(place: Path) -> str:
    name, other = (_names({"dataset": f"folder:{place / ('猫' * 80)}", "seeds": list(range(n))})[0] for n in (500, 501))
    (place / name).mkdir()
    assert other != name
    return "the folder of results has a shorter name, with digits for what is cut"


def _meant(value: object, name: str, place: Path) -> object:
    """What a chapter's study gets for a value that papermill passed."""
    study = open_study(UNSET | {"dataset": "digits", "results": str(place / "results"), name: value})
    options = study.design.options
    return getattr(options, name) if hasattr(options, name) else getattr(study, name)


def _list_as_text(place: Path) -> str:
    assert _meant("[0, 1]", "seeds", place) == (0, 1)
    assert as_meant("0,1", (list,)) == [0, 1]
    assert numbers("[0, 1]", "seeds") == [0, 1]
    assert (numbers("3", "seeds"), numbers("auto", "seeds")) == (3, "auto")
    return "seeds 0 and 1, as with -y 'seeds: [0, 1]'"


def _truth_as_text(place: Path) -> str:
    assert _meant("true", "flip", place) is True
    assert _meant("yes", "grey", place) is True
    return "the images are mirrored; grey"


def _size_as_text(place: Path) -> str:
    assert _meant("8", "image_size", place) == 8
    return "8 pixels"


def _refused(name: str, value: object):
    def tells(place: Path) -> str:
        told = refusal(open_study, UNSET | {"dataset": "digits", "results": str(place / "results"), name: value})
        assert not (place / "results").exists()
        return told

    return tells


def _difference(place: Path) -> str:
    values = np.array([[-1.0, -1.0, 0.0], [-1.0, 0.0, -1.0], [0.0, -1.0, -1.0]])
    d = crossed(values)
    assert d.mean - d.half_width() < -1 < d.low + 1e-9
    assert d.low == DIFFERENCE[0]
    assert wording.more_or_less(d.in_points) == "66.7 points less"
    return f"66.7 points less plain accuracy, {wording.ends(d.in_points)}: no end beyond ±100"


def _levels(place: Path) -> str:
    level = crossed(np.array([[1.0, 0.0], [1.0, 1.0]]), span=SHARE)
    assert (level.low, level.high) == SHARE
    cell = wording.plus_minus(estimate_mean([50.0, 100.0], span=PERCENT))
    assert cell == "75.00 (0.00 to 100.00)"
    return f"{wording.percent(level.in_points)}; in tables {cell}, in place of 75 ± 318"


def _inside(place: Path) -> tuple:
    root = photos(place / "photos")
    return (*RUN, "--dataset", f"folder:{root}", "--results", root / "results")


def _itself(place: Path) -> tuple:
    root = photos(place / "photos")
    return (*RUN, "--dataset", f"folder:{root}", "--synthetic", f"folder:{root}/../photos")


PAGES: list[Case | Value] = [
    Value("a folder of colour images of 24×16 pixels, every preset", _planned),
    Value("images of 4×4 pixels, of 8×2, of 7×9: the GAN", _both_networks),
    Value("images of two pixels' width: the detector cnn", _narrow_cnn),
    Value("too few images for precision and recall", _too_few),
    Case(
        "npz: images of 2×2 pixels",
        array(images=images()[:, :2, :2]),
        "image_size 4 (--image-size 4) enlarges them",
        run_on,
    ),
    typed("--image-size 3", "image_size is 3; give 4 to"),
    typed("--image-size 16.5", "--image-size is '16.5'"),
    Value("two folders with the name photos", _two_of_one_name),
    Value("folder:, npz:, edm-zip: and shards: of one path", _kinds_of_one_place),
    Value("presets of one's own with the name quick.yaml, in two folders", _own_quick),
    Value("a folder with spaces, %, braces and quotes in its name", _odd_place),
    Value("a folder whose name has 240 bytes, and 500 seeds", _long_place),
    Value("papermill -p seeds '[0, 1]'; --seeds '[0, 1]'", _list_as_text),
    Value("papermill -p flip true -p grey yes", _truth_as_text),
    Value("papermill -r image_size 8", _size_as_text),
    Value("papermill -p seeds '[0; 1]'", _refused("seeds", "[0; 1]")),
    Value("papermill -p seeds 2.5", _refused("seeds", 2.5)),
    Value("papermill -p results 2024", _refused("results", 2024)),
    Value("papermill -p grey perhaps", _refused("grey", "perhaps")),
    typed("--seeds '[0; 1]'", "--seeds is '[0; 1]'"),
    typed("--seeds 0,,1", "--seeds is '0,,1'"),
    Case("--dataset without a name", words(*RUN, "--dataset", ""), "unknown data set ''"),
    Case("--preset without a name", words("run", "--preset", ""), "unknown preset ''"),
    Value("three test images, two of which synthetic images cost", _difference),
    Value("two seeds, two test images: shares", _levels),
    Case("results inside the data folder", _inside, "lies inside folder:"),
    Case("--synthetic that is the data set itself", _itself, "the data set itself"),
    Case("--publish with --answer-only", words("run", "--publish", "--answer-only"), "leave out --answer-only"),
]
