"""The dialects: each row is a bijection on the networks it can hold, and refuses the others by name."""

from __future__ import annotations

import pytest
import torch
import torchvision

from resnets.spec.resolve import plan
from resnets.spec.variants import VARIANTS, architecture
from resnets.weights.dialects.deduce import deduce, refusals
from resnets.weights.dialects.dialect import Dialect, names, parse
from resnets.weights.dialects.match import Match
from resnets.weights.dialects.preprocessing import PREPROCESSES
from resnets.weights.dialects.registry import DIALECTS


def held(dialect: Dialect) -> list[str]:
    """The rows whose every fact the dialect can express, and whose every layer it has a name for."""
    found = []
    for name, row in VARIANTS.items():
        try:
            names(dialect, plan(row))
        except ValueError:
            continue
        if not refusals(dialect, row):
            found.append(name)
    return found


HOLDS = {
    "torchvision": "resnet18 resnet34 resnet50 resnet101 resnet152 resnext50_32x4d resnext101_32x8d resnext101_64x4d "
    "wide_resnet50_2 wide_resnet101_2",
    "timm": "resnet18 resnet34 resnet50 resnet101 resnet152 resnext50_32x4d resnext101_32x8d resnext101_64x4d "
    "wide_resnet50_2 wide_resnet101_2 seresnet50 seresnext50_32x4d",
    "timm-c": "resnet50c",
    "timm-d": "resnet18d resnet34d resnet50d resnet101d resnet152d",
    "timm-v2": "resnetv2_50 resnetv2_101",
    "cifar": "resnet20_cifar resnet32_cifar resnet44_cifar resnet56_cifar resnet110_cifar resnet1202_cifar "
    "resnet20_cifar_b resnet32_cifar_b resnet44_cifar_b resnet56_cifar_b resnet110_cifar_b resnet1202_cifar_b "
    "plain20_cifar plain32_cifar plain44_cifar plain56_cifar plain110_cifar",
    "pytorch-cifar100": "resnet20_cifar_b resnet32_cifar_b resnet44_cifar_b resnet56_cifar_b resnet110_cifar_b "
    "resnet1202_cifar_b",
    "transformers": "resnet18 resnet34 resnet50 resnet101 resnet152 resnet50_v1 resnet101_v1 resnet152_v1",
    "transformers-model": "",
    "detectron2": "resnet18 resnet34 resnet50 resnet101 resnet152 resnet50_v1 resnet101_v1 resnet152_v1 "
    "resnext50_32x4d resnext101_32x8d resnext101_64x4d wide_resnet50_2 wide_resnet101_2",
    "detectron": "resnet18 resnet34 resnet50 resnet101 resnet152 resnet50_v1 resnet101_v1 resnet152_v1 "
    "resnext50_32x4d resnext101_32x8d resnext101_64x4d wide_resnet50_2 wide_resnet101_2",
    "pycls": "resnet18 resnet34 resnet50 resnet101 resnet152 resnet50_v1 resnet101_v1 resnet152_v1 resnext50_32x4d "
    "resnext101_32x8d resnext101_64x4d wide_resnet50_2 wide_resnet101_2 resnet20_cifar_b resnet32_cifar_b "
    "resnet44_cifar_b resnet56_cifar_b resnet110_cifar_b resnet1202_cifar_b",
    "keras": "resnet50_keras resnet101_keras resnet152_keras",
    "keras-v2": "resnet50v2_keras resnet101v2_keras resnet152v2_keras",
    "keras-2016": "resnet50_keras2016",
    "matterport": "resnet50_mrcnn resnet101_mrcnn resnet50_mrcnn_c4 resnet101_mrcnn_c4 resnet50_note001 "
    "resnet101_note001 resnet152_note001",
    "caffe": "resnet50_caffe resnet101_caffe resnet152_caffe",
}


def test_each_dialect_holds_the_rows_that_its_codebase_has() -> None:
    assert {name: set(held(dialect)) for name, dialect in DIALECTS.items()} == {
        name: set(rows.split()) for name, rows in HOLDS.items()
    }


PAIRS = [(dialect, row) for dialect, rows in HOLDS.items() for row in rows.split() if "1202" not in row]


@pytest.mark.parametrize(("dialect", "row"), PAIRS)
def test_every_name_leads_to_one_tensor_and_back(dialect: str, row: str) -> None:
    network = plan(VARIANTS[row])
    theirs = names(DIALECTS[dialect], network)
    assert len(set(theirs.values())) == len(theirs)
    assert {key: parse(DIALECTS[dialect], key) for key in theirs.values()} == {key: n for n, key in theirs.items()}
    left = network.tensors().keys() - theirs.keys()
    assert {name.rpartition(".")[2] for name in left} <= set(DIALECTS[dialect].defaults)


