"""The published book as one PDF."""

import re
import shutil
import subprocess

import pytest
from bs4 import BeautifulSoup
from visits import FACTS, absent, settle

from synthgap.base.errors import UserError
from synthgap.book import execute as book
from synthgap.book import pdf

ROOT = book.find_root()
PAGES = [page for _, part in book.contents(ROOT) for page in part]
A4_TEXT = 673  # pixels: 210 mm less the margins, at 96 to the inch


@pytest.fixture(scope="session")
def whole(published):
    return pdf.join_pages(published)


@pytest.fixture(scope="session")
def soup(whole):
    return BeautifulSoup(whole.read_text(encoding="utf-8"), "html.parser")


@pytest.fixture(scope="session")
def printed(whole, chromium, tmp_path_factory):
    return pdf.print_pdf(whole, tmp_path_factory.mktemp("pdf") / "new" / "synthgap.pdf", chromium)


@pytest.fixture(scope="session")
def text(printed):
    """The PDF's text, page by page."""
    return extracted(printed)


def extracted(path, *options):
    program = shutil.which("pdftotext") or absent("pdftotext")
    command = [program, "-enc", "UTF-8", *options, str(path), "-"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [" ".join(page.split()) for page in done.stdout.split("\f")[:-1]]


def test_the_joined_pages_have_unique_places_and_every_reference_has_one(soup):
    ids = [element["id"] for element in soup.find_all(id=True)]
    assert len(ids) == len(set(ids))
    inside = [link["href"][1:] for link in soup.find_all("a", href=True) if link["href"].startswith("#")]
    assert len(inside) > 100
    assert set(inside) <= set(ids)
    others = [link["href"] for link in soup.find_all("a", href=True) if not link["href"].startswith("#")]
    assert [address for address in others if not re.match("https?:|mailto:", address)] == []


def test_the_joined_pages_find_their_pictures_and_styles(whole, soup):
    wanted = [e["src"] for e in soup.find_all(src=True)] + [e["href"] for e in soup.find_all("link")]
    assert len(wanted) > 30
    for address in (a for a in wanted if not a.startswith("data:")):
        assert (whole.parent / address.partition("?")[0]).is_file(), address


def test_citations_of_two_chapters_lead_to_the_same_list(soup):
    cited = {a["href"] for a in soup.find_all("a") if "id" in a.get("href", "") and "references--" in a["href"]}
    entries = {f"#{e['id']}" for e in soup.find(id="book/references").find_all(class_="citation")}
    assert cited
    assert cited <= entries


def test_every_chapter_is_in_the_pdf_and_begins_a_page(text, soup):
    titles = [" ".join(a.get_text().removesuffix("#").split()) for a in soup.select("article h1")]
    assert len(titles) == len(PAGES)
    assert len(text) > 2 * len(PAGES)
    first = next(i for i, page in enumerate(text) if i and page.startswith(titles[0]))
    contents = " ".join(text[:first])
    for title in titles:
        assert title in contents, "the contents"
        assert any(page.startswith(title) for page in text[1:]), title


def test_formulas_are_set_and_buttons_left_out(text):
    for page in text:
        assert not re.search(r"\\[()[\]]", page)
        assert "Show code cell source" not in page


def test_the_bottom_of_each_page_holds_its_number_alone(printed):
    bottom = extracted(printed, "-r", "72", "-x", "0", "-y", "786", "-W", "595", "-H", "56")
    assert bottom == [str(number) for number in range(1, len(bottom) + 1)]


def test_nothing_is_wider_than_the_paper(browser, whole):
    metrics = {"width": A4_TEXT, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    browser.get(whole.as_uri())
    settle(browser)
    facts = browser.execute_script(FACTS)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert facts["overflow"] <= 0
    assert facts["lost"] == []
    assert facts["rendered"] == facts["formulas"]


def test_an_unusable_browser_is_named(whole, tmp_path):
    broken = tmp_path / "chromium"
    broken.write_text("#!/bin/sh\necho no display >&2\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(UserError, match=r"chromium did not print the book \(it said: no display\)"):
        pdf.print_pdf(whole, tmp_path / "book.pdf", str(broken))
    assert not list(tmp_path.glob("*.pdf"))
    assert not list(tmp_path.glob(".*.pdf"))


def test_without_a_browser_the_remedy_is_named(monkeypatch, tmp_path):
    monkeypatch.delenv("SYNTHGAP_CHROMIUM", raising=False)
    monkeypatch.setattr(pdf, "NAMES", ("no-such-browser",))
    with pytest.raises(UserError, match="apt-get install chromium"):
        pdf.make_pdf(ROOT, ROOT / book.EXECUTED, tmp_path / "book.pdf")
    monkeypatch.setenv("SYNTHGAP_CHROMIUM", "/no/such/chromium")
    with pytest.raises(UserError, match="no Chromium at /no/such/chromium, which SYNTHGAP_CHROMIUM names"):
        pdf.find_chromium()


def test_an_output_that_can_not_be_is_told_before_anything_is_built(tmp_path, monkeypatch):
    monkeypatch.setattr(pdf, "find_chromium", lambda: pytest.fail("went on"))
    (tmp_path / "file").touch()
    for out, says in (
        (tmp_path, "name a file that ends in .pdf"),
        (tmp_path / "book.html", "name a file that ends in .pdf"),
        (tmp_path / "file" / "book.pdf", "file is no folder; choose another"),
    ):
        with pytest.raises(UserError, match=says):
            pdf.make_pdf(ROOT, ROOT / book.EXECUTED, out)


def test_raw_rows_are_named_by_where_the_repository_has_them(text):
    assert "book/executed/figure6.csv" in " ".join(text)
