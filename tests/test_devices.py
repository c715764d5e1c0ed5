"""What runs on a GPU, without one: every network is trained, sampled and read on a fake card, which has no values but
refuses to mix devices; and each branch that asks for the device takes the way that a card would."""

import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fake_gpu import fake_gpu
from torch import nn

from synthgap.base import machine, processes
from synthgap.base.checkpoint import module_tensors, optimizer_tensors, restore_module, restore_optimizer
from synthgap.classifier.evaluate import evaluate
from synthgap.classifier.resnet import ResNetConfig
from synthgap.classifier.train import ClassifierTraining, Member, _memory_order, train_block, train_classifier
from synthgap.design.heads import frozen
from synthgap.diffusion.augment import LABELS
from synthgap.diffusion.edm import EDM, EDMConfig
from synthgap.diffusion.guidance import away_from, towards_doubt, untold
from synthgap.diffusion.reconstruct import generate, reconstruct
from synthgap.diffusion.solver import Solver
from synthgap.diffusion.train import DiffusionTraining, train_edm
from synthgap.diffusion.unet import UNetConfig
from synthgap.exhibits.samples import detection_cells
from synthgap.gan.discriminator import DiscriminatorConfig
from synthgap.gan.sample import generate_gan
from synthgap.gan.stylegan3 import Generator, GeneratorConfig
from synthgap.gan.train import GanTraining, train_gan
from synthgap.graph import compute, remedies
from synthgap.graph.job import Job
from synthgap.metrics import detectors
from synthgap.metrics.detection import fake_detection
from synthgap.metrics.extractors import extractor
from synthgap.metrics.gradcam import raw_maps
from synthgap.metrics.likelihood import image_log_likelihood
from synthgap.planning import calibrate

pytestmark = pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor")
SHAPE = {"height": 16, "width": 16, "channels": 3, "label_dim": 3}
NETWORK = UNetConfig(**SHAPE, model_channels=8, channel_mult=(1, 2), num_blocks=1, attn_resolutions=(8,), dropout=0.1)
CLASSIFIER = ResNetConfig(channels=3, classes=3, width=4)


@pytest.fixture
def real(make_images):
    return make_images(8, (3, 16, 16), augment=("crop", "flip"))


@pytest.fixture
def cuda():
    with fake_gpu() as device:
        yield device


def edm(device):
    return EDM(EDMConfig(network=NETWORK)).to(device).eval()


def on(device, *modules):
    return all(value.device.type == device for m in modules for value in [*m.parameters(), *m.buffers()])


def test_a_fake_card_refuses_what_a_real_one_does(cuda):
    there, here = torch.ones(2, device=cuda), torch.ones(2)
    with pytest.raises(RuntimeError, match="same device"):
        there + here
    with pytest.raises(TypeError, match="copy it to the CPU first"):
        there.numpy()
    assert there.cpu().numpy().tolist() == [1, 1]


@pytest.mark.parametrize(("architecture", "classes"), [("ncsn++", 3), ("adm", 3), ("ddpm++", 0)])
def test_a_denoiser_is_trained_on_the_card(architecture, classes, real, cuda):
    network = NETWORK.model_copy(update={"architecture": architecture, "label_dim": classes})
    trained = train_edm(real, network, DiffusionTraining(images=8, batch=4), 0, device=cuda)
    assert on("cuda", trained)


