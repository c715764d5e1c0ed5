"""Makes pickles of the released structure out of our own networks, and malicious ones."""

from __future__ import annotations

import contextlib
import io
import pickle
import struct
import sys
import tempfile
import types
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from torch import nn

from synthgap.diffusion.edm import EDM, EDMConfig
from synthgap.diffusion.unet import UNetConfig
from synthgap.gan.stylegan3 import Generator, GeneratorConfig

KINDS = ("ddpm++", "ncsn++", "adm")
RELEASED = {
    "ddpm++": {
        "model_type": "SongUNet",
        "embedding_type": "positional",
        "encoder_type": "standard",
        "decoder_type": "standard",
        "channel_mult_noise": 1,
        "resample_filter": [1, 1],
    },
    "ncsn++": {
        "model_type": "SongUNet",
        "embedding_type": "fourier",
        "encoder_type": "residual",
        "decoder_type": "standard",
        "channel_mult_noise": 2,
        "resample_filter": [1, 3, 3, 1],
    },
    "adm": {"model_type": "DhariwalUNet"},
}


@contextlib.contextmanager
def modules_of_the_release(**extra: dict):
    """`torch_utils.persistence` and `dnnlib.util` can be imported, here only; also `extra` {module: {name: value}}."""
    contents = {"torch_utils.persistence": [_reconstruct_persistent_obj], "dnnlib.util": [EasyDict]}
    names = {*contents, *(n.partition(".")[0] for n in contents), *extra}
    assert not names & sys.modules.keys()
    for name in names:
        sys.modules[name] = types.ModuleType(name)
    for name, values in contents.items():
        for value in values:
            setattr(sys.modules[name], value.__name__, value)
            value.__module__ = name
    for name, values in extra.items():
        vars(sys.modules[name]).update(values)
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]


def _reconstruct_persistent_obj(meta):
    raise AssertionError("a test ran code of the release")


class EasyDict(dict):
    pass


class Object:
    """Pickles as the release's persistent objects do."""

    def __init__(self, class_name, source="raise AssertionError", **state):
        self.meta = {"type": "class", "version": 6, "module_src": source, "class_name": class_name, "state": state}

    def __reduce__(self):
        return _reconstruct_persistent_obj, (self.meta,)


class Call:
    """Pickles as a call of `function`."""

    def __init__(self, function, *arguments):
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced


def tensor(storage, offset=0, size=(1,), stride=(1,)):
    """Pickles as a tensor of this geometry on `storage`."""
    return Call(torch._utils._rebuild_tensor_v2, storage, offset, size, stride, False, OrderedDict())


def torch_bytes(value, zipped=True):
    """What torch saves of a value, in its format of zips or in the one before."""
    inside = io.BytesIO()
    torch.save(value, inside, _use_new_zipfile_serialization=zipped)
    return inside.getvalue()


def stored(data):
    """Pickles as the storage that these bytes hold."""
    return Call(torch.storage._load_from_bytes, data)


def random_edm(kind="ddpm++", label_dim=0, **sizes):
    """A tiny denoiser with random weights everywhere."""
    network = {"height": 8, "width": 8, "channels": 1, "model_channels": 8, "channel_mult": (1, 2), "num_blocks": 1}
    network |= {"attn_resolutions": (4,), "dropout": 0.25, "architecture": kind, "label_dim": label_dim} | sizes
    config = EDMConfig(network=UNetConfig(**network), sigma_data=0.75)
    rng = torch.Generator().manual_seed(3)
    with torch.random.fork_rng():
        edm = EDM(config)
    for value in edm.parameters():
        value.data = torch.randn(value.shape, generator=rng) * 0.2
    return edm.eval().requires_grad_(False)


def arguments(edm, **changes):
    """The constructor's arguments as the release records them."""
    net = edm.config.network
    plain = {
        "img_resolution": net.height,
        "img_channels": net.channels,
        "label_dim": net.label_dim,
        "sigma_data": edm.config.sigma_data,
        "use_fp16": True,
        "model_channels": net.model_channels,
        "channel_mult": list(net.channel_mult),
        "num_blocks": np.int64(net.num_blocks),
        "attn_resolutions": list(net.attn_resolutions),
        "dropout": np.float64(net.dropout),
        "augment_dim": net.augment_dim,
    }
    return plain | RELEASED[net.architecture] | changes


