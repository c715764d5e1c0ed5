"""Rules that the repository's own files keep."""

import ast
import os
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import nbformat
import pytest
import yaml

from synthgap.design.parameters import PARAMETERS
from synthgap.graph.specs import KINDS

ROOT = Path(__file__).resolve().parents[1]
LONGEST_MODULE, LONGEST_FUNCTION = 350, 60  # lines, those of a function without its docstring
CHAPTERS = sorted((ROOT / "chapters").glob("*.ipynb"))


@pytest.fixture(params=CHAPTERS, ids=lambda p: p.stem)
def chapter(request):
    return nbformat.read(request.param, as_version=4)


def test_source_chapters_carry_no_outputs(chapter):
    for cell in chapter.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


def test_source_chapters_have_one_parameters_cell_with_the_known_names(chapter):
    tagged = [c for c in chapter.cells if "parameters" in c.metadata.get("tags", [])]
    assert len(tagged) == 1
    names = {target.id for node in ast.parse(tagged[0].source).body for target in node.targets}
    assert names == set(PARAMETERS)


def test_source_chapters_run_on_the_kernel_called_python3(chapter):
    assert chapter.metadata.kernelspec.name == "python3"


def test_cells_of_chapters_are_short(chapter):
    for cell in chapter.cells:
        if cell.cell_type == "code":
            most = len(PARAMETERS) if "parameters" in cell.metadata.get("tags", ()) else 15
            assert len(cell.source.splitlines()) <= most
            assert max(map(len, cell.source.splitlines())) <= 100


def test_figures_in_chapters_have_captions_names_and_alternative_texts(chapter):
    for cell in chapter.cells:
        if cell.cell_type == "code" and 'show("fig-' in cell.source:
            mystnb = cell.metadata.mystnb
            assert mystnb.figure.caption
            assert mystnb.figure.name.startswith("fig-")
            assert len(mystnb.image.alt) > 40


def test_a_path_says_what_it_may_import():
    """The contracts of import-linter, in pyproject.toml: every module in its layer, without an exception."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert not [c for c in contracts if "ignore_imports" in c]
    assert [c["exhaustive"] for c in contracts if c["type"] == "layers"] == [True]
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as main; main()", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stdout


def test_the_root_of_the_package_holds_packages_and_data_alone():
    assert [path.name for path in (ROOT / "synthgap").glob("*.py")] == ["__init__.py"]


def test_modules_and_functions_are_short():
    for path in (ROOT / "synthgap").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= LONGEST_MODULE, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                words = (ast.get_docstring(node, clean=False) or "").count("\n") + 1
                assert node.end_lineno - node.lineno - words < LONGEST_FUNCTION, f"{path}: {node.name}"


def test_the_picture_of_the_artifact_graph_names_every_kind():
    picture = (ROOT / "book" / "figures" / "artifact-graph.svg").read_text()
    page = (ROOT / "book" / "architecture.md").read_text()
    for kind in KINDS:
        name = kind.model_fields["kind"].default
        assert f">{name}<" in picture
        assert f"`{name}`" in page


def test_the_lock_pins_everything_and_holds_no_addresses():
    lines = (ROOT / "requirements.lock").read_text().split()
    assert all("==" in line and "/" not in line for line in lines)
    assert not [line for line in lines if line.startswith(("nvidia-", "cuda-", "triton"))]


def test_an_environment_without_libraries_for_gpus_has_the_locks_versions_too():
    def commands(*options):
        made = ["make", "--dry-run", "--always-make", "env", *options]
        lines = subprocess.run(made, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
        return [line for line in lines if "pip install" in line]

    usual = commands()
    cpu = commands("TORCH_INDEX=cpu-builds")
    assert cpu[1:] == usual  # what is there already in the lock's version, pip leaves
    assert "requirements.lock" in cpu[0]
    assert "--no-deps" in cpu[0]
    assert not [line for line in usual if "index-url" in line]


def test_conda_uses_the_same_pins():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert {"pip": ["-r requirements.lock"]} in environment["dependencies"]


def test_a_build_passes_over_the_folders_that_a_checkout_grows():
    """An environment holds Markdown, too, and each page outside of the contents is a warning."""
    patterns = yaml.safe_load((ROOT / "_config.yml").read_text())["exclude_patterns"]
    grown = [line.rstrip("/") for line in (ROOT / ".gitignore").read_text().split()]
    grown = [name for name in grown if name != "__pycache__" and "*" not in name]
    assert {".venv", "results", "_build"} <= set(grown)
    assert all(any(fnmatch(name, pattern) for pattern in patterns) for name in grown)
