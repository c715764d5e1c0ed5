"""The page on the public API says what the code says."""

from pathlib import Path

import synthgap
from synthgap.book import api_page

ROOT = Path(__file__).resolve().parents[1]


def test_the_committed_page_is_the_docstrings_own():
    written = (ROOT / "book" / "api.md").read_text(encoding="utf-8")
    assert written == api_page.page(), "run make api"


def test_the_page_has_every_public_name():
    assert api_page.listed() == set(synthgap.__all__) - {"__version__"}


def test_a_docstring_becomes_markdown():
    text = """First line with t_re in [0, 1].

    Parameters
    ----------
    real, fake : images; a line
        that goes on.
    seed : a number.

    Raises
    ------
    UserError : always.
    """
    import inspect

    assert api_page.markdown(inspect.cleandoc(text)) == (
        "First line with t\\_re in \\[0, 1\\].\n\n**Parameters**\n\n`real`, `fake`\n: images; a line that goes on.\n\n"
        "`seed`\n: a number.\n\n**Raises**\n\n`UserError`\n: always.\n"
    )


def test_signatures_hold_defaults_and_types():
    def example(a: "int", *, b: "str" = "x") -> "float":
        """Nothing."""

    assert api_page._signature("example", example) == "example(a: int, *, b: str = 'x') -> float"
    assert api_page._signature("UserError", synthgap.UserError) == ""
