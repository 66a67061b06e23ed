"""What is written as an artefact is read back as it was, runs elsewhere, and is refused where it is anything else."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from resnets.files.errors import FileError
from resnets.runtime import artefact_openvino
from resnets.runtime.artefact import (
    ENGINES,
    Kind,
    is_artefact,
    read_artefact,
    write_onnx,
    write_openvino,
    write_torch,
)
from resnets.runtime.artefact_facts import KEYS
from resnets.runtime.openvino_engine import read_onnx
from resnets.runtime.packaged import Packaged
from tests.runtime.lowered import COUNTS, assert_agree, card, expected, fused, onnx_of, packaged, pictures

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")
openvino = pytest.importorskip("openvino")

ROW = "resnet20_cifar"
REPORT = {"gate": {"passed": True, "drop": 0.001}, "layers": ["stem.conv1", "ü <&>\"'"]}
NAMES: dict[Kind, str] = {"onnx": "model.onnx", "openvino": "model", "torch": "model.pt2"}


def write(kind: Kind, folder: Path, name: str = ROW, **differences: Any) -> Path:
    path = folder / NAMES[kind]
    facts = (card(name, **differences), REPORT)
    if kind == "onnx":
        write_onnx(path, onnx_of(name), *facts)
    elif kind == "openvino":
        write_openvino(path, read_onnx(onnx_of(name)), *facts)
    else:
        write_torch(path, fused(name), *facts)
    return path


def contents(path: Path) -> dict[str, bytes]:
    files = [path] if path.is_file() else sorted(path.iterdir())
    return {file.name: file.read_bytes() for file in files}


@pytest.mark.parametrize("name", [ROW, "resnet50_mrcnn", "resnet50_caffe"])
@pytest.mark.parametrize("kind", NAMES)
def test_what_was_written_is_read_and_says_what_the_network_says(kind: Kind, name: str, tmp_path: Path) -> None:
    path = write(kind, tmp_path, name)
    assert is_artefact(path)
    read = read_artefact(path)
    assert (read.kind, read.path, read.precision) == (kind, path, "fp32")
    assert (read.card, dict(read.report), read.outputs) == (card(name), REPORT, packaged(name).outputs)
    for engine_name in ENGINES[kind]:
        engine = read.engine(engine_name, threads=1)
        assert (engine.name, engine.outputs, engine.precision) == (engine_name, read.outputs, "fp32")
        for count in COUNTS:
            assert_agree(engine.run(pictures(name, count)), expected(name, count))
        with pytest.raises(ValueError, match="uint8"):
            engine.run(pictures(name, 1).astype(np.float32))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", NAMES)
def test_equal_networks_give_equal_files_that_say_nothing_of_this_machine(kind: Kind, tmp_path: Path) -> None:
    first = contents(write(kind, tmp_path))
    onnx_of.cache_clear()
    assert contents(write(kind, tmp_path)) == first
    assert not any(os.getcwd().encode() in data or b"/site-packages/" in data for data in first.values())
    assert [path.name for path in tmp_path.iterdir()] == [NAMES[kind]]


@pytest.mark.slow
@pytest.mark.parametrize("kind", NAMES)
def test_equal_networks_give_equal_files_in_every_process(kind: Kind, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    program = (
        "import sys; from pathlib import Path; from tests.runtime import test_artefact as t\n"
        "t.write(sys.argv[1], Path(sys.argv[2]))"
    )
    subprocess.run(
        [sys.executable, "-c", program, kind, str(tmp_path / "there")], check=True,
        env=os.environ | {"PYTHONHASHSEED": "7", "PYTHONPATH": os.getcwd()},
    )  # fmt: skip
    assert contents(tmp_path / "there" / NAMES[kind]) == contents(write(kind, tmp_path))


def test_the_torch_artefact_runs_where_resnets_cannot_be_imported(tmp_path: Path) -> None:
    path = write("torch", tmp_path)
    np.save(tmp_path / "pictures.npy", pictures(ROW, 7))
    program = """
