"""The walk through the reverse steps: what it says is what was measured, and it needs nothing else."""

import base64
import io
import math
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image
from reading import EXTENSIONS, in_browser, needs_browser

from synthgap.data.imageset import ImageSet
from synthgap.design.arms import CROSSFIT
from synthgap.exhibits import slider
from synthgap.exhibits.base import Html
from synthgap.exhibits.slider import Walk
from synthgap.stats.intervals import Estimate, estimate_mean


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
    train = smoke.store.get(smoke.main.data["train"])
    places = slider.chosen(train, len(smoke.main.preset.curves))
    assert len(places) == 10
    for t in smoke.main.preset.curves:
        several = train if t == 0 else smoke.store.get(smoke.main.samples(0, t))
        assert slider.sheet(several.images[places]) in told


@pytest.mark.parametrize(
    ("shape", "classes", "most"), [((1, 8, 8), 10, 10), ((3, 32, 32), 10, 3), ((3, 64, 64), 200, 1)]
)
def test_of_each_class_as_many_images_are_shown_as_leave_the_page_small(shape, classes, most):
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(classes), 7))
    some = ImageSet(np.zeros((len(labels), *shape), np.uint8), labels, tuple(map(str, range(classes))))
    places = slider.chosen(some, 11)
    assert len(places) == most
    assert places.shape[1] <= slider.EACH
    for label, mine in enumerate(places):
        assert mine.tolist() == np.flatnonzero(labels == label)[: len(mine)].tolist()
    assert 11 * places.size * np.prod(shape) <= max(slider.CLASS_BYTES, 11 * np.prod(shape))


def test_a_class_with_one_image_leaves_one_of_each():
    some = ImageSet(np.zeros((5, 1, 4, 4), np.uint8), np.array([0, 0, 1, 0, 0]), ("a", "b"))
    assert slider.chosen(some, 3).tolist() == [[0], [2]]


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


@needs_browser
def test_the_slider_moves_by_the_keyboard_and_tells_each_step(tmp_path):
    """In a browser without network: arrows change image and text, a cursor moves in the charts."""
    shown = walk()
    before, after = in_browser(
        tmp_path,
        slider.html(shown),
        """
        const input = document.querySelector("input");
        const state = () => [input.value, input.getAttribute("aria-valuetext"),
          document.querySelector("output").textContent, document.querySelectorAll(".live img")[1].src.slice(-40),
          document.querySelector(".cursor").getAttribute("x1"),
          getComputedStyle(document.querySelector(".reverse-steps")).display,
          document.querySelector("label").htmlFor === input.id];
        const before = state();
        input.stepUp();
        input.dispatchEvent(new Event("input"));
        tell([before, state()]);""",
    )
    assert before[:2] == ["2", "t_re = 50"]
    assert before[2] == slider.sentence(shown, 50)
    assert after[:2] == ["3", "t_re = 100"]
    assert after[2] == slider.sentence(shown, 100)
    assert before[3] == slider.strip(shown.images[50])[-40:]
    assert after[3] == slider.strip(shown.images[100])[-40:]
    assert float(after[4]) == slider.WIDTH - slider.RIGHT
    assert before[5:] == ["none", True]  # the list has made room; the label is the slider's


@needs_browser
def test_a_class_that_is_chosen_is_seen_alone_at_its_own_steps(tmp_path):
    """What of the picture the window shows is that class's row, by its place and form."""
    shown = walk()
    rows = {t: np.random.default_rng(t).integers(0, 256, (3, 2, 1, 8, 8), dtype=np.uint8) for t in (0, 40, 50, 100)}
    shown = replace(shown, by_class=rows, classes=("a", "<b>", "c"), sigmas=shown.sigmas | {40: 4.1})
    names, mixed, steps, sources, shapes, places = in_browser(
        tmp_path,
        slider.html(shown),
        """
        const select = document.querySelector("select");
        const steps = () => Array.from(document.querySelectorAll(".live li span"), (e) => e.textContent);
        const mixed = steps();
        select.value = 1;
        select.dispatchEvent(new Event("change"));
        const windows = Array.from(document.querySelectorAll(".live img"));
        tell([Array.from(select.options, (o) => o.textContent), mixed, steps(), windows.map((w) => w.src.slice(-40)),
          windows.map((w) => w.getBoundingClientRect().width / w.getBoundingClientRect().height),
          windows.map((w) => getComputedStyle(w).objectPosition)]);""",
        opened=True,
    )
    assert names == ["a few of the training set", "class a", "class <b>", "class c"]
    assert mixed == ["real", "t_re = 30", "t_re = 50", "t_re = 100"]
    assert steps == ["real", "t_re = 40", "t_re = 50", "t_re = 100"]
    expected = {t: slider.sheet(several)[-40:] for t, several in rows.items()}
    assert sources == [expected[t] for t in (0, 50, 0, 40, 50, 100)]  # the real ones, those at the step, all steps
    assert shapes == pytest.approx([17 / 8] * 6, rel=0.01)
    assert set(places) == {"0px 50%"}
