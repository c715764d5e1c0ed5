"""What a run is said to take, part by part, and that a run which goes on keeps its rate."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from synthgap.base.progress import Progress
from synthgap.book import execute
from synthgap.book.making import BOOK, PAGE, RAW, Making
from synthgap.graph.estimate import BUSY, cost
from synthgap.graph.specification import in_order
from synthgap.graph.specs import Predict
from synthgap.graph.store import PROVENANCE
from synthgap.planning import calibrate, parts
from synthgap.planning.calibrate import RECENT, Ratios, made_lately, rates
from synthgap.planning.outlook import hours

ONE = Ratios("cpu")


@pytest.fixture
def aged(damageable, smoke):
    """aged(seconds, age): every artifact of the store took so long, and was made so many seconds ago."""

    def change(seconds, age):
        made = (datetime.now(UTC) - timedelta(seconds=age)).isoformat(timespec="seconds")
        for path in damageable.root.glob(f"[!.]*/*/{PROVENANCE}"):
            note = json.loads(path.read_text()) | {"seconds": seconds, "made": made}
            path.write_text(json.dumps(note))
        return damageable

    return change


def test_artifacts_add_up_to_what_the_workers_take_together(smoke):
    specs = [s for s in in_order(smoke.plan()) if s.kind != "data"]
    alone, two = parts.artifacts(specs, 1, ONE), parts.artifacts(specs, 2, ONE)
    assert set(alone) == {spec.key for spec in specs}
    assert sum(alone.values()) == pytest.approx(sum(map(cost, specs)))
    assert sum(two.values()) == pytest.approx(BUSY * sum(map(cost, specs)) / 2 + parts.START_WORKERS)
    many = parts.artifacts(specs, 10_000, ONE)  # the longest chain can't be shared
    assert sum(many.values()) == pytest.approx(3600 * hours(specs, 10_000) + parts.START_WORKERS)
    assert parts.artifacts([], 0, ONE) == {}


def test_a_crowded_machine_takes_longer_by_the_clock_and_two_workers_are_not_counted_as_crowding_twice(smoke):
    specs = [s for s in in_order(smoke.plan()) if s.kind != "data"]
    crowded = Ratios("cpu", crowded=3.0)
    assert sum(parts.artifacts(specs, 1, crowded).values()) == pytest.approx(3 * sum(map(cost, specs)))
    assert (ONE.busy, crowded.busy) == (BUSY, 1.0)


def test_a_core_that_is_had_half_of_the_time_makes_everything_take_twice_as_long(monkeypatch):
    clocks = {"perf_counter": iter((10.0, 14.0)), "process_time": iter((1.0, 3.0))}
    for name, ticks in clocks.items():
        monkeypatch.setattr(calibrate.time, name, lambda ticks=ticks: next(ticks))
    with calibrate.crowd() as found:
        assert found == []
    assert found == [2.0]


def test_a_run_has_every_chapter_the_page_the_rows_and_the_book(smoke):
    making = Making(execute.find_root(), {}, "smoke", Progress(), publish=False, started=0.0)
    plan = smoke.plan()
    every = making.expected(plan, ONE, answer_only=False)
    assert set(every) == {*execute.chapter_names(making.root), PAGE, RAW, BOOK}
    assert set(making.expected(plan, ONE, answer_only=True)) == {execute.ANSWER, PAGE}
    slow = making.expected(plan, Ratios("cpu", pages=2.0, crowded=3.0), answer_only=False)
    assert slow[BOOK] == pytest.approx(6 * every[BOOK])
    first = execute.chapter_names(making.root)[0]
    assert every[execute.ANSWER] > every[first]  # it is alone, the others are two at a time
    predicted = [spec for spec in plan if isinstance(spec, Predict)]
    twice = making.expected([*plan, *predicted], ONE, answer_only=False)
    assert every[first] < twice[first] < 2 * every[first]


def test_a_run_that_goes_on_keeps_its_rate(smoke, aged):
    store = aged(seconds=7.0, age=60)
    every = in_order(smoke.plan())
    kinds = made_lately(every, store)
    assert set(kinds) == {spec.kind for spec in every} - {"data"}
    for kind in ("train-diffusion", "predict"):
        specs = [spec for spec in every if spec.kind == kind]
        assert kinds[kind] == pytest.approx(7.0 * len(specs) / sum(map(cost, specs)))
        assert sum(Ratios("cpu", crowded=9.0, kinds=kinds).seconds(s) for s in specs) == pytest.approx(7 * len(specs))


def test_what_was_made_long_ago_or_in_no_time_says_nothing(smoke, aged):
    assert made_lately(smoke.plan(), aged(seconds=7.0, age=RECENT + 60)) == {}
    assert made_lately(smoke.plan(), aged(seconds=0.0, age=60)) == {}


def test_kinds_that_a_run_has_not_come_to_are_measured(smoke, only_data, monkeypatch):
    monkeypatch.setattr(calibrate, "measure", lambda arms, wanted: Ratios("cpu", training=5.0))
    assert rates(smoke.main, smoke.plan(), only_data) == Ratios("cpu", training=5.0)


def test_where_nothing_is_missing_only_pages_are_measured(smoke, aged):
    complete = rates(smoke.main, smoke.plan(), aged(seconds=7.0, age=60))
    assert complete.training == 1.0
    assert complete.pages > 0
    assert complete.kinds["predict"] > 1
