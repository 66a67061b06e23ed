"""Which engine `auto` stands for: measured once, remembered, and never one that answers otherwise."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resnets.inference import engines
from resnets.inference.choose import FEW, WORTH, Candidate, Choice, difference, samples
from resnets.inference.engines import PlainEngine, Wanted, choice, make_engine
from resnets.inference.speeds import MOST_KEYS, Memory, Speed, processor, speed_key, speeds_file
from resnets.runtime.eager import EagerEngine
from resnets.runtime.engine import Engine, Outputs, Pictures
from resnets.spec.card import Card
from resnets.spec.preprocess import Preprocess
from resnets.weights.modelfile import Model
from tests import tiny

SHAPE = (3, 8, 8)
MANY = 1_000_000


class Clock:
    """A clock that stands still but where an engine works."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Fake(Engine):
    """An engine that takes so many seconds for a picture, and says what its pictures sum to."""

    precision = "fp32"
    threads = 2
    outputs = ("logits",)
    shape = SHAPE

    def __init__(self, name: str, clock: Clock, each: float, wrong: float = 0.0) -> None:
        self.name, self.clock, self.each, self.wrong = name, clock, each, wrong
        self.runs, self.is_closed = 0, False

    def run(self, pictures: Pictures) -> Outputs:
        self.runs += 1
        self.clock.now += self.each * len(pictures)
        sums = pictures.reshape(len(pictures), 3, -1).sum(2, dtype=np.float32)
        return {"logits": sums * np.float32(1 + self.wrong)}

    def stream(self, batches: Iterable[Pictures]) -> Iterator[Outputs]:
        yield from map(self.run, batches)

    def close(self) -> None:
        self.is_closed = True


@dataclass
class Machine:
    """Engines by name with their seconds a picture and a loading, what they get wrong, and what was made and said."""

    folder: Path
    speeds: dict[str, tuple[float, float]]
    wrong: dict[str, float] = field(default_factory=dict)
    absent: dict[str, Exception] = field(default_factory=dict)
    precision: Any = "fp32"
    clock: Clock = field(default_factory=Clock)
    made: list[Fake] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    lowered: int = 0

    @property
    def memory(self) -> Memory:
        return Memory(self.folder / "engines.json")

    def choose(self, pictures: int | None = MANY) -> Fake:
        made: list[Fake] = []

        def maker(name: str) -> Callable[[], Engine]:
            def make() -> Engine:
                each, load = self.speeds[name]
                self.clock.now += load
                made.append(Fake(name, self.clock, each, self.wrong.get(name, 0.0)))
                return made[-1]

            return make

        def check(name: str) -> Callable[[], None]:
            def look() -> None:
                if name in self.absent:
                    raise self.absent[name]

            return look

        def lower() -> None:
            self.lowered += 1
            self.clock.now += 7

        candidates = {
            name: Candidate(make=maker(name), check=check(name), lowered=name in ("openvino", "onnx"))
            for name in self.speeds
        }
        reference = Fake("reference", self.clock, 0.1)
        found = Choice(
            reference=reference,
            candidates=candidates,
            precision=self.precision,
            batch_size=4,
            memory=self.memory,
            key="k",
            clock=self.clock,
            lower=lower,
        ).choose(pictures, self.said.append)
        self.made = made
        assert isinstance(found, Fake)
        assert all(each.is_closed for each in made if each is not found), "what is not chosen gives its memory back"
        assert not found.is_closed
        return found


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(
        tmp_path,
        {"torch": (0.05, 0.5), "compiled": (0.001, 20.0), "openvino": (0.02, 1.0), "onnx": (0.03, 1.0)},
    )


def test_the_fastest_is_chosen_and_one_sentence_says_so(machine: Machine) -> None:
    assert machine.choose().name == "openvino"
    assert machine.said == [
        "engine openvino: 2.5 times torch's 20 pictures a second; --engine torch chooses another",
    ]
    assert machine.lowered == 1, "the graph is made once, for all engines that take it"
    found = machine.memory.find("k")
    assert sorted(found) == ["onnx", "openvino", "torch"]
    assert found["openvino"].rate == pytest.approx(50)
    assert [found[name].load for name in ("torch", "openvino", "onnx")] == pytest.approx([0.5, 8, 8])


