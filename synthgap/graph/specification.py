"""What all specifications have in common: fields that never change, inputs that are specifications, and a key.

`spec.key` names the artifact: a hash of all fields, of the keys of its inputs, and of the code that computes it.
"""

from __future__ import annotations

import functools
import hashlib
import json
from typing import Annotated, Any, ClassVar, Literal, Self, get_args, get_origin

from pydantic import BaseModel, ConfigDict

from .codehash import code_hash


class Spec(BaseModel):
    """Base of all specifications. `code` lists what computes the kind (see `code_hash`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: ClassVar[tuple[str, ...]] = ()
    not_in_key: ClassVar[tuple[str, ...]] = ()

    @functools.cached_property
    def key(self) -> str:
        """SHA-256 (hex) of the canonical JSON of this specification."""
        fields = {
            name: _canonical(getattr(self, name)) for name in type(self).model_fields if name not in self.not_in_key
        }
        text = json.dumps({"fields": fields, "code": code_hash(self.code)}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @functools.cached_property
    def inputs(self) -> tuple[Spec, ...]:
        """The specifications of the artifacts this one is computed from, without repetition."""
        return tuple({spec.stored.key: spec.stored for spec in _specs_in(_values(self))}.values())

    @property
    def stored(self) -> Spec:
        """The specification of the artifact that holds this one's value: itself, where nothing else is said."""
        return self

    def taken_from(self, value: Any) -> Any:
        """This one's value, from that of `stored`."""
        return value

    def model_copy(self, *, update: dict[str, Any] | None = None, deep: bool = False) -> Self:
        """A validated copy with other values; pydantic's own would keep the key of the old ones."""
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self)(**(fields | (update or {})))

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Spec) and self.key == other.key


def _values(model: BaseModel) -> list[Any]:
    return [getattr(model, name) for name in type(model).model_fields]


def _specs_in(value: Any) -> list[Spec]:
    """The specifications in a field, also inside tuples and plain models."""
    if isinstance(value, Spec):
        return [value]
    if isinstance(value, BaseModel):
        parts = [] if _plain(type(value)) else _values(value)
    else:
        parts = value if isinstance(value, (tuple, list)) else ()
    return [spec for part in parts for spec in _specs_in(part)]


@functools.cache
def _plain(model: type[BaseModel]) -> bool:
    """Do its fields' types say that no value of the model holds a specification?"""
    return not issubclass(model, Spec) and not any(_may_hold_specs(f.annotation) for f in model.model_fields.values())


def _may_hold_specs(annotation: Any) -> bool:
    if isinstance(annotation, type) and not get_args(annotation):
        return issubclass(annotation, BaseModel) and not _plain(annotation)
    if annotation is ... or get_origin(annotation) is Literal:
        return False
    parts = get_args(annotation)[: 1 if get_origin(annotation) is Annotated else None]
    return not parts or any(map(_may_hold_specs, parts))  # what says nothing may be anything


def _canonical(value):
    if isinstance(value, Spec):
        return value.key
    if isinstance(value, BaseModel):
        if not _specs_in(value):
            return value.model_dump(mode="json")
        return {name: _canonical(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, (tuple, list)):
        return [_canonical(v) for v in value]
    return value


def in_order(specs: list[Spec]) -> list[Spec]:
    """All of `specs` and what they are made from, each once, inputs before what uses them."""
    done: dict[str, Spec] = {}

    def visit(spec: Spec) -> None:
        if spec.key not in done:
            for item in spec.inputs:
                visit(item)
            done[spec.key] = spec

    for spec in specs:
        visit(spec.stored)
    return list(done.values())
