"""One browser, one load of each page, many facts."""

from __future__ import annotations

import base64
import io
import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

from synthgap.book.pdf import FLAGS

FACTS = Path(__file__).with_name("facts.js").read_text(encoding="utf-8")
DESKTOP = (1280, 900)
PHONE = (380, 800)
OWN_PAGES = ("chrome:", "chrome-untrusted:")  # of the browser: what its new tab asks for is not the book's
STRIP = 4000  # pixels of a page in one picture: above 16,384 Chromium repeats itself
SETTLED = """
const done = arguments[arguments.length - 1];
const still = document.createElement("style");
still.textContent = "* { transition: none !important; }";
document.head.append(still);
const mathematics = window.MathJax && MathJax.startup ? MathJax.startup.promise : Promise.resolve();
const loaded = Array.from(document.images, (image) => image.decode().catch(() => null));
Promise.all([mathematics, document.fonts.ready, ...loaded]).then(() => done());
"""


def absent(what: str) -> None:
    """Skip the test for want of `what`; where CI is set, it fails."""
    message = f"{what} is not installed; Debian: apt-get install chromium chromium-driver poppler-utils"
    pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)


@dataclass(frozen=True)
class Visit:
    """Facts of one page: the desktop's, the dark desktop's and the phone's; and what the browser logged."""

    desktop: dict
    dark: dict
    phone: dict
    console: list[str]
    requests: list[str]
    failures: list[str]
    darkest_margin: float  # of all figures in files, on the dark page: 0 black to 255 white, or where there is none


def start(chromium: str, driver: str, profile: Path) -> Chrome:
    """A headless browser for which every host is unresolvable; the driver's path is given, so that none is sought."""
    options = ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={profile}", "--hide-scrollbars", "--force-color-profile=srgb"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return Chrome(options=options, service=Service(driver))


def resize(browser: Chrome, size: tuple[int, int]) -> None:
    width, height = size
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == PHONE}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def settle(browser: Chrome) -> None:
    """Wait until formulas are set and pictures decoded; stop what moves."""
    browser.execute_async_script(SETTLED)


def visit(browser: Chrome, page: Path, shots: Path) -> Visit:
    """Open `page` once and look at it three times. Its picture in the dark goes to `shots`; all three
    where the variable SYNTHGAP_SHOTS is set, which takes twice as long."""
    resize(browser, DESKTOP)
    browser.get(page.as_uri())
    settle(browser)
    looks = {}
    for name, size, theme in (("desktop", DESKTOP, "light"), ("dark", DESKTOP, "dark"), ("phone", PHONE, "light")):
        resize(browser, size)
        browser.execute_script("document.documentElement.dataset.theme = arguments[0]", theme)
        looks[name] = browser.execute_script(FACTS)
        if name != "dark" and not os.environ.get("SYNTHGAP_SHOTS"):
            continue
        picture = photograph(browser, size[0], looks[name]["height"])
        picture.save(shots / f"{page.stem}-{name}.jpg", quality=80)
        if name == "dark":
            figures = [i["box"] for i in looks[name]["images"] if i["shown"] and not i["inline"]]
            margin = min((_margin(picture, box) for box in figures), default=255.0)
    console = [e["message"] for e in browser.get_log("browser") if e["level"] in ("SEVERE", "WARNING")]
    return Visit(**looks, console=console, **_traffic(browser), darkest_margin=margin)


def photograph(browser: Chrome, width: int, height: int) -> Image.Image:
    """The whole page, strip by strip."""
    whole = Image.new("RGB", (width, height))
    for top in range(0, height, STRIP):
        clip = {"x": 0, "y": top, "width": width, "height": min(STRIP, height - top), "scale": 1}
        wanted = {"captureBeyondViewport": True, "optimizeForSpeed": True, "clip": clip}
        shot = browser.execute_cdp_cmd("Page.captureScreenshot", wanted)
        whole.paste(Image.open(io.BytesIO(base64.b64decode(shot["data"]))), (0, top))
    return whole


def _margin(picture: Image.Image, box: list[float]) -> float:
    """The mean brightness of a figure's outermost pixels, 0 to 255, as they are on the page."""
    x, y, width, height = box
    figure = picture.convert("L").crop((int(x) + 2, int(y) + 2, int(x + width) - 2, int(y + height) - 2))
    across, down = figure.size
    edges = [figure.crop(part) for part in ((0, 0, across, 1), (0, down - 1, across, down), (0, 0, 1, down))]
    values = [value for edge in edges for value in edge.tobytes()]
    return sum(values) / len(values)


def _traffic(browser: Chrome) -> dict[str, list[str]]:
    """Addresses that the page asked for and its requests that failed, since the last look."""
    addresses, failures = {}, []
    for entry in browser.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        what = message["params"]
        if message["method"] == "Network.requestWillBeSent" and not what["documentURL"].startswith(OWN_PAGES):
            addresses[what["requestId"]] = what["request"]["url"]
        elif message["method"] == "Network.loadingFailed" and what["requestId"] in addresses:
            failures.append(f"{addresses[what['requestId']]}: {what['errorText']}")
    return {"requests": list(addresses.values()), "failures": failures}
