"""What a study is said to take: against what artifacts take, by hand, and on the page."""

from pathlib import Path

import pytest
import torch
import yaml
from presets import shipped

from synthgap.base.marks import filled
from synthgap.classifier.resnet import ResNet18
from synthgap.data.publicsets import PUBLIC
from synthgap.design.arms import PAPER
from synthgap.diffusion.edm import EDM, EDMConfig
from synthgap.exhibits import inception
from synthgap.graph.estimate import cost, network_evaluations, unet_flop, work_of
from synthgap.graph.specification import in_order
from synthgap.planning import accelerator
from synthgap.planning.calibrate import Ratios, measure
from synthgap.planning.footprint import PROCESS, disk, memory, resnet_size, scratch, unet_size
from synthgap.planning.outlook import Outlook, by_kind, hours, peak, sums, together
from synthgap.planning.outlook_text import lines, size, summary

PAGE = Path(__file__).resolve().parents[2] / "book" / "scale.md"
AS_MODELLED = Ratios("cpu", 1.0, 1.0, 1.0)


@pytest.fixture(scope="module")
def paper():
    return Outlook(preset="paper", device="cpu")


@pytest.fixture(scope="module")
def tiny():
    return Outlook(preset="smoke", device="cpu")


def test_an_outlook_plans_the_artifacts_that_the_study_computes(tiny, smoke):
    planned, computed = in_order(tiny.plan()), in_order(smoke.plan())
    assert [s.kind for s in planned] == [s.kind for s in computed]
    for mine, theirs in zip(planned, computed, strict=True):
        assert cost(mine) == cost(theirs)
        assert mine.kind == "data" or disk(mine) == disk(theirs)


def test_an_outlook_writes_nothing_and_computes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Outlook(preset="smoke", device="cpu").plan()
    assert list(tmp_path.iterdir()) == []


def test_bytes_on_disk_are_those_of_the_artifacts(smoke):
    for spec in in_order(smoke.plan()):
        taken = sum(path.stat().st_size for path in smoke.store.folder(spec).iterdir())
        # how many images a filter keeps is known afterwards only: the most is planned
        if getattr(getattr(spec, "images", spec), "rule", "") == "agreeing":
            assert taken < 1.15 * disk(spec)
        else:
            assert disk(spec) == pytest.approx(taken, rel=0.15), spec.kind


def test_the_papers_sets_stand_in_with_their_published_numbers(paper):
    assert paper.stood_in == [PUBLIC[name].title for name in ("cifar10", "cifar100", "aircraft", "cub", "cars")]
    for arms in paper.design.columns:
        counts = PUBLIC[arms.name].counts
        train, validation, test = (arms.data[s].count for s in ("train", "validation", "test"))
        assert (train + validation, test) == (counts["train"], counts["test"])
        assert arms.data["train"].classes == PUBLIC[arms.name].classes
    assert {a.data["train"].shape for a in paper.design.columns_of(2)} == {(3, 32, 32)}
    assert {a.data["train"].shape for a in paper.design.columns_of(4)} == {(3, 64, 64)}


def test_evaluations_and_flop_of_the_papers_cifar_10_training_are_those_by_hand(paper):
    generator = paper.design.main.generator(0)
    work = work_of(generator)
    assert work.evaluations == 200e6
    assert work.flop == 3 * 200e6 * unet_flop(generator.network)
    full = paper.design.main.samples(0, 100)
    assert work_of(full).evaluations == network_evaluations(full) == 45_000 * 199  # 100 steps of Heun's method


@pytest.mark.parametrize("preset", ["tiny", "paper"])
def test_every_specification_of_the_plan_is_in_a_group_and_no_other(preset, request):
    outlook = request.getfixturevalue(preset)
    groups = outlook.groups()
    assert {spec.key for group in groups.values() for spec in group} == {spec.key for spec in outlook.plan()}
    assert {"Table 1", "Table 2", "Table 3", "Table 4", "Figure 6", "Figure 7", "4.3 Discussion"} <= set(groups)
    assert all(groups.values())


