"""Damaged pickles, PNGs and npz files by the thousand: each ends in a value or one line, in bounded time and memory."""

import fuzz
import pytest


@pytest.mark.parametrize("kind", fuzz.KINDS)
def test_a_hundred_damaged_files_of_each_kind_end_in_a_value_or_one_line(kind, tmp_path):
    assert list(fuzz.faults(kind, range(100), tmp_path)) == []


@pytest.mark.stress
@pytest.mark.parametrize("kind", ["pickle", "PNG", "npz"])
@pytest.mark.fault("10,000 files with random damage: pickles, PNGs and npz files")
def test_ten_thousand_damaged_files_end_in_a_value_or_one_line(kind, tmp_path, survived):
    assert list(fuzz.faults(kind, range(100, 3_434), tmp_path)) == []
    survived("each is read or refused in one line, within 10 seconds and 1 GiB of memory; none ends the process")


def test_a_fault_is_told_by_its_case_whatever_it_does(tmp_path, monkeypatch):
    def read(path):
        number = len(list(tmp_path.glob("seen*")))
        (tmp_path / f"seen{number}").write_text("")
        match number:
            case 1:
                raise ValueError("a traceback")
            case 3:
                raise fuzz.UserError("two\nlines")
            case 4:
                bytearray(2 * fuzz.MEMORY)
            case 5:
                fuzz.os.abort()
            case 6:
                while True:  # whatever signal comes
                    fuzz.signal.pause()

    monkeypatch.setattr(fuzz, "SECONDS", 1)
    kind = fuzz.KINDS["PNG"]
    monkeypatch.setitem(fuzz.KINDS, "PNG", fuzz.Kind(kind.valid, kind.name, read, kind.repaired))
    found = list(fuzz.faults("PNG", range(8), tmp_path))
    assert [line.split(":")[0] for line in found] == ["PNG 1", "PNG 3", "PNG 4", "PNG 5", "PNG 6"]
    for line, says in zip(found, ("ValueError", "several lines", "MemoryError", "signal 6", "no end"), strict=True):
        assert says in line


def test_mutations_reach_what_lies_behind_checksums(tmp_path):
    kind = fuzz.KINDS["PNG"]
    valid = kind.valid()
    assert [kind.repaired(data) for data in valid] == valid
    packed = fuzz.KINDS["npz"].valid()[0]
    (tmp_path / "again.npz").write_bytes(fuzz.KINDS["npz"].repaired(packed))
    first, again = (fuzz.np.load(fuzz.io.BytesIO(d)) for d in (packed, (tmp_path / "again.npz").read_bytes()))
    assert all((first[name] == again[name]).all() for name in ("images", "labels"))