def test_what_was_measured_is_not_measured_again(machine: Machine) -> None:
    machine.choose()
    before = machine.memory.path.read_bytes() if machine.memory.path else b""
    assert machine.choose().name == "openvino"
    assert [(each.name, each.runs) for each in machine.made] == [("openvino", 1)], "its answers alone are asked for"
    assert machine.said[0] == machine.said[1]
    assert machine.memory.path is not None and machine.memory.path.read_bytes() == before


@pytest.mark.parametrize("remembered", [False, True])
@pytest.mark.parametrize("wrong", [0.001, float("nan"), float("inf")])
def test_an_engine_that_disagrees_is_never_chosen_though_it_is_the_fastest(
    machine: Machine, remembered: bool, wrong: float
) -> None:
    if remembered:
        machine.choose()
    machine.wrong["openvino"] = wrong
    with np.errstate(invalid="ignore"):
        assert machine.choose().name == "onnx"
    assert machine.memory.find("k")["openvino"].reason == "", "another model's weights may agree"
    if not remembered:
        assert "left out: openvino, it differs from the network as it stands by" in machine.said[-1]


def test_where_none_agrees_it_is_the_network_as_it_stands(machine: Machine) -> None:
    machine.wrong = dict.fromkeys(machine.speeds, 0.01)
    assert machine.choose().name == "reference"
    assert machine.said[0].startswith("engine torch, the network as it stands: openvino, it differs")


def test_a_torch_that_disagrees_on_little_work_gives_way_to_the_network_and_it_is_said(machine: Machine) -> None:
    machine.wrong["torch"] = 0.01
    assert machine.choose(100).name == "reference"
    assert machine.said[0].startswith("engine torch, the network as it stands: torch, it differs")


def test_in_bf16_more_may_differ_and_nothing_stands_in(machine: Machine) -> None:
    machine.precision = "bf16"
    machine.wrong = dict.fromkeys(machine.speeds, 0.01)
    assert machine.choose().name == "openvino"
    machine.wrong = dict.fromkeys(machine.speeds, 0.2)
    with pytest.raises(ValueError, match="no engine here computes this network in bf16: openvino, it differs"):
        machine.choose()


@pytest.mark.parametrize("error", [ValueError("this needs openvino; install it"), RuntimeError("no such instruction")])
def test_an_engine_that_fails_is_left_out_and_its_reason_kept(machine: Machine, error: Exception) -> None:
    machine.absent["openvino"] = error
    assert machine.choose().name == "onnx"
    assert machine.said[0].endswith(f"(left out: openvino, {error})")
    assert machine.memory.find("k")["openvino"] == Speed(reason=str(error))
    assert machine.choose().name == "onnx"
    assert "left out" not in machine.said[1], "said once"