def test_sums_over_the_kinds_are_those_of_the_whole(tiny):
    specs = in_order(tiny.plan())
    kinds, total = by_kind(specs), sums(specs)
    assert together(kinds.values()).artifacts == len(specs)
    for field in ("artifacts", "evaluations", "flop", "disk", "hours"):
        assert sum(getattr(k, field) for k in kinds.values()) == pytest.approx(getattr(total, field))
    assert total.hours == pytest.approx(sum(map(cost, specs)) / 3600)


def test_more_workers_share_the_work_but_not_the_longest_chain(tiny):
    specs = in_order(tiny.plan())
    one, two, many = (hours(specs, n, busy=1.0) for n in (1, 2, 10_000))
    assert one == pytest.approx(sum(map(cost, specs)) / 3600)
    assert two == pytest.approx(one / 2)
    generator, classifier = tiny.design.main.generator(0), tiny.design.main.classifier(0, 100)
    chain = sum(
        map(cost, (generator, classifier.own.synthetic[0], classifier.block, tiny.design.main.test(classifier)))
    )
    assert one > many >= chain / 3600


def test_weights_are_counted_and_a_larger_batch_takes_more_memory(tiny):
    generator, classifier = tiny.design.main.generator(0), tiny.design.main.classifier(0, 0)
    for network, counted in (
        (EDM(EDMConfig.for_images(generator.network, 0.5)), unet_size(generator.network).weights),
        (ResNet18(classifier.network), resnet_size(classifier.network, 8, 8).weights),
    ):
        assert counted == sum(v.nbytes for v in network.state_dict().values())
    larger = generator.model_copy(update={"training": generator.training.model_copy(update={"batch": 320})})
    saved = unet_size(generator.network).saved
    assert memory(larger) - memory(generator) == 288 * saved
    assert scratch(generator) > 4 * 4 * 20_000  # four tensors a weight
    assert PROCESS < memory(generator) < PROCESS + 1e9


def test_a_block_takes_its_members_disk_and_memory(tiny):
    block = tiny.design.main.classifier(0, 0).block
    alone = block.model_copy(update={"members": block.members[:1]})
    one = resnet_size(block.network, 8, 8)
    assert len(block.members) == 2
    assert memory(block) - memory(alone) == 4 * one.weights + block.training.batch * one.saved  # of the same images
    assert disk(block) - disk(alone) > one.file


