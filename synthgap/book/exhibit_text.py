"""What the book says of its exhibits: the line under each, and the page that lists them."""

from __future__ import annotations

import inspect

from ..base.words import duration
from ..design.preset import preset_names
from ..exhibits.base import Exhibit
from ..exhibits.blocks import Elsewhere
from ..exhibits.sections import counterparts, exhibits
from ..paper.published import read_paper
from .provenance import Made, Provenance
from .stale import STATISTICS, changes_for

NO_BREAK = "\N{NO-BREAK SPACE}"
SHORT = 12  # hexadecimal digits of a hash that are shown
GIVEN = "load-diffusion"  # the kind of a generator that was trained elsewhere
NOT_RECORDED = "not recorded: published before it was"
PARTS = {  # parts of a data set as `Arms` names them, for readers
    "probe": "of test",
    "floor": "of test",
    "other": "of test",
    "grid": "of train, shown as pictures",
}


def original(name: str) -> Exhibit:
    """The exhibit itself, or what it is a copy of."""
    exhibit = exhibits()[name]
    return exhibits()[exhibit.copy_of] if exhibit.copy_of else exhibit


def counterpart(name: str) -> str:
    """One sentence: what of the paper the exhibit stands for, or why nothing."""
    exhibit = original(name)
    if not exhibit.paper:
        return f"No counterpart in the paper: {exhibit.apart}."
    return f"In the paper: {' and '.join(exhibit.paper)}."


def code_behind(name: str) -> list[str]:
    """The source of what shows the exhibit, and of what makes and names the results that it shows."""
    exhibit = original(name)
    functions = [exhibit.view, *(f for r in exhibit.results() for f in (r.make, r.cells))]
    written = dict.fromkeys(f for f in functions if f is not None and "<" not in f.__qualname__)
    return [inspect.getsource(f) for f in written]


def call_of(record: Provenance, name: str) -> str:
    """The line of Python that gives the exhibit, for those who call it themselves; "" of what no code draws."""
    exhibit = original(name)
    if exhibit.view is None:
        return ""
    shown = f'.show("{exhibit.name}")'
    if record.preset in preset_names():
        return f'synthgap.Study(preset="{record.preset}"){shown}'
    return f"synthgap.Study(…){shown}"


def older(record: Provenance, name: str) -> str:
    """A sentence where the code behind the exhibit has changed since the exhibit was computed, else ""."""
    made = record.exhibits.get(original(name).name)
    if made is None or not changes_for(record, made):
        return ""
    return "An earlier version of the code computed this; below is what has changed since."


def how_made(record: Provenance, name: str) -> list[tuple[str, str]]:
    """Terms and what is said of them."""
    exhibit = original(name)
    if exhibit.rests_on:
        return [("Rests on", exhibit.rests_on), *_written(record)]
    if exhibit.name not in record.exhibits:
        return [("Artifacts", NOT_RECORDED)]
    made = record.exhibits[exhibit.name]
    rows = [
        ("Run", f"preset {record.preset}; {_seeds(made.seeds)}"),
        ("Data", "; ".join(_data(record, data, parts) for data, parts in made.data.items())),
        *_generators(record, made),
        ("Artifacts", _artifacts(made, "GPU" if record.gpu else "core")),
        ("Computed", _computed(made)),
        *from_blocks(record, exhibit),
        ("Device of the run", record.device or NOT_RECORDED),
        *_written(record),
    ]
    code = ", ".join(f"{kind} {record.code[kind][:SHORT]}" for kind in (*made.kinds, STATISTICS))
    rows.append(("Code of the artifacts (SHA-256)", code))
    rows += [("Changed since", f"{change.what}: {change.effect}") for change in changes_for(record, made)]
    if not exhibit.files():
        reasons = dict.fromkeys(r.no_rows for r in exhibit.results())
        rows.append(("Raw rows", f"none: {'; '.join(reasons)}"))
    return rows


def _seeds(seeds: tuple[int, ...]) -> str:
    if not seeds:
        return "no seed"
    return f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"


def from_blocks(record: Provenance, exhibit: Exhibit) -> list[tuple[str, str]]:
    """Runs of other seeds whose rows the exhibit shows, too."""
    if not any(r.again for r in exhibit.results()):
        return []
    several = []
    for block in record.blocks:
        when = " to ".join(dict.fromkeys(block.days))
        took = f"{duration(block.seconds, 'core-')} for all exhibits"
        several.append(
            ("Rows of another run", f"{_seeds(block.seeds)}; {_commit(block)}; {when}; {block.device}; {took}")
        )
    return several


