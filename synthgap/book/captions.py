"""What a figure shows stands first in its caption; and which pictures a phone shows whole.

A chapter's caption says how to read a figure. What it shows depends on the run: the figure's view says it, the cell's
output carries it, and here it comes before the caption, for the book, its PDF and the page of the plain answer alike.
"""

from __future__ import annotations

import re

import nbformat

from ..exhibits.drawing import DPI, MESSAGE, NARROW

WHOLE = "whole"  # class of a picture that is narrow enough to be read on a phone without scrolling
ESCAPE = re.compile(r"\\(?=[^A-Za-z0-9\s])")  # of a character that Markdown would read; alternative texts have none
ROOM = 1.15  # what labels may add to a chart's width


def captioned(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Put what each figure's output says before its cell's caption and alternative text; once, however often called."""
    for cell in notebook.cells:
        shown = cell.metadata.get("mystnb", {})
        for output in cell.get("outputs", ()) if "figure" in shown else ():
            picture = output.get("metadata", {}).get("image/png", {})
            if picture.get("width", 0) <= DPI * NARROW * ROOM and picture:
                shown.setdefault("image", {})["classes"] = WHOLE
            message = output.get("metadata", {}).pop(MESSAGE, "")
            if message:
                shown["figure"]["caption"] = f"{message} {shown['figure']['caption']}"
                shown["image"]["alt"] = f"{shown['image']['alt']} {ESCAPE.sub('', message)}"
    return notebook
