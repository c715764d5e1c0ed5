"""The page on the public API, made from signatures and docstrings: `python -m synthgap.book.api_page` writes book/api.md.

The page is committed, so that a build needs nothing; a test compares it with the code.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import FunctionType
from typing import Any

import synthgap

from ..base.disk import write_text

WIDTH = 88  # of a signature's lines
GROUPS = {
    "Data": ("load_dataset", "ImageSet"),
    "Diffusion models": ("train_edm", "load_edm", "EDM", "generate", "reconstruct", "diffusion.solver.Solver"),
    "The rival": ("train_gan", "load_model"),
    "Classifiers": ("train_classifier", "classifier.train.Classifier", "evaluate", "classifier.evaluate.Prediction"),
    "Measures": (
        "fidelity",
        "metrics.fidelity.Fidelity",
        "fake_detection",
        "metrics.detection.Detection",
        "output_entropy",
        "gradcam",
    ),
    "The whole study": ("Study", "open_study"),
    "Errors": ("UserError",),
}
HEAD = """# The API: from synthgap import …

What `import synthgap` offers, with the classes that its functions return. Images are uint8 arrays N × C × H × W in an
`ImageSet`, labels int64; accuracies are in [0, 1]. A wrong argument raises `UserError`: one line with what, where
and the remedy. Modules named in the text are below `synthgap`. This page is made from the docstrings (`make api`).
"""
SECTIONS = ("Parameters", "Returns", "Raises", "Attributes", "Yields")
ENTRY = re.compile(r"^(?P<names>[A-Za-z_*][\w*]*(, [\w*]+)*) : (?P<text>.*)$")


def page() -> str:
    """The whole page as MyST Markdown."""
    parts = [HEAD]
    for group, names in GROUPS.items():
        parts.append(f"## {group}\n")
        parts += [_entry(name) for name in names]
    return "\n".join(parts).rstrip() + "\n"


def listed() -> set[str]:
    """The names of `synthgap` that the page has."""
    return {name for names in GROUPS.values() for name in names if "." not in name}


def _entry(name: str) -> str:
    module, _, last = name.rpartition(".")
    thing = getattr(import_module(f"synthgap.{module}"), last) if module else getattr(synthgap, name)
    heading = last if not module else f"{last} (synthgap.{module})"
    parts = [f"### {heading}\n"]
    if signature := _signature(last, thing):
        parts.append(f"```python\n{signature}\n```\n")
    parts.append(markdown(inspect.getdoc(thing) or ""))
    if inspect.isclass(thing) and (members := list(_members(thing))):
        parts += ["**Methods and properties**\n", *(_member(*member) for member in members)]
    return "\n".join(parts)


def _members(cls: type) -> Iterator[tuple[str, Any]]:
    """Public methods and properties with a docstring that this package defines, base classes' first."""
    seen: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        if base.__module__.startswith("synthgap"):
            seen |= {k: v for k, v in vars(base).items() if not k.startswith("_")}
    for name, value in seen.items():
        inner = getattr(value, "__func__", value)
        if isinstance(inner, (FunctionType, property)) and inner.__doc__:
            yield name, value


def _member(name: str, value: Any) -> str:
    """One line for a method: how it is called, and the first paragraph of its docstring."""
    inner = getattr(value, "__func__", value)
    call = name if isinstance(inner, property) else f"{name}{_arguments(inner, drop_first=not _static(value))}"
    text = (inspect.getdoc(inner) or "").split("\n\n")[0]
    return f"`{call}`\n: {_inline(' '.join(text.split()))}\n"


def _static(value: Any) -> bool:
    return isinstance(value, staticmethod)


def _arguments(function: Any, drop_first: bool = False) -> str:
    signature = inspect.signature(function)
    kept = list(signature.parameters.values())[int(drop_first) :]
    return str(signature.replace(parameters=kept)).replace("'", "")


def _signature(name: str, thing: Any) -> str:
    """`name(arguments) -> result`, an argument a line where it is long; empty for exceptions."""
    if inspect.isclass(thing) and issubclass(thing, Exception):
        return ""
    signature = inspect.signature(thing)
    result = signature.return_annotation
    ending = "" if inspect.isclass(thing) or result is inspect.Signature.empty else f" -> {result}".replace("'", "")
    arguments = []
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in arguments:
            arguments.append("*")
        arguments.append(_plain(str(parameter)))
    whole = f"{name}({', '.join(arguments)}){ending}"
    if len(whole) <= WIDTH:
        return whole
    return "\n".join([f"{name}(", *(f"    {a}," for a in arguments), f"){ending}"])


def _plain(argument: str) -> str:
    """Annotations as in the source, where they are text (`real: 'ImageSet'`) or hold a model's conditions."""
    argument = re.sub(r": '([^']*)'", r": \1", argument)
    argument = re.sub(r"(typing\.)?Annotated\[(.+?), [A-Z].*\]", r"\2", argument)
    return argument.replace("<factory>", "{}")


def markdown(docstring: str) -> str:
    """A docstring of ours as MyST Markdown: sections in bold, `name : text` as definitions, examples as code."""
    out: list[str] = []
    blocks = _blocks(docstring.splitlines())
    for kind, lines in blocks:
        if kind == "section":
            out.append(f"**{lines[0]}**\n")
        elif kind == "entry":
            match = ENTRY.match(lines[0])
            names = ", ".join(f"`{n}`" for n in match["names"].split(", "))
            text = " ".join([match["text"], *(line.strip() for line in lines[1:])])
            out.append(f"{names}\n: {_inline(text)}\n")
        elif kind == "code":
            out.append("\n".join(["```python", *lines, "```\n"]))
        else:
            out.append(_inline("\n".join(line.strip() for line in lines)) + "\n")
    return "\n".join(out)


def _blocks(lines: list[str]) -> list[tuple[str, list[str]]]:
    """(section | entry | code | text, lines) in order."""
    blocks: list[tuple[str, list[str]]] = []
    fresh = True  # does a new paragraph start here?
    for number, line in enumerate(lines):
        following = lines[number + 1] if number + 1 < len(lines) else ""
        if not line.strip():
            fresh = True
        elif line in SECTIONS and set(following) == {"-"}:
            blocks.append(("section", [line]))
        elif set(line) == {"-"} and len(line) > 3:
            fresh = True
        elif line.startswith(">>>"):
            blocks.append(("code", [line]))
            fresh = False
        elif ENTRY.match(line):
            blocks.append(("entry", [line]))
            fresh = False
        elif not fresh and blocks and (blocks[-1][0] != "entry" or line.startswith(" ")):
            blocks[-1][1].append(line)
        else:
            blocks.append(("text", [line]))
            fresh = False
    return blocks


def _inline(text: str) -> str:
    """Text outside of `code` with what Markdown would take for markup made harmless."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(p if p.startswith("`") else re.sub(r"([\\<>_$\[\]|])", r"\\\1", p) for p in parts)


def write(root: Path) -> Path:
    """Write the page below the repository's folder; returns its path."""
    target = root / "book" / "api.md"
    write_text(target, page())
    return target


if __name__ == "__main__":
    print(write(Path(__file__).resolve().parents[2]))
