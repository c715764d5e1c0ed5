"""Reading released pickles: what they hold comes out, and nothing in them is ever run."""

import builtins
import functools
import importlib
import io
import os
import pickle
import posix
import struct
import subprocess
import warnings
import zipfile

import numpy as np
import pytest
import torch
from cases import refusal
from released_pickle import (
    Call,
    EasyDict,
    Object,
    modules_of_the_release,
    named,
    network,
    program,
    random_edm,
    stored,
    tensor,
    text,
    torch_bytes,
    written,
)
from torch import nn

from synthgap.base.errors import UserError
from synthgap.base.inert import Rules, Source, read_inert
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
    message = refusal(network_in, path, {"ema": lambda record: (state_dict(record), nn.Identity())[1]})
    assert message.startswith(str(path))
    return message


def with_tensor(path, *given):
    """A released pickle with such a tensor (see `released_pickle.tensor`)."""
    return written(path, Object("E", _buffers={"x": tensor(*given)}))


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
    given |= {"empty": base[:0], "one": base[2, 3, 4]}
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
    values = torch.arange(7.0, dtype=torch.float64)
    path = with_tensor(tmp_path / "a.pkl", stored(torch_bytes(values._typed_storage(), zipped)), 1, (6,))
    assert torch.equal(state_dict(read_pickle(path)["ema"])["x"], values[1:])


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
    path, ema = tmp_path / "a.pkl", network(edm)
    state = ema.meta["state"]
    match place:
        case "top":
            path.write_bytes(pickle.dumps(call))
        case "other entry":
            written(path, ema, loss_fn=call)
        case "state":
            inner = state["_modules"]["model"].meta["state"]["_modules"]["enc"]
            inner._modules["8x8_conv"].meta["state"]["hook"] = call
            written(path, ema)
        case _:
            group, member = {"parameter": ("_parameters", "weight"), "arguments": ("_init_kwargs", "label_dim")}[place]
            state[group][member] = call
            written(path, ema)
    assert f"asks for {name}, which no released checkpoint needs" in refused(path)
    assert not marker.exists()


def test_plain_unpickling_would_run_those_calls(marker):
    for name in ("posix.system", "builtins.eval", "builtins.exec", "subprocess.check_call", "io.open"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            pickle.loads(pickle.dumps(Call(*functions(marker)[name])))
        assert marker.exists(), name
        marker.unlink()


@pytest.mark.parametrize("zipped", [True, False])
def test_a_call_inside_the_bytes_of_a_storage_is_refused_by_name(tmp_path, marker, zipped):
    data = torch_bytes(Call(os.system, f"touch '{marker}'"), zipped)
    message = refused(with_tensor(tmp_path / "a.pkl", stored(data)))
    assert "posix.system" in message
    assert "weights_only" not in message  # torch's advice is to load it without protection
    assert not marker.exists()
    torch.load(io.BytesIO(data), weights_only=False)
    assert marker.exists()


OTHER_NAMES = {  # module → names in it that are not on the list
    "os": ["system"],
    "os.path": ["os.system"],
    "torch.storage": ["_load_from_bytes.__globals__"],
    "torch._utils": ["_rebuild_tensor_v2.__globals__", "_rebuild_tensor"],
    "collections": ["OrderedDict.fromkeys", "OrderedDict.__init__.__globals__", "defaultdict"],
    "numpy": ["dtype.__class__", "load"],
    "numpy.core.multiarray": ["fromstring"],
    "numpy.core.numeric": ["frombuffer"],
    "_codecs": ["decode"],
    "builtins": ["frozenset"],
    "torch.nn.modules.container": ["ModuleDict.__init__", "Sequential"],
    "torch_utils.persistence": ["exec"],
    "torch_utils.persistence2": ["_reconstruct_persistent_obj"],
    "Torch_utils.persistence": ["_reconstruct_persistent_obj"],
    "torch_utils.persistence\n": ["_reconstruct_persistent_obj"],
    "synthgap.released.nvidia": ["Persistent"],
    "": [""],
    "a\nb\x1b[2J": ["\ud800"],
}


@pytest.mark.parametrize(("module", "name"), [(module, name) for module, all_ in OTHER_NAMES.items() for name in all_])
def test_a_name_that_is_not_on_the_list_is_refused_as_it_stands(tmp_path, module, name):
    message = refused(tmp_path / "a.pkl", program(named(module, name)))
    assert "asks for" in message
    if f"{module}.{name}".isprintable():
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
    assert "data outside itself" in refused(tmp_path / "a.pkl", b"Pname\n.")


def test_source_code_in_the_file_is_not_run(tmp_path, marker):
    edm = random_edm(channel_mult=(1,), attn_resolutions=())
    ema = network(edm)
    ema.meta["module_src"] = f"open({str(marker)!r}, 'w').close()"
    state = from_released(written(tmp_path / "a.pkl", ema)).state_dict()
    assert all(torch.equal(state[name], value) for name, value in edm.state_dict().items())
    assert not marker.exists()


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


DICTIONARY = named("collections", "OrderedDict")


@pytest.mark.parametrize(
    "operations", [b"(K\x01K\x02d", b"(K\x01\x91", b"(" + DICTIONARY + b"o", b"N(0", b"N(K\x011", b"K\x01K\x020"]
)
def test_operations_that_no_release_uses_make_what_pickle_makes(operations):
    data = program(operations)
    rules = Rules(nvidia.NAMES, nvidia.MAPPINGS)
    assert read_inert(Source(io.BytesIO(data), len(data)), rules) == pickle.loads(data)


@pytest.mark.parametrize(
    ("operations", "says"),
    [
        (b"K\x01K\x02\x93", "a name that is no text"),
        (b"N)R", "a call of something that is no name"),
        (DICTIONARY + b"N\x85R", "a dictionary that is made from something"),
        (b"](K\x01\x90", "members for something that is no set"),
        (b"]K\x01K\x02s", "entries for something that is no dictionary"),
        (b"}K\x01a", "items for something that is no list"),
    ],
)
def test_operations_on_other_things_are_refused(tmp_path, operations, says):
    assert says in refused(tmp_path / "a.pkl", program(operations))


# tensors that reach beyond their storage


def tensor_of_four(path, *geometry):
    return with_tensor(path / "a.pkl", torch.arange(4.0)._typed_storage(), *geometry)


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


def test_a_tensor_that_just_fits_its_typed_storage_is_read(tmp_path):
    for offset, size, stride in [(0, (4,), (1,)), (0, (2, 2), (1, 2)), (3, (), ()), (1, (2,), (2,)), (4, (0,), (1,))]:
        tensors = state_dict(read_pickle(tensor_of_four(tmp_path, offset, size, stride))["ema"])
        assert torch.equal(tensors["x"], torch.arange(4.0).as_strided(size, stride, offset))
    for storage in (torch.arange(4.0).untyped_storage(), "text", None, torch.zeros(4), stored("text"), stored(b"N.")):
        refused(with_tensor(tmp_path / "a.pkl", storage))
    other = program(b"(" + text("module") + b"NNNNtQ")  # it refers to something else than a storage
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("archive/data.pkl", other)
    assert "something else than a storage" in refused(with_tensor(tmp_path / "a.pkl", stored(packed.getvalue())))


# files that exhaust something


def test_a_file_that_is_too_large_is_not_opened(tmp_path, good, monkeypatch):
    monkeypatch.setattr(nvidia, "LARGEST", good[0].stat().st_size)
    read_pickle(good[0])
    monkeypatch.setattr(nvidia, "LARGEST", good[0].stat().st_size - 1)
    assert "that is no released checkpoint" in refused(good[0])


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
