"""Files of models, released and hostile: rows of book/reliability.md."""

from __future__ import annotations

import io
import json
import os
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from cases import Case, Value, convert, refusal, saved
from released_pickle import (
    Call,
    EasyDict,
    Object,
    gan_network,
    gan_written,
    named,
    network,
    program,
    random_edm,
    random_generator,
    stored,
    tensor,
    text,
    torch_bytes,
    written,
)
from safetensors.torch import save_file
from scipy.optimize import brentq
from torch import nn

import synthgap
from synthgap.api.functions import load_model
from synthgap.base.labels import model_labels
from synthgap.base.modes import sampling_mode
from synthgap.base.weights import write_weights
from synthgap.data.imageset import ImageSet
from synthgap.diffusion.edm import EDM
from synthgap.gan.stylegan3 import Generator
from synthgap.metrics.extractors import load_weights
from synthgap.metrics.likelihood import image_log_likelihood
from synthgap.released.edm import from_released, load_edm

# The three of the issue: they ended the process, hung, and left a traceback
SET_ON_A_NAME = b"\x80\x02ctorch._utils\n_rebuild_parameter\nq\x00(h\x00)}}tb0h\x00)R."
DOUBLED = b"".join(b"h" + bytes([i]) + b"\x86q" + bytes([i + 1]) for i in range(60))
HASHED_TREE = b"\x80\x02}" + b"K\x01q\x00" + DOUBLED + b"K\x01s."
ATTRIBUTE = (
    b"\x80\x02ccollections\nOrderedDict\nq\x00(N}X\x03\x00\x00\x00getctorch._utils\n_rebuild_parameter\nstb0h\x00)R."
)


def small(**sizes) -> EDM:
    return random_edm(channel_mult=(1,), attn_resolutions=(), **sizes)


def edm_pickle(class_name: str = "EDMPrecond", change: Callable = lambda record: None, **arguments) -> Callable:
    """A small EDM pickle with these arguments, after `change`."""

    def make(place: Path) -> Path:
        record = network(small(), class_name, **arguments)
        change(record)
        return written(place / "edm.pkl", record)

    return make


def gan_pickle(class_name: str = "Generator", **arguments) -> Callable:
    return lambda place: gan_written(
        place / "gan.pkl", gan_network(random_generator(layers=3), class_name, **arguments)
    )


def stylegan2(place: Path) -> Path:
    block = Object("SynthesisBlock", _buffers={"const": torch.zeros(2)})
    record = Object("Generator", _modules={"synthesis": Object("SynthesisNetwork", _modules={"b4": block})})
    return gan_written(place / "gan.pkl", record)


def buffer(value) -> Callable:
    """What puts a buffer into a record."""
    return lambda record: record.meta["state"].update(_buffers=OrderedDict(x=value))


def bomb() -> bytes:
    """A zip in torch's format whose numbers unpack to 256 MiB."""
    plain, packed = zipfile.ZipFile(io.BytesIO(torch_bytes(torch.zeros(2)._typed_storage()))), io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in plain.namelist():
            archive.writestr(name, bytes(2**28) if name.endswith("data/0") else plain.read(name))
    return packed.getvalue()


def copies(record) -> None:
    """A thousand tensors of 1 MiB on one storage."""
    storage = torch.zeros(2**18)._typed_storage()
    record.meta["state"]["_buffers"] = OrderedDict((f"x{i}", tensor(storage, 0, (2**18,))) for i in range(1000))


def circle(record) -> None:
    inner = nn.ModuleDict()
    inner._modules = OrderedDict(again=inner)
    record.meta["state"]["_modules"]["loop"] = inner


def contradicted(record) -> None:
    record.meta["state"]["_modules"]["model"].meta["state"]["_init_kwargs"] = EasyDict(num_blocks=7)


def file(write: Callable[[Path], object]) -> Callable[[Path], Path]:
    """The path of a saved model that is written so."""

    def make(place: Path) -> Path:
        write(place / "model.safetensors")
        return place / "model.safetensors"

    return make


def generate(make: Callable[[Path], Path]) -> Callable[[Path], tuple]:
    """The words that draw an image from the model that `make` writes."""
    more = ("--per-class", 1, "--preset", "smoke", "--device", "cpu")
    return lambda place: ("generate", "--model", make(place), "--out", place / "out", *more)


