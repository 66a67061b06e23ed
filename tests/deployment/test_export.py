"""Export: nothing is written that does not answer as the model, and what is written says what was found."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resnets.data.dataset import DataSet
from resnets.deployment import export as module
from resnets.deployment import proof
from resnets.deployment.export import PRECISIONS, export
from resnets.deployment.proof import Refused, check_batches
from resnets.inference.models import open_model
from resnets.runtime.artefact import read_artefact
from resnets.runtime.engine import Engine, Outputs, Pictures
from resnets.runtime.onnx_engine import OnnxEngine
from resnets.weights.modelfile import Model, save
from tests import exports, tiny

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("openvino")

EVERY = [(kind, precision) for kind, precisions in PRECISIONS.items() for precision in precisions]
OTHER = {"onnx": "a.onnx", "openvino": "a", "torch": "a.pt2"}


@pytest.fixture(scope="module")
def model() -> Model:
    made = exports.model()
    return Model(made.network, replace(made.card, calibration={"temperature": 0.5}))


@pytest.fixture(scope="module")
def data(model: Model) -> DataSet:
    return exports.data_of(model)


def changing(engine: Engine, change: Callable[[Outputs], Outputs]) -> Engine:
    """The same engine, whose every answer is changed."""
    honest = engine.run
    engine.run = lambda pictures: change(honest(pictures))  # type: ignore[method-assign]
    return engine


@pytest.mark.parametrize(("kind", "precision"), EVERY)
def test_what_is_written_says_what_was_found_and_answers_as_the_model(
    kind: Any, precision: Any, model: Model, data: DataSet, tmp_path: Path
) -> None:
    if precision == "int8":
        pytest.importorskip("nncf")
    try:
        done = exports.written(model, tmp_path, kind, precision, data=data, levels=("C3",))
    except ValueError as error:
        if "has no bf16" not in str(error):
            raise
        pytest.skip(str(error))
    assert [path.name for path in tmp_path.iterdir()] == [OTHER[kind]]
    read = read_artefact(done.path)
    assert (read.kind, read.precision, read.card, read.outputs) == (kind, precision, model.card, ("C3", "logits"))
    assert read.report == json.loads(json.dumps(done.to_dict()))
    report = dict(read.report)
    assert (report["to"], report["precision"], report["batches"], report["forced"]) == (
        kind,
        precision,
        [1, 2, 7],
        False,
    )
    assert (report["gate"]["verdict"], report["gate"]["changed"]) == ("passes", 0)
    assert [*report["random"]["levels"]] == ["C3", "logits"]
    assert (report["repair"] is None) == (precision != "int8")
    ours, its = (exports.logits_of(each, data.test) for each in (model, open_model(done.path)))  # type: ignore[arg-type]
    assert np.abs(ours - its).max() <= {"fp32": 1e-5, "bf16": 0.05, "int8": 0.2}[precision] * np.abs(ours).max()
    assert done.gate is not None
    assert done.gate.ece[1] == pytest.approx(done.gate.ece[0], abs=1e-4 if precision == "fp32" else 0.05)


def test_without_data_the_numbers_alone_are_proved(model: Model, tmp_path: Path) -> None:
    done = exports.written(model, tmp_path, "onnx")
    assert done.gate is None and done.random.holds and not done.is_forced
    assert read_artefact(done.path).report["gate"] is None


@pytest.mark.parametrize("kind", ["onnx", "openvino"])
def test_equal_exports_are_equal_files(kind: str, model: Model, data: DataSet, tmp_path: Path) -> None:
    pytest.importorskip("nncf")
    written = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        exports.written(model, tmp_path / name, kind, "int8", data=data)
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        written.append([(path.name, path.read_bytes()) for path in files])
    assert written[0] == written[1]


def test_a_graph_that_computes_something_else_is_refused_and_what_was_there_stays(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.onnx").write_bytes(b"precious")
    honest = module.to_onnx
    other = tiny.model(5, blocks=(2, 2), stem_width=8, widths=(8, 16)).network

    def wrong(packaged: Any) -> bytes:
        packaged.network = other
        return honest(packaged)

    monkeypatch.setattr(module, "to_onnx", wrong)
    for force in (False, True):
        with pytest.raises(
            Refused, match=r"does not compute what the model does: .* differs most.*nothing was written"
        ):
            exports.written(model, tmp_path, "onnx", force=force)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.onnx", b"precious")]


def flipped(share: float) -> Callable[[Outputs], Outputs]:
    """Answers of which every so manieth has its classes the other way round."""
    seen = 0

    def change(said: Outputs) -> Outputs:
        nonlocal seen
        logits = said["logits"].copy()
        for row in range(len(logits)):
            seen += 1
            if seen % round(1 / share) == 0:
                logits[row] = -logits[row]
        return {**said, "logits": logits}

    return change


@pytest.mark.parametrize(
    ("share", "count", "verdict"), [(0.05, 600, "fails"), (0.005, 600, "undecided"), (0, 60, "undecided")]
)
def test_an_export_that_does_not_pass_is_not_written_unless_it_is_forced(
    share: float, count: int, verdict: str, model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = exports.data_of(model, test=count)
    honest = module._Asked.answers

    def worse(asked: Any, network: Any, source: Any) -> Any:
        said = honest(asked, network, source)
        if network is model.network or not share:
            return said
        return replace(said, logits=flipped(share)({"logits": said.logits})["logits"])

    monkeypatch.setattr(module._Asked, "answers", worse)
    exports.written(model, tmp_path, "onnx")
    before = (tmp_path / "a.onnx").read_bytes()
    words = {
        "fails": "it fails.*no flag loses|it fails.*mistake",
        "undecided": "undecided; about .* decide it.*more pictures",
    }
    with pytest.raises(Refused, match=rf"(?s){words[verdict]}"):
        exports.written(model, tmp_path, "onnx", data=data)
    assert (tmp_path / "a.onnx").read_bytes() == before and len([*tmp_path.iterdir()]) == 1
    done = exports.written(model, tmp_path, "onnx", data=data, force=True)
    assert done.is_forced and done.gate is not None and done.gate.verdict == verdict
    report = read_artefact(done.path).report
    assert (report["forced"], report["gate"]["verdict"]) == (True, verdict)


class Fixed(Engine):
    """Takes two pictures at a time and no other number, or looks at the others in a batch."""

    name, precision, threads, shape, outputs = "onnx", "fp32", 1, (3, 8, 8), ("logits",)

    def __init__(self, *, looks: bool) -> None:
        self.looks = looks

    def run(self, pictures: Pictures) -> Outputs:
        if not self.looks and len(pictures) != 2:
            raise RuntimeError("Got invalid dimensions for input: pictures index: 0 Got: 1 Expected: 2")
        mean = pictures.mean() if self.looks else 1
        return {"logits": (pictures.reshape(len(pictures), -1)[:, :3] / mean).astype(np.float32)}


def test_a_graph_for_one_number_of_pictures_is_refused() -> None:
    with pytest.raises(Refused, match=r"does not run on batches of 1, 2, 7: .*Expected: 2"):
        check_batches(Fixed(looks=False))
    with pytest.raises(Refused, match="answers otherwise in a batch of 1 than in one of 7"):
        check_batches(Fixed(looks=True))


def test_an_onnx_graph_with_a_fixed_batch_is_refused(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnx

    honest = module.to_onnx

    def fixed(packaged: Any) -> bytes:
        graph = onnx.load_from_string(honest(packaged))
        for end in (*graph.graph.input, *graph.graph.output):
            end.type.tensor_type.shape.dim[0].ClearField("dim_param")
            end.type.tensor_type.shape.dim[0].dim_value = 2
        made: bytes = graph.SerializeToString()
        return made

    monkeypatch.setattr(module, "to_onnx", fixed)
    with pytest.raises(Refused, match="does not run on batches of 1, 2, 7"):
        exports.written(model, tmp_path, "onnx")
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("kind", ["onnx", "openvino", "torch"])
def test_what_does_not_read_back_as_it_was_is_not_written(
    kind: str, model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = exports.written(model, tmp_path, kind).path
    files = [first] if first.is_file() else sorted(first.iterdir())
    before = [path.read_bytes() for path in files]
    honest = read_artefact

    class Damaged:
        def __init__(self, path: Path) -> None:
            self.made = honest(path)

        def engine(self) -> Engine:
            return changing(self.made.engine(), lambda said: {name: array * 1.01 for name, array in said.items()})

    monkeypatch.setattr(proof, "read_artefact", Damaged)
    with pytest.raises(Refused, match="does not compute what was written, at logits; nothing was written"):
        exports.written(model, tmp_path, kind, levels=())
    assert [path.read_bytes() for path in files] == before and [*tmp_path.iterdir()] == [first]


def test_the_same_artefact_answers_in_openvino_as_in_onnx_runtime_in_int8(
    model: Model, data: DataSet, tmp_path: Path
) -> None:
    pytest.importorskip("nncf")
    read = read_artefact(exports.written(model, tmp_path, "onnx", "int8", data=data).path)
    pictures = np.ascontiguousarray(exports.noise(50).pixels.transpose(0, 3, 1, 2))
    one, other = (read.engine(name).run(pictures)["logits"] for name in ("onnx", "openvino"))
    assert isinstance(read.engine(), OnnxEngine)
    assert np.abs(one - other).max() < 0.05 * np.abs(one).max()


def test_what_cannot_be_is_refused_before_anything_is_spent(
    model: Model, data: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("gather_for", "to_onnx", "fuse"):
        monkeypatch.setattr(module, name, lambda *_, **__: pytest.fail("work was done first"))
    headless = tiny.network(head="none")
    bare = Model(headless, replace(model.card, architecture=headless.architecture, classes=(), calibration={}))
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine.txt").write_text("mine")
    refusals: list[tuple[str, dict[str, Any]]] = [
        ("--to tensorrt is not possible; allowed: onnx, openvino, torch", {"to": "tensorrt"}),
        ("--to torch has no int8; allowed: fp32", {"to": "torch", "precision": "int8", "data": data}),
        ("--to onnx has no bf16; allowed: fp32, int8", {"to": "onnx", "precision": "bf16"}),
        ("judged by labelled pictures: give --data DATA", {"precision": "int8"}),
        ("has no head, so it has no answers to be judged by", {"model": bare, "data": data, "levels": ("C3",)}),
        (r"tolerance 0.5 and limit 0.01 are not possible", {"tolerance": 0.5}),
        ("there is no folder .*nowhere; make it first", {"out": tmp_path / "nowhere" / "a"}),
        ("something else is there; give a new name", {"out": tmp_path / "folder"}),
        ("it is a folder; give the name of a file in it", {"to": "onnx", "out": tmp_path / "folder"}),
        ("a name that ends in .pt2", {"to": "torch", "out": tmp_path / "a.pt"}),
    ]
    for said, how in refusals:
        asked: dict[str, Any] = {"model": model, "out": tmp_path / "a", "to": "openvino"} | how
        with pytest.raises(ValueError, match=said):
            export(asked.pop("model"), asked.pop("out"), asked.pop("to"), **asked)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_an_artefact_is_not_exported_again(model: Model, tmp_path: Path) -> None:
    path = exports.written(model, tmp_path, "onnx").path
    with pytest.raises(ValueError, match="an exported artefact already; give the model file"):
        export(path, tmp_path / "b", "openvino")


def test_pictures_that_it_was_trained_on_are_said_to_be(model: Model, data: DataSet, tmp_path: Path) -> None:
    origin = {"data": {"sha256": data.fingerprint, "split": data.split, "name": data.name}}
    trained = Model(model.network, replace(model.card, origin=origin))
    done = exports.written(trained, tmp_path, "onnx", data=data, split="train", force=True)
    assert any("trained on these very pictures" in note for note in done.notes)
    assert read_artefact(done.path).report["notes"] == list(done.notes)


def test_classes_in_another_order_are_matched_by_name(model: Model, data: DataSet, tmp_path: Path) -> None:
    turned = replace(data, classes=("cat", "bee", "ant"))
    done = exports.written(model, tmp_path, "onnx", data=turned, force=True)
    assert done.gate is not None and done.gate.changed == 0 and done.notes
    assert done.gate.paired.both < done.gate.paired.pictures, "ant and cat stand for each other"


def test_a_model_file_is_opened_and_left_as_it_is(model: Model, tmp_path: Path) -> None:
    save(model, tmp_path / "m.safetensors")
    before = (tmp_path / "m.safetensors").read_bytes()
    export(tmp_path / "m.safetensors", tmp_path / "a.onnx", "onnx")
    assert (tmp_path / "m.safetensors").read_bytes() == before


@pytest.mark.slow
def test_a_real_network_of_cifar_loses_next_to_nothing_in_int8(
    shared_data: Path, cifar10_folder: Path, tmp_path: Path
) -> None:
    pytest.importorskip("nncf")
    from resnets.data.open import open_data
    from resnets.weights.load import load

    model = load(next((shared_data / "weights-cifar10-akamaster").glob("resnet20-*.th")))
    few = exports.some_of(open_data(cifar10_folder), train=1_000, test=1_000)
    done = exports.written(model, tmp_path, "openvino", "int8", data=few, force=True)
    assert done.gate is not None and done.repair is not None
    assert abs(done.gate.paired.gap.value) <= 0.005 and done.gate.changed <= 20 and done.repair.kept == ()