@pytest.mark.parametrize(("dialect", "row"), PAIRS)
def test_the_architecture_comes_back_out_of_names_and_shapes(dialect: str, row: str) -> None:
    arch = VARIANTS[row]
    shapes = plan(arch).tensors()
    keys = names(DIALECTS[dialect], plan(arch))
    match = Match(dialect=DIALECTS[dialect], prefix="", keys=keys, shapes={name: shapes[name] for name in keys})
    first = deduce(match, None, {})
    assert not first.problems
    found = deduce(match, None, {name: getattr(arch, name) for name in first.unknown})
    assert found.architecture == arch
    assert not found.unknown


@pytest.mark.parametrize("row", HOLDS["torchvision"].split())
def test_our_torchvision_names_are_torchvisions_own(row: str) -> None:
    with torch.device("meta"):
        theirs = torchvision.models.get_model(row, weights=None).state_dict()
    ours = names(DIALECTS["torchvision"], plan(VARIANTS[row]))
    shapes = plan(VARIANTS[row]).tensors()
    assert {key: shapes[name] for name, key in ours.items()} == {key: tuple(t.shape) for key, t in theirs.items()}


# What the codebases call one tensor, quoted from them.
QUOTED = [
    ("matterport", "resnet101_mrcnn", "stages.2.22.branch.conv1.weight", "res4w_branch2a/kernel"),
    ("matterport", "resnet50_mrcnn", "stages.0.0.shortcut.norm.running_var", "bn2a_branch1/moving_variance"),
    ("caffe", "resnet101_caffe", "stages.2.22.branch.conv1.weight", "res4b22_branch2a/weight"),
    ("caffe", "resnet101_caffe", "stages.1.3.branch.norm3.weight", "scale3b3_branch2c/scale"),
    ("caffe", "resnet101_caffe", "stages.0.2.branch.norm2.running_mean", "bn2c_branch2b/mean"),
    ("caffe", "resnet152_caffe", "stages.1.7.branch.conv2.weight", "res3b7_branch2b/weight"),
    ("caffe", "resnet50_caffe", "stages.2.5.branch.conv3.weight", "res4f_branch2c/weight"),
    ("detectron", "resnet50_v1", "stem.norm1.weight", "res_conv1_bn_s"),
    ("detectron", "resnet50_v1", "stages.3.2.branch.norm3.bias", "res5_2_branch2c_bn_b"),
    ("detectron2", "resnet50_v1", "stages.3.0.shortcut.norm.running_mean", "res5.0.shortcut.norm.running_mean"),
    ("transformers", "resnet50", "head.linear.bias", "classifier.1.bias"),
    (
        "transformers",
        "resnet50",
        "stages.1.0.branch.norm2.weight",
        "resnet.encoder.stages.1.layers.0.layer.1.normalization.weight",
    ),
    ("keras", "resnet152_keras", "stages.2.35.branch.conv3.bias", "conv4_block36_3_conv/bias"),
    ("keras-v2", "resnet50v2_keras", "stages.0.0.branch.norm1.weight", "conv2_block1_preact_bn/gamma"),
    ("timm-d", "resnet50d", "stages.0.0.shortcut.conv.weight", "layer1.0.downsample.1.weight"),
    ("pytorch-cifar100", "resnet20_cifar_b", "stages.0.1.branch.norm2.bias", "conv2_x.1.residual_function.4.bias"),
    ("pycls", "resnet50", "stages.0.0.branch.conv3.weight", "s1.b1.f.c.weight"),
]


@pytest.mark.parametrize(("dialect", "row", "ours", "theirs"), QUOTED, ids=lambda value: value)
def test_names_are_those_the_codebases_use(dialect: str, row: str, ours: str, theirs: str) -> None:
    assert names(DIALECTS[dialect], plan(VARIANTS[row]))[ours] == theirs


REFUSED = [
    ("keras", {"name": "resnet50"}, "stride_on='3x3'; it has '1x1'"),
    ("torchvision", {"name": "resnet50_v1"}, "stride_on='1x1'; it has '3x3'"),
    ("torchvision", {"name": "resnet50_mrcnn"}, "norm_eps=0.001; it has 1e-05"),
    ("torchvision", {"name": "resnet50", "stem": "cifar"}, "stem='cifar'; it has 'imagenet'"),
    ("matterport", {"name": "resnet50_keras"}, "pool_padding='symmetric'; it has 'same'"),
    ("transformers", {"name": "resnext50_32x4d"}, "cardinality=32; it has 1"),
]


@pytest.mark.parametrize(("dialect", "row", "sentence"), REFUSED, ids=str)
def test_what_a_dialect_cannot_express_is_refused_by_name(dialect: str, row: dict[str, str], sentence: str) -> None:
    facts = dict(row)
    assert any(sentence in reason for reason in refusals(DIALECTS[dialect], architecture(facts.pop("name"), **facts)))


def test_every_row_names_its_source_and_preprocessings_that_exist() -> None:
    for dialect in DIALECTS.values():
        assert dialect.source
        assert set(dialect.preprocess) <= set(PREPROCESSES)
    assert all(row.source for row in PREPROCESSES.values())
