"""Every table and figure of the paper and of the book: what stands for what, and what each of ours rests on.

The registry itself is data, `synthgap/paper/exhibits.yaml`, whose head says what the fields mean.
"""

from __future__ import annotations

import functools
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..paper.published import read_paper

TABLES, FIGURES = range(1, 5), range(1, 10)  # of the paper
Place = Annotated[str, Field(pattern=r"^(Figure|Table) \d$")]
Name = Annotated[str, Field(pattern=r"^(fig|tab)-[a-z0-9]+(-[a-z0-9]+)*$")]
File = Annotated[str, Field(pattern=r"^\w+\.csv$")]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Published(_Model):
    """A table or figure of the paper, its counterparts here, or why there is none."""

    shows: str
    here: tuple[Name, ...] = ()
    why: str = ""

    @model_validator(mode="after")
    def _answered(self) -> Self:
        if not self.here and not self.why:
            raise ValueError("it has neither a counterpart here nor a reason")
        return self


class Exhibit(_Model):
    """A table or figure of the book."""

    reads: tuple[str, ...] = ()
    rests_on: str = ""
    copy_of: Name | None = None
    raw: tuple[File, ...] = ()
    no_raw: str = ""
    apart: str = ""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if bool(self.reads) + bool(self.rests_on) + bool(self.copy_of) != 1:
            raise ValueError("give one of reads, rests_on and copy_of")
        if self.reads and bool(self.raw) == bool(self.no_raw):
            raise ValueError("what reads artifacts has raw files, or a reason in no_raw")
        return self


class Registry(_Model):
    """The whole of `exhibits.yaml`."""

    paper: dict[Place, Published]
    ours: dict[Name, Exhibit]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        named = {name for published in self.paper.values() for name in published.here}
        copies = {exhibit.copy_of for exhibit in self.ours.values() if exhibit.copy_of}
        if unknown := sorted((named | copies) - set(self.ours)):
            raise ValueError(f"{unknown[0]} is named and not listed among ours")
        for name, exhibit in self.ours.items():
            if exhibit.copy_of is None and (name in named) == bool(exhibit.apart):
                raise ValueError(f"{name} needs a counterpart in the paper, or a reason in apart, and not both")
        return self

    def counterparts(self, name: str) -> list[str]:
        """Places of the paper that an exhibit stands for, "Figure 1", in the paper's order."""
        return [place for place, published in self.paper.items() if name in published.here]


@functools.cache
def registry() -> Registry:
    """Every exhibit of the paper and of the book."""
    return Registry.model_validate(read_paper("exhibits.yaml"))
