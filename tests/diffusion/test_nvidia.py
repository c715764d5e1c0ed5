"""Reading released pickles: what they hold comes out, and nothing in them is ever run."""

import builtins
import contextlib
import functools
import importlib
import io
import os
import pickle
import posix
import struct
import subprocess
import warnings
from collections import OrderedDict

import numpy as np
import pytest
import torch
from released_pickle import (
    Call,
    EasyDict,
    Object,
    modules_of_the_release,
    named,
    network,
    program,
    random_edm,
    text,
    written,
)
from torch import nn

from synthgap.base.errors import UserError
from synthgap.released import nvidia
from synthgap.released.edm import from_released
from synthgap.released.networks import network_in
from synthgap.released.nvidia import Persistent, plain, read_pickle, state_dict


@pytest.fixture
def marker(tmp_path):
    """A file that comes into being if a pickle runs something."""
    return tmp_path / "ran"


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A well-formed file of a small conditional DDPM++, of protocol 4, and its model."""
    edm = random_edm(label_dim=2, channel_mult=(1,), attn_resolutions=())
    return written(tmp_path_factory.mktemp("good") / "good.pkl", network(edm)), edm


def refused(path, data=None):
    """The one-line message with which a file is refused, when it is read or when its tensors are made."""
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(UserError) as caught:
        network_in(path, {"ema": state_dict})
    message = str(caught.value)
    assert message.startswith(str(path))
    assert message.isprintable()  # so it is one line
    return message


def equal(model, other):
    state, wanted = model.state_dict(), other.state_dict()
    return state.keys() == wanted.keys() and all(torch.equal(v, wanted[k]) for k, v in state.items())


# what a released file holds


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_the_four_entries_are_read_as_inert_records(tmp_path, protocol):
    edm, options = random_edm("ncsn++", label_dim=3), EasyDict(path="cifar10.zip", use_labels=True)
    if protocol > 3:  # older pickles ask for builtins.set
        options["seeds"] = {1, 2}
    content = read_pickle(written(tmp_path / "a.pkl", network(edm), protocol, dataset_kwargs=options))
    assert list(content) == ["ema", "loss_fn", "augment_pipe", "dataset_kwargs"]
    assert isinstance(content["ema"], Persistent)
    assert content["ema"].class_name == "EDMPrecond"
    assert content["ema"].arguments["encoder_type"] == "residual"
    assert content["ema"].arguments["num_blocks"] == 1
    assert content["loss_fn"].state["P_mean"] == -1.2
    assert plain(content["augment_pipe"].state["p"], "p") == 0.12
    assert plain(content["augment_pipe"].state["xflip"], "xflip") == 1e8
    assert content["dataset_kwargs"] == options
    tensors, wanted = state_dict(content["ema"]), edm.state_dict()
    assert set(tensors) == set(wanted)
    assert all(torch.equal(tensors[k], wanted[k]) for k in wanted)


@pytest.mark.parametrize("module", ["numpy.core.multiarray", "numpy._core.multiarray"])
def test_numpy_scalars_are_read_in_either_byte_order_by_the_old_and_the_new_name(tmp_path, module):
    values = {"a": np.float32(0.1), "b": np.float64(0.3), "c": np.bool_(True), "d": np.uint8(255), "e": np.int32(-5)}
    swapped = program(
        b"}", text("ema"), named("torch_utils.persistence", "_reconstruct_persistent_obj"), b"}",
        text("class_name"), text("E"), b"s", text("state"), b"}", text("x"),
        named(module, "scalar"), named("numpy", "dtype"), text("f8"), b"K\x00K\x01\x87R",
        b"(K\x03", text(">"), b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb", b"C\x08" + struct.pack(">d", 2.5),
        b"\x86R", b"s", b"s", b"\x85R", b"s",
    )  # fmt: skip
    (tmp_path / "swapped.pkl").write_bytes(swapped)
    assert plain(read_pickle(tmp_path / "swapped.pkl")["ema"].state["x"], "x") == 2.5
    state = read_pickle(written(tmp_path / "a.pkl", Object("E", **values)))["ema"].state
    found = plain(state, "all")
    assert found == values
    assert [type(v) for v in found.values()] == [float, float, bool, int, int]


def test_views_of_a_storage_are_read_with_their_offset_and_strides(tmp_path):
    base = torch.arange(24.0).reshape(4, 6)
    views = {"all": base, "turned": base.T, "part": base[1:3, 2:5], "empty": base[:0], "one": base[3, 5]}
    tensors = state_dict(read_pickle(written(tmp_path / "a.pkl", Object("E", _buffers=views)))["ema"])
    assert all(torch.equal(tensors[k], v) and tensors[k].stride() == v.stride() for k, v in views.items())


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize(
    "dtype",
    [
        *(torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16),
        *(torch.int8, torch.uint8, torch.bool, torch.complex64, torch.complex128),
    ],
)
def test_tensors_of_every_type_and_those_that_share_a_storage_come_out_bit_for_bit(tmp_path, dtype, protocol):
    base = (torch.arange(60) % 120).reshape(3, 4, 5).to(dtype)
    given = {"all": base, "turned": base.permute(2, 0, 1), "part": base[1:, ::2, 3], "again": base}
    given["last"] = torch.rand(2, 3, 4, 4).to(memory_format=torch.channels_last).to(dtype)
    given["wide"] = base[0, 0, :1].expand(5, 1)[:1]
    path = written(tmp_path / "a.pkl", Object("E", _buffers=given), protocol, dataset_kwargs=None)
    found = state_dict(read_pickle(path)["ema"])
    for name, value in given.items():
        assert found[name].dtype == dtype
        assert torch.equal(found[name], value)
        assert found[name].stride() == value.stride()
    found["all"].zero_()
    assert torch.equal(found["again"], base)  # each in memory of its own


@pytest.mark.parametrize("zipped", [True, False])
def test_the_bytes_of_a_storage_may_be_of_either_format_of_torch(tmp_path, zipped):
    inside, values = io.BytesIO(), torch.arange(7.0, dtype=torch.float64)
    torch.save(values._typed_storage(), inside, _use_new_zipfile_serialization=zipped)
    storage = Call(torch.storage._load_from_bytes, inside.getvalue())
    made = Call(torch._utils._rebuild_tensor_v2, storage, 1, (6,), (1,), False, OrderedDict())
    record = read_pickle(written(tmp_path / "a.pkl", Object("E", _buffers={"x": made})))["ema"]
    assert torch.equal(state_dict(record)["x"], values[1:])


# what is refused


def functions(marker):
    """Calls that would write the marker, with the name under which each is refused."""
    code = f"open({str(marker)!r}, 'w').close()"
    touch = f"touch '{marker}'"
    return {
        "posix.system": (os.system, touch),
        "builtins.eval": (eval, code.removesuffix(".close()")),
        "builtins.exec": (exec, code),
        "subprocess.check_call": (subprocess.check_call, ["touch", str(marker)]),
        "subprocess.Popen": (subprocess.Popen, ["touch", str(marker)]),
        "io.open": (builtins.open, str(marker), "w"),
        "builtins.getattr": (getattr, posix, "system"),
        "functools.partial": (functools.partial, os.system, touch),
        "importlib.import_module": (importlib.import_module, "antigravity"),
        "builtins.__import__": (builtins.__import__, "antigravity"),
        "torch.serialization.load": (torch.load, str(marker)),
    }


CALLS = list(functions(""))


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("place", ["top", "state", "parameter", "arguments", "other entry"])
def test_a_call_of_anything_else_is_refused_by_name_and_does_not_happen(tmp_path, marker, name, place):
    call, edm = Call(*functions(marker)[name]), random_edm(channel_mult=(1,), attn_resolutions=())
    if name == "builtins.getattr":  # modules can't be pickled; any object will do
        call = Call(getattr, "text", "upper")
    if place == "top":
        path = tmp_path / "a.pkl"
        path.write_bytes(pickle.dumps(call))
    else:
        ema = network(edm)
        state = ema.meta["state"]
        if place == "state":
            inner = state["_modules"]["model"].meta["state"]["_modules"]["enc"]
            inner._modules["8x8_conv"].meta["state"]["hook"] = call
        if place == "parameter":
            state["_parameters"]["weight"] = call
        if place == "arguments":
            state["_init_kwargs"]["label_dim"] = call
        path = written(tmp_path / "a.pkl", ema, **({"loss_fn": call} if place == "other entry" else {}))
    assert f"asks for {name}, which no released checkpoint needs" in refused(path)
    assert not marker.exists()


def test_plain_unpickling_would_run_those_calls(marker):
    for name in ("posix.system", "builtins.eval", "builtins.exec", "subprocess.check_call", "io.open"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            pickle.loads(pickle.dumps(Call(*functions(marker)[name])))
        assert marker.exists(), name
        marker.unlink()


@pytest.mark.parametrize("legacy", [True, False])
def test_a_call_inside_the_bytes_of_a_storage_is_refused_by_name(tmp_path, marker, legacy):
    inside = io.BytesIO()
    torch.save(Call(os.system, f"touch '{marker}'"), inside, _use_new_zipfile_serialization=not legacy)
    storage = Call(torch.storage._load_from_bytes, inside.getvalue())
    ema = Object("EDMPrecond", _buffers={"a": Call(torch._utils._rebuild_tensor_v2, storage, 0, (), (), False, None)})
    message = refused(written(tmp_path / "a.pkl", ema))
    assert "posix.system" in message
    assert "weights_only" not in message  # torch's advice is to load it without protection
    assert not marker.exists()
    torch.load(io.BytesIO(inside.getvalue()), weights_only=False)
    assert marker.exists()


@pytest.mark.parametrize("what", [torch.zeros(2), OrderedDict(a=1), torch.nn.Parameter, "text", torch.float32])
def test_the_bytes_of_a_storage_hold_a_storage_and_nothing_else(tmp_path, what):
    inside = io.BytesIO()
    torch.save(what, inside, _use_new_zipfile_serialization=False)
    storage = Call(torch.storage._load_from_bytes, inside.getvalue())
    ema = Object("EDMPrecond", _buffers={"a": Call(torch._utils._rebuild_tensor_v2, storage, 0, (), (), False, None)})
    assert "storage" in refused(written(tmp_path / "a.pkl", ema))


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("os.path", "os.system"),
        ("torch.storage", "_load_from_bytes.__globals__"),
        ("torch._utils", "_rebuild_tensor_v2.__globals__"),
        ("torch._utils", "_rebuild_tensor"),
        ("collections", "OrderedDict.fromkeys"),
        ("collections", "OrderedDict.__init__.__globals__"),
        ("collections", "defaultdict"),
        ("numpy", "dtype.__class__"),
        ("numpy", "load"),
        ("numpy.core.multiarray", "fromstring"),
        ("numpy.core.numeric", "frombuffer"),
        ("_codecs", "decode"),
        ("builtins", "frozenset"),
        ("torch.nn.modules.container", "ModuleDict.__init__"),
        ("torch.nn.modules.container", "Sequential"),
        ("torch_utils.persistence", "exec"),
        ("torch_utils.persistence2", "_reconstruct_persistent_obj"),
        ("torch_utils.persistence\n", "_reconstruct_persistent_obj"),
        ("Torch_utils.persistence", "_reconstruct_persistent_obj"),
        ("synthgap.released.nvidia", "Persistent"),
        ("", ""),
        ("a\nb\x1b[2J", "\ud800"),
        ("x" * 10_000, "y"),
    ],
)
def test_a_name_that_is_not_on_the_list_is_refused_as_it_stands(tmp_path, module, name):
    message = refused(tmp_path / "a.pkl", program(named(module, name)))
    assert "asks for" in message
    assert len(message) < 600
    if f"{module}.{name}".isprintable() and len(module) < 100:
        assert f"asks for {module}.{name}," in message


def test_the_older_ways_to_name_a_thing_are_refused_too(tmp_path, marker):
    touch = f"touch '{marker}'".encode()
    for data in (
        b"cposix\nsystem\n(S'" + touch.replace(b"'", b'"') + b"'\ntR.",  # GLOBAL, protocol 0
        b"(S'" + touch.replace(b"'", b'"') + b"'\niposix\nsystem\n.",  # INST
        b"(cposix\nsystem\nX" + struct.pack("<I", len(touch)) + touch + b"o.",  # OBJ
    ):
        assert "asks for posix.system" in refused(tmp_path / "a.pkl", data)
        assert not marker.exists()
        pickle.loads(data)
        assert marker.exists()
        marker.unlink()
    assert "extension" in refused(tmp_path / "a.pkl", program(b"\x82\x01"))


def test_a_renamed_module_of_the_release_is_refused(tmp_path):
    def _reconstruct_persistent_obj(meta):
        raise AssertionError

    _reconstruct_persistent_obj.__module__ = "persistence2"
    _reconstruct_persistent_obj.__qualname__ = "_reconstruct_persistent_obj"
    with modules_of_the_release(persistence2={"_reconstruct_persistent_obj": _reconstruct_persistent_obj}):
        data = pickle.dumps({"ema": Call(_reconstruct_persistent_obj, {})})
    assert "persistence2._reconstruct_persistent_obj" in refused(tmp_path / "a.pkl", data)


def test_source_code_in_the_file_is_not_run(tmp_path, marker):
    edm = random_edm(channel_mult=(1,), attn_resolutions=())
    ema = network(edm)
    ema.meta["module_src"] = f"open({str(marker)!r}, 'w').close()"
    assert equal(from_released(written(tmp_path / "a.pkl", ema)), edm)
    assert not marker.exists()


@pytest.mark.parametrize("data", [b"Pname\n.", program(text("name"), b"Q")])
def test_persistent_ids_are_refused(tmp_path, data):
    assert "data outside itself" in refused(tmp_path / "a.pkl", data)


@pytest.mark.parametrize("name", ["O", "O8", "object", "V1000000000", "f8,O", "no such", "datetime64[s]"])
def test_numpy_types_other_than_plain_numbers_are_refused(tmp_path, name):
    scalar = named("numpy.core.multiarray", "scalar") + named("numpy", "dtype") + text(name) + b"K\x00K\x01\x87R"
    arguments = b"}" + text("dropout") + scalar + b"C\x08" + bytes(8) + b"\x86Rs"
    state = b"}" + text("_init_kwargs") + arguments + b"s"
    record = b"}" + text("class_name") + text("EDMPrecond") + b"s" + text("state") + state + b"s\x85R"
    path = tmp_path / "a.pkl"
    path.write_bytes(
        program(b"}", text("ema"), named("torch_utils.persistence", "_reconstruct_persistent_obj"), record, b"s")
    )
    with pytest.raises(UserError, match="no plain number"):
        from_released(path)


@pytest.mark.parametrize("name", sorted(nvidia.NAMES | nvidia.MAPPINGS))
@pytest.mark.parametrize(
    "state",
    [
        b"}" + text("state") + b"K\x01s",
        b"N}" + text("__defaults__") + b"K\x01\x85s\x86",
        b"(" + named("collections", "OrderedDict") + b")}}t",  # a valid state for functools.partial
    ],
)
def test_a_name_takes_no_state(tmp_path, name, state):
    module, _, last = name.rpartition(".")
    assert "can have none" in refused(tmp_path / "a.pkl", program(named(module, last), state, b"b"))


def test_an_object_can_not_be_given_another_state_later(tmp_path):
    record = [b"}", text("ema"), named("torch_utils.persistence", "_reconstruct_persistent_obj")]
    whole = [*record, b"}", text("class_name"), text("E"), b"s\x85R"]
    assert "set twice" in refused(tmp_path / "a.pkl", program(*whole, b"}", text("state"), b"K\x01sb", b"s"))
    assert "class name" in refused(tmp_path / "a.pkl", program(*record, b"}\x85R", b"s"))


# tensors that reach beyond their storage


def tensor_of_four(tmp_path, offset, size, stride):
    """A file with a tensor of the given geometry on a storage of four numbers."""
    storage = torch.arange(4.0)._typed_storage()
    made = Call(torch._utils._rebuild_tensor_v2, storage, offset, size, stride, False, OrderedDict())
    return written(tmp_path / "a.pkl", Object("E", _buffers={"x": made}))


@pytest.mark.parametrize(
    ("offset", "size", "stride"),
    [
        (1, (4,), (1,)),
        (5, (1,), (1,)),
        (4, (), ()),
        (-1, (1,), (1,)),
        (0, (-1,), (1,)),
        (0, (-2, -2), (1, 1)),
        (3, (2,), (-1,)),
        (0, (3,), (2,)),
        (0, (2, 2), (1,)),
        (0, (10**6, 10**6), (0, 0)),
        (0, (5,), (0,)),
        (2**62, (1,), (1,)),
        (0, (2**62, 2), (1, 1)),
        (0, (10**30,), (1,)),
        (0, ("4",), (1,)),
        (0, (2.0,), (1,)),
        (0, None, None),
    ],
)
def test_a_tensor_that_reaches_beyond_its_storage_is_refused(tmp_path, offset, size, stride):
    refused(tensor_of_four(tmp_path, offset, size, stride))


def test_a_tensor_that_just_fits_its_storage_is_read(tmp_path):
    for offset, size, stride in [(0, (4,), (1,)), (0, (2, 2), (1, 2)), (3, (), ()), (1, (2,), (2,)), (4, (0,), (1,))]:
        tensors = state_dict(read_pickle(tensor_of_four(tmp_path, offset, size, stride))["ema"])
        assert torch.equal(tensors["x"], torch.arange(4.0).as_strided(size, stride, offset))


@pytest.mark.parametrize("storage", [torch.arange(4.0).untyped_storage(), "text", None, torch.zeros(4)])
def test_a_tensor_needs_a_typed_storage(tmp_path, storage):
    made = Call(torch._utils._rebuild_tensor_v2, storage, 0, (1,), (1,), False, OrderedDict())
    refused(written(tmp_path / "a.pkl", Object("E", _buffers={"x": made})))


# files that exhaust something


def test_few_bytes_can_not_exhaust_memory_or_the_stack(tmp_path):
    path, deep = tmp_path / "a.pkl", 200_000
    nested = b")" + b"\x85" * deep
    for data in (
        program(b"}", nested, b"Ns"),  # hashing it would overflow the C stack
        program(b"}", b")" + (b"\x85q\x01h\x01" * deep), b"Ns"),
        program(b"N", b"r" + struct.pack("<I", 2**32 - 1)),  # a memo of 2³² places
        program(b"N", b"p999999999999\n"),
        program(b"\x8e" + struct.pack("<Q", 2**60)),  # bytes of that length
        program(b"\x8e" + struct.pack("<Q", 2**63 + 5)),
        program(b"\x8d" + struct.pack("<Q", 2**60)),
        program(b"\x96" + struct.pack("<Q", 2**60)),
        program(b"\x95" + struct.pack("<Q", 2**60)),  # a frame of that length
        program(b"\x8b" + struct.pack("<I", 2**31 - 1)),
        program(b"]" * deep + b"a" * (deep - 1)),
        program(b"I" + b"9" * 100_000 + b"\n"),
        b"",
        b"\x80",
        b"\x80\xff.",
        b"." * 100,
        b"\x80\x04N.",
    ):
        refused(path, data)


def test_a_file_that_is_too_large_is_not_opened(tmp_path, good, monkeypatch):
    monkeypatch.setattr(nvidia, "LARGEST", good[0].stat().st_size)
    read_pickle(good[0])
    monkeypatch.setattr(nvidia, "LARGEST", good[0].stat().st_size - 1)
    assert "that is no released checkpoint" in refused(good[0])


def test_modules_in_a_circle_and_modules_without_number_are_refused(tmp_path):
    circle = nn.ModuleDict()
    circle._modules = OrderedDict(again=circle)
    double = nn.ModuleDict()
    for _ in range(40):  # 2⁴⁰ paths
        outer = nn.ModuleDict()
        outer._modules = OrderedDict(a=double, b=double)
        double = outer
    for ema in (Object("E", _modules={"a": circle}), Object("E", _modules={"a": double})):
        record = read_pickle(written(tmp_path / "a.pkl", ema))["ema"]
        with pytest.raises(UserError, match="circle"):
            state_dict(record)


@pytest.mark.parametrize("state", [{"_modules": [1]}, {"_buffers": {1: 2}}, {"_parameters": "text"}])
def test_members_without_names_are_refused(tmp_path, state):
    record = read_pickle(written(tmp_path / "a.pkl", Object("E", **state)))["ema"]
    with pytest.raises(UserError, match="not named"):
        state_dict(record)


# damage


def test_a_file_that_is_cut_short_is_refused(tmp_path, good):
    data = good[0].read_bytes()
    for length in np.linspace(0, len(data) - 1, 50).astype(int):
        refused(tmp_path / "a.pkl", data[:length])


def test_a_flipped_bit_is_refused_or_makes_no_difference_but_to_values(tmp_path, good):
    path, data = tmp_path / "a.pkl", good[0].read_bytes()
    shapes = {k: v.shape for k, v in good[1].state_dict().items()}
    rng, read = np.random.default_rng(0), 0
    for trial in range(120):
        damaged = bytearray(data)
        reach = len(data) if trial % 2 else 2000
        for position in rng.integers(0, reach, 1 + trial % 3):
            damaged[position] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        with contextlib.suppress(UserError):
            state = from_released(path).state_dict()
            assert {k: v.shape for k, v in state.items()} == shapes
            read += 1
    assert 0 < read < 120


@pytest.mark.parametrize(
    "content", [{}, [], {"ema": None}, {"ema": {"state": 1}}, {"G_ema": Object("Generator")}, Object("EDMPrecond")]
)
def test_a_pickle_without_an_averaged_network_is_refused(tmp_path, content):
    with modules_of_the_release():
        data = pickle.dumps(content)
    assert "without an 'ema' network" in refused(tmp_path / "a.pkl", data)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    assert "No such file" in refused(tmp_path / "none.pkl")
    (tmp_path / "folder.pkl").mkdir()
    refused(tmp_path / "folder.pkl")
