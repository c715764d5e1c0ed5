"""What chapters call: their parameters become a study, and the study's exhibits are shown."""

from __future__ import annotations

from typing import Any

import IPython.display
from IPython.display import HTML, Markdown

from ..design.parameters import checked
from ..design.values import REAL
from ..graph.kept import NotKept
from .base import Html
from .drawing import MESSAGE, show_inline
from .study import Study


def open_study(namespace: dict) -> Study:
    """The Study that a chapter's `globals()` describe, with as many seeds as its minutes allow.

    Call it in the cell after the parameters cell, before any other name is defined.
    Raises UserError for an unknown name (papermill would only warn) or a value of the wrong type.
    """
    given = checked(namespace)
    show_inline()
    study = Study(**given)
    study.decide()
    return study


class Show:
    """`show("fig-6")` displays an exhibit of the book: its figure, or its table and what is said of it."""

    def __init__(self, study: Study):
        self.study = study

    def __call__(self, name: str, **options: Any) -> None:
        """Display what is called `name`, or say that its images went with the run's store; UserError for a name that
        no exhibit has."""
        try:
            several = self.study.lab.show(name, **options)
        except NotKept as error:
            several = [f"*Not shown here: {error}.*"]
        for shown in several:
            if isinstance(shown, str):
                IPython.display.display(HTML(shown) if isinstance(shown, Html) else Markdown(shown))
            else:  # what it shows, in words, goes into its caption: `book.captions`
                IPython.display.display(shown, metadata={MESSAGE: shown.get_label()})

    def how_made(self) -> None:
        """Display how the chapter's numbers were made."""
        IPython.display.display(Markdown(colophon(self.study)))


def open_book(namespace: dict) -> Show:
    """`open_study`, for chapters: returns what shows its exhibits."""
    return Show(open_study(namespace))


def colophon(study: Study) -> str:
    """How a chapter's numbers were made, as a Markdown list."""
    d = study.design
    judges = [d.main.classifier(d.seeds[0], 0), *([d.head(REAL)] if d.heads else [])]
    several = [*judges, d.main.data["train"]]  # a chapter by itself may need no judge
    made = study.store.provenance(next(spec for spec in several if study.store.has(spec)))
    versions = ", ".join(f"{name} {number}" for name, number in made["packages"].items())
    data = "; ".join(f"{arms.name} (train {arms.data['train'].fingerprint[:12]})" for arms in d.columns)
    models = [f"{arms.name} ({arms.model.fingerprint[:12]})" for arms in d.columns if arms.model]
    trained = f"- generators, trained elsewhere, and SHA-256 of their files: {'; '.join(models)}\n" if models else ""
    return (
        f"- preset **{d.preset.name}**: {d.preset.summary}\n"
        f"- data sets and SHA-256 of their training images: {data}\n{trained}"
        f"- seeds {', '.join(map(str, d.seeds))}; device {d.device}; one CPU thread an artifact\n"
        f"- {versions}, Python {made['python']}\n"
    )
