"""What is known of how the exhibits of an executed book were made: the file `provenance.json` beside its chapters.

The file names no folder and no host. `synthgap.book.trace` makes it from a study.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..base.disk import write_text
from ..base.errors import UserError
from ..base.weights import impossible
from ..exhibits.blocks import Commit, Day, Elsewhere

FILE = "provenance.json"
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Images(_Model):
    """Images of a split that were used, and the hash of pixels, labels and class names."""

    count: int
    sha256: Sha256


class Made(_Model):
    """What one exhibit rests on, everything that its artifacts were made from included.

    kinds : of artifacts. data : data set → parts of it. seconds : of one CPU core (or the GPU), an interrupted
    artifact's since its last start. made : first and last day. None: not recorded.
    """

    kinds: tuple[str, ...]
    data: dict[str, tuple[str, ...]]
    seeds: tuple[int, ...]
    artifacts: int | None = None
    seconds: float | None = None
    made: tuple[Day, Day] | None = None


class Change(_Model):
    """A change of the code after a book was published: `what` was changed, and its `effect` on the published numbers.

    kinds : of artifacts whose code it touched; empty for all.
    """

    what: str
    effect: str
    kinds: tuple[str, ...] = ()


class Since(_Model):
    """What has changed since a book was published. code : kind of artifact → hash of the code after the `changes`."""

    code: dict[str, Sha256]
    changes: tuple[Change, ...]


class Provenance(_Model):
    """One run of the book. None: not recorded.

    device : that of the run which executed the chapters; an artifact that lay in the store may be of another machine.
    preset_sha256 : of a preset that ships with the package, see `stale.preset_hash`. executed : day of the chapters.
    commit, dirty : of the source tree, and whether code or chapters differed from it. code : kind of artifact (and what
    `stale` adds) → hash of the code that computes it. generators : data set → SHA-256 of its generator's file, where
    that was trained elsewhere. chapters : chapter → its exhibits, in their order. since : what has changed after the
    run, see `stale.account`. blocks : of the seeds that other runs computed. apart : chapter → the run that made it,
    where that was another one, with its exhibits.
    """

    preset: str
    preset_sha256: Sha256 | None = None
    seeds: tuple[int, ...]
    device: str | None = None
    gpu: bool = False
    executed: Day
    versions: dict[str, str]
    commit: Commit | None = None
    dirty: bool | None = None
    code: dict[str, Sha256]
    data: dict[str, dict[str, Images]]
    generators: dict[str, Sha256] = {}
    chapters: dict[str, tuple[str, ...]]
    exhibits: dict[str, Made]
    since: Since | None = None
    blocks: tuple[Elsewhere, ...] = ()
    apart: dict[str, Apart] = {}

    def behind(self, exhibit: str) -> Provenance:
        """The record of the run that made an exhibit."""
        others = (one.record for one in self.apart.values())
        return next((record for record in others if exhibit in record.exhibits), self)

    def chapters_of(self, kinds: Sequence[str]) -> list[str]:
        """Chapters that show something made from artifacts of these kinds."""
        return [
            chapter
            for chapter, names in self.chapters.items()
            if any(set(kinds) & set(self.exhibits[name].kinds) for name in names if name in self.exhibits)
        ]


class Apart(_Model):
    """A chapter that another run made.

    told : changes of the code that the book had accounted for when it was published; later ones are the chapter's, too.
    own : changes between that run and the book's, where the book's is younger.
    """

    record: Provenance
    told: int = 0
    own: tuple[Change, ...] = ()


Provenance.model_rebuild()


def read(folder: Path) -> Provenance:
    """The provenance of the chapters in `folder`; UserError where it is missing or wrong."""
    path = folder / FILE
    try:
        return Provenance.model_validate_json(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path} can't be read ({error.strerror}); run synthgap run, which writes it") from error
    except ValidationError as error:
        raise UserError(f"{path} is not valid ({impossible(error)}); run synthgap run again") from error


def write(record: Provenance, folder: Path) -> Path:
    """Write the file, which appears whole."""
    path = folder / FILE
    write_text(path, _text(record))
    return path


def _text(record: Provenance) -> str:
    """JSON with a line for each field, and for each entry of those that hold several."""
    fields = []
    for name, value in record.model_dump(mode="json").items():
        text = json.dumps(value, ensure_ascii=False)
        if isinstance(value, dict):
            entries = [f"  {json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in value.items()]
            text = "{\n" + ",\n".join(entries) + "\n }"
        fields.append(f" {json.dumps(name)}: {text}")
    return "{\n" + ",\n".join(fields) + "\n}\n"
