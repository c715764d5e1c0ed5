"""What a run took: measured, kept, and shown on the page."""

from __future__ import annotations

from dataclasses import replace

import pytest

from synthgap.base.errors import UserError
from synthgap.base.marks import filled
from synthgap.book import costs
from synthgap.book.costs import Costs
from synthgap.book.execute import find_root
from synthgap.design.preset import load_preset
from synthgap.graph.specification import in_order
from synthgap.graph.specs import Data

ROOT = find_root()
RUN = Costs("quick", 9.6, 15.2, 900, 900, 2, 750, 210.4, "a processor", "2026-01-31")
PLANNED = round(load_preset("quick").budget.core_seconds / 60)
MARKS = "<!-- costs: begin -->\n<!-- costs: end -->\n"


def test_costs_are_of_every_artifact_of_the_plan_once(smoke):
    plan = smoke.plan()
    specs = in_order(plan)
    took = costs.measure("smoke", [*plan, *plan], smoke.store, computed=3, seconds=60.0)
    assert took.artifacts == sum(not isinstance(spec, Data) for spec in specs)
    seconds = sum(smoke.store.provenance(spec)["seconds"] for spec in specs)
    assert took.core_minutes == pytest.approx(seconds / 60, abs=0.06)
    assert (took.computed, took.minutes) == (3, 1.0)
    assert took.disk_mb > 1
    assert took.largest_mb > 100
    assert took.made.startswith("20")


def test_costs_survive_their_file_and_another_file_is_refused(tmp_path):
    assert costs.load(costs.save(RUN, tmp_path / "costs.json")) == RUN
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(UserError, match=r"other\.json holds no costs of a run"):
        costs.load(tmp_path / "other.json")


def test_a_line_of_the_table_says_what_was_measured_or_that_nothing_was():
    lines = costs.table({"quick": RUN}).splitlines()
    assert (
        f"| `quick` | {PLANNED} | 15 | 10 minutes on 2 cores | 750 MB | 210 MB in 900 | a processor, 2026-01-31 |"
        in lines
    )
    assert any(line.startswith("| `full` |") and costs.NOT_YET in line for line in lines)
    resumed = Costs(**{**RUN.__dict__, "computed": 12})
    assert "in parts, on 2 cores" in costs.table({"quick": resumed})


def test_publishing_keeps_the_costs_and_fills_the_page(tmp_path):
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "reproduce.md").write_text(MARKS, encoding="utf-8")
    costs.publish(costs.save(RUN, tmp_path / "costs.json"), tmp_path)
    assert costs.kept(tmp_path) == {"quick": RUN}
    assert f"| `quick` | {PLANNED} | 15 |" in (tmp_path / "book" / "reproduce.md").read_text(encoding="utf-8")


def test_a_run_that_went_on_from_another_does_not_replace_the_costs_of_a_whole_one(tmp_path):
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "reproduce.md").write_text(MARKS, encoding="utf-8")
    parts, larger = replace(RUN, computed=12), replace(RUN, computed=12, artifacts=901)
    for run, wanted in ((parts, parts), (RUN, RUN), (parts, RUN), (larger, larger)):
        costs.publish(costs.save(run, tmp_path / "costs.json"), tmp_path)
        assert costs.kept(tmp_path) == {"quick": wanted}


def test_the_page_shows_the_costs_that_the_repository_keeps():
    page = (ROOT / costs.PAGE).read_text(encoding="utf-8")
    assert filled(page, "costs", costs.table(costs.kept(ROOT))) == page
