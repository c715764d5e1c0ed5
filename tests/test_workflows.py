"""The workflows and the notebooks' launchers: what they name is there."""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path

import pytest
import yaml
from sphinx.errors import ExtensionError

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))


@pytest.fixture(params=WORKFLOWS, ids=lambda p: p.stem)
def workflow(request):
    return yaml.safe_load(request.param.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def launch():
    specification = importlib.util.spec_from_file_location("launch", ROOT / "book" / "_ext" / "launch.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def steps(workflow):
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_there_is_a_workflow_for_pushes_and_one_for_releases():
    triggers = {p.stem: yaml.safe_load(p.read_text(encoding="utf-8"))[True] for p in WORKFLOWS}  # YAML's on is True
    assert "push" in triggers["tests"]
    assert triggers["book"]["release"] == {"types": ["published"]}


def test_commands_are_targets_of_the_makefile_or_installed_by_one(workflow):
    commands = [line for step in steps(workflow) for line in step.get("run", "").splitlines()]
    assert commands
    for command in commands:
        first, *words = command.split()
        if first == "make":
            assert set(words) <= TARGETS, command
        else:
            assert first in ("sudo", ".venv/bin/jupyter-book"), command


def test_actions_are_pinned_by_their_major_version(workflow):
    used = [step["uses"] for step in steps(workflow) if "uses" in step]
    assert used
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+", name) for name in used)


def test_python_is_the_one_that_the_package_asks_for(workflow):
    versions = [s["with"]["python-version"] for s in steps(workflow) if s.get("uses", "").startswith("actions/setup-p")]
    assert set(versions) == {"3.11"}


def test_what_the_workflows_keep_is_made_by_their_commands(workflow):
    for step in steps(workflow):
        if step.get("uses", "").startswith("actions/upload-artifact"):
            kept = step["with"]["path"].split()
            assert all(path.startswith(("results/smoke/", "_build/", "build/screenshots")) for path in kept)


def test_binder_installs_the_lock_and_the_package():
    folder = ROOT / ".binder"
    (line,) = (folder / "requirements.txt").read_text().split("\n")[:-1]
    assert (folder / line.removeprefix("-r ")).resolve() == ROOT / "requirements.lock"
    assert (folder / "runtime.txt").read_text().strip() == "python-3.11"
    assert os.access(folder / "postBuild", os.X_OK)
    assert "--no-deps" in (folder / "postBuild").read_text()


def test_a_chapter_names_its_source_and_links_once_there_is_an_address(launch):
    page = "book/executed/02_related_work"
    assert (ROOT / "chapters" / "02_related_work.ipynb").is_file()
    plain = launch.line(page, "", "main")
    assert "<code>chapters/02_related_work.ipynb</code>" in plain
    assert "href" not in plain
    linked = launch.line(page, "https://github.com/owner/name", "main")
    assert 'href="https://mybinder.org/v2/gh/owner/name/main?labpath=chapters%2F02_related_work.ipynb"' in linked
    assert (
        'href="https://colab.research.google.com/github/owner/name/blob/main/chapters/02_related_work.ipynb"' in linked
    )
    assert launch.line("book/intro", "https://github.com/owner/name", "main") == ""
    with pytest.raises(ExtensionError, match="give https://github"):
        launch.line(page, "ftp://elsewhere", "main")


def test_the_address_stands_in_one_place():
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    assert "launch_repository" in config["sphinx"]["config"]
    assert "launch" in config["sphinx"]["local_extensions"]
