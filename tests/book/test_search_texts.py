"""What the search quotes where there is no server: the text of a page, and the places that links lead to."""

import sys

import pytest

from synthgap.book import execute as book


@pytest.fixture
def search_texts(monkeypatch):
    monkeypatch.syspath_prepend(str(book.find_root() / "book" / "_ext"))
    yield __import__("search_texts")
    sys.modules.pop("search_texts")


def test_of_a_page_its_text_and_its_places_are_left(search_texts):
    page = """<html><nav id="menu">menu</nav><main role="main"><section id="a&amp;b"><h1>1 &lt; 2
      <a class="headerlink" href="#a">#</a></h1><script>f()</script><!-- no --><p class="x">some <em>words</em></p>
      <svg id="drawn"><text>drawn</text></svg></section></main><footer>foot</footer></html>"""
    left = '<div role="main"><div id="a&amp;b">1 &lt; 2 some words </div></div>'
    assert search_texts.slim(page) == left


def test_a_page_without_an_article_has_no_text(search_texts):
    assert search_texts.slim("<html><p>text</p></html>") == ""
