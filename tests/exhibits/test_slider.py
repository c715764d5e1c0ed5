"""The walk through the reverse steps: what it says is what was measured, and it needs nothing else."""

import base64
import io
import math
import re
import shutil
import subprocess
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from synthgap.book import execute as book
from synthgap.design.arms import CROSSFIT
from synthgap.exhibits import slider
from synthgap.exhibits.base import Html
from synthgap.exhibits.slider import Walk
from synthgap.stats.intervals import Estimate, estimate_mean

EXTENSIONS = book.find_root() / "book" / "_ext"


def walk(shape=(1, 8, 8), count=4, steps=(0, 30, 50, 100), seeds=3, seed=0):
    rng = np.random.default_rng(seed)
    images = {t: rng.integers(0, 256, (count, *shape), dtype=np.uint8) for t in steps}
    measured = [t for t in steps if t != 30]
    entropy = {t: estimate_mean(rng.random(seeds)) for t in measured}
    nats = {t: estimate_mean(-100 * rng.random(seeds)) for t in measured}
    return Walk("digits <1>", images, {t: 0.1 + t / 10 for t in steps}, entropy, nats, 0.1)


class Found(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.elements, self.text = [], ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]


def test_each_step_has_its_images_pixel_for_pixel():
    shown = walk()
    images = Found(slider.html(shown)).all("img")
    assert len(images) == len(shown.images)
    for image, pixels in zip(images, shown.images.values(), strict=True):
        kind, _, data = image["src"].partition(",")
        assert kind == "data:image/png;base64"
        row = np.asarray(Image.open(io.BytesIO(base64.b64decode(data, validate=True))))
        for i in range(4):
            assert (row[:, 9 * i : 9 * i + 8] == pixels[i, 0]).all()
        assert len(image["alt"]) > 20


def test_colour_images_keep_their_colours():
    pixels = np.random.default_rng(1).integers(0, 256, (2, 3, 5, 6), dtype=np.uint8)
    data = slider.strip(pixels).partition(",")[2]
    row = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
    assert row.shape == (5, 13, 3)
    assert (row[:, 7:] == np.moveaxis(pixels[1], 0, -1)).all()


def test_each_step_says_what_was_measured_there_and_no_more():
    shown = walk()
    text = Found(slider.html(shown)).text.replace("\u00a0", " ")
    for t in (0, 50, 100):
        assert f"output entropy {shown.entropy[t].mean:.3f} ± {shown.entropy[t].half_width:.3f} nats" in text
        nats = f"{shown.nats[t].mean:.1f} ± {shown.nats[t].half_width:.1f}".replace("-", "−")
        assert f"ln p {nats} nats" in text
    assert "t_re = 30, σ = 3.1: output entropy not measured at this step, ln p not measured at this step" in text
    assert [li.get("class") for li in Found(slider.html(shown)).all("li")] == ["measured", None, "measured", "measured"]


def test_the_walk_shows_what_a_run_measured_of_images_made_from_test_images(smoke):
    told = smoke.show("fig-reverse-step")
    assert isinstance(told, Html)
    text = Found(told).text.replace("\u00a0", " ")
    entropy, nats = smoke.rows("figure8"), smoke.rows("likelihood")
    entropy = entropy[(entropy.protocol == CROSSFIT) & (entropy.split == "test") & (entropy.t_re == 50)].entropy
    nats = nats[(nats.sigma == 0.1) & (nats.split == "test") & (nats.t_re == 50)].nats
    assert f"t_re = 50, σ = {smoke.main.sigma(50):.2g}: output entropy {entropy.mean():.3f}" in text
    assert f"ln p {nats.mean():.1f}".replace("-", "−") in text
    steps = [int(li["data-step"]) for li in Found(told).all("li")]
    assert steps == [0, 20, 25, 30, 40, 50, 60, 70, 75, 80, 100]
    real = smoke.store.get(smoke.main.data["grid"]).images
    assert Found(told).all("img")[0]["src"] == slider.strip(real)


