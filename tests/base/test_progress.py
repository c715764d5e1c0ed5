"""One progress for all parts of a command: shares and times against sums by hand, with a clock of the test's own."""

import time
from types import SimpleNamespace

import pytest

from synthgap.base import progress as module
from synthgap.base.progress import LEAST_TRUSTED, TRUSTED, Progress


@pytest.fixture
def clock(monkeypatch):
    now = SimpleNamespace(seconds=1000.0)
    fake = SimpleNamespace(monotonic=lambda: now.seconds)
    monkeypatch.setattr(module, "time", fake)
    return now


@pytest.fixture
def two(clock):
    """A part of 300 and one of 100 seconds."""
    with Progress() as progress:
        progress.expect({"a": 300.0, "b": 100.0})
        yield progress


def test_before_anything_is_done_what_is_left_is_what_was_expected(two):
    assert two.share == 0
    assert two.left == 400


def test_what_takes_as_long_as_expected_leaves_the_rest(two, clock):
    two.begin("a", "training", share=lambda: 0.5)
    clock.seconds += 150
    assert two.share == 150 / 400
    assert two.left == pytest.approx(250)
    two.finish("a")
    clock.seconds += 150
    assert two.left == pytest.approx(100)


def test_what_takes_longer_makes_the_rest_longer_the_more_of_it_is_known(two, clock):
    """At twice the time the rest tends to twice as long as expected."""
    two.expect({"c": 10_000.0})
    ratios = []
    for share in (0.01, 0.5, 1.0):
        two.begin("c", "training", share=lambda share=share: share)
        clock.seconds = 1000.0 + 2 * share * 10_000
        ratios.append(two.left / ((1 - share) * 10_000 + 400))
    assert 1 < ratios[0] < 1.1 < ratios[1] < ratios[2] < 2
    trusted = TRUSTED * 10_400
    assert ratios[2] == pytest.approx((trusted + 20_000) / (trusted + 10_000))


def test_a_total_that_grows_keeps_what_is_done(two, clock):
    two.begin("a", "training")
    two.finish("a")
    clock.seconds += 300
    assert two.share == 0.75
    two.expect({"a": 1.0, "c": 200.0})  # what is known stays
    assert two.share == 0.5
    assert two.left == pytest.approx(300)


def test_a_part_that_does_not_tell_is_guessed_from_its_time_and_never_done_before_its_end(two, clock):
    two.begin("b", "the book", beside=2)
    clock.seconds += 100
    assert two.share == pytest.approx(0.25 * 0.5)  # two at once take twice as long as they add
    clock.seconds += 10_000
    assert two.share == pytest.approx(0.25 * module.GUESSED)
    two.finish("b")
    assert two.share == 0.25


def test_nothing_expected_is_all_done_in_no_time(clock):
    progress = Progress()
    assert (progress.share, progress.left) == (1.0, 0.0)
    progress.begin("unexpected", "training")
    assert progress.left == 0.0
    assert LEAST_TRUSTED > 0


def test_a_plain_line_says_share_parts_time_left_and_what_goes_on(two, clock, capsys, monkeypatch):
    monkeypatch.setattr(two, "_bar", None)
    two.begin("a", "training", share=lambda: 0.5)
    two.show()
    assert capsys.readouterr().out == ""  # no more often than every 15 seconds
    clock.seconds += 150
    two.show()
    two.show()
    assert capsys.readouterr().out == "synthgap: 38%, 0/2 parts, 4:10 left (training)\n"


def test_a_part_is_looked_at_from_another_thread_and_done_when_its_block_ends(capsys, monkeypatch):
    monkeypatch.setattr(module, "LOOK_EVERY", 0.01)
    monkeypatch.setattr(module, "PLAIN_LINE_EVERY", -1.0)
    with Progress() as progress:
        progress.expect({"the book": 3600.0})
        with progress.part("the book"):
            time.sleep(0.1)
    lines = capsys.readouterr().out.splitlines()
    assert "0/1 parts" in lines[0]
    assert lines[0].endswith("(the book)")
    assert lines[-1].startswith("synthgap: 100%, 1/1 parts, 0:00 left")
