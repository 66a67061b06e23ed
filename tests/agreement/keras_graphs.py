"""The notes' networks in Keras: Matterport's backbone, note 001's classifier, note 002's networks for MNIST.

Written from the facts the notes state, and independent of our Plan but for one thing: each layer bears the name
ours has, so that numbers are carried across by name. Keras's own defaults (BatchNormalization's epsilon of 1e-3,
convolutions with a bias, VALID padding) are left unsaid here as they are in the notes.
"""

from typing import Any

import keras
from keras import layers

Maps = dict[str, Any]

BOTTLENECKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
WIDTHS = (64, 128, 256, 512)


def matterport(depth: int, *, stage5: bool = True, train_bn: bool = False) -> keras.Model:
    """Return `resnet_graph`: C1..C5, or C1..C4 without stage 5. `train_bn` is what it passes to every norm's call."""
    image = keras.Input((None, None, 3))
    blocks = BOTTLENECKS[depth] if stage5 else BOTTLENECKS[depth][:3]
    return keras.Model(image, _matterport_maps(image, blocks, train_bn))


def note001(depth: int, num_classes: int = 1000) -> keras.Model:
    """Return note 001's classifier: Matterport's maps, then global pooling, dropout, Dense(1024), dropout, Dense."""
    image = keras.Input((None, None, 3))
    maps = _matterport_maps(image, BOTTLENECKS[depth], train_bn=False)
    x = layers.GlobalAveragePooling2D()(maps["C5"])
    x = layers.Dropout(0.5)(x)
    x = layers.Dense(1024, activation="relu", name="head.hidden")(x)
    x = layers.Dropout(0.5)(x)
    return keras.Model(image, maps | {"logits": layers.Dense(num_classes, name="head.linear")(x)})


def note002(depth: int) -> keras.Model:
    """Return note 002's network for 28x28 pictures: SAME padding, a projection in every stage, and no pooling."""
    image = keras.Input((None, None, 1))
    maps: Maps = {}
    x = maps["conv1"] = _unit(image, "stem.conv1", 64, 7, stride=2, padding="same")
    x = maps["C1"] = layers.MaxPooling2D(3, strides=2, padding="same")(x)
    for stage, (count, width) in enumerate(zip((3, 4, 6, 3), WIDTHS, strict=True)):
        for number in range(count):
            stride = 2 if number == 0 and stage > 0 else 1
            # kernel, channels, stride: the first convolution strides in both.
            rows = {
                34: ((3, width, stride), (3, width, 1)),
                50: ((1, width, stride), (3, width, 1), (1, 4 * width, 1)),
            }[depth]
            x = _block(x, f"stages.{stage}.{number}", rows, projects=number == 0)
        maps[f"C{stage + 2}"] = x
    channels = 512 if depth == 34 else 2048
    flat = layers.Reshape((channels,))(x)  # the note's reshape to (-1, 1 * 1 * 512): it wants a map of 1x1
    return keras.Model(image, maps | {"logits": layers.Dense(10, name="head.linear")(flat)})


def _matterport_maps(image: Any, blocks: tuple[int, ...], train_bn: bool) -> Maps:
    maps: Maps = {}
    padded = layers.ZeroPadding2D(3)(image)
    x = maps["conv1"] = _unit(padded, "stem.conv1", 64, 7, stride=2, train_bn=train_bn)
    x = maps["C1"] = layers.MaxPooling2D(3, strides=2, padding="same")(x)
    for stage, (count, width) in enumerate(zip(blocks, WIDTHS, strict=False)):
        for number in range(count):
            stride = 2 if number == 0 and stage > 0 else 1
            rows = ((1, width, stride), (3, width, 1), (1, 4 * width, 1))
            x = _block(x, f"stages.{stage}.{number}", rows, projects=number == 0, train_bn=train_bn)
        maps[f"C{stage + 2}"] = x
    return maps


def _block(x: Any, name: str, rows: tuple[tuple[int, int, int], ...], *, projects: bool, train_bn: bool = False) -> Any:
    """One unit: `rows` of kernel, channels and stride; the shortcut projects with the first row's stride."""
    residual = x
    for number, (kernel, channels, stride) in enumerate(rows, 1):
        residual = _unit(
            residual,
            f"{name}.branch.conv{number}",
            channels,
            kernel,
            stride=stride,
            padding="same" if kernel > 1 else "valid",
            relu=number < len(rows),
            train_bn=train_bn,
        )
    if projects:
        x = _unit(x, f"{name}.shortcut.conv", rows[-1][1], 1, stride=rows[0][2], relu=False, train_bn=train_bn)
    return layers.Activation("relu")(layers.Add()([residual, x]))


def _unit(
    x: Any,
    name: str,
    channels: int,
    kernel: int,
    *,
    stride: int = 1,
    padding: str = "valid",
    relu: bool = True,
    train_bn: bool = False,
) -> Any:
    x = layers.Conv2D(channels, kernel, strides=stride, padding=padding, name=name)(x)
    x = layers.BatchNormalization(name=name.replace("conv", "norm"))(x, training=train_bn)
    return layers.Activation("relu")(x) if relu else x
