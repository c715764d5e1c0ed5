"""The paper's data sets as downloaded archives: what is there is said, what is partial is named, unpacking is whole."""

import io
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from fabricated import as_official, fabricate_aircraft, fabricate_cars, fabricate_cub, md5

from synthgap.base.errors import UserError
from synthgap.data import publicsets
from synthgap.data.archives import survey, unpack
from synthgap.data.publicfiles import verify
from synthgap.data.publicsets import PUBLIC

FABRICATE = {"aircraft": fabricate_aircraft, "cub": fabricate_cub}


@pytest.fixture
def downloaded(tmp_path, monkeypatch):
    """name → a data folder with nothing but the archive of a fabricated copy, published with its MD5."""

    def make(name):
        made, root = tmp_path / "made", tmp_path / "data"
        root.mkdir(exist_ok=True)
        FABRICATE[name](made)
        (archive,) = PUBLIC[name].archives
        with tarfile.open(root / archive, "w:gz") as tar:
            tar.add(made / Path(PUBLIC[name].folder).parts[0], Path(PUBLIC[name].folder).parts[0])
        as_official(monkeypatch, name, made)
        monkeypatch.setitem(PUBLIC, name, replace(PUBLIC[name], archives={archive: md5(root / archive)}))
        return root, root / archive

    return make


def line_of(root, name):
    (line,) = [line for line in survey(root) if line.startswith(f"{name} ")]
    return line


def test_what_is_not_there_is_said_with_where_to_get_it(tmp_path):
    lines = survey(tmp_path / "nowhere")
    assert "does not exist yet" in lines[0]
    for line, (name, public) in zip(lines[1:], PUBLIC.items(), strict=True):
        assert line.startswith(f"{name} ")
        assert f"not there. Download {', '.join(public.archives)} from {public.origin}" in line
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("name", FABRICATE)
def test_an_archive_becomes_a_set_that_is_as_published(name, downloaded):
    root, _ = downloaded(name)
    assert f"downloaded. Unpack it: synthgap datasets {name} --unpack" in line_of(root, name)
    assert unpack(name, root) == root / PUBLIC[name].folder
    assert "ready, and as published" in line_of(root, name)
    assert any("MD5" in line for line in verify(name, root))
    with pytest.raises(UserError, match="is there already"):
        unpack(name, root)


@pytest.mark.parametrize("damage", [lambda data: data[:-100], lambda data: data[:50] + b"x" + data[51:]])
def test_a_partial_or_another_archive_is_named_and_not_opened(damage, downloaded, monkeypatch):
    root, archive = downloaded("aircraft")
    archive.write_bytes(damage(archive.read_bytes()))
    monkeypatch.setattr(tarfile, "open", lambda *args, **options: pytest.fail("the archive was opened"))
    line = line_of(root, "aircraft")
    assert "faulty" in line
    assert f"{archive.stat().st_size:,} bytes" in line
    with pytest.raises(UserError, match="is not the published file"):
        unpack("aircraft", root)
    assert [path.name for path in root.iterdir()] == [archive.name]


def test_a_missing_archive_is_named(tmp_path):
    with pytest.raises(UserError, match=r"CUB_200_2011\.tgz is not in"):
        unpack("cub", tmp_path)


def test_an_archive_that_would_write_elsewhere_leaves_nothing(downloaded, monkeypatch):
    root, archive = downloaded("aircraft")
    with tarfile.open(archive, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("../outside.txt"), io.BytesIO())
    monkeypatch.setitem(PUBLIC, "aircraft", replace(PUBLIC["aircraft"], archives={archive.name: md5(archive)}))
    with pytest.raises(UserError, match="can't be unpacked"):
        unpack("aircraft", root)
    assert [path.name for path in root.iterdir()] == [archive.name]
    assert not (root.parent / "outside.txt").exists()


def test_several_archives_and_a_loose_file_make_one_set(tmp_path, monkeypatch):
    made, root = tmp_path / "made", tmp_path / "data"
    root.mkdir()
    fabricate_cars(made)
    as_official(monkeypatch, "cars", made)
    folders = {"cars_train.tgz": "cars_train", "cars_test.tgz": "cars_test", "car_devkit.tgz": "devkit"}
    for archive, folder in folders.items():
        with tarfile.open(root / archive, "w:gz") as tar:
            tar.add(made / "stanford_cars" / folder, folder)
    loose = "cars_test_annos_withlabels.mat"
    (root / loose).write_bytes((made / "stanford_cars" / loose).read_bytes())
    sums = {archive: md5(root / archive) for archive in PUBLIC["cars"].archives}
    monkeypatch.setitem(publicsets.PUBLIC, "cars", replace(PUBLIC["cars"], archives=sums))
    unpack("cars", root)
    assert "ready, and as published" in line_of(root, "cars")
