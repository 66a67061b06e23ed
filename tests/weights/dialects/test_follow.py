"""Following a graph: every row that Keras's layers can draw is found again; whatever is no such network is refused."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from resnets.files.errors import FileError
from resnets.spec.architecture import Architecture
from resnets.spec.plan import Plan, layer_tensors
from resnets.spec.resolve import plan
from resnets.spec.variants import VARIANTS, architecture
from resnets.weights.dialects.follow import Followed, follow
from resnets.weights.dialects.keras_config import keras_graph
from tests.weights.dialects.keras_models import Model, draw

SMALL = {"blocks": (1, 2), "widths": (8, 16), "strides": (1, 2), "stem_width": 8, "num_classes": 5}


def followed(model: Model) -> Followed:
    return follow(keras_graph(model.config(), model.shapes()))


def parts(network: Plan) -> tuple[object, ...]:
    return network.stem, network.stages, network.norm, network.head


def drawable(arch: Architecture) -> Architecture:
    """Keras has no zero channels, and fills a symmetric border with zeros."""
    if arch.stem != "cifar" and arch.pool_padding == "symmetric":
        arch = replace(arch, pool_fill="zero")
    return arch


ROWS = [
    row
    for row in VARIANTS.values()
    if row.shortcut != "zero_pad" and row.pool_padding != "ceil" and sum(row.blocks) < 40
]


@pytest.mark.parametrize("projection_first", [False, True])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_row_that_keras_can_draw_is_found_again(row: Architecture, projection_first: bool) -> None:
    network = plan(drawable(row))
    found = followed(draw(network, projection_first=projection_first, first_number=7))
    again = plan(Architecture(name="again", source="its graph", **found.facts))
    assert parts(again) == parts(network)
    assert set(found.layers) == {layer.name for layer in network.layers()}
    assert len(set(found.layers.values())) == len(found.layers)
    assert set(found.tensors) | set(found.filled) == set(network.tensors())
    assert {name: held.shape for name, held in found.tensors.items()} == {
        name: shape for name, shape in network.tensors().items() if name in found.tensors
    }
    assert set(found.filled) == {name for name in network.tensors() if name.endswith("num_batches_tracked")}
    assert found.set_aside == found.preprocessing == ()


def test_a_layer_is_found_by_its_place_and_not_by_its_number() -> None:
    network = plan(architecture("resnet18", **SMALL, pool_fill="zero"))
    found = followed(draw(network, first_number=40))
    assert found.layers["stem.conv1"] == "conv2d_40"
    assert found.layers["stages.1.0.shortcut.conv"] == "conv2d_45"
    assert found.layers["stages.1.1.branch.norm2"] == "batch_normalization_47"


Change = Callable[[Model, str], str]


def same(model: Model, x: str) -> str:
    return x


def residual(change: Change = same, *, join: str = "Add", into: int = 8, **conv: object) -> Model:
    """A CIFAR network of two units; `change` comes after the first ReLU of the second, `conv` goes into its first."""
    model = Model(size=8)
    x = model.relu(model.norm(model.conv(model.input, 8)))
    for number in (0, 1):
        y = model.relu(model.norm(model.conv(x, 8, **(conv if number else {}))))
        y = change(model, y) if number else y
        y = model.norm(model.conv(y, 8))
        x = model.relu(model.call(join if number else "Add", y, x))
    model.dense(model.call("GlobalAveragePooling2D", x), 3, into=into)
    return model


def test_the_network_that_the_refusals_change_is_one_of_the_family() -> None:
    facts = followed(residual()).facts
    assert facts["blocks"] == (2,)
    assert facts["stem"] == "cifar"
    assert facts["size"] == 8


def calls(word: str, **config: object) -> Change:
    return lambda model, x: model.call(word, x, **config)


def one_more(kernel: int = 3, eps: float = 1e-3) -> Change:
    return lambda model, x: model.relu(model.norm(model.conv(x, 8, kernel), eps))


def raw_projection() -> Model:
    """As the widespread example for CIFAR in Keras has its v2: the projection takes the raw sum."""
    model = Model()
    x = model.conv(model.input, 8)
    for channels in (8, 16):
        y = model.conv(model.relu(model.norm(x)), channels)
        y = model.conv(model.relu(model.norm(y)), channels)
        x = model.call("Add", y, x if channels == 8 else model.conv(x, channels, 1))
    model.relu(model.norm(x))
    return model


def shallow(pool: str = "same", kernel: int = 7, **first: object) -> Model:
    """An ImageNet stem and a unit that strides."""
    model = Model()
    x = model.relu(model.norm(model.conv(model.input, 8, kernel, 2, **first)))
    x = model.call("MaxPooling2D", x, pool_size=[3, 3], strides=[2, 2], padding=pool)
    y = model.norm(model.conv(model.relu(model.norm(model.conv(model.border(x, 1), 8, 3, 2, padding="valid"))), 8))
    model.relu(model.call("Add", y, model.norm(model.conv(x, 8, 1, 2))))
    return model


def two_stems() -> Model:
    model = Model()
    x = model.call("Concatenate", model.conv(model.input, 8), model.conv(model.input, 8, 7))
    x = model.relu(model.norm(model.conv(x, 8)))
    y = model.norm(model.conv(model.relu(model.norm(model.conv(x, 8))), 8))
    model.relu(model.call("Add", y, x))
    return model


def headed(*words: str) -> Model:
    model = residual()
    x = model.layers[model.layers["dense"].inputs[0]].name
    for word in words:
        x = model.dense(x, 8) if word == "Dense" else model.call(word, x, activation="relu")
    return model


REFUSALS: list[tuple[Model, str]] = [
    (residual(dilation_rate=[2, 2]), "Conv2D 'conv2d_3' has dilation of 2x2"),
    (residual(one_more(5)), "has 3 convolutions and the first has 2"),
    (residual(kernel=5), "Conv2D 'conv2d_3' has a window of 5x5"),
    (residual(padding="valid"), "Conv2D 'conv2d_3' pads 0 and 0, which is not 'symmetric'"),
    (residual(groups=2), "the unit that ends in Add 'add_1' has other channels inside than it gives, or groups"),
    (residual(activation="selu"), "Conv2D 'conv2d_3' cannot be followed: it has the activation 'selu'"),
    (
        residual(calls("Activation", activation="silu")),
        "Activation 'activation_4' cannot be followed: it has",
    ),
    (residual(calls("ReLU", max_value=6.0)), "it has a ReLU with max_value=6.0"),
    (residual(calls("LeakyReLU")), "LeakyReLU 'leaky_re_lu' cannot be followed"),
    (residual(calls("GroupNormalization")), "GroupNormalization 'group_normalization' cannot be followed"),
    (residual(calls("SeparableConv2D")), "it does what this family has no layer for (SeparableConv2D)"),
    (residual(calls("Lambda")), "Lambda 'lambda' cannot be followed"),
    (residual(calls("Activation", activation="relu")), "there a network of this family has a convolution"),
    (residual(join="Concatenate"), "Concatenate 'concatenate'"),
    (two_stems(), "Concatenate 'concatenate' cannot be followed"),
    (residual(into=32), "Dense 'dense' has a weight of (3, 32), where this family would have (3, 8)"),
    (raw_projection(), "Add 'add_1' projects what has had no norm and ReLU"),
    (shallow(), "Conv2D 'conv2d_1' pads 1 and 1, which is not 'same', the rule of layers like it"),
    (shallow("valid"), "MaxPooling2D 'max_pooling2d' pads 0 and 0"),
    (shallow(kernel=5), "its stem has 1 convolutions, the first Conv2D 'conv2d' of 5x5"),
    (headed("Dense", "Dense"), "has a ReLU between two linear layers"),
    (headed("Dense", "Activation"), "has logits without a ReLU"),
    (headed("Dense", "Activation", "Dense", "Activation", "Dense"), "its head has 3 linear layers"),
]


@pytest.mark.parametrize(("model", "message"), REFUSALS, ids=[message[:40] for _, message in REFUSALS])
def test_what_is_no_network_of_the_family_is_refused_by_the_layer_s_name(model: Model, message: str) -> None:
    with pytest.raises(FileError) as refused:
        followed(model)
    assert message in str(refused.value)


def test_a_layer_that_is_called_twice_is_refused() -> None:
    model = residual()
    config = model.config()
    layers = {layer["name"]: layer for layer in config["config"]["layers"]}
    second = layers["conv2d_3"]["inbound_nodes"]
    layers["conv2d_1"]["inbound_nodes"] += second
    layers["conv2d_3"]["inbound_nodes"] = []
    layers["batch_normalization_3"]["inbound_nodes"][0]["args"][0]["config"]["keras_history"] = ["conv2d_1", 1, 0]
    with pytest.raises(FileError, match="Conv2D 'conv2d_1' is used twice"):
        follow(keras_graph(config, model.shapes()))


def test_units_that_are_joined_as_none_of_the_family_are_refused_and_not_cut_off() -> None:
    model = residual()
    model.layers["batch_normalization_3"].inputs = ("conv2d_1",)
    with pytest.raises(FileError, match="Add 'add_1' cannot be followed"):
        followed(model)


def test_a_sum_that_takes_a_map_as_it_is_goes_on_with_the_network_whatever_else_is_given() -> None:
    model = residual()
    model.layers["batch_normalization_3"].inputs = ("conv2d_1",)
    model.outputs.append("activation")
    with pytest.raises(FileError, match="Add 'add_1' cannot be followed"):
        followed(model)


def test_two_epsilons_in_one_network_are_refused() -> None:
    model = residual()
    model.layers["batch_normalization_3"].config["epsilon"] = 1e-5
    with pytest.raises(FileError, match="'batch_normalization_3' has eps 1e-05, and norms"):
        followed(model)


def test_a_layer_whose_numbers_the_file_does_not_hold_is_named() -> None:
    model = residual()
    shapes = {name: shape for name, shape in model.shapes().items() if "conv2d_3/" not in name}
    with pytest.raises(FileError, match="the file holds no weight of Conv2D 'conv2d_3'"):
        follow(keras_graph(model.config(), shapes))


def test_a_norm_without_scale_or_shift_is_filled_with_what_changes_nothing() -> None:
    model = Model()
    x = model.relu(model.norm(model.conv(model.input, 8), scale=False))
    y = model.norm(model.conv(model.relu(model.norm(model.conv(x, 8), center=False)), 8))
    model.relu(model.call("Add", y, x))
    for layout in ("legacy", "counted"):
        found = follow(keras_graph(model.config(), model.shapes(layout)))
        assert found.filled["stem.norm1.weight"] == 1
        assert found.filled["stages.0.0.branch.norm1.bias"] == 0
        assert found.tensors["stem.norm1.running_var"].shape == (8,)


def test_norms_folded_into_their_convolutions_are_given_back_as_norms_that_change_nothing() -> None:
    model = Model()
    x = model.relu(model.conv(model.input, 8, use_bias=True))
    y = model.conv(model.relu(model.conv(x, 8, use_bias=True)), 8, use_bias=True)
    model.relu(model.call("Add", y, x))
    found = followed(model)
    assert found.facts["conv_bias"] == ()
    assert found.layers["stages.0.0.branch.conv2"] == "conv2d_2"
    assert found.tensors["stages.0.0.branch.norm2.bias"].tensor == "model_weights/conv2d_2/conv2d_2/bias:0"
    filled = {name: number for name, number in found.filled.items() if name.startswith("stem.norm1")}
    assert filled == {
        "stem.norm1.weight": 1.0,
        "stem.norm1.running_mean": 0.0,
        "stem.norm1.running_var": 1 - 1e-5,
        "stem.norm1.num_batches_tracked": 0.0,
    }
    assert any("folded" in note for note in found.notes)


def test_a_detector_s_branches_are_set_aside_and_listed() -> None:
    model = draw(plan(architecture("resnet50_mrcnn", **SMALL | {"blocks": (2, 1)})))
    activations = [layer.name for layer in model.layers.values() if layer.word == "Activation"]
    deep = model.call("UpSampling2D", model.conv(activations[-1], 16, 1, use_bias=True), size=[2, 2])
    wide = model.conv(activations[5], 16, 1, use_bias=True)
    model.outputs.append(deep)
    model.conv(model.call("Add", deep, wide), 16, use_bias=True)
    found = followed(model)
    assert found.facts["head"] == "none"
    assert found.facts["blocks"] == (2, 1)
    assert set(found.set_aside) == {"conv2d_12", "conv2d_13", "conv2d_14"}


def test_a_network_that_goes_on_as_none_of_the_family_is_not_cut_off() -> None:
    model = residual()
    model.conv(model.layers["global_average_pooling2d"].inputs[0], 4)
    with pytest.raises(FileError, match="Conv2D 'conv2d_5' cannot be followed"):
        followed(model)


def test_what_is_done_to_the_picture_first_is_reported() -> None:
    model = Model(size=32)
    x = model.call("RandomFlip", model.input)
    x = model.call("Rescaling", x, scale=1 / 255, offset=0.0)
    x = model.relu(model.norm(model.conv(x, 8)))
    y = model.norm(model.conv(model.relu(model.norm(model.conv(x, 8))), 8))
    model.relu(model.call("Add", y, x))
    says = [node.says for node in followed(model).preprocessing]
    assert says == ["while training only: RandomFlip", f"x * {1 / 255} + 0.0"]


@pytest.mark.parametrize("window", [4, 8])
def test_a_window_over_the_whole_map_is_its_mean_and_a_smaller_one_is_not(window: int) -> None:
    model = residual()
    x = model.layers["global_average_pooling2d"].inputs[0]
    x = model.call("AveragePooling2D", x, pool_size=[window] * 2, strides=[window] * 2, padding="valid")
    model.dense(model.call("Flatten", x), 3)
    if window == 8:
        assert followed(model).facts["head_pooling"] == "average"
    else:
        with pytest.raises(FileError, match="averages 4x4 pixels of a map of 8x8"):
            followed(model)


def test_the_mlp_s_dropout_is_read_and_a_linear_head_s_is_noted() -> None:
    found = followed(draw(plan(architecture("resnet50_note001", **SMALL, dropout=0.25))))
    assert found.facts["dropout"] == 0.25
    assert found.facts["head_width"] == 1024
    model = residual()
    x = model.call("Dropout", model.layers["dense"].inputs[0], rate=0.4)
    model.dense(x, 3)
    assert "its head drops 0.4 while training; not kept" in followed(model).notes


def test_facts_that_do_nothing_are_left_out() -> None:
    facts = followed(residual()).facts
    assert not {"stride_on", "stride_in", "padding", "pool_fill", "dropout", "cardinality"} & set(facts)


def test_shapes_are_those_of_the_plan_for_every_tensor() -> None:
    network = plan(architecture("seresnext50_32x4d", **SMALL | {"widths": (64, 128)}, pool_fill="zero"))
    found = followed(draw(network))
    for layer in network.layers():
        for name, shape in layer_tensors(layer).items():
            assert name in found.filled or found.tensors[name].shape == shape