def _data(record: Provenance, name: str, parts: tuple[str, ...]) -> str:
    told = []
    for part in parts:
        images = record.data[name][part]
        told.append(f"{images.count:,} {PARTS.get(part, part)} {images.sha256[:SHORT]}")
    return f"{name} (images, SHA-256): {', '.join(told)}"


def _generators(record: Provenance, made: Made) -> list[tuple[str, str]]:
    if GIVEN not in made.kinds:
        return []
    mine = {name: sha256 for name, sha256 in record.generators.items() if name in made.data}
    told = ", ".join(f"of {name} {sha256[:SHORT]}" for name, sha256 in mine.items())
    return [("Generators, trained elsewhere (files, SHA-256)", told)]


def _artifacts(made: Made, unit: str) -> str:
    if made.artifacts is None or made.seconds is None:
        return NOT_RECORDED
    return f"{made.artifacts:,}; {duration(made.seconds, f'{unit}-')} in all"


def _computed(made: Made) -> str:
    if made.made is None:
        return NOT_RECORDED
    first, last = made.made
    return first if first == last else f"{first} to {last}"


def _written(record: Provenance) -> list[tuple[str, str]]:
    """When the chapter was executed, with which code."""
    versions = ", ".join(f"{name} {number}" for name, number in record.versions.items())
    return [("Chapter executed", record.executed), ("Code", f"{versions}; {_commit(record)}")]


def _commit(record: Provenance | Elsewhere) -> str:
    told = f"commit {record.commit[:SHORT]}" if record.commit else f"commit {NOT_RECORDED}"
    return f"{told}, with changes that were not committed" if record.dirty else told


def foot(record: Provenance) -> str:
    """One line for the foot of every page: which numbers these are."""
    version = f"synthgap {record.versions['synthgap']}. " if "synthgap" in record.versions else ""
    since = " The code has changed since; each exhibit says how." if record.since else ""
    return f"{version}Numbers: preset {record.preset}, chapters executed {record.executed}, {_commit(record)}.{since}"


# the page that lists them, as MyST


def of_the_paper(record: Provenance) -> str:
    """Every table and figure of the paper, with links to its counterparts or the reason why there is none."""
    shown = chapter_of(record)
    lines = ["| the paper | what it shows | here |", "|---|---|---|"]
    for place, published in read_paper("exhibits.yaml").items():
        ours = counterparts(place)
        here = _links([name for name in ours if name in shown], shown) or "not in this run"
        told = "; ".join(part for part in (here if ours else "", published.get("why", "")) if part)
        lines.append(f"| {place.replace(' ', NO_BREAK)} | {published['shows']} | {told} |")
    return "\n".join(lines)


def of_ours(record: Provenance) -> str:
    """What the chapters show and the paper has not, with the reason."""
    shown, known = chapter_of(record), exhibits()
    reasons: dict[tuple[str, str], list[str]] = {}
    for name, chapter in shown.items():
        if name in known and known[name].apart:
            reasons.setdefault((chapter, known[name].apart), []).append(name)
    lines = ["| here | why the paper has none |", "|---|---|"]
    lines += [f"| {_links(names, shown)} | {apart} |" for (_, apart), names in reasons.items()]
    return "\n".join(lines)


def chapter_of(record: Provenance) -> dict[str, str]:
    """Exhibit → the chapter that shows it."""
    return {name: chapter for chapter, names in record.chapters.items() for name in names}


def _links(names: list[str], shown: dict[str, str]) -> str:
    """Links to several exhibits and to the chapters that show them: "Fig. 2, Fig. 3 (chapter 1)"."""
    chapters = dict.fromkeys(shown[name] for name in names)
    several = []
    for chapter in chapters:
        mine = ", ".join(f"{{numref}}`{name}`" for name in names if shown[name] == chapter)
        several.append(f"{mine} ({{doc}}`chapter{NO_BREAK}{number_of(chapter)} <executed/{chapter}>`)")
    return "; ".join(several)


def number_of(chapter: str) -> str:
    """ "04_1_synthetic_samples" → "4.1", "a1_null_models" → "A1"."""
    parts = []
    for word in chapter.split("_"):
        if not any(c.isdigit() for c in word):
            break
        parts.append(word.lstrip("0").upper())
    return ".".join(parts)
