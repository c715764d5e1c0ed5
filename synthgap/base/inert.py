"""Reading pickles as inert values: no name is looked up, no object is built, nothing is called.

A pickle is a program for a small stack machine. Here that machine makes plain values alone: text, numbers, bytes,
lists, tuples, sets, dictionaries and, where the program asks for anything else, a record of what it asks for. The
names that it may ask for are a list of the caller's. Time and memory are bounded by the numbers below and the size
of the file. (Opcodes are described in Python's pickletools, which also reads their arguments.)
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from .errors import UserError
from .names import shown

# several times what the largest released checkpoint needs (about 100,000 operations)
MOST_OPERATIONS = 500_000
MOST_TEXT = 64 * 2**20  # bytes of text in all; a letter may take four bytes of memory
LONGEST_LINE, LONGEST_INTEGER = 10_000, 1_000  # bytes
MOST_SHOWN, LONGEST_NAME = 80, 60  # characters of a text, and of a name, from the file that a message quotes
MOST_NUMBERED = 1_000  # dictionary keys and members of sets that are numbers: they may be made to collide

_BY_CODE = {code.encode("latin-1"): operation for code, operation in pickletools.code2op.items()}
_BYTES = {"SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"}
_INTEGERS = {"LONG1", "LONG4"}


@dataclass(eq=False, repr=False, slots=True)
class Name:
    """A name that the pickle asks for: "collections.OrderedDict"."""

    path: str


@dataclass(eq=False, repr=False, slots=True)
class Made:
    """What a call of `path` with `arguments` would be, and the state that it would be given (None: none)."""

    path: str
    arguments: tuple
    state: Any = None


@dataclass(eq=False, repr=False, slots=True)
class Outside:
    """A reference to data outside of the pickle, by the identity that the pickle gives it."""

    identity: Any


class Source:
    """A binary file of which no more can be asked than it holds."""

    def __init__(self, file: BinaryIO, size: int):
        self._file, self.left, self.size = file, size, size
        self.most = size  # bytes that one read may ask for
        self.text_left = MOST_TEXT

    def read(self, count: int) -> bytes:
        if not 0 <= count <= self.left or count > self.most:
            raise ValueError(f"{count:,} bytes are asked for where {min(self.left, self.most):,} can be")
        self.left -= count
        return self._file.read(count)

    def readline(self) -> bytes:
        line = self._file.readline(min(self.most, LONGEST_LINE))
        self.left -= len(line)
        return line

    def argument(self, operation: pickletools.OpcodeInfo) -> Any:
        """The argument of an operation, of no more than the bytes that such a one may have."""
        if operation.name in _INTEGERS:
            self.most = LONGEST_INTEGER
        elif operation.name not in _BYTES:
            self.most = self.text_left
        before = self.left
        value = operation.arg.reader(self)
        if isinstance(value, str):
            self.text_left -= before - self.left
        self.most = self.size
        return value


@dataclass
class Rules:
    """What a pickle may ask for: `names` that stand for things, `mappings` that stand for dictionaries.

    outside : where references to data outside the pickle are collected; None refuses them.
    """

    names: Collection[str] = ()
    mappings: Collection[str] = ()
    outside: list[Outside] | None = None
    operations: int = MOST_OPERATIONS
    reader: str = "released checkpoint"  # for messages: what needs no other name


def read_inert(source: Source, rules: Rules) -> Any:
    """The value of one pickle, which starts where `source` stands; `source` then stands behind it.

    Raises UserError when the pickle asks for a name or for data that `rules` do not allow, or for more work than they
    do; ValueError or another exception where it is damaged.
    """
    machine = _Machine(rules)
    for machine.done in range(rules.operations):
        code = source.read(1)
        operation = _BY_CODE.get(code)
        if operation is None:
            raise ValueError(f"the opcode {code!r} is unknown")
        argument = source.argument(operation) if operation.arg else None
        if operation.name in _PUSHED:
            machine.stack.append(argument)
        elif operation.name == "STOP":
            return machine.pop()
        elif operation.name in _OPERATIONS:
            _OPERATIONS[operation.name](machine, argument)
        else:
            raise ValueError(f"the operation {operation.name} (an extension, or data outside the file) is not read")
    raise UserError(f"the pickle takes more than {rules.operations:,} operations, more than any {rules.reader} needs")


@dataclass
class _Machine:
    rules: Rules
    stack: list[Any] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)  # heights of the stack
    memo: dict[int, Any] = field(default_factory=dict)
    numbered: int = 0
    done: int = 0  # operations

    def pop(self) -> Any:
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise ValueError("the stack is empty")
        return self.stack.pop()

    def top(self) -> Any:
        value = self.pop()
        self.stack.append(value)
        return value

    def pop_many(self, count: int) -> tuple:
        if len(self.stack) < count + (self.marks[-1] if self.marks else 0):
            raise ValueError("the stack is empty")
        values = tuple(self.stack[-count:])
        del self.stack[-count:]
        return values

    def pop_mark(self) -> list[Any]:
        height = self.marks.pop()
        values = self.stack[height:]
        del self.stack[height:]
        return values

    def remember(self, place: int) -> None:
        if not 0 <= place <= self.done:
            raise ValueError(f"the memo has no place {place}")
        self.memo[place] = self.top()

    def name(self, module: Any, name: Any) -> Name:
        if not isinstance(module, str) or not isinstance(name, str):
            raise ValueError("a name that is no text")
        path = f"{module}.{name}"
        if path not in self.rules.names and path not in self.rules.mappings:
            raise UserError(
                f"the pickle asks for {excerpt(path, LONGEST_NAME)}, which no {self.rules.reader} needs; it was "
                "refused and nothing ran"
            )
        return Name(path)

    def make(self, name: Any, arguments: Any) -> Any:
        if not isinstance(name, Name) or not isinstance(arguments, tuple):
            raise ValueError("a call of something that is no name")
        if name.path not in self.rules.mappings:
            return Made(name.path, arguments)
        if arguments:
            raise ValueError("a dictionary that is made from something")
        return {}

    def build(self, state: Any) -> None:
        value = self.top()
        if isinstance(value, Made) and value.state is None:
            value.state = state
        elif not isinstance(value, dict):  # attributes of dictionaries are dropped
            raise ValueError("an object whose state is set twice, or that can have none")

    def refer(self, identity: Any) -> Outside:
        if self.rules.outside is None:
            raise UserError(f"the pickle refers to data outside itself; no {self.rules.reader} does")
        self.rules.outside.append(Outside(identity))
        return self.rules.outside[-1]

    def put(self, pairs: list[Any]) -> None:
        target = self.top()
        if not isinstance(target, dict) or len(pairs) % 2:
            raise ValueError("entries for something that is no dictionary")
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            target[self.hashable(key)] = value

    def append(self, values: list[Any]) -> None:
        target = self.top()
        if not isinstance(target, list):
            raise ValueError("items for something that is no list")
        target += values

    def add(self, values: list[Any]) -> None:
        target = self.top()
        if not isinstance(target, set):
            raise ValueError("members for something that is no set")
        target.update(map(self.hashable, values))

    def hashable(self, key: Any) -> str | int | float:
        """A key as it is; only text and a few numbers are ever hashed."""
        if isinstance(key, str):
            return key
        self.numbered += 1
        if not isinstance(key, (int, float)) or self.numbered > MOST_NUMBERED:
            raise ValueError("a dictionary or set with keys that are neither text nor a few numbers")
        return key


def _called(machine: _Machine, _: Any) -> None:
    name, arguments = machine.pop_many(2)
    machine.stack.append(machine.make(name, arguments))


def _called_by_mark(machine: _Machine, _: Any) -> None:
    name, *arguments = machine.pop_mark()
    machine.stack.append(machine.make(name, tuple(arguments)))


def _dict_by_mark(machine: _Machine, _: Any) -> None:
    pairs = machine.pop_mark()
    machine.stack.append({})
    machine.put(pairs)


def _set_by_mark(machine: _Machine, _: Any) -> None:
    members = machine.pop_mark()
    machine.stack.append(set())
    machine.add(members)


def _drop(machine: _Machine, _: Any) -> None:
    if machine.marks and machine.marks[-1] == len(machine.stack):
        machine.marks.pop()  # POP takes a mark, too
    else:
        machine.pop()


def _pushing(make: Callable[[_Machine, Any], Any]) -> Callable[[_Machine, Any], None]:
    def push(machine: _Machine, argument: Any) -> None:
        machine.stack.append(make(machine, argument))

    return push


_PUSHED = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    *_BYTES,
}
_OPERATIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "PROTO": lambda machine, version: None,
    "FRAME": lambda machine, size: None,
    "NONE": _pushing(lambda machine, _: None),
    "NEWTRUE": _pushing(lambda machine, _: True),
    "NEWFALSE": _pushing(lambda machine, _: False),
    "EMPTY_TUPLE": _pushing(lambda machine, _: ()),
    "EMPTY_LIST": _pushing(lambda machine, _: []),
    "EMPTY_DICT": _pushing(lambda machine, _: {}),
    "EMPTY_SET": _pushing(lambda machine, _: set()),
    "TUPLE1": _pushing(lambda machine, _: machine.pop_many(1)),
    "TUPLE2": _pushing(lambda machine, _: machine.pop_many(2)),
    "TUPLE3": _pushing(lambda machine, _: machine.pop_many(3)),
    "TUPLE": _pushing(lambda machine, _: tuple(machine.pop_mark())),
    "LIST": _pushing(lambda machine, _: machine.pop_mark()),
    "DICT": _dict_by_mark,
    "FROZENSET": _set_by_mark,
    "APPEND": lambda machine, _: machine.append([machine.pop()]),
    "APPENDS": lambda machine, _: machine.append(machine.pop_mark()),
    "SETITEM": lambda machine, _: machine.put(list(machine.pop_many(2))),
    "SETITEMS": lambda machine, _: machine.put(machine.pop_mark()),
    "ADDITEMS": lambda machine, _: machine.add(machine.pop_mark()),
    "MARK": lambda machine, _: machine.marks.append(len(machine.stack)),
    "POP": _drop,
    "POP_MARK": lambda machine, _: machine.pop_mark() and None,
    "DUP": _pushing(lambda machine, _: machine.top()),
    "PUT": lambda machine, place: machine.remember(place),
    "BINPUT": lambda machine, place: machine.remember(place),
    "LONG_BINPUT": lambda machine, place: machine.remember(place),
    "MEMOIZE": lambda machine, _: machine.remember(len(machine.memo)),
    "GET": _pushing(lambda machine, place: machine.memo[place]),
    "BINGET": _pushing(lambda machine, place: machine.memo[place]),
    "LONG_BINGET": _pushing(lambda machine, place: machine.memo[place]),
    "GLOBAL": _pushing(lambda machine, words: machine.name(*words.split(" ", 1))),
    "STACK_GLOBAL": _pushing(lambda machine, _: machine.name(*machine.pop_many(2))),
    "REDUCE": _called,
    "NEWOBJ": _called,
    "OBJ": _called_by_mark,
    "INST": _pushing(
        lambda machine, words: machine.make(machine.name(*words.split(" ", 1)), tuple(machine.pop_mark()))
    ),
    "BUILD": lambda machine, _: machine.build(machine.pop()),
    "PERSID": _pushing(lambda machine, identity: machine.refer(identity)),
    "BINPERSID": _pushing(lambda machine, _: machine.refer(machine.pop())),
}


def excerpt(text: str, most: int = MOST_SHOWN) -> str:
    """Text from a file as part of a one-line message, at most so many characters of it."""
    return shown(text if len(text) <= most else f"{text[:most]}…")
