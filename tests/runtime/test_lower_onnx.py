"""Every kind of network is lowered to ONNX that says what the network says, under the network's names."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch

from resnets.net.freeze import train_bn
from resnets.net.network import build
from resnets.runtime.lower_onnx import to_onnx
from resnets.runtime.packaged import Packaged
from resnets.spec.preprocess import Preprocess
from resnets.spec.variants import VARIANTS
from tests.runtime.lowered import COUNTS, ROWS, assert_agree, expected, fused, onnx_of, packaged, pictures

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")


def run(model: bytes, batch: np.ndarray[Any, Any]) -> dict[str, Any]:
    """What ONNX Runtime says by itself, as it comes."""
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"pictures": batch}), strict=True))


@pytest.mark.parametrize("name", ROWS)
def test_a_plain_network_says_the_same_as_onnx(name: str) -> None:
    assert_agree(run(onnx_of(name, folded=False), pictures(name, 2)), expected(name, 2))


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_every_row_says_the_same_as_onnx(name: str) -> None:
    for count in COUNTS:
        assert_agree(run(to_onnx(fused(name)), pictures(name, count)), expected(name, count))


def test_the_reference_evaluator_of_onnx_agrees() -> None:
    from onnx.reference import ReferenceEvaluator

    model = onnx.load_model_from_string(onnx_of("resnet50d"))
    batch = pictures("resnet50d", 2)
    names = [output.name for output in model.graph.output]
    said = dict(zip(names, ReferenceEvaluator(model).run(None, {"pictures": batch}), strict=True))
    assert_agree(said, expected("resnet50d", 2))


def test_each_convolution_is_named_after_its_layer_and_its_weights_after_theirs() -> None:
    network = fused("resnet18").network
    wanted = {name: module for name, module in network.named_modules() if isinstance(module, torch.nn.Conv2d)}
    graph = onnx.load_model_from_string(onnx_of("resnet18")).graph
    found = {node.name: list(node.input) for node in graph.node if node.op_type == "Conv"}
    assert found.keys() == wanted.keys()
    assert all(inputs[1:] == [f"{name}.weight", f"{name}.bias"] for name, inputs in found.items())
    numbers = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    for name, module in wanted.items():
        np.testing.assert_array_equal(numbers[f"{name}.weight"], module.weight.detach().numpy())


def test_pictures_come_in_any_number_and_in_one_size() -> None:
    graph = onnx.load_model_from_string(onnx_of("resnet50_mrcnn")).graph
    (taken,) = graph.input
    assert taken.name == "pictures"
    assert taken.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    dims = taken.type.tensor_type.shape.dim
    assert dims[0].dim_param and [each.dim_value for each in dims[1:]] == [3, 37, 50]
    assert [each.name for each in graph.output] == ["conv1", "C1", "C2", "C3"]
    assert all(each.type.tensor_type.shape.dim[0].dim_param == dims[0].dim_param for each in graph.output)


def test_normalisation_is_one_product_and_one_sum_and_a_temperature_of_one_is_nothing() -> None:
    network = build("resnet20_cifar", seed=0, **ROWS["resnet20_cifar"]).eval()
    model = to_onnx(Packaged(network, Preprocess(size=(8, 8), mean=(0.5,), std=(0.25,))))
    kinds = [node.op_type for node in onnx.load_model_from_string(model).graph.node]
    assert kinds[:4] == ["Cast", "Mul", "Add", "Conv"]
    assert kinds[-1] == "Gemm"


def test_a_model_says_nothing_of_this_machine() -> None:
    model = onnx.load_model_from_string(onnx_of("resnet18", folded=False))
    assert (model.producer_name, model.producer_version, model.doc_string) == ("resnets", "", "")
    assert not model.metadata_props
    assert not any(node.doc_string or node.metadata_props for node in model.graph.node)
    assert os.getcwd().encode() not in onnx_of("resnet18", folded=False)


@pytest.mark.slow
def test_equal_networks_give_equal_bytes_in_every_process() -> None:
    program = (
        "import hashlib; from tests.runtime.lowered import onnx_of\n"
        "print(hashlib.sha256(onnx_of('resnet50d')).hexdigest())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True,
        env=os.environ | {"PYTHONHASHSEED": "7", "PYTHONPATH": os.getcwd()},
    )  # fmt: skip
    assert done.stdout.strip() == hashlib.sha256(onnx_of("resnet50d")).hexdigest()
    assert to_onnx(fused("resnet50d")) == onnx_of("resnet50d")


@pytest.mark.parametrize("training", [True, False])
def test_lowering_leaves_the_network_as_it_is(training: bool) -> None:
    network = build("resnet20_cifar", seed=0, **ROWS["resnet20_cifar"]).train(training)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    given = Packaged(network, Preprocess(size=(8, 8)))
    to_onnx(given)
    assert given.training
    assert {module.training for module in network.modules()} == {training}
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_what_the_table_does_not_know_is_refused_by_name() -> None:
    network = build("resnet20_cifar", seed=0, **ROWS["resnet20_cifar"]).eval()
    network.stem.relu1 = torch.nn.GELU()
    with pytest.raises(ValueError, match=r"gelu.*not lowered to ONNX; known: .*conv2d"):
        to_onnx(Packaged(network, Preprocess(size=(8, 8))))


def test_a_norm_that_uses_the_batch_is_refused() -> None:
    network = build("resnet20_cifar", seed=0, **ROWS["resnet20_cifar"]).eval()
    train_bn(network, True)
    with pytest.raises(ValueError, match=r"stem\.norm1 uses the batch's own statistics"):
        to_onnx(Packaged(network, Preprocess(size=(8, 8))))


@pytest.mark.parametrize("name", ["resnet50v2_keras", "resnetv2_50"])
def test_numbers_below_zero_meet_the_zeros_around_a_max_pool(name: str) -> None:
    # What ONNX Runtime's fusion of Pad and MaxPool gets wrong, and does not try where axes are named.
    graph = onnx.load_model_from_string(onnx_of(name)).graph
    assert expected(name, 2)["conv1"].min() < 0
    assert all(len(node.input) == 4 for node in graph.node if node.op_type == "Pad")
    assert any(node.op_type == "Pad" for node in graph.node) == (name == "resnet50v2_keras")


def test_a_level_that_is_also_the_last_one_comes_out_twice() -> None:
    graph = onnx.load_model_from_string(onnx_of("resnet20_cifar")).graph
    names = [each.name for each in graph.output]
    assert len({*names}) == len(names)
    assert packaged("resnet20_cifar").outputs == (*names,)
