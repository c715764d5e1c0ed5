"""The code hash on a made-up package: what changes it, and what does not."""

import textwrap

import pytest

from synthgap.graph import codehash, specs
from synthgap.graph.codehash import code_hash

MODULES = {
    "__init__": "",
    "errors": "class UserError(ValueError): pass",
    "train": """
        \"\"\"Training.\"\"\"
        from .errors import UserError
        from .parts import layer, RATE

        # a comment
        def train(x):
            \"\"\"Train on x.\"\"\"
            if x < 0:
                raise UserError(f"x is {x}; give 0 or more")
            return layer.apply(x) * RATE
    """,
    "parts.__init__": "from .rates import RATE",
    "parts.layer": "def apply(x):\n    from . import deep\n    return deep.double(x)",
    "parts.deep": "def double(x):\n    return 2 * x",
    "parts.rates": "RATE = 0.1",
    "other": "VALUE = 1",
    "work": """
        from .other import VALUE

        def first():
            return 1

        def second():
            return 2
    """,
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """write(module, text) changes the made-up package; hash_of(*roots) hashes it anew."""

    def clear():
        for cached in vars(codehash).values():
            if hasattr(cached, "cache_clear"):
                cached.cache_clear()

    class Package:
        def write(self, module, text):
            path = (tmp_path / "package").joinpath(*module.split(".")).with_suffix(".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text), encoding="utf-8")

        def replace(self, module, old, new):
            text = textwrap.dedent(MODULES[module])
            assert old in text
            self.write(module, text.replace(old, new))

        def hash_of(self, *roots):
            clear()
            return code_hash(roots or ("synthgap.train",))

    monkeypatch.setattr(codehash, "ROOT", tmp_path / "package")
    made = Package()
    for module, text in MODULES.items():
        made.write(module, text)
    yield made
    clear()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# a comment", "# another"),
        ('"""Training."""', '"""Training, and more."""'),
        ('    """Train on x."""\n', ""),
        ("layer.apply(x) * RATE", "(layer.apply(x)\n            *   RATE)"),
        ('f"x is {x}; give 0 or more"', 'f"x must not be {x}"'),
    ],
    ids=["comment", "module docstring", "docstring gone", "formatting", "error wording"],
)
def test_what_changes_no_result_changes_no_hash(package, old, new):
    before = package.hash_of()
    package.replace("train", old, new)
    assert package.hash_of() == before


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("train", "x < 0", "x < 1"),
        ("train", "* RATE", "+ RATE"),
        ("train", "raise UserError", "raise TypeError"),
        ("errors", "ValueError", "TypeError"),
        ("parts.layer", "deep.double(x)", "deep.double(x) + 1"),
        ("parts.deep", "2 * x", "3 * x"),
        ("parts.rates", "0.1", "0.2"),
    ],
    ids=["constant", "operator", "error type", "imported", "submodule", "imported in a function", "re-exported"],
)
def test_a_change_in_the_module_or_in_what_it_imports_changes_the_hash(package, module, old, new):
    before = package.hash_of()
    package.replace(module, old, new)
    assert package.hash_of() != before


def test_a_module_that_is_not_imported_does_not_count(package):
    before = package.hash_of()
    package.write("other", "VALUE = 2")
    assert package.hash_of() == before


@pytest.mark.parametrize("line", ["import synthgap.other", "from synthgap.other import VALUE", "from . import other"])
def test_every_form_of_import_is_followed(package, line):
    package.write("train", line)
    before = package.hash_of()
    package.write("other", "VALUE = 2")
    assert package.hash_of() != before


def test_imports_from_elsewhere_are_not_followed(package):
    package.write("train", "import json\nfrom pathlib import Path\nX = 1")
    assert len(package.hash_of()) == 64


def test_a_function_root_counts_alone(package):
    before = package.hash_of("synthgap.work:first")
    package.replace("work", "return 2", "return 3")
    package.write("other", "VALUE = 2")
    assert package.hash_of("synthgap.work:first") == before
    package.replace("work", "return 1", "return 0")
    assert package.hash_of("synthgap.work:first") != before


def test_modules_that_import_each_other_end(package):
    package.write("train", "from . import other\nX = 1")
    package.write("other", "from . import train\nY = 1")
    before = package.hash_of()
    package.write("other", "from . import train\nY = 2")
    assert package.hash_of() != before