def test_an_engine_that_fails_while_it_runs_is_left_out(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(self: Fake, pictures: Pictures) -> Outputs:
        if self.name == "openvino":
            raise RuntimeError("out of memory\nand more")
        return plain(self, pictures)

    plain = Fake.run
    monkeypatch.setattr(Fake, "run", run)
    assert machine.choose().name == "onnx"
    assert machine.memory.find("k")["openvino"].reason == "out of memory"


def test_a_remembered_engine_that_fails_now_gives_way_to_the_next(machine: Machine) -> None:
    machine.choose()
    machine.absent["openvino"] = ValueError("gone")
    assert machine.choose().name == "onnx"


def test_few_pictures_are_answered_by_the_network_as_it_stands(machine: Machine) -> None:
    assert machine.choose(FEW).name == "reference"
    assert machine.made == []
    assert machine.choose(int(WORTH / 0.1) - 1).name == "torch", "that is not worth measuring"
    assert ([each.runs for each in machine.made], machine.said, machine.memory.find("k")) == ([1], [], {})
    assert machine.choose(int(WORTH / 0.1) + 1).name == "openvino"
    assert machine.choose(100).name == "torch", "what is known is used: loading takes longer than it saves"
    assert machine.said[-1] == (
        "engine torch: 20 pictures a second, openvino 50 once it is loaded, which 100 pictures are not worth; "
        "--engine NAME chooses another"
    )


def test_few_pictures_in_bf16_are_torchs_after_it_has_agreed(machine: Machine) -> None:
    machine.precision = "bf16"
    assert machine.choose(3).name == "torch"
    assert machine.said == []
    machine.wrong["torch"] = 1.0
    with pytest.raises(ValueError, match="no engine here computes this network in bf16: torch, it differs"):
        machine.choose(3)


def test_where_nobody_says_how_many_a_thousand_are_reckoned_with(machine: Machine) -> None:
    assert machine.choose(None).name == "openvino"


def test_compiling_is_never_tried_and_chosen_where_bench_has_measured_it(machine: Machine) -> None:
    machine.choose()
    machine.memory.keep("k", {"compiled": Speed(1000.0, 20.0)})
    assert machine.choose(1000).name == "compiled"
    assert machine.choose(500).name == "openvino", "it would be done first: 10 + 8 seconds"


def test_an_engine_without_a_chance_is_not_asked_for_more_rounds(machine: Machine) -> None:
    machine.speeds["onnx"] = (0.5, 1.0)
    machine.choose()
    runs = {each.name: each.runs for each in machine.made}
    assert runs["onnx"] == 3, "twice to be made ready, and one round"
    assert runs["openvino"] > 3 * runs["torch"] / 2 > 3


@pytest.mark.parametrize(
    "damage",
    [
        b"", b"{", b"[]", b"\xff", b'{"schema": 1}', b'{"schema": 9, "speeds": {}}', b'{"schema": 1, "speeds": []}',
        b'{"schema": 1, "speeds": {"k": {"torch": {"rate": 0, "load": 1}}}}',
        b'{"schema": 1, "speeds": {"k": {"torch": {"rate": "quick"}}}}',
        b'{"schema": 1, "speeds": {"k": {"torch": null}}}', b'{"schema": 1, "speeds": {"k": 3}}', b" " * (2 << 20),
    ],
)  # fmt: skip
def test_a_damaged_file_is_not_used_and_written_anew(machine: Machine, damage: bytes) -> None:
    assert machine.memory.path is not None
    machine.memory.path.write_bytes(damage)
    assert machine.choose().name == "openvino"
    assert json.loads(machine.memory.path.read_bytes())["schema"] == 1
    assert machine.memory.find("k")["openvino"].rate == pytest.approx(50)


def test_a_disk_that_refuses_costs_the_memory_and_nothing_else(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    machine.folder = tmp_path / "file"  # a folder cannot be made in it
    assert machine.choose().name == machine.choose().name == "openvino"
    assert len(machine.made) > 1, "measured again"
    assert (tmp_path / "file").read_bytes() == b""
    Memory(None).keep("k", {"torch": Speed(1.0, 1.0)})
    assert Memory(None).find("k") == {}


def test_the_file_forgets_what_was_measured_longest_ago(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "new" / "engines.json")
    many = {f"{number}": {"torch": {"rate": 1.0, "load": 0.0}} for number in range(MOST_KEYS)}
    memory.keep("0", {"torch": Speed(2.0)})
    assert memory.path is not None
    memory.path.write_text(json.dumps({"schema": 1, "speeds": many}))
    memory.keep("0", {"onnx": Speed(3.0)})
    memory.keep("new", {"onnx": Speed(3.0)})
    assert memory.find("1") == {}
    assert memory.find("0") == {"torch": Speed(1.0), "onnx": Speed(3.0)}
    assert memory.find("2") == {"torch": Speed(1.0)}


def test_speeds_are_kept_where_the_cache_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RESNETS_CACHE", str(tmp_path))
    assert speeds_file() == tmp_path / "engines.json"


def test_a_key_is_of_what_a_speed_depends_on_and_not_of_the_weights() -> None:
    card = tiny.model().card
    key = speed_key(card, "fp32", (), 16, 2)
    assert speed_key(tiny.model(seed=1).card, "fp32", (), 16, 2) == key
    larger = replace(card, preprocess=replace(card.preprocess, size=(16, 16)))
    others = [
        speed_key(card, "bf16", (), 16, 2), speed_key(card, "fp32", ("C3",), 16, 2), speed_key(card, "fp32", (), 8, 2),
        speed_key(card, "fp32", (), 16, 1), speed_key(larger, "fp32", (), 16, 2),
        speed_key(tiny.model(widths=(4, 16)).card, "fp32", (), 16, 2),
    ]  # fmt: skip
    assert len({key, *others}) == len(others) + 1


def test_another_processor_or_another_version_is_another_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "cpuinfo").write_text("model name\t: Abacus 9\nflags\t\t: add carry\n\nmodel name\t: Other\n")
    assert processor(tmp_path).endswith("Abacus 9; add carry")
    card = tiny.model().card
    keys = {speed_key(card, "fp32", (), 16, 2)}
    monkeypatch.setattr("resnets.inference.speeds.processor", lambda: "Abacus 9")
    keys.add(speed_key(card, "fp32", (), 16, 2))
    monkeypatch.setattr("resnets.inference.speeds.metadata.version", lambda package: "0")
    keys.add(speed_key(card, "fp32", (), 16, 2))
    assert len(keys) == 3


def test_samples_are_of_several_kinds_and_always_the_same() -> None:
    one = samples((3, 33, 20))
    assert one.dtype == np.uint8 and one.shape == (4, 3, 33, 20)
    assert np.array_equal(one, samples((3, 33, 20)))
    assert one[1].max() < 64 and one[2].min() > 191
    assert (one[3, :, :16, :16] == one[3, :, :1, :1]).all()


def test_a_difference_is_a_share_of_the_largest_number_of_its_level() -> None:
    one = {"C3": np.array([[4.0, 1.0]], np.float32), "logits": np.array([[10.0]], np.float32)}
    other = {"C3": np.array([[4.0, 2.0]], np.float32), "logits": np.array([[11.0]], np.float32)}
    assert difference(other, one) == 0.25
    with pytest.raises(ValueError, match="in other shapes than the network"):
        difference({"logits": one["logits"]}, one)


def test_the_real_engines_are_measured_and_one_of_them_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a network of some thousand weights, as if it were worth it."""
    monkeypatch.setattr("resnets.inference.choose.WORTH", 0.0)
    monkeypatch.setattr("resnets.inference.choose.ROUND", 0.01)
    model = tiny.model()
    wanted = Wanted(model=model, levels=("C3",), precision="fp32", threads=1, batch_size=2, device="cpu")
    memory = Memory(tmp_path / "engines.json")
    said: list[str] = []
    made = choice(wanted, memory)
    engine = made.choose(MANY, said.append)
    assert said[0].startswith(f"engine {engine.name}: ")
    assert sorted(memory.find(made.key)) == ["onnx", "openvino", "torch"]
    pictures = np.random.default_rng(0).integers(0, 256, (3, *SHAPE), np.uint8)
    expected = PlainEngine(model, "cpu", ("C3",)).run(pictures)
    assert difference(engine.run(pictures), expected) < 1e-4
    engine.close()


def test_auto_is_chosen_where_an_engine_is_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RESNETS_CACHE", str(tmp_path))
    asked: list[Any] = []

    class Chosen(Choice):
        def choose(self, pictures: int | None, say: Callable[[str], object]) -> Engine:
            asked.append((self.batch_size, self.precision, self.memory.path, pictures))
            return self.reference

    monkeypatch.setattr(engines, "Choice", Chosen)
    assert isinstance(make_engine(tiny.model(), batch_size=3, pictures=7), PlainEngine)
    make_engine(tiny.model(), "torch")
    assert asked == [(3, "fp32", tmp_path / "engines.json", 7)]


def test_small_work_is_not_measured_and_says_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RESNETS_CACHE", str(tmp_path))
    assert isinstance(make_engine(tiny.model()), EagerEngine)
    assert isinstance(make_engine(tiny.model(), pictures=FEW), PlainEngine)
    assert capsys.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []


def test_fine_bands_are_torchs() -> None:
    network = tiny.network(channels=5)
    preprocess = Preprocess(size=(8, 8), colour="bands", mean=(0.5,) * 5, std=(0.25,) * 5)
    card = Card(architecture=network.architecture, classes=("ant", "bee", "cat"), preprocess=preprocess)
    assert isinstance(make_engine(Model(network, card), pictures=MANY), PlainEngine)
