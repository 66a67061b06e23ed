"""Match: the network in a file, under any wrapper, beside whatever else was saved with it."""

from __future__ import annotations

import itertools

import pytest

from resnets.spec.resolve import plan
from resnets.spec.variants import VARIANTS, architecture
from resnets.weights.containers.contents import Stored
from resnets.weights.dialects.dialect import names
from resnets.weights.dialects.match import matches
from resnets.weights.dialects.registry import DIALECTS


def stored(shape: tuple[int, ...] = ()) -> Stored:
    return Stored("F32", shape, lambda: b"")


def file(dialect: str = "torchvision", row: str = "resnet18", prefix: str = "", **facts: object) -> dict[str, Stored]:
    network = plan(architecture(row, **facts))
    shapes = network.tensors()
    return {prefix + key: stored(shapes[name]) for name, key in names(DIALECTS[dialect], network).items()}


WRAPPERS = ("module.", "_orig_mod.", "model.", "backbone.", "state_dict.", "ema.", "net.", "encoder.")


@pytest.mark.parametrize("wrappers", list(itertools.permutations(WRAPPERS, 2)), ids="".join)
def test_wrappers_are_stripped_in_any_order(wrappers: tuple[str, str]) -> None:
    prefix = "".join(wrappers)
    best = matches(file(prefix=prefix))[0]
    assert (best.prefix, best.dialect.name, len(best.keys), best.left) == (prefix, "torchvision", 122, ())


def test_wrappers_are_stripped_at_any_depth() -> None:
    prefix = "".join(WRAPPERS) * 2
    assert matches(file(prefix=prefix))[0].prefix == prefix


def test_a_trunk_in_a_wrapper_finds_its_head_outside_it() -> None:
    wrapped = {k if k.startswith("fc.") else f"backbone.{k}": v for k, v in file(prefix="").items()}
    best = matches({f"state_dict.{key}": tensor for key, tensor in wrapped.items()})[0]
    assert best.prefix == "state_dict.backbone."
    assert best.keys["head.linear.weight"] == "state_dict.fc.weight"
    assert not best.left
    assert not best.aside


def test_a_detectors_other_parts_are_named_counted_and_set_aside() -> None:
    detector = file(prefix="backbone.body.", head="none")
    others = ["backbone.fpn.inner_blocks.0.0.weight", "rpn.head.conv.0.0.weight", "roi_heads.box_head.fc6.weight"]
    others += ["roi_heads.mask_predictor.mask_fcn_logits.bias", "optimizer.state.0.momentum_buffer"]
    best = matches(detector | {name: stored((1,)) for name in others})[0]
    assert best.prefix == "backbone.body."
    assert best.aside == {
        "feature pyramid": 1, "region proposals": 1, "detection heads": 2, "optimizer state": 1,
    }  # fmt: skip
    assert not best.left


def test_mask_r_cnns_other_layers_are_set_aside_in_matterports_names() -> None:
    others = ["fpn_c5p5/kernel", "rpn_conv_shared/bias", "mrcnn_class_conv1/kernel", "mrcnn_mask/bias"]
    found = matches(file("matterport", "resnet101_mrcnn") | {name: stored((1,)) for name in others})
    best = next(match for match in found if match.dialect.name == "matterport")
    assert best.aside == {"feature pyramid": 1, "region proposals": 1, "detection heads": 2}
    assert not best.left


def test_what_nobody_knows_under_the_prefix_is_left_and_told() -> None:
    best = matches(file() | {"layer1.0.se_module.fc1.weight": stored((4, 64, 1, 1))})[0]
    assert best.left == ("layer1.0.se_module.fc1.weight",)


def test_what_is_outside_the_prefix_is_told_by_its_first_word() -> None:
    best = matches(file(prefix="encoder.") | {"decoder.up.weight": stored((1,)), "decoder.up.bias": stored((1,))})[0]
    assert best.aside == {"beside it, 'decoder'": 2}
    nested = matches(file(prefix="model.encoder_q.") | file(prefix="model.encoder_k."))[0]
    assert nested.aside == {"beside it, 'model.encoder_k'": 122}


def test_two_networks_in_one_file_are_two_matches() -> None:
    both = matches(file(prefix="student.") | file(prefix="teacher."))
    assert {match.prefix for match in both if match.dialect.name == "torchvision"} == {"student.", "teacher."}


def test_a_file_without_a_stem_and_a_first_block_is_no_network() -> None:
    assert matches({"features.0.weight": stored((64, 3, 3, 3)), "classifier.6.bias": stored((1000,))}) == []
    assert matches({}) == []


def test_a_head_may_be_called_fc_linear_or_classifier_in_a_cifar_file() -> None:
    row = VARIANTS["resnet20_cifar_b"]
    for head in ("fc", "linear", "classifier"):
        renamed = {key.replace("fc.", f"{head}."): tensor for key, tensor in file("cifar", row.name).items()}
        best = next(match for match in matches(renamed) if match.dialect.name == "cifar")
        assert best.keys["head.linear.bias"] == f"{head}.bias"
        assert not best.left


def test_shortcuts_may_be_called_downsample_or_shortcut() -> None:
    renamed = {key.replace("downsample", "shortcut"): t for key, t in file("cifar", "resnet20_cifar_b").items()}
    best = next(match for match in matches(renamed) if match.dialect.name == "cifar")
    assert best.keys["stages.1.0.shortcut.norm.weight"] == "layer2.0.shortcut.1.weight"
    assert not best.left