def described(**changes) -> Callable:
    """A saved model whose description says something else, and whose checksum fits."""

    def write(path: Path) -> None:
        tensors, meta = small().to_arrays()
        config = json.loads(meta["config"])
        net = config["network"] | changes.pop("network", {})
        write_weights(path, tensors, {"config": json.dumps(config | changes | {"network": net})})

    return file(write)


def meta(value: str) -> Callable:
    return file(lambda path: save_file({"a": torch.zeros(2)}, path, {"meta": value}))


def header(**entries) -> bytes:
    head = json.dumps(entries).encode()
    return struct.pack("<Q", len(head)) + head + bytes(16)


def overlapping() -> bytes:
    one = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}
    return header(a=one, b=one)


def unpacked_weights() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(2**28))
    return packed.getvalue()


# right values


def vp(place: Path, **arguments) -> tuple[EDM, float]:
    """A VPPrecond as it is loaded, and the largest error of its D against Table 1, relative to the largest value."""
    told = {"beta_d": 19.9, "beta_min": 0.1, "M": 1000} | arguments
    edm = load_edm(written(place / "vp.pkl", network(small(), "VPPrecond", sigma_data=None, **arguments)))
    x = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    worst = 0.0
    for sigma in (0.01, 0.5, 3.0, 12.0):

        def excess(t: float, sigma: float = sigma) -> float:
            return np.sqrt(np.expm1(0.5 * told["beta_d"] * t**2 + told["beta_min"] * t)) - sigma

        time = torch.full((3,), (told["M"] - 1) * brentq(excess, 0, 2, xtol=1e-14))
        with torch.no_grad():
            wanted = x - sigma * edm.model(x / np.sqrt(sigma**2 + 1), time, None, None)
            found = edm(x, torch.full((3,), sigma))
        worst = max(worst, float((found - wanted).abs().max() / wanted.abs().max()))
    return edm, worst


def other_betas(place: Path) -> str:
    edm, worst = vp(place, beta_d=10.0, beta_min=0.2)
    assert worst < 1e-4
    again = load_edm(edm.save(place / "again.safetensors"))
    assert again.config == edm.config
    assert all(torch.equal(v, again.state_dict()[k]) for k, v in edm.state_dict().items())  # D differs with alignment
    return "its D is that of Table 1 with these numbers to 0.01%, also once saved and loaded"


def other_steps(place: Path) -> str:
    assert vp(place, M=500)[1] < 1e-4
    return "the network is told 499·t"


def other_range(place: Path) -> str:
    config = vp(place, beta_d=10.0, beta_min=0.2, epsilon_t=0.01)[0].config
    assert abs(config.sigma_max - np.sqrt(np.expm1(5.2))) < 1e-9
    assert abs(config.sigma_min - np.sqrt(np.expm1(0.0025))) < 1e-9
    model = load_edm(written(place / "edm.pkl", network(small(), sigma_min=0.01, sigma_max=50.0)))
    assert (model.config.sigma_min, model.config.sigma_max) == (0.01, 50.0)
    synthgap.generate(model, count=1, steps=2)
    image = ImageSet(np.zeros((1, 1, 8, 8), np.uint8), np.zeros(1, int), ("image",))
    assert image_log_likelihood(model, image, steps=1, method="hutchinson").sigma == 0.01
    return "sampling, reconstruction and likelihood keep to the levels that it was trained for"


def no_part(place: Path) -> str:
    plain = load_edm(written(place / "a.pkl", network(small())))
    other = load_edm(written(place / "b.pkl", network(small(), use_fp16=False, label_dropout=0.1)))
    assert plain.config == other.config
    return "takes it: a network in half precision on a GPU, and labels dropped in training, play no part here"


def changed_attribute(place: Path) -> str:
    record = network(small(), sigma_data=0.5)
    record.meta["state"]["sigma_data"] = 0.9
    assert load_edm(written(place / "a.pkl", record)).config.sigma_data == 0.9
    return "the attribute counts: it is what the object computes with"


