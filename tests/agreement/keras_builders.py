"""Residual networks as people write them in Keras, every layer under the name that Keras gives it by counting.

Each builder returns the picture and every level, with "logits" what the last Dense gives before its softmax.
"""

from collections.abc import Callable
from typing import Any

import keras
from keras import layers

Maps = dict[str, Any]


def cifar_v1(n: int) -> tuple[Any, Maps]:
    """The 6n + 2 layers of Keras's own example for CIFAR: SAME, biases, a projection without a norm."""
    image = keras.Input((32, 32, 3))
    maps: Maps = {}
    x = maps["C1"] = _active(layers.Conv2D(16, 3, padding="same")(image))
    for stage, width in enumerate((16, 32, 64)):
        for number in range(n):
            stride = 2 if stage > 0 and number == 0 else 1
            y = _active(layers.Conv2D(width, 3, strides=stride, padding="same")(x))
            y = layers.BatchNormalization()(layers.Conv2D(width, 3, padding="same")(y))
            if stride == 2:
                x = layers.Conv2D(width, 1, strides=stride, padding="same")(x)
            x = layers.Activation("relu")(layers.add([x, y]))
        maps[f"C{stage + 2}"] = x
    x = layers.Flatten()(layers.AveragePooling2D(pool_size=8)(x))
    return image, maps | {"logits": layers.Dense(10)(x)}


def bottlenecks(*, projection_first: bool, stride_on: str = "1x1") -> tuple[Any, Maps]:
    """Bottlenecks in the manner of many a repository; the shortcut is made, and added, first or last."""
    image = keras.Input((None, None, 3))
    maps: Maps = {}
    x = layers.Conv2D(16, 7, strides=2, use_bias=False)(layers.ZeroPadding2D(3)(image))
    x = maps["conv1"] = _active(x)
    x = maps["C1"] = layers.MaxPooling2D(3, strides=2, padding="same")(x)
    for stage, (count, width) in enumerate(((2, 16), (3, 24), (2, 32))):
        for number in range(count):
            stride = 2 if stage > 0 and number == 0 else 1
            first, second = (stride, 1) if stride_on == "1x1" else (1, stride)
            shortcut = x
            if number == 0 and projection_first:
                shortcut = _normed(x, 4 * width, 1, stride)
            y = layers.ReLU()(_normed(x, width, 1, first))
            y = layers.ZeroPadding2D(1)(y) if second == 2 else y
            y = layers.ReLU()(_normed(y, width, 3, second, "valid" if second == 2 else "same"))
            y = _normed(y, 4 * width, 1, 1)
            if number == 0 and not projection_first:
                shortcut = _normed(x, 4 * width, 1, stride)
            x = layers.ReLU()(layers.Add()([shortcut, y] if projection_first else [y, shortcut]))
        maps[f"C{stage + 2}"] = x
    x = layers.GlobalAveragePooling2D()(x)
    return image, maps | {"logits": layers.Dense(7)(layers.Dropout(0.3)(x))}


def squeezed() -> tuple[Any, Maps]:
    """Basic units with gates, and sums written with a plus."""
    image = keras.Input((None, None, 3))
    maps: Maps = {}
    x = maps["C1"] = _active(layers.Conv2D(16, 3, padding="same", use_bias=False)(image))
    for stage, width in enumerate((16, 32)):
        for number in range(2):
            stride = 2 if stage > 0 and number == 0 else 1
            y = keras.ops.relu(_normed(x, width, 3, stride, "same"))
            y = _normed(y, width, 3, 1, "same")
            weights = layers.Reshape((1, 1, width))(layers.GlobalAveragePooling2D()(y))
            weights = layers.Dense(width // 8, activation="relu")(weights)
            y = layers.multiply([y, layers.Dense(width, activation="sigmoid")(weights)])
            x = keras.ops.relu(y + (_normed(x, width, 1, stride) if stride == 2 else x))
        maps[f"C{stage + 2}"] = x
    return image, maps | {"logits": layers.Dense(5)(keras.ops.mean(x, axis=(1, 2)))}


def counted(build: Callable[[], keras.Model]) -> tuple[Any, Maps]:
    """A model that names its layers, again with the names that Keras counts; its outputs are the levels."""

    def unnamed(layer: Any) -> Any:
        config = layer.get_config()
        del config["name"]
        return type(layer).from_config(config)

    model = keras.models.clone_model(build(), clone_function=unnamed)
    return model.input, dict(model.output)


def _active(x: Any) -> Any:
    return layers.Activation("relu")(layers.BatchNormalization()(x))


def _normed(x: Any, channels: int, kernel: int, stride: int, padding: str = "valid") -> Any:
    x = layers.Conv2D(channels, kernel, strides=stride, padding=padding, use_bias=False)(x)
    return layers.BatchNormalization()(x)