@pytest.mark.parametrize(
    ("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)]
)
def test_a_denoiser_is_trained_in_half_precision_on_the_card(precision, dtype, real, cuda, monkeypatch):
    convolved, conv2d = set(), nn.functional.conv2d

    def watched(*args, **options):
        out = conv2d(*args, **options)
        convolved.add(out.dtype)
        return out

    monkeypatch.setattr(nn.functional, "conv2d", watched)
    trained = train_edm(real, NETWORK, DiffusionTraining(images=8, batch=4, precision=precision), 0, device=cuda)
    assert convolved == {dtype}
    assert {value.dtype for value in trained.parameters()} == {torch.float32}


def test_augmentation_and_dropped_labels_are_drawn_for_the_card(real, cuda):
    network = NETWORK.model_copy(update={"augment_dim": LABELS})
    recipe = DiffusionTraining(images=8, batch=4, augment=0.5, label_dropout=0.2)
    assert on("cuda", train_edm(real, network, recipe, 0, device=cuda))


@pytest.mark.parametrize("method", ["heun", "ancestral"])
def test_images_are_drawn_and_rebuilt_on_the_card(method, real, cuda):
    solver = Solver(steps=2, method=method, churn=1.0 if method == "heun" else 0.0)
    assert reconstruct(edm(cuda), real, (50, 100), 0, solver=solver, lanes=3).images.shape == real.images.shape
    assert len(generate(edm(cuda), real.labels, 0, solver=solver)) == len(real)


def test_guides_stay_on_the_card(real, cuda):
    denoiser, judge = edm(cuda), train_classifier(real, None, CLASSIFIER, ClassifierTraining(epochs=1), 0, device=cuda)
    unsure = towards_doubt(lambda x: judge.network(judge.standardise((x + 1) * 127.5)), 1.0, 0.5)
    for guide in (away_from(edm(cuda), 1.5), away_from(untold(denoiser), 1.5), unsure):
        assert len(generate(denoiser, real.labels, 0, solver=Solver(steps=1), guide=guide)) == len(real)


def test_a_likelihood_is_taken_on_the_card(real, cuda):
    found = image_log_likelihood(edm(cuda), real.subset([0, 1]), sigma=0.1, steps=1, method="hutchinson")
    assert found.nats.shape == (2,)


@pytest.mark.parametrize("policy", ["none", "RandAugment", "TrivialAugment"])
def test_a_classifier_is_trained_and_read_on_the_card(policy, real, cuda):
    recipe = ClassifierTraining(epochs=1, batch=4, policy=policy, class_weights="balanced")
    block = train_block([Member(real, real, seed) for seed in (0, 1)], CLASSIFIER, recipe, device=cuda)
    assert on("cuda", *(one.network for one in block))
    assert evaluate(block[0], real).logits.shape == (8, 3)
    assert raw_maps(block[1], real).shape[0] == 8
    assert extractor("classifier", classifier=block[0], device=cuda)(real.images).shape == (8, 32)


def test_a_gan_is_trained_and_sampled_on_the_card(real, cuda):
    small = {"channel_max": 8, "mapping_layers": 1}
    network = GeneratorConfig(**SHAPE, **small, z_dim=8, w_dim=8, layers=3, critical_layers=1, margin=1)
    recipe = GanTraining(images=16, batch=4, r1_every=2, ada_start=0.3, ada_every=2)
    trained = train_gan(real, network, DiscriminatorConfig(**SHAPE, **small), recipe, 0, device=cuda)
    assert on("cuda", trained)
    assert len(generate_gan(trained, real.labels, 0, truncation=0.7, lanes=4)) == len(real)


@pytest.mark.parametrize("detector", ["cnn", "resnet18"])
def test_a_detector_is_trained_and_asked_on_the_card(detector, real, cuda, monkeypatch):
    monkeypatch.setattr(detectors, "EPOCHS", 1)
    monkeypatch.setattr(detectors, "LEAST_STEPS", 1)
    placed, built = [], nn.Module.to
    monkeypatch.setattr(nn.Module, "to", lambda self, device: placed.append(device) or built(self, device))
    other = replace(real, images=255 - real.images)
    assert fake_detection(real, other, "pixel", detector, folds=2, device=cuda).n == 8
    assert set(placed) == {"cuda"}


def test_what_a_classifier_says_is_asked_on_its_card(real, cuda):
    block = train_block([Member(real, None, 0)], CLASSIFIER, ClassifierTraining(epochs=1), device=cuda)
    block[0].network.to("cpu")  # as it is read from a store
    judge = SimpleNamespace(device="cuda")
    job = Job(lambda spec: block[0] if spec is judge else real, Path(), lambda share: None)
    chosen = remedies.select(SimpleNamespace(draws=["images"] * 2, judges=(judge,), rule="sure"), job)
    assert len(chosen) == 8
    block[0].network.to("cpu")
    assert compute.predict(SimpleNamespace(classifier=judge, images="images"), job).logits.shape == (8, 3)
    assert compute.attend(SimpleNamespace(classifier=judge, images="images"), job).shape == (8, 16, 16)
    assert on("cuda", block[0].network)


def test_features_and_detectors_are_made_where_their_specification_says(real, cuda, monkeypatch):
    asked, job = [], Job(lambda spec: real, Path(), lambda share: None)

    def noted(function):
        return lambda *words, **options: asked.append(options["device"]) or function(*words, **options)

    for name in ("extractor", "fake_detection"):
        monkeypatch.setattr(compute, name, noted(getattr(compute, name)))
    shown = {"images": "images", "network": frozen("pixels"), "weights": None, "view": 0}
    assert compute.extract(SimpleNamespace(device=cuda, **shown), job).features.shape == (8, 192)
    pairs = {"real": "images", "fake": "images", "domain": "pixel", "detector": "cnn", "seed": 0}
    compute.measure_detection(SimpleNamespace(device=cuda, **pairs), job)
    assert asked == [cuda, cuda]


def test_a_studys_logistic_detector_stays_on_the_cpu(smoke):
    arms = replace(smoke.main, device="cuda", preset=smoke.preset.model_copy(update={"detectors": ("logistic", "cnn")}))
    cells = detection_cells(replace(smoke.design, columns=(arms,), device="cuda"))
    assert {(spec.detector, spec.device) for spec in cells.values()} == {("logistic", "cpu"), ("cnn", "cuda")}


# a card whose memory is full


@pytest.fixture
def small_card(monkeypatch):
    """Networks have room for three images at once."""

    def limited(network):
        forward = network.forward

        def narrow(x, *args, **options):
            if len(x) > 3:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return forward(x, *args, **options)

        monkeypatch.setattr(network, "forward", narrow)
        return network

    return limited


def close(a, b):
    return np.allclose(a, b, rtol=1e-4, atol=1e-5)


def test_images_are_drawn_in_smaller_batches_where_memory_is_full(real, small_card, capsys):
    denoiser = edm("cpu")
    whole = generate(denoiser, real.labels, 0, solver=Solver(steps=2))
    likely = image_log_likelihood(denoiser, real, sigma=0.1, steps=1, method="hutchinson").nats
    small_card(denoiser)
    parts = generate(denoiser, real.labels, 0, solver=Solver(steps=2))
    assert np.abs(parts.images.astype(int) - whole.images).max() <= 1
    assert capsys.readouterr().err.count("the GPU's memory is full") == 2  # from 8 to 4, to 2, and then no more
    assert close(image_log_likelihood(denoiser, real, sigma=0.1, steps=1, method="hutchinson").nats, likely)


def test_a_gan_is_sampled_in_smaller_batches_where_memory_is_full(real, small_card):
    small = {"channel_max": 8, "mapping_layers": 1}
    network = Generator(GeneratorConfig(**SHAPE, **small, z_dim=8, w_dim=8, layers=3, critical_layers=1, margin=1))
    whole = generate_gan(network.eval(), real.labels, 0, lanes=8)
    parts = generate_gan(small_card(network), real.labels, 0, lanes=8)
    assert np.abs(parts.images.astype(int) - whole.images).max() <= 1


def test_a_classifier_is_asked_in_smaller_batches_where_memory_is_full(real, small_card):
    judge = train_classifier(real, None, CLASSIFIER, ClassifierTraining(epochs=1), 0)
    told, maps = evaluate(judge, real), raw_maps(judge, real)
    small_card(judge.network.layer1)
    assert close(evaluate(judge, real).logits, told.logits)
    assert close(raw_maps(judge, real), maps)


def test_a_denoiser_is_trained_in_parts_of_a_batch_where_memory_is_full(real, monkeypatch, capsys):
    """The gradients of the parts add up to those of the batch: float32 rounding apart, it is the same training."""
    network = NETWORK.model_copy(update={"dropout": 0.0})
    recipe = DiffusionTraining(images=21, batch=7, learning_rate=1e-4, ramp_images=0)
    steps, loss_of, asked = [], EDM.loss, []

    def step(self):
        steps[-1].append([p.grad.clone() for p in self.param_groups[0]["params"]])

    monkeypatch.setattr(torch.optim.Adam, "step", step)  # weights stay as they are: gradients alone are compared

    def trained():
        steps.append([])
        losses = []
        train_edm(real, network, recipe, 0, progress=lambda seen, total, loss: losses.append(loss))
        return losses

    def narrow(self, images, *args):
        asked.append(len(images))
        if len(images) > 4 or len(asked) == 3:  # the third time in the middle of a batch: what was added up is void
            raise torch.OutOfMemoryError("CUDA out of memory")
        return loss_of(self, images, *args)

    whole = trained()
    monkeypatch.setattr(EDM, "loss", narrow)
    parts = trained()
    assert asked == [7, 4, 3, *([2, 2, 2, 1] * 3)]  # unequal parts
    assert capsys.readouterr().err.count("the GPU's memory is full") == 2
    assert close(parts, whole)
    for mine, theirs in zip(steps[1], steps[0], strict=True):
        assert all(torch.allclose(a, b, rtol=1e-3, atol=1e-6) for a, b in zip(mine, theirs, strict=True))


# branches


def test_auto_is_a_card_where_there_is_one_and_it_goes_by_its_name(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a card")
    assert machine.resolve_device("auto") == "cuda"
    assert machine.device_name("cuda") == "a card"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert machine.resolve_device("auto") == "cpu"
    assert machine.resolve_device("cuda") == "cuda"  # asked for by name: refused where something is computed


@pytest.mark.parametrize(("device", "backend", "card"), [("cuda", "nccl", [3]), ("cpu", "gloo", [])])
def test_each_process_of_a_shared_training_takes_its_own_card(device, backend, card, monkeypatch):
    asked, taken, left = [], [], []
    monkeypatch.setattr(torch.distributed, "init_process_group", asked.append)
    monkeypatch.setattr(torch.distributed, "destroy_process_group", lambda: left.append(True))
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 3)
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    for name, value in (("WORLD_SIZE", "4"), ("RANK", "3"), ("LOCAL_RANK", "3")):
        monkeypatch.setitem(os.environ, name, value)
    with processes.joined(device) as rank:
        assert rank == 3
        assert not left
    assert (asked, taken, left) == ([backend], card, [True])


def test_members_trained_together_keep_torchs_order_on_a_card_only():
    card, core = torch.device("cuda"), torch.device("cpu")
    orders = [_memory_order(*given) for given in ((core, 1), (core, 3), (card, 1), (card, 3))]
    assert orders == [torch.channels_last] * 3 + [torch.contiguous_format]


def test_a_card_is_measured_with_batches_that_its_memory_holds(monkeypatch):
    spec = SimpleNamespace(device="cuda", network=NETWORK)
    saved = calibrate.unet_size(NETWORK).saved
    for free, batch in ((100 * saved, 50), (saved, 1)):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda free=free: (free, 10 * free))
        assert calibrate._fitting(spec, 1e-6) == batch
    assert calibrate._clock("cuda") is not calibrate._clock("cpu")


def test_a_checkpoint_of_a_card_is_laid_on_it_again(real, cuda):
    """What `load` does: tensors of a file, which are the CPU's, go into a network and an optimiser on the card."""
    net = EDM(EDMConfig(network=NETWORK)).to(cuda)
    adam = torch.optim.Adam(net.parameters(), fused=True)
    for value in net.parameters():
        value.grad = torch.zeros_like(value)
    adam.step()
    kept = module_tensors("net", net) | optimizer_tensors("adam", adam)
    from_file = {name: value.cpu() for name, value in kept.items()}
    restore_module(net, "net", from_file)
    restore_optimizer(adam, "adam", from_file)
    assert on("cuda", net)
    assert {v.device.type for state in adam.state.values() for v in state.values()} == {"cuda"}
    adam.step()