def protocols(place: Path) -> str:
    edm = small()
    for protocol in (2, 3, 4, 5):
        found = load_edm(written(place / "a.pkl", network(edm), protocol)).state_dict()
        assert all(torch.equal(found[k], v) for k, v in edm.state_dict().items())
    return "every weight comes out bit for bit"


NAMES = ("ant", "bee", "cow")


def classified(classes: tuple[str, ...] = NAMES) -> EDM:
    edm = small(label_dim=3)
    return EDM.from_arrays(
        edm.state_dict(), {"config": edm.config.model_copy(update={"classes": classes}).model_dump_json()}
    )


def set_of(classes: tuple[str, ...]) -> ImageSet:
    """Six images; those of a class have the same pixels whatever the order of the classes."""
    order = [sorted(classes)[i % 3] for i in range(6)]
    pixels = np.random.default_rng(0).integers(0, 256, (6, 1, 8, 8), dtype=np.uint8)
    return ImageSet(pixels, np.array([classes.index(name) for name in order]), classes, "photos")


TURNED = ("cow", "ant", "bee")


def turned_reconstruct(place: Path) -> str:
    edm = classified()
    straight, turned = (synthgap.reconstruct(edm, set_of(c), t_re=60, seed=0, steps=3) for c in (NAMES, TURNED))
    assert np.array_equal(straight.images, turned.images)
    assert turned.classes == TURNED
    wrong = replace(set_of(NAMES), labels=set_of(TURNED).labels)
    assert not np.array_equal(straight.images, synthgap.reconstruct(edm, wrong, t_re=60, seed=0, steps=3).images)
    return "each image under the class of its name: the same images as in the model's order"


def turned_generate(place: Path) -> str:
    generator = random_generator(label_dim=3, layers=3)
    tensors, told = generator.to_arrays()
    told = {"config": json.dumps(json.loads(told["config"]) | {"classes": NAMES})}
    for model in (classified(), Generator.from_arrays(tensors, told)):
        one = synthgap.generate(model, np.array([0, 1, 2]), seed=1, lanes=3)
        other = synthgap.generate(model, np.array([1, 2, 0]), seed=1, classes=TURNED, lanes=3)
        assert np.array_equal(one.images, other.images)
    return "of a diffusion model and of a GAN: each label by its name"


def turned_likelihood(place: Path) -> str:
    edm = classified()
    straight, turned = (
        image_log_likelihood(edm, set_of(c), steps=1, method="hutchinson").nats for c in (NAMES, TURNED)
    )
    assert np.array_equal(straight, turned)
    return "the same number for every image"


def foreign_names(place: Path) -> str:
    return refusal(synthgap.reconstruct, classified(), set_of(("ant", "bee", "dog")), t_re=60)


def decomposed(place: Path) -> str:
    edm = classified(("cafe\u0301", "bee", "cow"))
    one, other = (
        synthgap.reconstruct(edm, set_of((c, "bee", "cow")), t_re=60, steps=2) for c in ("cafe\u0301", "caf\u00e9")
    )
    assert np.array_equal(one.images, other.images)
    return "one name: é is é however it is written"


def unnamed(place: Path) -> str:
    edm = classified(())
    one, other = (
        synthgap.reconstruct(edm, replace(set_of(NAMES), classes=c), t_re=60, steps=2) for c in (NAMES, TURNED)
    )
    assert np.array_equal(one.images, other.images)
    return "class i of the set is class i of the model: there is no name to go by"


def numbered_folders(place: Path) -> str:
    names = tuple(sorted(map(str, range(12))))
    assert names[2] == "10"
    assert model_labels(np.arange(12), names, (), 12, "set").tolist() == [int(n) for n in names]
    assert model_labels(np.arange(3), ("007", "1", "20"), (), 3, "set").tolist() == [1, 0, 2]
    return "by number: folder 10 is the model's class 10, not its third"


def inner_modes(place: Path) -> str:
    model = nn.Sequential(nn.BatchNorm2d(1), nn.Sequential(nn.Dropout())).train()
    model[1].eval()
    with sampling_mode(model):
        assert not any(m.training for m in model.modules())
    assert [m.training for m in model.modules()] == [True, True, False, False]
    return "comes back as it was"