@pytest.mark.parametrize("root", ["synthgap.absent", "synthgap.work:absent"])
def test_a_root_that_does_not_exist_is_an_error(package, root):
    with pytest.raises(LookupError, match="absent"):
        package.hash_of(root)


@pytest.mark.parametrize("kind", specs.KINDS, ids=lambda k: k.__name__)
def test_every_kind_names_code_that_exists(kind):
    assert kind.code
    assert len(code_hash(kind.code)) == 64


def test_what_computes_a_kind_is_part_of_its_hash():
    """The modules whose change must leave no old number valid, by kind."""
    wanted = {
        specs.Data: "data.imageset",
        specs.TrainDiffusion: "diffusion.train diffusion.edm diffusion.unet diffusion.schedule base.seeding",
        specs.Snapshot: "",
        specs.TrainGan: "gan.train gan.stylegan3 gan.synthesis gan.filters gan.discriminator gan.augment gan.losses",
        specs.SampleGan: "gan.sample gan.stylegan3 diffusion.noise",
        specs.MeasureCollapse: "gan.collapse",
        specs.MeasureFrozen: "metrics.fidelity metrics.neighbours",
        specs.Guided: "diffusion.reconstruct diffusion.sampler diffusion.guidance diffusion.noise",
        specs.Selected: "metrics.selection classifier.evaluate",
        specs.Trim: "data.splits metrics.projection",
        specs.Synthesize: "diffusion.reconstruct diffusion.sampler diffusion.noise diffusion.schedule",
        specs.Reconstruct: "diffusion.reconstruct diffusion.sampler diffusion.noise diffusion.schedule",
        specs.TrainClassifier: "classifier.train classifier.resnet classifier.augment classifier.policies base.seeding",
        specs.LoadDiffusion: "diffusion.edm diffusion.unet base.weights",
        specs.Predict: "classifier.evaluate",
        specs.Subset: "data.splits",
        specs.Bootstrap: "data.splits",
        specs.Attend: "metrics.gradcam classifier.train",
        specs.Extract: "data.transform",
        specs.FitHead: "classifier.head classifier.evaluate data.splits",
        specs.MeasureFidelity: "metrics.fidelity metrics.neighbours",
        specs.MeasureDetection: "metrics.detection metrics.detectors classifier.resnet base.seeding",
        specs.MeasureLikelihood: "metrics.likelihood diffusion.edm diffusion.schedule diffusion.noise",
        specs.MeasureMemorization: "metrics.memorization metrics.neighbours",
    }
    assert set(wanted) == set(specs.KINDS)
    for kind, modules in wanted.items():
        assert {f"synthgap.{m}" for m in modules.split()} <= codehash.reached(kind.code)


@pytest.mark.parametrize("kind", specs.KINDS, ids=lambda k: k.__name__)
def test_no_key_depends_on_who_reads_files_of_others_or_on_what_a_full_disk_is_called(kind):
    """All kinds compute from arrays and files of ours: what reads other files may be hardened, messages reworded."""
    readers = (
        "base.inert",
        "base.torchfiles",
        "released.nvidia",
        "released.networks",
        "released.edm",
        "released.stylegan3",
    )
    foreign = {
        f"synthgap.{module}" for module in ("base.disk", "data.folder", "data.sources", "api.functions", *readers)
    }
    assert all(codehash._path(module) for module in foreign)
    assert not foreign & codehash.reached(kind.code)


def test_what_a_function_names_is_followed_one_by_one(package):
    """Through names of its own module and imported ones; other definitions beside them don't count."""
    rates = "RATE = 0.1\nOTHER = 1\n"
    made = (
        "from .parts.rates import RATE\n\ndef rows():\n    return helper() * RATE\n\n"
        "def helper():\n    return 2\n\ndef view():\n    return 3\n"
    )

    def hashed(rates=rates, made=made):
        package.write("parts.rates", rates)
        package.write("made", made)
        package.hash_of("synthgap.made")  # which forgets what was read before
        return codehash.definitions_hash(["synthgap.made:rows"], ("synthgap.",))

    before = hashed()
    assert hashed(made=made.replace("return 3", "return 4")) == before
    assert hashed(rates=rates.replace("OTHER = 1", "OTHER = 2")) == before
    assert hashed(made=made.replace("return 2", "return 5")) != before
    assert hashed(rates=rates.replace("RATE = 0.1", "RATE = 0.3")) != before
