"""The page on the public API, as built: what the code offers, with its signatures and docstrings."""

import inspect
import re

import pytest
from bs4 import BeautifulSoup

import synthgap

NAMES = sorted(set(synthgap.__all__) - {"__version__"})
CLASSES = [name for name in NAMES if inspect.isclass(getattr(synthgap, name))]
SECTIONS = {"Attributes", "Columns", "Parameters", "Raises", "Returns"}


@pytest.fixture(scope="module")
def page(published):
    html = (published / "_build" / "html" / "book" / "api.html").read_text(encoding="utf-8")
    return BeautifulSoup(html, "html.parser").select_one("article")


def entry(page, name):
    """The signature and the text of one name."""
    found = page.find("dt", id=f"synthgap.{name}")
    assert found, f"book/api.md lacks {name}"
    return found, found.find_next_sibling("dd")


def words(text):
    return set(re.findall(r"[^\W_]+", text))


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_has_its_signature(page, name):
    thing = getattr(synthgap, name)
    if inspect.isclass(thing) and issubclass(thing, Exception):
        return
    shown, _ = entry(page, name)
    arguments = [a.get_text() for a in shown.select(".sig-param") if a.get_text() != "*"]
    for text, parameter in zip(arguments, inspect.signature(thing).parameters.values(), strict=True):
        assert re.match(rf"(\*\*)?{parameter.name}\b", text)
        if parameter.default is not parameter.empty:
            assert text.endswith(f"= {parameter.default!r}")


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_has_its_docstring(page, name):
    _, text = entry(page, name)
    assert words(inspect.getdoc(getattr(synthgap, name))) - SECTIONS <= words(text.get_text())


@pytest.mark.parametrize("name", CLASSES)
def test_classes_have_their_methods_and_inherited_ones(page, name):
    cls = getattr(synthgap, name)
    own = {
        key: value
        for base in cls.__mro__
        if base.__module__.startswith("synthgap")
        for key, value in vars(base).items()
    }
    for key, value in own.items():
        inner = getattr(value, "__func__", value)
        if not key.startswith("_") and (inspect.isfunction(inner) or isinstance(inner, property)) and inner.__doc__:
            _, text = entry(page, f"{name}.{key}")
            assert words(inspect.getdoc(inner)) - SECTIONS <= words(text.get_text())


def test_types_lead_to_their_entries(page):
    shown, _ = entry(page, "load_dataset")
    assert shown.select_one(".sig-return a")["href"] == "#synthgap.ImageSet"


def test_markup_has_become_text(page):
    text = page.get_text()
    assert "`" not in text
    assert ":raises" not in text
    assert "----" not in text


def test_no_description_is_taken_for_a_type(page):
    """`name : text` is numpydoc for a name and its type, set in brackets; types stand in the signatures."""
    for title in page.select("dl.field-list > dt"):
        if title.get_text(strip=True).startswith(("Parameters", "Columns")):
            for name in title.find_next_sibling("dd").select("strong"):
                assert not str(name.next_sibling or "").strip().startswith("("), name.parent.get_text()
