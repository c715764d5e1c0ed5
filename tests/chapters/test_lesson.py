"""The code that chapter 3 shows to be read: it needs no study, and does what the text beside it says."""

import nbformat
import numpy as np
import pytest
from cells import ROOT
from matplotlib.figure import Figure


@pytest.fixture(scope="module")
def lesson():
    """Names that the cells define, by cell what its last line gives, and the cells themselves."""
    notebook = nbformat.read(ROOT / "chapters" / "03_preliminary.ipynb", as_version=4)
    several = {c.id: c for c in notebook.cells if c.cell_type == "code" and c.id.endswith("-code")}
    names, given = {}, {}
    for name, cell in several.items():
        *most, last = cell.source.rstrip().split("\n")
        if last.startswith(("image_rows(", "print(")):
            exec("\n".join(most), names)
            given[name] = eval(last.removeprefix("print"), names)
        else:
            exec(cell.source, names)
    return names, given, several


def test_its_cells_are_no_exhibits_and_each_picture_has_a_caption_and_an_alternative_text(lesson):
    _, given, several = lesson
    assert len(several) == 5
    for name, cell in several.items():
        assert "show(" not in cell.source
        if isinstance(given.get(name), Figure):
            assert cell.metadata.mystnb.figure.caption
            assert len(cell.metadata.mystnb.image.alt) > 40


def test_ten_lines_of_heun_give_what_reconstruct_gives(lesson):
    names, given, _ = lesson
    assert "difference: 0 of" in given["same-code"]
    assert len(names["levels"]) == 14 + 1


def test_little_noise_leaves_one_candidate_and_much_noise_a_blurred_mean(lesson):
    names, *_ = lesson
    clean, denoise = names["clean"], names["denoise"]
    sharp = [denoise(x, 0.3) for x in names["noisy"][0.3]]
    blurred = [denoise(x, 3) for x in names["noisy"][3]]
    assert np.abs(np.array(sharp) - clean[:6]).mean() < 0.01
    assert np.std(blurred) < 0.8 * np.std(clean[:6])


def test_the_image_is_lost_before_the_digit_is_as_the_reverse_step_grows(lesson):
    """As the text says of the six digits; every image is one of the set."""
    names, *_ = lesson
    digits, rows = names["digits"], names["rows"]
    found = {}
    for row, images in rows.items():
        equal = (images[:, None] == digits.images).all(axis=(2, 3, 4))
        assert equal.any(axis=1).all()
        found[row] = equal.argmax(axis=1)
    real = found["real"]
    same_image = [(found[f"t_re = {t}"] == real).sum() for t in (50, 55, 75, 100)]
    same_digit = [(digits.labels[found[f"t_re = {t}"]] == digits.labels[real]).sum() for t in (50, 55, 75, 100)]
    assert same_image == [6, 1, 0, 0]
    assert same_digit[:3] == [6, 6, 2]
    assert (found["75, churn"] != found["t_re = 75"]).all()
