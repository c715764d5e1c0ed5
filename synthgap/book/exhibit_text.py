"""What the book says of its exhibits: the line under each, and the page that lists them."""

from __future__ import annotations

from ..exhibits.registry import Exhibit, Registry
from .provenance import Made, Provenance
from .stale import STATISTICS, changes_for

NO_BREAK = "\N{NO-BREAK SPACE}"
SHORT = 12  # hexadecimal digits of a hash that are shown
NOT_RECORDED = "not recorded: published before it was"
PARTS = {  # parts of a data set as `Arms` names them, for readers
    "probe": "of test",
    "floor": "of test",
    "other": "of test",
    "grid": "of train, shown as pictures",
}


def _original(registry: Registry, name: str) -> tuple[str, Exhibit]:
    """The exhibit itself, or what it is a copy of."""
    copy_of = registry.ours[name].copy_of
    return (copy_of, registry.ours[copy_of]) if copy_of else (name, registry.ours[name])


def counterpart(registry: Registry, name: str) -> str:
    """One sentence: what of the paper the exhibit stands for, or why nothing."""
    original, exhibit = _original(registry, name)
    places = registry.counterparts(original)
    if not places:
        return f"No counterpart in the paper: {exhibit.apart}."
    return f"In the paper: {' and '.join(places)}."


def older(registry: Registry, record: Provenance, name: str) -> str:
    """A sentence where the code behind the exhibit has changed since the exhibit was computed, else ""."""
    made = record.exhibits.get(_original(registry, name)[0])
    if made is None or not changes_for(record, made):
        return ""
    return "An earlier version of the code computed this; below is what has changed since."


def raw_files(registry: Registry, name: str) -> tuple[str, ...]:
    """Files with the exhibit's rows."""
    return _original(registry, name)[1].raw


def how_made(registry: Registry, record: Provenance, name: str) -> list[tuple[str, str]]:
    """Terms and what is said of them."""
    original, exhibit = _original(registry, name)
    if exhibit.rests_on:
        return [("Rests on", exhibit.rests_on), *_written(record)]
    if original not in record.exhibits:
        return [("Artifacts", NOT_RECORDED)]
    made = record.exhibits[original]
    rows = [
        ("Run", f"preset {record.preset}; {_seeds(made.seeds)}"),
        ("Data", "; ".join(_data(record, data, parts) for data, parts in made.data.items())),
        ("Artifacts", _artifacts(made, "GPU" if record.gpu else "core")),
        ("Computed", _computed(made)),
        ("Device of the run", record.device or NOT_RECORDED),
        *_written(record),
    ]
    code = ", ".join(f"{kind} {record.code[kind][:SHORT]}" for kind in (*made.kinds, STATISTICS))
    rows.append(("Code of the artifacts (SHA-256)", code))
    rows += [("Changed since", f"{change.what}: {change.effect}") for change in changes_for(record, made)]
    if exhibit.no_raw:
        rows.append(("Raw rows", f"none: {exhibit.no_raw}"))
    return rows


def _seeds(seeds: tuple[int, ...]) -> str:
    if not seeds:
        return "no seed"
    return f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"


def _data(record: Provenance, name: str, parts: tuple[str, ...]) -> str:
    told = []
    for part in parts:
        images = record.data[name][part]
        told.append(f"{images.count:,} {PARTS.get(part, part)} {images.sha256[:SHORT]}")
    return f"{name} (images, SHA-256): {', '.join(told)}"


def _artifacts(made: Made, unit: str) -> str:
    if made.artifacts is None or made.seconds is None:
        return NOT_RECORDED
    return f"{made.artifacts:,}; {duration(made.seconds, unit)} in all"


def _computed(made: Made) -> str:
    if made.made is None:
        return NOT_RECORDED
    first, last = made.made
    return first if first == last else f"{first} to {last}"


def _written(record: Provenance) -> list[tuple[str, str]]:
    """When the chapter was executed, with which code."""
    versions = ", ".join(f"{name} {number}" for name, number in record.versions.items())
    return [("Chapter executed", record.executed), ("Code", f"{versions}; {_commit(record)}")]


def _commit(record: Provenance) -> str:
    told = f"commit {record.commit[:SHORT]}" if record.commit else f"commit {NOT_RECORDED}"
    return f"{told}, with changes that were not committed" if record.dirty else told


def foot(record: Provenance) -> str:
    """One line for the foot of every page: which numbers these are."""
    version = f"synthgap {record.versions['synthgap']}. " if "synthgap" in record.versions else ""
    since = " The code has changed since; each exhibit says how." if record.since else ""
    return f"{version}Numbers: preset {record.preset}, chapters executed {record.executed}, {_commit(record)}.{since}"


def duration(seconds: float, unit: str) -> str:
    """ "12 core-seconds", "3.5 core-minutes", "2.1 core-hours"; of another unit than "core", its own."""
    if seconds < 90:
        return f"{seconds:.0f} {unit}-seconds"
    return f"{seconds / 60:.1f} {unit}-minutes" if seconds < 5400 else f"{seconds / 3600:.1f} {unit}-hours"


# the page that lists them, as MyST


def of_the_paper(registry: Registry, record: Provenance) -> str:
    """Every table and figure of the paper, with links to its counterparts or the reason why there is none."""
    shown = chapter_of(record)
    lines = ["| the paper | what it shows | here |", "|---|---|---|"]
    for place, published in registry.paper.items():
        here = _links([name for name in published.here if name in shown], shown) or "not in this run"
        told = "; ".join(part for part in (here if published.here else "", published.why) if part)
        lines.append(f"| {place.replace(' ', NO_BREAK)} | {published.shows} | {told} |")
    return "\n".join(lines)


def of_ours(registry: Registry, record: Provenance) -> str:
    """What the chapters show and the paper has not, with the reason."""
    shown = chapter_of(record)
    reasons: dict[tuple[str, str], list[str]] = {}
    for name, chapter in shown.items():
        if name in registry.ours and registry.ours[name].apart:
            reasons.setdefault((chapter, registry.ours[name].apart), []).append(name)
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
