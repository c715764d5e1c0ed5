"""synthgap plan, compute and estimate: the graph walked in processes gives the study's bytes; errors are one line."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from reliability import ENVIRONMENT

from synthgap.exhibits.study import Study
from synthgap.graph.specification import in_order
from synthgap.graph.store import DATA, SPEC, Store

OPTIONS = ("--dataset", "digits", "--preset", "smoke", "--seeds", "1", "--device", "cpu")


@pytest.fixture
def plan(synthgap, results):
    """The lines of a plan whose results folder holds the images alone."""
    code, out, _ = synthgap("plan", *OPTIONS, "--results", results)
    assert code == 0
    return [json.loads(line) for line in out.splitlines()]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return Study("digits", "smoke", results=tmp_path_factory.mktemp("tiny"), seeds=1, device="cpu", workers=1)


def test_a_plan_lists_every_node_of_the_study_once_inputs_first(plan, study):
    assert [node["key"] for node in plan] == [spec.key for spec in in_order(study.plan())]
    level = {}
    for node in plan:
        assert set(node) == {"key", "kind", "inputs", "seconds", "level", "done"}
        assert node["done"] == (node["kind"] == "data")
        assert node["seconds"] > 0
        assert node["level"] == 1 + max((level[key] for key in node["inputs"]), default=-1)
        level[node["key"]] = node["level"]


def test_walking_a_plan_gives_the_bytes_of_the_study(synthgap, plan, study, results):
    """The first node in a process of its own, the others here."""
    last = study.main.classifier(0, 50)
    wanted = {spec.key: spec for spec in in_order([last])}
    walked = [node for node in plan if node["key"] in wanted and not node["done"]]
    assert [node["kind"] for node in walked] == ["train-diffusion", "reconstruct", "train-classifier"]
    study.compute([last])
    for node in walked:
        words = ("compute", node["key"][:12], *OPTIONS, "--results", str(results))
        if node == walked[0]:
            command = [sys.executable, "-m", "synthgap.cli", *words]
            out = subprocess.run(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True, check=True).stdout
        else:
            code, out, err = synthgap(*words)
            assert code == 0, err
        folder, theirs = Path(out.splitlines()[-1]), study.store.folder(wanted[node["key"]])
        assert folder.relative_to(results / "store") == theirs.relative_to(study.store.root)
        for name in (DATA, SPEC):
            assert (folder / name).read_bytes() == (theirs / name).read_bytes()


def test_a_node_without_its_inputs_names_them_unless_they_may_be_computed(synthgap, plan, study, results):
    key = study.main.classifier(0, 50).stored.key
    code, _, err = synthgap("compute", key, *OPTIONS, "--results", results)
    assert code == 2
    assert err.count("\n") == 1
    generator, samples = study.main.generator(0), study.main.samples(0, 50)
    assert f"lacks its inputs train-diffusion {generator.key[:12]}, reconstruct {samples.key[:12]}; compute" in err
    code, out, _ = synthgap("compute", key[:8], *OPTIONS, "--results", results, "--with-inputs")
    assert code == 0
    assert out.splitlines()[-1] == str(results / "store" / "train-classifier" / key)
    code, out, _ = synthgap("plan", *OPTIONS, "--results", results)
    done = {node["key"] for node in map(json.loads, out.splitlines()) if node["done"]}
    assert {key, generator.key, samples.key} <= done


def together(key, results):
    """`synthgap compute` by two processes of torchrun."""
    words = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "synthgap.cli"]
    command = [sys.executable, *words, "compute", key, *OPTIONS, "--results", str(results)]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=120)


def test_two_processes_share_a_training_of_the_study(plan, study, results):
    spec, store = study.main.generator(0), Store(results / "store")
    store.work(spec).mkdir(parents=True)
    (store.work(spec) / "checkpoint.safetensors").write_bytes(b"half of a checkpoint")
    done = together(spec.key, results)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{store.folder(spec)}\n"  # once
    assert done.stderr.count("starting that training again") == 1
    theirs, ours = store.get(spec), study.store.get(spec)
    for edm, alone in ((theirs, ours), *((theirs.snapshots[n], ours.snapshots[n]) for n in spec.snapshots)):
        assert max(float((v - alone.state_dict()[k]).abs().max()) for k, v in edm.state_dict().items()) < 1e-5
    assert store.provenance(spec)["processes"] == 2
    assert "processes" not in study.store.provenance(spec)
    assert not store.work(spec).exists()


def test_what_can_not_be_shared_is_refused(synthgap, plan, study, results, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    code, _, err = synthgap("compute", study.main.classifier(0, 0).stored.key, *OPTIONS, "--results", results)
    assert code == 2
    assert "train-classifier can't be shared by several processes; compute it without torchrun" in err
    words = ("--results", results, "--with-inputs")
    code, _, err = synthgap("compute", study.main.classifier(0, 50).stored.key, *OPTIONS, *words)
    assert code == 2
    assert "can't be shared" in err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["compute", "1234567"], "'1234567' is no key; give 8 to 64 hexadecimal digits"),
        (["compute", "train-diffusion"], "'train-diffusion' is no key"),
        (["compute", "ffffffff" * 8], "no node has the key ffffffff"),
        (["plan", "--seeds", "many"], "--seeds is 'many'; give a whole number, several as in 0,1,2, or auto"),
        (["estimate", "--workers", "0"], "workers is 0"),
        (
            ["run", "--no-book", "--yes", "--scheduler", "tcp://127.0.0.1:9"],
            "no Dask scheduler answers at tcp://127.0.0.1:9",
        ),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(synthgap, tmp_path, monkeypatch, words, says):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("synthgap.graph.cluster.CONNECT", 0.3)
    code, _, err = synthgap(*words, "--preset", "smoke")
    assert code == 2
    assert err.startswith("synthgap: error: ")
    assert says in err
    assert err.count("\n") == 1


def test_an_estimate_is_a_table_or_json_and_writes_nothing(synthgap, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = synthgap("estimate", *OPTIONS, "--workers", 3)
    assert code == 0
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines()}
    assert rows["kind"] == ["artifacts", "evaluations", "PFLOP", "disk", "core", "time"]
    assert {"train-diffusion", "train-classifier", "all", "disk:", "memory:", "time:"} <= set(rows)
    assert re.search(r"^time: [0-9.]+ (s|min) with 3 workers", out, re.MULTILINE)
    code, out, _ = synthgap("estimate", *OPTIONS, "--json")
    found = json.loads(out)
    assert found["all"]["artifacts"] == sum(kind["artifacts"] for kind in found["kinds"].values())
    assert list(tmp_path.iterdir()) == []