import sys
sys.modules["resnets"] = None
import numpy, torch
extra = {"resnets": "", "resnets_outputs": ""}
program = torch.export.load("model.pt2", extra_files=extra).module()
said = program(torch.from_numpy(numpy.load("pictures.npy")))
numpy.savez("said.npz", **dict(zip(extra["resnets_outputs"].split(","), (x.detach().numpy() for x in said))))
assert "architecture" in extra["resnets"]
assert not [name for name in sys.modules if name.startswith("resnets.")]
"""
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    assert path.exists()
    with np.load(tmp_path / "said.npz") as said:
        assert_agree(dict(said), expected(ROW, 7))


def test_the_onnx_artefact_runs_in_a_plain_session_and_passes_the_checker(tmp_path: Path) -> None:
    path = write("onnx", tmp_path)
    onnx.checker.check_model(str(path), full_check=True)
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert session.get_modelmeta().custom_metadata_map.keys() == {*KEYS}
    names = [output.name for output in session.get_outputs()]
    said = dict(zip(names, session.run(None, {"pictures": pictures(ROW, 7)}), strict=True))
    assert_agree(said, expected(ROW, 7))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["onnx", "openvino"])
def test_the_benchmark_tool_of_openvino_runs_it(kind: Kind, tmp_path: Path) -> None:
    path = write(kind, tmp_path)
    model = path / "model.xml" if kind == "openvino" else path
    tool = Path(sys.executable).with_name("benchmark_app")
    command = [str(tool), "-m", str(model), "-d", "CPU", "-niter", "4", "-data_shape", "pictures[2,3,37,50]"]
    done = subprocess.run([*command, "-hint", "latency"], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Throughput" in done.stdout


def test_the_model_given_is_left_as_it_is(tmp_path: Path) -> None:
    model = read_onnx(onnx_of(ROW))
    names = [operation.get_friendly_name() for operation in model.get_ops()]
    write_openvino(tmp_path / "model", model, card(ROW), REPORT)
    assert [operation.get_friendly_name() for operation in model.get_ops()] == names
    assert not model.has_rt_info("resnets")


# What is refused when it is written.


@pytest.mark.parametrize("kind", NAMES)
def test_a_card_of_another_network_is_not_written(kind: Kind, tmp_path: Path) -> None:
    with pytest.raises(FileError, match="its graph takes pictures 3x37x50, and its card speaks of pictures 3x38x50"):
        write(kind, tmp_path, preprocess=packaged(ROW).preprocess.at_size((38, 50)))
    assert not list(tmp_path.iterdir())


def test_a_name_that_torch_would_not_open_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"ends in \.pt2"):
        write_torch(tmp_path / "model.pt", fused(ROW), card(ROW), REPORT)


@pytest.mark.parametrize("kind", NAMES)
def test_a_write_that_fails_leaves_what_was_there(kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(kind, tmp_path)
    before = contents(path)

    def fail(*_: Any) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="the disk is full"):
        write(kind, tmp_path)
    assert contents(path) == before
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_a_folder_that_cannot_get_its_name_leaves_the_one_that_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("openvino", tmp_path)
    before = contents(path)
    real = os.rename

    def fail(source: Any, target: Any) -> None:
        if Path(target) == path and Path(source).joinpath("model.xml").read_bytes() != before["model.xml"]:
            raise OSError("no")
        real(source, target)

    monkeypatch.setattr(artefact_openvino.os, "rename", fail)
    with pytest.raises(OSError, match="no"):
        write("openvino", tmp_path, origin={"another": 1})
    assert contents(path) == before
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_a_folder_of_something_else_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "thesis.tex").write_text("years of work")
    with pytest.raises(FileError, match="something else is there"):
        write("openvino", tmp_path)
    assert (tmp_path / "model" / "thesis.tex").read_text() == "years of work"


# What is refused when it is read.


@pytest.mark.parametrize("data", [b"", b"PK\5\6" + bytes(18), b"\x08\x0a", b"words", bytes(1000)])
@pytest.mark.parametrize("name", ["model.onnx", "model.pt2", "model.xml"])
def test_other_files_are_no_artefacts(data: bytes, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    for path in (tmp_path / name, tmp_path):
        assert not is_artefact(path)
        with pytest.raises(FileError, match="is no artefact of resnets"):
            read_artefact(path)


def test_an_absent_file_is_said_to_be_absent(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="there is no file or folder"):
        read_artefact(tmp_path / "nothing.onnx")


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_a_file_that_is_cut_short_is_refused(kind: Kind, kept: float, tmp_path: Path) -> None:
    path = write(kind, tmp_path)
    for file in [path] if path.is_file() else path.iterdir():
        whole = file.read_bytes()
        file.write_bytes(whole[: int(len(whole) * kept)])
        with pytest.raises(FileError):
            read_artefact(path)
        file.write_bytes(whole)
    read_artefact(path)


def changed_texts(kind: Kind, path: Path, change: Callable[[dict[str, str]], None]) -> None:
    """Change what an artefact says of itself beside its graph."""
    if kind == "onnx":
        model = onnx.load(str(path))
        texts = {each.key: each.value for each in model.metadata_props}
        change(texts)
        onnx.helper.set_model_props(model, texts)
        onnx.save(model, str(path))
    elif kind == "openvino":
        model = openvino.Core().read_model(str(path / "model.xml"))
        texts = {key: model.get_rt_info(key).astype(str) for key in KEYS}
        change(texts)
        info = model.get_rt_info()
        for key in KEYS:
            del info[key]
        for key, text in texts.items():
            model.set_rt_info(text, key)
        model = model.clone()
        shutil.rmtree(path)
        path.mkdir()
        openvino.serialize(model, str(path / "model.xml"), str(path / "model.bin"))
    else:
        rewrite(path, lambda name, data: data, lambda members: change_members(members, change))


def change_members(members: dict[str, bytes], change: Callable[[dict[str, str]], None]) -> None:
    prefix = "archive/extra/"
    texts = {name.removeprefix(prefix): data.decode() for name, data in members.items() if name.startswith(prefix)}
    change(texts)
    for name in [name for name in members if name.startswith(prefix)]:
        del members[name]
    members.update({prefix + name: text.encode() for name, text in texts.items()})


def rewrite(
    path: Path, each: Callable[[str, bytes], bytes], whole: Callable[[dict[str, bytes]], None] = lambda members: None
) -> None:
    """Write a zip archive again with other members."""
    with zipfile.ZipFile(path) as archive:
        members = {name: each(name, archive.read(name)) for name in archive.namelist()}
    whole(members)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def other_card(change: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, str]], None]:
    def changed(texts: dict[str, str]) -> None:
        facts = json.loads(texts["resnets"])
        change(facts)
        listed = json.dumps(facts["classes"], ensure_ascii=False)
        facts["classes_sha256"] = hashlib.sha256(listed.encode()).hexdigest()
        texts["resnets"] = json.dumps(facts)

    return changed


def six_classes(facts: dict[str, Any]) -> None:
    facts["classes"] = [*facts["classes"], "another"]
    facts["architecture"]["num_classes"] = 6


CHANGES: dict[str, tuple[Callable[[dict[str, str]], None], str]] = {
    "no report": (lambda texts: texts.pop("resnets_report"), "carries no resnets_report"),  # type: ignore[dict-item]
    "a report that is a list": (lambda texts: texts.update(resnets_report="[]"), "report must be a JSON object"),
    "a report that says something twice": (lambda texts: texts.update(resnets_report='{"a":1,"a":2}'), "twice"),
    "an unknown precision": (lambda texts: texts.update(resnets_precision="fp4"), "precision is 'fp4'"),
    "a card that is no JSON": (lambda texts: texts.update(resnets="{"), "the card is not JSON"),
    "another number of classes": (other_card(six_classes), "gives logits 5, .* allows .*logits 6"),
    "another size": (other_card(lambda facts: facts["preprocess"].update(size=[37, 51])), "takes pictures 3x37x50"),
    "other widths": (other_card(lambda facts: facts["architecture"].update(widths=[8, 12])), "its graph gives C3 16x"),
    "thousands of blocks": (
        other_card(lambda facts: facts["architecture"].update(blocks=[9000, 1])),
        "9001 blocks, for .* layers",
    ),
}


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("change", CHANGES)
def test_a_card_that_does_not_fit_the_graph_is_refused(kind: Kind, change: str, tmp_path: Path) -> None:
    path = write(kind, tmp_path)
    changed_texts(kind, path, lambda texts: None)
    read_artefact(path)
    changed_texts(kind, path, CHANGES[change][0])
    with pytest.raises(FileError, match=CHANGES[change][1]):
        read_artefact(path)


def changed_graph(path: Path, change: Callable[[Any], None]) -> None:
    model = onnx.load(str(path))
    change(model)
    path.write_bytes(model.SerializeToString())


def elsewhere(model: Any) -> None:
    tensor = model.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def in_an_attribute(model: Any) -> None:
    tensor = onnx.numpy_helper.from_array(np.zeros(3, np.float32), "hidden")
    tensor.external_data.add(key="location", value="numbers.bin")
    node = onnx.helper.make_node("Constant", [], ["hidden"], "hidden")
    node.attribute.append(onnx.helper.make_attribute("value", tensor))
    model.graph.node.insert(0, node)


GRAPHS: dict[str, tuple[Callable[[Any], None], str]] = {
    "weights in another file": (elsewhere, "in another file, which is not opened"),
    "a constant in another file": (in_an_attribute, "in another file, which is not opened"),
    "an operator of somebody's": (
        lambda model: setattr(model.graph.node[0], "domain", "somebody"),
        "of the domain 'somebody'",
    ),
    "an operator that is none": (lambda model: setattr(model.graph.node[0], "op_type", "Nothing"), "onnx.checker"),
    "a fixed batch": (
        lambda model: setattr(model.graph.input[0].type.tensor_type.shape.dim[0], "dim_value", 2),
        "another type or number",
    ),
    "pictures of floats": (
        lambda model: setattr(model.graph.input[0].type.tensor_type, "elem_type", 1),
        "another type or number",
    ),
    "an output that is no level": (
        lambda model: model.graph.output.append(
            onnx.helper.make_tensor_value_info("stem.conv1", onnx.TensorProto.FLOAT, ["N", 8, 37, 50])
        ),
        "gives stem.conv1 8x37x50",
    ),
}


@pytest.mark.parametrize("change", GRAPHS)
def test_a_graph_that_is_no_artefacts_is_refused(change: str, tmp_path: Path) -> None:
    path = write("onnx", tmp_path)
    changed_graph(path, GRAPHS[change][0])
    with pytest.raises(FileError, match=GRAPHS[change][1]):
        read_artefact(path)


# What torch would execute.


class Evil:
    """Unpickling it makes a file."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> Any:
        return (Path.touch, (self.witness,))