def pickled(content: bytes) -> Callable[[Path], object]:
    return saved(content, "edm.pkl")


def model_file(content: bytes) -> Callable[[Path], object]:
    return saved(content, "model.safetensors")


def weights_file(content: bytes) -> Callable[[Path], object]:
    return saved(content, "weights.pth")


def rows(command: str, read: Callable[[Path], object], *given: tuple[str, Callable, str]) -> list[Case]:
    """Rows of one command, each of (what, make, says)."""
    return [Case(f"{command}: {what}", make, says, read) for what, make, says in given]


MODELS: list[Case | Value] = [
    *rows(
        "convert",
        from_released,
        ("a pickle that sets a name's attributes, then calls it", pickled(SET_ON_A_NAME), "can have none"),
        ("a pickle that takes a tree of 2⁶⁰ branches as a key", convert(HASHED_TREE), "neither text nor"),
        ("a pickle that replaces a method of a dictionary", pickled(ATTRIBUTE), "can have none"),
        ("600,000 lists in one another", pickled(b"]" * 600_000 + b"a" * 599_999 + b"."), "more than 500,000"),
        ("a tuple of 200,000 tuples as a key", pickled(b"})" + b"\x85" * 200_000 + b"Ns."), "neither text"),
        ("5,000 numbers as keys", pickled(b"}(" + b"K\x01N" * 5000 + b"u."), "nor a few numbers"),
        ("bytes that claim 2⁶⁰ bytes", pickled(b"\x8e" + struct.pack("<Q", 2**60) + b"."), "are asked for"),
        ("a memo of 2³² places", pickled(b"Nr\xff\xff\xff\xff."), "the memo has no place"),
        ("a number of 100,000 digits", pickled(b"I" + b"9" * 100_000 + b"\n."), "can't be read"),
        ("a name that is 10,000 letters long", pickled(program(named("x" * 10_000, "y"))), "nothing ran"),
        ("an extension of pickle's registry", pickled(program(b"\x82\x01")), "is not read"),
        ("data outside of the pickle", pickled(program(text("name"), b"Q")), "outside itself"),
        (
            "a call of a program inside a tensor's bytes",
            edm_pickle(change=buffer(tensor(stored(torch_bytes(Call(os.system, "touch ran")))))),
            "asks for posix.system",
        ),
        ("a tensor's bytes that unpack to 256 MiB", edm_pickle(change=buffer(tensor(stored(bomb())))), "compressed"),
        (
            "a tensor's bytes that hold no storage",
            edm_pickle(change=buffer(tensor(stored(torch_bytes([1]))))),
            "hold something else",
        ),
        (
            "a tensor larger than its storage",
            edm_pickle(change=buffer(tensor(torch.zeros(4)._typed_storage(), 0, (10**6, 10**6), (0, 0)))),
            "in a storage of 4 numbers",
        ),
        ("a thousand tensors of 1 MiB in one storage", edm_pickle(change=copies), "larger than the file"),
        ("modules that hold one another", edm_pickle(change=circle), "in a circle"),
        ("preconditioning VEPrecond", edm_pickle("VEPrecond"), "known: EDMPrecond, VPPrecond"),
        ("preconditioning iDDPMPrecond", edm_pickle("iDDPMPrecond"), "known: EDMPrecond, VPPrecond"),
        ("an argument that is not known, P_mean", edm_pickle(P_mean=-1.2), "an argument 'P_mean'"),
        ("beta_d beside EDM's preconditioning", edm_pickle(beta_d=10.0), "an argument 'beta_d'"),
        ("sigma_data beside VP's", edm_pickle("VPPrecond"), "an argument 'sigma_data'"),
        ("beta_d = NaN", edm_pickle("VPPrecond", sigma_data=None, beta_d=float("nan")), "beta_d"),
        ("beta_d = 10⁶", edm_pickle("VPPrecond", sigma_data=None, beta_d=1e6), "rises above"),
        ("M = 1", edm_pickle("VPPrecond", sigma_data=None, M=1), "M: Input"),
        ("sigma_min above sigma_max", edm_pickle(sigma_min=3.0, sigma_max=2.0), "sigma_min = 3.0"),
        ("use_fp16 = 'yes'", edm_pickle(use_fp16="yes"), "use_fp16 = 'yes'"),
        ("channel_mult_emb = 2", edm_pickle(channel_mult_emb=2), "only 4 can be read"),
        ("img_resolution = '8'", edm_pickle(img_resolution="8"), "valid integer"),
        ("label_dim = −1", edm_pickle(label_dim=-1), "label_dim"),
        ("model_channels = 10¹²", edm_pickle(model_channels=10**12), "model_channels"),
        ("a thousand levels", edm_pickle(channel_mult=[1] * 900), "channel_mult"),
        ("the network's own record contradicts", edm_pickle(change=contradicted), "num_blocks = 7"),
    ),
    *rows(
        "generate --model",
        load_model,
        ("StyleGAN3-R", generate(gan_pickle(conv_kernel=1)), "it is configuration R"),
        ("StyleGAN2", stylegan2, "a generator of StyleGAN2"),
        ("a discriminator", gan_pickle("Discriminator"), "known: Generator"),
        ("StyleGAN3 with another learning rate", gan_pickle(mapping_kwargs={"lr_multiplier": 1}), "0.01"),
        ("StyleGAN3 with an unknown argument", gan_pickle(fused=True), "an argument 'fused'"),
        ("a pickle without a network", saved(program(b"}"), "model.pkl"), "an 'ema' or 'G_ema' network"),
        ("a description of 10¹² weights", described(network={"model_channels": 8 * 10**5}), "model_channels"),
        ("a description of 10¹⁰ weights", described(network={"model_channels": 10**4}), "does not fit"),
        ("100 blocks a level", described(network={"num_blocks": 100}), "does not fit"),
        ("sigma_max = −1", generate(described(sigma_max=-1.0)), "sigma_max"),
        ("rho = 'seven'", described(rho="seven"), "rho"),
        ("two names for three classes", described(network={"label_dim": 3}, classes=["a", "b"]), "2 names"),
        ("a description in 100,000 brackets", meta("[" * 100_000), "is not a diffusion model"),
        ("a description of 5 MiB", meta('"' + "a" * 5 * 2**20 + '"'), "describes itself in"),
        ("tensors that overlap", model_file(overlapping()), "is not a diffusion model"),
        ("a header of 2⁶⁰ bytes", model_file(struct.pack("<Q", 2**60) + b"{}"), "is not a diffusion model"),
        (
            "a tensor of 10¹² numbers in 16 bytes",
            model_file(header(a={"dtype": "F32", "shape": [10**12], "data_offsets": [0, 16]})),
            "is not a diffusion model",
        ),
    ),
    *rows(
        "metrics --weights",
        load_weights,
        ("a call of a program", weights_file(torch_bytes({"x": Call(os.system, "touch ran")})), "posix.system"),
        ("a zip that unpacks to 256 MiB", weights_file(unpacked_weights()), "not a readable weights file"),
        ("a tree of 2⁶⁰ branches as a key", weights_file(HASHED_TREE), "not a readable weights file"),
        ("cut short", weights_file(torch_bytes({"x": torch.ones(9)})[:-30]), "not a readable weights file"),
        ("a list", weights_file(torch_bytes([1])), "holds no network weights"),
    ),
    Value("a released VPPrecond of beta_d = 10, beta_min = 0.2", other_betas),
    Value("a released VPPrecond of M = 500", other_steps),
    Value("a released model of other noise levels", other_range),
    Value("a released model with use_fp16 and label_dropout", no_part),
    Value("a released model whose attribute differs from its argument", changed_attribute),
    Value("released pickles of protocol 2 to 5", protocols),
    Value("reconstruct: the model's classes in another order", turned_reconstruct),
    Value("generate: labels whose names come in another order", turned_generate),
    Value("likelihood: the model's classes in another order", turned_likelihood),
    Value("reconstruct: classes that the model does not know", foreign_names),
    Value("reconstruct: a class name composed in the set, decomposed in the model", decomposed),
    Value("reconstruct: a model that knows no names", unnamed),
    Value("folders 0, 1, 10, 11, 2, … for a model that knows no names", numbered_folders),
    Value("sampling from a network of which a part is in eval mode", inner_modes),
]