def test_what_a_step_saves_is_what_autograd_holds(tiny):
    """Counted on real tensors of two images, against twice one image's by the rule."""
    network = tiny.design.main.generator(0).network
    edm = EDM(EDMConfig.for_images(network, 0.5)).train()
    held, weights = {}, {p.untyped_storage().data_ptr() for p in edm.parameters()}

    def keep(tensor):
        if tensor.untyped_storage().data_ptr() not in weights:
            held[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()
        return tensor

    images = torch.zeros(2, network.channels, network.height, network.width)
    labels = torch.zeros(2, network.label_dim)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
        edm.loss(images, labels, torch.ones(2), images, None).mean()
    assert 2 * unet_size(network).saved == pytest.approx(sum(s.nbytes() for s in held.values()), rel=0.1)


def test_the_largest_training_of_the_paper_takes_more_than_a_card_of_80_gb(paper):
    """As the pages say: float32, batches of 256 at 64×64; CIFAR-10's, of 512, nearly fills one."""
    needed, spec = peak(in_order(paper.plan()))
    assert spec.kind == "train-diffusion"
    assert spec.data.shape == (3, 64, 64)
    assert needed == pytest.approx(92e9, rel=0.01)
    assert memory(paper.design.main.generator(0)) == pytest.approx(76e9, rel=0.01)


def test_a_measurement_takes_seconds_and_gives_ratios_that_scale_the_cost(tiny):
    ratios = measure(tiny.design.main, in_order(tiny.plan()))
    assert all(0.02 < r < 200 for r in (ratios.training, ratios.sampling, ratios.classifier))
    generator = tiny.design.main.generator(0)
    double = Ratios("cpu", 2.0, 1.0, 1.0)
    assert double.seconds(generator) == pytest.approx(2 * cost(generator), abs=0.1)
    assert double.seconds(tiny.design.main.samples(0, 100)) == pytest.approx(cost(tiny.design.main.samples(0, 100)))


def test_beside_a_gpu_what_has_no_device_is_taken_as_on_a_core(tiny):
    fast = Ratios("cuda", 0.01, 0.01, 0.01)
    arms = tiny.design.main
    distance, prediction = arms.fidelity(PAPER, 0, 50), arms.test(arms.classifier(0, 0))
    assert fast.seconds(distance) == accelerator.seconds(distance) == cost(distance)
    for spec in (prediction, prediction.classifier.block):
        assert fast.seconds(spec) < cost(spec)
        assert accelerator.seconds(spec) < cost(spec)


def test_the_lines_name_what_stood_in_and_end_with_hours_on_h100s(paper, monkeypatch):
    monkeypatch.setattr("synthgap.planning.outlook_text.table", lambda outlook: "| a row |")
    found = summary(paper, 2, AS_MODELLED)
    text = "\n".join(lines(found))
    assert "stand in for CIFAR-10, CIFAR-100, FGVC-Aircraft, CUB-200-2011, Stanford Cars: no copy was read" in text
    assert "on NVIDIA H100s: " in text
    assert text.endswith("| a row |")
    assert found["h100"]["hours"]["8"] < found["h100"]["hours"]["1"] < found["hours"]


def test_nothing_is_assumed_of_gpus_for_small_images(tiny):
    found = summary(tiny, 2, AS_MODELLED)
    assert "h100" not in found
    assert lines(found)[-1].startswith("on a GPU: nothing is assumed of images below 32×32")


def test_beside_a_gpu_its_own_hours_are_told_and_none_assumed():
    found = summary(Outlook(preset="smoke", device="cuda"), 2, Ratios("cuda", 0.01, 0.01, 0.01))
    assert "h100" not in found
    assert lines(found)[-1].startswith("time: ")
    assert "on this machine's cuda" in lines(found)[-1]


def test_the_table_on_the_page_is_what_the_package_computes(paper):
    """Else: python -m synthgap.planning.accelerator writes it."""
    text = PAGE.read_text(encoding="utf-8")
    assert filled(text, "hours", accelerator.table(paper)) == text


def test_the_hours_on_one_card_are_what_the_package_computes(tmp_path, monkeypatch):
    """Else put the table that the page lacks between its marks."""
    monkeypatch.delenv("SYNTHGAP_WEIGHTS", raising=False)
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    inception._space.cache_clear()
    whole, small = "paper-cifar10", tmp_path / "one-card.yaml"
    content = {k: v for k, v in shipped(whole).items() if k != "gan"} | {"detectors": ["logistic"]}
    small.write_text(yaml.safe_dump(content), encoding="utf-8")
    trained = Outlook(preset=whole, device="cpu")
    network = trained.design.main.generator(0).network
    given = {"device": "cpu", "generator": str(EDM(EDMConfig(network=network)).save(tmp_path / "edm.safetensors"))}
    rows = {
        "`one-card.yaml` (below), `--seeds 1`": Outlook(preset=str(small), seeds=1, **given),
        "`one-card.yaml`, three seeds": Outlook(preset=str(small), **given),
        "`paper-cifar10`": Outlook(preset=whole, **given),
        "`paper-cifar10`, its denoisers trained here": trained,
    }
    inception._space.cache_clear()
    text = (PAGE.parent / "paper_scale.md").read_text(encoding="utf-8")
    assert filled(text, "one card", accelerator.one_card(rows)) == text


@pytest.mark.parametrize(("count", "text"), [(12, "12 B"), (3_400_000, "3.4 MB"), (9.2e10, "92 GB"), (2e12, "2 TB")])
def test_sizes_are_in_decimal_units(count, text):
    assert size(count) == text