def in_json(name: str, change: Callable[[Any], None]) -> Callable[[dict[str, bytes], Path], None]:
    def changed(members: dict[str, bytes], witness: Path) -> None:
        value = json.loads(members[f"archive/{name}"])
        change(value)
        text = json.dumps(value).replace("WITNESS", str(witness))
        members[f"archive/{name}"] = text.encode()

    return changed


def pickled(witness: Path) -> bytes:
    buffer = io.BytesIO()
    torch.save((Evil(witness),), buffer)
    return buffer.getvalue()


def pickled_weight(members: dict[str, bytes], witness: Path) -> None:
    name = "archive/data/weights/model_weights_config.json"
    config = json.loads(members[name])
    next(iter(config["config"].values()))["use_pickle"] = True
    members[name] = json.dumps(config).encode()
    members["archive/data/weights/weight_0"] = pickled(witness)


def first_size(value: Any, text: str) -> None:
    sizes = value["graph_module"]["graph"]["tensor_values"]["pictures"]["sizes"]
    sizes[0]["as_expr"]["expr_str"] = text


GRAPH = "models/model.json"
CALL = "__import__('pathlib').Path('WITNESS').touch()"

EXECUTED: dict[str, Callable[[dict[str, bytes], Path], None]] = {
    "example inputs": lambda members, witness: members.update(
        {"archive/data/sample_inputs/model.pt": pickled(witness)}
    ),
    "a weight": pickled_weight,
    "an object": lambda members, witness: members.update({"archive/data/constants/opaque_obj_0": pickled(witness)}),
    "all weights as before torch 2.9": lambda members, witness: members.update(
        {"archive/data/weights/model.pt": pickled(witness)}
    ),
    "a symbolic size": in_json(GRAPH, lambda value: first_size(value, CALL)),
    "a guard": in_json(GRAPH, lambda value: value.update(guards_code=[CALL])),
    "the name of an argument": in_json(
        GRAPH,
        lambda value: value["graph_module"]["module_call_graph"][0]["signature"].update(
            forward_arg_names=[f"a={CALL}"]
        ),
    ),
    "the name of a node": in_json(
        GRAPH, lambda value: value["graph_module"]["graph"]["nodes"][9].update(name=f"a;{CALL}")
    ),
    "an operation": in_json(
        GRAPH,
        lambda value: value["graph_module"]["graph"]["nodes"][9].update(target="torch.ops.aten.from_file.default"),
    ),
    "a compiled library": lambda members, witness: members.update({"archive/data/aotinductor/model/a.so": b"ELF"}),
}


