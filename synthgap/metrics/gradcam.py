"""GradCAM: where in an image a classifier sees its class (Selvaraju et al. 2017; Figure 7 of the paper)."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..base.errors import UserError
from ..base.modes import sampling_mode
from ..base.portions import Portions
from ..classifier.train import Classifier
from ..data.imageset import ImageSet

LAYERS = ("layer4", "layer3", "layer2", "layer1")  # `layer4` is the paper's block4
LEAST_CELLS = 4  # a side, of a map that can point at a place


def gradcam(
    classifier: Classifier,
    images: ImageSet,
    targets: np.ndarray | None = None,
    *,
    layer: str | None = None,
    batch: int = 100,
) -> np.ndarray:
    """Maps of where each image speaks for its target class.

    Parameters
    ----------
    images
        N images of the classifier's channels and classes.
    targets
        class of each map, N; default the image's label, so that maps of several classifiers answer the same
        question (the paper does not state its target).
    layer
        "layer1" … "layer4"; default `cam_layer`.

    Returns
    -------
    np.ndarray
        float32 N × H × W in [0, 1]: bilinear to the image's size, each map divided by its maximum. A map that speaks
        against the class everywhere is 0.

    Raises
    ------
    UserError
        no images, other channels or classes than the classifier's, a target out of range, no such layer.
    """
    raw = raw_maps(classifier, images, targets, layer=layer, batch=batch)
    scaled = F.interpolate(torch.from_numpy(raw)[:, None], images.shape[1:], mode="bilinear", align_corners=False)
    maps = scaled[:, 0].numpy()
    highest = maps.max(axis=(1, 2), keepdims=True)
    return np.divide(maps, highest, out=np.zeros_like(maps), where=highest > 0)


def raw_maps(
    classifier: Classifier,
    images: ImageSet,
    targets: np.ndarray | None = None,
    *,
    layer: str | None = None,
    batch: int = 100,
) -> np.ndarray:
    """The maps at the layer's own size and scale, float32 N × h × w, ≥ 0: ReLU(Σ_c mean(∂logit/∂A_c) · A_c)."""
    if batch < 1:
        raise ValueError(f"batch is {batch}; it holds one image at least")
    targets = images.labels if targets is None else np.asarray(targets)
    layer = _check(classifier, images, targets, layer)
    net = classifier.network
    device = next(net.parameters()).device

    def maps(part: slice) -> Tensor:
        pixels = classifier.standardise(torch.from_numpy(images.images[part]).to(device))
        chosen = torch.from_numpy(targets[part].astype(np.int64)).to(device)
        return _maps(net, getattr(net, layer), pixels, chosen).cpu()

    with sampling_mode(net), torch.inference_mode(False), torch.enable_grad():  # whatever the caller is under
        return torch.cat([several for _, several in Portions(batch).map(len(images), maps)]).numpy()


def cam_layer(classifier: Classifier, shape: tuple[int, int, int]) -> str:
    """The deepest layer whose map of images of `shape` (C, H, W) has at least 4 × 4 cells; else `layer1`.

    The paper takes block4, `layer4`. Of an 8 × 8 image that is one cell, which points at no place.
    """
    height, width = shape[1:]
    if classifier.network.config.stem == "imagenet":
        height, width = -(-height // 4), -(-width // 4)
    for layer in LAYERS:
        down = 2 ** (int(layer[-1]) - 1)
        if min(-(-height // down), -(-width // down)) >= LEAST_CELLS:
            return layer
    return LAYERS[-1]


def map_similarity(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Correlation of the two maps of each image (Pearson, over its pixels): float64 N in [−1, 1].

    a, b: N × H × W. It does not see scale, and an even map says nothing of place: where one of the two is constant
    the correlation counts as 0, where both are as 1.
    """
    if a.shape != b.shape or a.ndim != 3:
        raise ValueError(f"maps of shapes {a.shape} and {b.shape} can't be compared; give two N × H × W")
    flat = [m.reshape(len(m), -1).astype(np.float64) for m in (a, b)]
    x, y = (m - m.mean(axis=1, keepdims=True) for m in flat)
    norms = [np.linalg.norm(m, axis=1) for m in (x, y)]
    even = [n <= 1e-9 * (np.linalg.norm(m, axis=1) + 1e-300) for n, m in zip(norms, flat, strict=True)]
    product = np.where(even[0] | even[1], 1.0, norms[0] * norms[1])
    value = np.where(even[0] | even[1], 0.0, (x * y).sum(axis=1) / product)
    return np.where(even[0] & even[1], 1.0, value).clip(-1, 1)


def cross_similarity(maps: dict[tuple[int, int], np.ndarray]) -> dict[tuple[int, int], float]:
    """How alike classifiers of *different* seeds look at images, by the reverse step that one was trained at.

    maps : (t_re, seed) → N × H × W of the same images. Returns (t_re, seed) → the mean over images and over all other
    seeds s' of `map_similarity` between (0, seed) and (t_re, s'). At t_re = 0 it is what another seed alone changes;
    comparing classifiers of one seed would let shared initial weights pass for agreement. Empty where there is one
    seed.
    """
    steps, seeds = sorted({t for t, _ in maps}), sorted({s for _, s in maps})
    return {
        (t, s): float(np.mean([map_similarity(maps[0, s], maps[t, o]) for o in others]))
        for t in steps
        for s in seeds
        if (others := [o for o in seeds if o != s])
    }


def _maps(net: nn.Module, layer: nn.Module, pixels: Tensor, targets: Tensor) -> Tensor:
    kept: list[Tensor] = []
    handle = layer.register_forward_hook(lambda module, inputs, output: kept.append(output))
    try:
        logits = net(pixels.requires_grad_())  # a leaf, so that there is a graph where the weights are frozen
        score = logits.gather(1, targets[:, None]).sum()
        (slope,) = torch.autograd.grad(score, kept[0])
    finally:
        handle.remove()
    weights = slope.mean(dim=(2, 3), keepdim=True)
    return F.relu((weights * kept[0].detach()).sum(dim=1)).detach()


def _check(classifier: Classifier, images: ImageSet, targets: np.ndarray, layer: str | None) -> str:
    if not len(images):
        raise UserError(f"{images.name} is empty; there is nothing to map")
    if images.classes != classifier.classes or images.shape[0] != classifier.network.config.channels:
        raise UserError(
            f"{images.name} has {images.shape[0]} channels and classes {', '.join(images.classes[:5])}, …, the "
            f"classifier {classifier.network.config.channels} and {', '.join(classifier.classes[:5])}, …; load it the "
            "same way as the training images"
        )
    if targets.shape != (len(images),) or not np.issubdtype(targets.dtype, np.integer):
        raise UserError(f"targets are {targets.dtype} of shape {targets.shape}; give {len(images)} class numbers")
    if targets.min() < 0 or targets.max() >= len(images.classes):
        raise UserError(f"targets run from {targets.min()} to {targets.max()}; there are {len(images.classes)} classes")
    if layer is not None and layer not in LAYERS:
        raise UserError(f"unknown layer {layer!r}; known: {', '.join(LAYERS)}")
    return layer or cam_layer(classifier, images.shape)