def test_one_seed_has_no_interval():
    told = slider.html(walk(seeds=1))
    assert "±" not in told
    assert "nan" not in told


def test_charts_say_their_numbers_to_those_who_dont_see_them():
    shown = walk()
    charts = [svg["aria-label"] for svg in Found(slider.html(shown)).all("svg")]
    assert len(charts) == 2
    assert f"100: {shown.entropy[100].mean:.2f}" in charts[0]
    assert f"100: {shown.nats[100].mean:.0f}".replace("-", "−") in charts[1]


def test_points_of_a_chart_stand_where_their_numbers_are():
    values = {t: Estimate(mean, math.nan, math.nan, 1) for t, mean in ((0, 1.0), (50, 2.0), (100, 3.0))}
    points = Found(slider.chart("x", values, 1)).all("circle")
    xs, ys = ([float(p[name]) for p in points] for name in ("cx", "cy"))
    assert xs[1] - xs[0] == pytest.approx(xs[2] - xs[1])
    assert ys[0] - ys[1] == pytest.approx(ys[1] - ys[2])
    assert ys[0] > ys[2]  # up is more


@pytest.mark.parametrize(("shape", "count"), [((1, 14, 14), 12), ((3, 32, 32), 12), ((3, 64, 64), 12)])
def test_it_stays_small_whatever_the_images(shape, count):
    steps = (0, 20, 25, *range(30, 90, 10), 75, 100)
    assert len(slider.html(walk(shape, count, steps))) < 300_000


def test_it_needs_no_network_and_no_name_becomes_markup():
    told = slider.html(walk())
    addresses = [attrs[k] for _, attrs in Found(told).elements for k in ("src", "href") if k in attrs]
    assert all(a.startswith("data:image/png") for a in addresses)
    assert "<script" not in told
    assert "http" not in told
    assert "<1>" not in told
    for name in ("reverse_step.js", "reverse_step.css"):
        assert not re.search(r"https?:|@import|url\(", (EXTENSIONS / name).read_text())


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no browser here")
def test_the_slider_moves_by_the_keyboard_and_tells_each_step(tmp_path):
    """In a browser without network: arrows change image and text, a cursor moves in the charts."""
    shown = walk()
    script, style = ((EXTENSIONS / f"reverse_step.{end}").read_text() for end in ("js", "css"))
    probe = """
      addEventListener("load", () => {
        const input = document.querySelector("input");
        const state = () => [input.value, input.getAttribute("aria-valuetext"),
          document.querySelector("output").textContent, document.querySelectorAll(".live img")[1].src.slice(-40),
          document.querySelector(".cursor").getAttribute("x1"),
          getComputedStyle(document.querySelector("ol")).display,
          document.querySelector("label").htmlFor === input.id].join("|");
        const before = state();
        input.stepUp();
        input.dispatchEvent(new Event("input"));
        document.title = before + "##" + state();
      });"""
    page = tmp_path / "page.html"
    page.write_text(
        f"<!DOCTYPE html><meta charset='utf-8'><style>{style}</style><body>{slider.html(shown)}"
        f"<script>{script}</script><script>{probe}</script>",
        encoding="utf-8",
    )
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND"]
    command = ["chromium", *options, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    title = unescape(re.search(r"<title>(.*?)</title>", done.stdout)[1])
    before, after = (state.split("|") for state in title.split("##"))
    assert before[:2] == ["2", "50"]
    assert before[2] == slider.sentence(shown, 50)
    assert after[:2] == ["3", "100"]
    assert after[2] == slider.sentence(shown, 100)
    assert before[3] == slider.strip(shown.images[50])[-40:]
    assert after[3] == slider.strip(shown.images[100])[-40:]
    assert float(after[4]) == slider.WIDTH - slider.RIGHT
    assert before[5:] == ["none", "true"]  # the list has made room; the label is the slider's
