"""One headless Chromium that opens the published book from the disk."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator

import pytest
from visits import absent, start, visit

from synthgap.base.errors import UserError
from synthgap.book import execute as book
from synthgap.book.pdf import find_chromium

ROOT = book.find_root()
SHOTS = ROOT / "build" / "screenshots"


@pytest.fixture(scope="session")
def chromium() -> str:
    try:
        return find_chromium()
    except UserError:
        return absent("Chromium")


@pytest.fixture(scope="session")
def browser(chromium, tmp_path_factory) -> Iterator:
    driver = shutil.which("chromedriver") or absent("chromedriver")
    running = start(chromium, driver, tmp_path_factory.mktemp("profile"))
    yield running
    running.quit()


@pytest.fixture(scope="session")
def visited(browser, published) -> Callable:
    """name of a page → its Visit; the page is opened when it is first asked for."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    seen = {}

    def look(name: str):
        if name not in seen:
            seen[name] = visit(browser, published / "_build" / "html" / f"{name}.html", SHOTS)
        return seen[name]

    return look