def persistent(module: nn.Module, name: str, kwargs: dict | None = None, half: bool = False):
    """A network as the release pickles it: ModuleDicts are torch's, everything else is persistent."""
    kept = {k: v for k, v in vars(module).items() if k.startswith("_") or isinstance(v, (bool, int, float))}

    def stored(value):
        value = value.half() if half and value is not None else value
        return None if value is None else value.detach().clone()

    kept["_parameters"] = OrderedDict(
        (k, None if v is None else nn.Parameter(stored(v), requires_grad=False)) for k, v in module._parameters.items()
    )
    kept["_buffers"] = OrderedDict((k, stored(v)) for k, v in module._buffers.items())
    kept["_modules"] = OrderedDict(
        (k, None if m is None else persistent(m, type(m).__name__, half=half)) for k, m in module._modules.items()
    )
    if isinstance(module, nn.ModuleDict):
        out = nn.ModuleDict()
        out.__dict__ = kept
        return out
    return Object(name, **kept, _init_args=(), _init_kwargs=EasyDict(kwargs or {}))


def network(edm, class_name="EDMPrecond", half=False, **changes):
    """The 'ema' entry for a model of ours."""
    kwargs = arguments(edm, **changes)
    edm_object = persistent(edm, class_name, {k: v for k, v in kwargs.items() if v is not None}, half)
    inner = edm_object.meta["state"]["_modules"]["model"]
    inner.meta["class_name"] = RELEASED[edm.config.network.architecture]["model_type"]
    return edm_object


def written(path, ema, protocol=4, **entries):
    """Write a released pickle around `ema` and return its path."""
    content = {
        "ema": ema,
        "loss_fn": Object("EDMLoss", P_mean=-1.2, P_std=1.2, sigma_data=0.5),
        "augment_pipe": Object("AugmentPipe", p=np.float64(0.12), xflip=np.float32(1e8), training=True),
        "dataset_kwargs": EasyDict(path="cifar10.zip", use_labels=True, seeds={1, 2}),
    }
    with modules_of_the_release():
        path.write_bytes(pickle.dumps(content | entries, protocol=protocol))
    return path


def random_generator(**sizes):
    """A tiny generator whose every parameter and average is random."""
    small = {"height": 8, "width": 8, "channels": 1, "z_dim": 4, "w_dim": 4, "channel_base": 32, "channel_max": 8}
    config = GeneratorConfig(**(small | {"layers": 4, "margin": 2} | sizes))
    with torch.random.fork_rng():
        torch.manual_seed(3)
        generator = Generator(config)
        for name, value in [*generator.named_parameters(), *generator.named_buffers()]:
            if not name.endswith("transform"):
                value.data = torch.rand(value.shape) + 0.1
    return generator.eval().requires_grad_(False)


def gan_network(generator, class_name="Generator", half=False, **changes):
    """The 'G_ema' entry for a generator of ours; an argument that is None is left out."""
    config = generator.config
    arguments = {
        "z_dim": config.z_dim,
        "c_dim": config.label_dim,
        "w_dim": config.w_dim,
        "img_resolution": config.height,
        "img_channels": config.channels,
        "mapping_kwargs": EasyDict(num_layers=config.mapping_layers),
        "channel_base": config.channel_base,
        "channel_max": np.int64(config.channel_max),
        "magnitude_ema_beta": np.float64(0.9997),
        "num_layers": config.layers,
        "margin_size": config.margin,
        "num_fp16_res": 4,
    } | changes
    record = persistent(generator, class_name, {k: v for k, v in arguments.items() if v is not None}, half)
    modules = record.meta["state"]["_modules"]["synthesis"].meta["state"]["_modules"]
    for module in modules.values():
        module.meta["state"]["in_size"] = np.array([28, 28])
    return record


def gan_written(path, record, protocol=4, **entries):
    """A released pickle around G_ema."""
    content = {"G": None, "D": Object("Discriminator"), "G_ema": record, "augment_pipe": None}
    content["training_set_kwargs"] = EasyDict(path="faces.zip", use_labels=False)
    with modules_of_the_release():
        path.write_bytes(pickle.dumps(content | entries, protocol=protocol))
    return path


def small_edm():
    """The bytes of a small valid EDM pickle."""
    return _bytes(written, network(random_edm(channel_mult=(1,), attn_resolutions=(), label_dim=2)))


def small_stylegan3():
    """The bytes of a small valid StyleGAN3 pickle."""
    return _bytes(gan_written, gan_network(random_generator(layers=3)))


def _bytes(write, record):
    with tempfile.TemporaryDirectory() as folder:
        return write(Path(folder) / "a.pkl", record).read_bytes()


def text(value):
    data = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(data)) + data


def named(module, name):
    """STACK_GLOBAL, which takes names that no import would."""
    return text(module) + text(name) + b"\x93"


def program(*opcodes):
    """A pickle made by hand."""
    return b"\x80\x04" + b"".join(opcodes) + b"."


def states(module, prefix=()):
    """All state dictionaries of a made network, by place."""
    state = module.meta["state"] if isinstance(module, Object) else vars(module)
    yield ".".join(prefix), state
    for name, inner in state["_modules"].items():
        if inner is not None:
            yield from states(inner, (*prefix, name))
