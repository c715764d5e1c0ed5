"""What a figure shows stands first in its caption, as the run says it."""

import nbformat
import pytest

from synthgap.book.captions import captioned
from synthgap.exhibits.drawing import DPI, MESSAGE, NARROW

WIDTH = round(DPI * NARROW)


def notebook(message="Accuracy falls on a\\_set.", width=WIDTH):
    cell = nbformat.v4.new_code_cell('show("fig-a")')
    cell.metadata["mystnb"] = {"figure": {"name": "fig-a", "caption": "How to read it."}, "image": {"alt": "A plot."}}
    metadata = {MESSAGE: message, "image/png": {"width": width}}
    cell.outputs = [nbformat.v4.new_output("display_data", {"image/png": "AA=="}, metadata=metadata)]
    return nbformat.v4.new_notebook(cells=[cell])


def test_a_caption_and_an_alternative_text_hold_the_message_once():
    made = captioned(captioned(notebook()))
    shown = made.cells[0].metadata["mystnb"]
    assert shown["figure"]["caption"] == "Accuracy falls on a\\_set. How to read it."
    assert shown["image"]["alt"] == "A plot. Accuracy falls on a_set."
    nbformat.validate(made)


def test_without_a_message_a_caption_stays_as_it_is():
    assert captioned(notebook("")).cells[0].metadata["mystnb"]["figure"]["caption"] == "How to read it."


@pytest.mark.parametrize(("width", "whole"), [(DPI * NARROW, True), (1200, False)])
def test_a_narrow_picture_is_shown_whole_on_a_phone(width, whole):
    assert ("classes" in captioned(notebook(width=width)).cells[0].metadata["mystnb"]["image"]) == whole
