"""Every page of the published book, opened from the disk in a browser that reaches no network."""

from __future__ import annotations

import re
import time

import pytest

from synthgap.book import execute as book

ROOT = book.find_root()
PAGES = [page for _, part in book.contents(ROOT) for page in part]


@pytest.fixture(params=PAGES)
def page(request, visited):
    return visited(request.param)


def test_a_page_opens_without_a_complaint(page):
    assert page.console == []
    assert page.failures == []


def test_a_page_asks_for_nothing_but_files(page):
    assert page.requests
    assert [address for address in page.requests if not address.startswith(("file:", "data:", "blob:"))] == []


def test_a_page_has_one_title(page):
    assert len(page.desktop["headings"]) == 1
    assert page.desktop["headings"][0] in page.desktop["title"]


def test_the_foot_of_a_page_says_which_numbers_these_are(page):
    assert re.search(r"synthgap [\d.]+\. Numbers: preset \w+, .* commit \w{12}", page.desktop["foot"])


def test_figures_are_there_and_say_in_words_what_they_show(page):
    for image in page.desktop["images"]:
        assert image["width"] > 0
        assert image["height"] > 0
        assert len(image["alt"].split()) > 5
        assert not re.search(r"\.(png|svg|jpe?g)|/", image["alt"]), image["alt"]


def test_formulas_are_set(page):
    assert page.desktop["rendered"] == page.desktop["formulas"]
    assert page.desktop["faults"] == 0
    assert page.desktop["raw"] == []


def test_a_page_fits_a_phone(page):
    assert page.phone["overflow"] <= 0
    assert page.phone["lost"] == []
    assert page.phone["small"] == []


def test_a_page_fits_a_desktop(page):
    assert page.desktop["overflow"] <= 0
    assert page.desktop["lost"] == []


@pytest.mark.parametrize("theme", ["desktop", "dark"])
def test_text_stands_out_from_its_background(page, theme):
    """WCAG 2, level AA: a ratio of at least 4.5."""
    assert getattr(page, theme)["faint"] == []


def test_figures_keep_a_light_background_on_a_dark_page(page):
    assert page.darkest_margin > 150


def test_the_book_has_figures_and_formulas(visited):
    assert sum(len(visited(name).desktop["images"]) for name in PAGES) > 20
    assert sum(visited(name).desktop["formulas"] for name in PAGES) > 20


def leading_number(text):
    """ "+1.20 (0.31 to 2.09) points" → 1.2; None where a cell begins with no number."""
    found = re.match(r"[<×+]?\s*(-?)(\d+\.?\d*|\.\d+|∞)", text.replace("\u2212", "-").replace(",", ""))
    return found and float(found[1] + found[2].replace("∞", "inf"))


def column(browser, table, number):
    script = "return Array.from(arguments[0].tBodies[0].rows, r => r.cells[arguments[1]].textContent.trim())"
    return browser.execute_script(script, table, number)


def test_tables_sort_by_any_column_in_both_directions(browser, published):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    html = published / "_build" / "html"
    found = [name for name in PAGES if 'class="sortable' in (html / f"{name}.html").read_text(encoding="utf-8")]
    assert found
    for name in found:
        browser.get((html / f"{name}.html").as_uri())
        browser.execute_script("document.querySelectorAll('details').forEach((fold) => (fold.open = true))")
        for table in browser.find_elements(By.CSS_SELECTOR, "table.sortable"):
            rows = sorted(column(browser, table, 0))
            for number, heading in enumerate(table.find_elements(By.CSS_SELECTOR, "thead th")):
                heading.send_keys(Keys.ENTER)
                assert heading.get_attribute("aria-sort") == "ascending"
                up = column(browser, table, number)
                browser.execute_script("arguments[0].click()", heading)
                assert heading.get_attribute("aria-sort") == "descending"
                down = column(browser, table, number)
                full = [text for text in up if text not in ("", "–")]
                assert up[: len(full)] == full, "cells without a value are last"
                assert sorted(down[: len(full)]) == sorted(full)
                numbers = [leading_number(text) for text in full]
                if None not in numbers:
                    assert numbers == sorted(numbers)
                    assert [leading_number(text) for text in down[: len(full)]] == sorted(numbers, reverse=True)
                else:
                    assert down[: len(full)] == full[::-1]
            assert sorted(column(browser, table, 0)) == rows


def searched(browser, published, query):
    """Links of the results, the first first."""
    from urllib.parse import quote

    from selenium.webdriver.common.by import By

    browser.get((published / "_build" / "html" / "search.html").as_uri() + "?q=" + quote(query))
    patience = time.monotonic() + 30
    while not (found := browser.find_elements(By.CSS_SELECTOR, "#search-results li a")):
        assert time.monotonic() < patience, f"no result for {query!r}"
        time.sleep(0.05)
    return [link.get_attribute("href") for link in found]


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("should I use synthetic images", "questions.html#"),
        ("Should I use synthetic data?", "questions.html#"),
        ("how many", "questions.html#"),
        ("is it copying", "questions.html#"),
        ("reverse step", "questions.html#"),
        ("my own images", "questions.html#"),
        ("how long does it take", "questions.html#"),
        ("does it work on photographs", "questions.html#"),
        ("why are synthetic images worse", "questions.html#"),
        ("compare with the paper", "questions.html#"),
        ("glossary", "glossary.html"),
    ],
)
def test_a_newcomers_question_is_answered_by_the_first_result(browser, published, query, first):
    assert first in searched(browser, published, query)[0]


def test_the_search_finds_a_word_without_a_server(browser, published):
    from selenium.webdriver.common.by import By

    found = searched(browser, published, "augmentation")
    assert any("05_data_augmentation.html" in link for link in found)
    quoted = [text.text.lower() for text in browser.find_elements(By.CSS_SELECTOR, "#search-results li .context")]
    assert len(quoted) >= len(found) / 2
    assert any("augmentation" in text for text in quoted)
