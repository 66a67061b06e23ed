"""`resnets bench`: a table, JSON and a plot of what engines do; how fast they are is no test's business."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
import pytest

from resnets.deployment import bench as benching
from resnets.deployment.bench import ROUNDS, bench
from resnets.deployment.bench_process import Failed, Job, Loaded, Process, Round
from resnets.deployment.labelled import Labelled
from resnets.inference.engined import EngineNetwork
from resnets.inference.engines import PlainEngine
from resnets.inference.models import open_model
from resnets.inference.speeds import Memory, Speed, speed_key, speeds_file
from resnets.runtime.engine import Outputs, Pictures
from resnets.spec.resolve import plan
from resnets.spec.trace import macs
from resnets.weights.modelfile import Model, save
from tests import tiny

Type = Callable[..., Any]

RATES = {"torch": 100.0, "compiled": 150.0, "openvino": 300.0, "onnx": 200.0}
MACS = macs(plan(tiny.model(classes=("ant", "bee")).card.architecture), (8, 8))


class Fake:
    """A worker that has a number for everything; openvino gets some answers wrong, and onnx cannot run."""

    order: list[str]

    def __init__(self, job: Job) -> None:
        self.job, self.rounds, self.is_closed = job, 0, False
        self.model = open_model(job.path)

    def load(self) -> Loaded:
        if self.job.engine == "onnx":
            raise Failed("this needs onnxruntime; install it: pip install 'resnets[onnx]'")
        return Loaded(1.5, 2_000_000)

    def run(self, pictures: Pictures) -> Outputs:
        found = dict(PlainEngine(self.model, "cpu").run(pictures))
        if self.job.engine == "openvino":
            found["logits"] = -found["logits"]
        return found

    def round(self, seconds: float) -> Round:
        assert not self.is_closed
        Fake.order.append(self.job.engine)
        self.rounds += 1
        rate = RATES[self.job.engine] + 10 * (self.rounds - 3)
        return Round((0.001 * self.rounds, 0.002), rate, 4 * MACS * rate)

    def answer(self, how: Mapping[str, Any]) -> npt.NDArray[np.float32]:
        logits = Labelled(**how).answers(self.model).logits
        return -logits if self.job.engine == "openvino" else logits

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RESNETS_CACHE", str(tmp_path / "cache"))
    save(tiny.model(classes=("ant", "bee")), tmp_path / "m.safetensors")
    return tmp_path / "m.safetensors"


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    Fake.order = []
    monkeypatch.setattr(benching.bench, "__kwdefaults__", {**(benching.bench.__kwdefaults__ or {}), "start": Fake})


@pytest.mark.usefixtures("fake")
def test_the_table_has_a_line_for_each_engine_and_precision(model: Path, type_: Type) -> None:
    done = type_("bench", model, "--threads", 2)
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert (
        lines[0]
        == f"m.safetensors: {2 * MACS / 1e6:.3g} million operations a picture, 16 pictures at a time, 2 threads"
    )
    torch = re.split(r"\s{2,}", lines[2])
    assert torch[0] == "torch" and torch[1] == "fp32"
    assert torch[2:6] == ["100 (80 to 120)", "2, 4.91 ms", "1.5 s", "2 MB"]
    assert torch[6:] == ["50%", "0.0e+00", "0 of 16"], "half of the products' operations a second"
    assert [tuple(line.split()[:2]) for line in lines[2:7]] == [
        ("torch", "fp32"), ("torch", "bf16"), ("compiled", "fp32"), ("compiled", "bf16"), ("openvino", "fp32"),
    ]  # fmt: skip
    assert "2.0e+00" in lines[6] and "16 of 16" in lines[6], "the opposite of the network's answers"
    install = "this needs onnxruntime; install it: pip install 'resnets[onnx]'"
    data = "int8 takes its ranges from pictures: give --data DATA, or an export of it: --artefact PATH"
    assert sorted(lines[8:]) == sorted(
        [f"onnx fp32 cannot run: {install}", f"openvino int8 cannot run: {data}", f"onnx int8 cannot run: {data}"]
    )


@pytest.mark.usefixtures("fake")
def test_json_has_every_round_and_reason(model: Path, type_: Type) -> None:
    done = type_("bench", model, "--json", "--engine", "torch", "--engine", "onnx", "--precision", "fp32")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert (found["model"], found["batch_size"], found["macs"], found["measure"]) == ("m.safetensors", 16, MACS, None)
    torch, onnx = found["rows"]
    assert torch["pictures_per_second"] == {"median": 100, "rounds": [80, 90, 100, 110, 120]}
    assert torch["latency_seconds"]["runs"] == 2 * ROUNDS
    assert torch["roofline"] == {"share": 0.5, "operations_per_second": 400 * MACS}
    assert (torch["difference"], torch["changed"], torch["pictures"], torch["accuracy"]) == (0, 0, 16, None)
    assert onnx["reason"].startswith("this needs onnxruntime")


@pytest.mark.usefixtures("fake")
def test_with_data_there_is_accuracy_with_its_interval(model: Path, tmp_path: Path, type_: Type) -> None:
    data = tiny.write_pictures(tmp_path / "data", each=20)
    words = ["--data", data, "--split", "all", "--precision", "fp32", "--json"]
    done = type_("bench", model, "--engine", "torch", "--engine", "openvino", *words)
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["measure"] == "top1"
    right, wrong = (row["accuracy"] for row in found["rows"])
    assert right["value"] + wrong["value"] == pytest.approx(1), "of two classes the other is right"
    assert right["low"] <= right["value"] <= right["high"]
    assert [(row["changed"], row["pictures"]) for row in found["rows"]] == [(0, 40), (40, 40)]


@pytest.mark.usefixtures("fake")
def test_the_plot_stands_alone_and_its_words_have_room(model: Path, tmp_path: Path, type_: Type) -> None:
    done = type_("bench", model, "--plot", tmp_path / "p.svg")
    assert done.code == 0, done.err
    root = ElementTree.fromstring((tmp_path / "p.svg").read_text(encoding="utf-8"))
    words = [each.text or "" for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"torch fp32", "openvino bf16", "onnx int8", "pictures a second", "300"} <= set(words)
    assert any(word.startswith("cannot run: this needs onnxruntime") for word in words)
    assert "var(--" not in (tmp_path / "p.svg").read_text(encoding="utf-8")


@pytest.mark.usefixtures("fake")
def test_rounds_alternate_between_engines(model: Path) -> None:
    bench(model, engines=("torch", "openvino"), precisions=("fp32",))
    assert Fake.order == ["torch", "openvino", "openvino", "torch"] * 2 + ["torch", "openvino"]


@pytest.mark.usefixtures("fake")
def test_what_was_measured_is_remembered_for_auto(model: Path, type_: Type) -> None:
    assert type_("bench", model, "--threads", 2, "--batch-size", 8).code == 0
    card = open_model(model).card
    memory = Memory(speeds_file())
    found = memory.find(speed_key(card, "fp32", (), 8, 2))
    assert found == {name: Speed(RATES[name], 1.5) for name in ("torch", "compiled", "openvino")}
    assert sorted(memory.find(speed_key(card, "bf16", (), 8, 2))) == ["compiled", "openvino", "torch"]
    assert memory.find(speed_key(card, "fp32", (), 16, 2)) == {}


@pytest.mark.parametrize("step", ["round", "run"])
def test_an_engine_that_fails_on_the_way_is_a_line_with_its_reason(
    step: str, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Fake, *_: Any) -> Any:
        if self.job.engine == "openvino":
            raise Failed("no more memory")
        return plain(self, *_)

    plain = getattr(Fake, step)
    Fake.order = []
    monkeypatch.setattr(Fake, step, fail)
    torch, openvino = bench(model, engines=("torch", "openvino"), precisions=("fp32",), start=Fake).rows
    assert (openvino.reason, openvino.rates, openvino.rate) == ("no more memory", (), None)
    assert torch.reason is None and len(torch.rates) == ROUNDS


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--engine", "abacus"), "--engine abacus is not possible; allowed: torch, compiled, openvino, onnx"),
        (("--precision", "fp8"), "--precision fp8 is not possible; allowed: fp32, bf16, int8"),
        (("--plot", "a.png"), "--plot a.png is not possible; give the name of a .svg"),
        (("--artefact", "absent"), "there is no file or folder absent"),
    ],
)
def test_what_is_not_possible_is_refused(
    words: tuple[str, ...], sentence: str, model: Path, refused: Callable[..., str]
) -> None:
    assert sentence in refused("bench", model, *words)


def test_a_real_engine_is_measured_in_its_process(model: Path, tmp_path: Path) -> None:
    """One of them, asked for everything; that the others run is said by their own tests."""
    data = tiny.write_pictures(tmp_path / "data", each=6)

    def start(job: Job) -> Process:
        return Process(replace(job, side=64))

    how: dict[str, Any] = {"engines": ("torch",), "precisions": ("fp32",), "seconds": 0.01, "threads": 1}
    (row,) = bench(model, labelled=Labelled(data=str(data), split="all"), start=start, **how).rows
    assert row.reason is None
    assert row.difference is not None and row.difference < 1e-4
    assert (row.changed, row.pictures) == (0, 12)
    assert min(row.rates) > 0 and min(row.latencies) > 0 and min(row.peaks) > 0
    assert len(row.rates) == len(row.peaks) == ROUNDS and len(row.latencies) >= ROUNDS
    assert row.load is not None and row.load > 0
    assert row.accuracy is not None and row.accuracy.low <= row.accuracy.value <= row.accuracy.high


def test_an_int8_artefact_is_measured_beside_its_model_and_another_is_refused(model: Path, tmp_path: Path) -> None:
    pytest.importorskip("nncf")
    from resnets.deployment.bench_int8 import quantized

    labelled = Labelled(data=str(tiny.write_pictures(tmp_path / "data", each=20)))
    opened = open_model(model)
    path = quantized(opened, labelled, "openvino", tmp_path)
    artefact = open_model(path)
    assert isinstance(artefact.network, EngineNetwork) and artefact.network.engine.precision == "int8"

    class Both(Fake):
        def __init__(self, job: Job) -> None:
            super().__init__(job)
            assert job.is_artefact == (job.precision == "int8")
            self.model = opened

    Fake.order = []
    rows = bench(model, artefacts=[path], engines=("openvino",), start=Both).rows
    assert [(row.precision, row.artefact, row.reason) for row in rows] == [
        ("fp32", None, None), ("bf16", None, None), ("int8", "int8", None),
    ]  # fmt: skip
    save(tiny.model(classes=("ant", "wasp")), tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="is no export of"):
        bench(tmp_path / "other.safetensors", artefacts=[path], start=Both)


def test_a_process_that_dies_or_takes_too_long_is_a_reason(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = Job(path=str(model), engine="torch", precision="fp32", threads=1, batch_size=2)
    monkeypatch.setattr("resnets.deployment.bench_process.LOAD_LIMIT", 0.0)
    process = Process(job)
    with pytest.raises(Failed, match="it took longer than 0 seconds to load"):
        process.load()
    with pytest.raises(Failed, match="its process ended with -9"):
        process.load()
    process.close()


def test_answers_of_a_worker_are_those_of_its_engine(model: Path, tmp_path: Path) -> None:
    opened = open_model(model)
    labelled = Labelled(data=str(tiny.write_pictures(tmp_path / "data", each=6)), split="all")
    engined = Model(EngineNetwork(opened.card, PlainEngine(opened, "cpu")), opened.card)
    np.testing.assert_allclose(labelled.answers(engined).logits, labelled.answers(opened).logits, rtol=1e-5, atol=1e-6)