@pytest.mark.parametrize("place", EXECUTED)
def test_nothing_in_a_torch_artefact_is_executed(place: str, tmp_path: Path) -> None:
    path, witness = write("torch", tmp_path), tmp_path / "witness"
    rewrite(path, lambda name, data: data)
    read_artefact(path)
    rewrite(path, lambda name, data: data, lambda members: EXECUTED[place](members, witness))
    with pytest.raises(FileError) as refused:
        read_artefact(path)
    assert "cannot load" not in str(refused.value)  # by torch, which is not asked
    assert not witness.exists()


@pytest.mark.slow
@pytest.mark.parametrize("place", ["example inputs", "a weight", "a symbolic size"])
def test_torch_itself_executes_it(place: str, tmp_path: Path) -> None:
    path, witness = write("torch", tmp_path), tmp_path / "witness"
    rewrite(path, lambda name, data: data, lambda members: EXECUTED[place](members, witness))
    program = "import sys, torch; torch.export.load(sys.argv[1])"
    subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, check=False)
    assert witness.exists(), "torch has become safe here; docs/decisions/0016 says that it is not"


def test_a_weight_that_claims_more_than_it_holds_is_refused(tmp_path: Path) -> None:
    def huge(value: Any) -> None:
        next(iter(value["config"].values()))["tensor_meta"]["sizes"] = [{"as_int": 1 << 40}]

    path = write("torch", tmp_path)
    change = in_json("data/weights/model_weights_config.json", huge)
    rewrite(path, lambda name, data: data, lambda members: change(members, tmp_path))
    with pytest.raises(FileError, match=r"says that it is \[1099511627776\]"):
        read_artefact(path)


def test_an_engine_that_does_not_run_it_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is run by openvino, and not by onnx"):
        read_artefact(write("openvino", tmp_path)).engine("onnx")


def test_what_is_packaged_with_a_network_in_training_is_written_as_it_answers(tmp_path: Path) -> None:
    given = fused(ROW)
    training = Packaged(given.network, given.preprocess, given.temperature, given.levels).train()
    try:
        write_torch(tmp_path / "model.pt2", training, card(ROW), REPORT)
    finally:
        given.network.eval()
    assert_agree(read_artefact(tmp_path / "model.pt2").engine(threads=1).run(pictures(ROW, 2)), expected(ROW, 2))
