"""Tables between two marks of a page: nothing but what is between them changes."""

import pytest

from synthgap.base.errors import UserError
from synthgap.base.marks import between, fill, filled

PAGE = "before\n<!-- a: begin -->\nold\n<!-- a: end -->\n<!-- b: begin -->kept<!-- b: end -->\n"
WANTED = "before\n<!-- a: begin -->\n\nnew | \\1\n\n<!-- a: end -->\n<!-- b: begin -->kept<!-- b: end -->\n"


def test_the_page_is_changed_between_its_marks_alone(tmp_path):
    path = tmp_path / "page.md"
    path.write_text(PAGE)
    for _ in range(2):
        fill(path, "a", "new | \\1")
        assert path.read_text() == WANTED
    assert list(tmp_path.iterdir()) == [path]
    assert between(WANTED, "a") == "new | \\1"
    assert between(WANTED, "b") == "kept"


@pytest.mark.parametrize(
    "page", ["", "<!-- a: begin -->", "<!-- a: end --><!-- a: begin -->", PAGE.replace("a:", "c:")]
)
def test_a_page_without_both_marks_is_left_as_it_is(page, tmp_path):
    path = tmp_path / "page.md"
    path.write_text(page)
    with pytest.raises(UserError, match="“a” lacks <!-- a: begin --> or <!-- a: end -->; put both where it goes"):
        fill(path, "a", "new")
    assert path.read_text() == page
    with pytest.raises(UserError, match="“a” lacks"):
        filled(page, "a", "new")
