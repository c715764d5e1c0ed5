"""book/reliability.md says what these tests cover, all of it and nothing else."""

import pytest
import reliability


def test_the_page_lists_the_faults_and_inputs_that_the_tests_cover(request):
    if request.config.getoption("--write-reliability"):
        pytest.skip("the page is being written")
    page, wanted = reliability.tables(), reliability.declared()
    for table in reliability.HEADS:
        assert list(page[table]) == wanted[table], "run make stress"
        assert len(set(wanted[table])) == len(wanted[table])
        assert all(page[table].values())


def test_the_page_holds_no_path_of_a_machine():
    text = reliability.PAGE.read_text(encoding="utf-8")
    for part in ("/tmp", "/home", "pytest-", str(reliability.ROOT)):
        assert part not in text


def test_what_is_written_is_what_is_read(monkeypatch, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "".join(f"<!-- {t}: begin -->\n| a | b |\n| --- | --- |\n<!-- {t}: end -->\n" for t in reliability.HEADS)
    )
    monkeypatch.setattr(reliability, "PAGE", page)
    hard = "|a| <b> *c* `d` $e$ [f] {g} ~h~ \\ _i_ | j"
    monkeypatch.setattr(reliability, "declared", lambda: {"faults": ["one", hard], "inputs": ["two"]})
    reliability.write({"faults": {hard: hard, "one": "x", "gone": "y"}})
    assert reliability.tables() == {"faults": {"one": "x", hard: hard}, "inputs": {}}
    reliability.write({"faults": {"one": "z"}, "inputs": {"two": "2"}})
    assert reliability.tables() == {"faults": {"one": "z", hard: hard}, "inputs": {"two": "2"}}


def test_words_of_libraries_may_differ_and_ours_may_not():
    first, other = "set can't be read (cut (short) here); mend it", "set can't be read (EOF); mend it"
    assert reliability.comparable(first) == reliability.comparable(other)
    assert reliability.comparable(first) != reliability.comparable("set can't be read (EOF); burn it")
