"""Files of Keras Applications: every kind that Keras saves loads here, and our `.weights.h5` loads there."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import pytest

from resnets.spec.architecture import Architecture
from resnets.spec.resolve import plan
from resnets.spec.variants import architecture
from resnets.weights.dialects.preprocessing import PREPROCESSES
from resnets.weights.load import load
from resnets.weights.writers.write import write
from tests.agreement import keras_side
from tests.agreement.files import assert_computes, forget_keras, our_model
from tests.agreement.keras_side import KerasSide
from tests.agreement.rows import SIZES, Size, application_levels
from tests.goldens import picture, random_weights

Record = Callable[[str, object], None]
# Keras's variables know numpy 1's protocol, and Keras itself makes arrays of them when it saves.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")


@dataclass(frozen=True, kw_only=True)
class Row:
    """A network of Keras Applications, the endings of the files it is saved in, and the sizes it is asked at."""

    name: str
    depth: int
    v2: bool = False
    top: bool = True
    classes: int = 1000
    trained: bool = False  # with the state of an optimizer in its files
    endings: tuple[str, ...]
    sizes: tuple[Size, ...] = SIZES[:1]

    @property
    def architecture(self) -> Architecture:
        row = architecture(f"resnet{self.depth}{'v2' if self.v2 else ''}_keras", num_classes=self.classes)
        return row if self.top else replace(row, head="none")

    @property
    def kind(self) -> str:
        return f"keras.applications {'v2' if self.v2 else 'v1'}"


EVERY = (".weights.h5", ".keras", ".h5")
ROWS = (
    Row(name="ResNet50", depth=50, endings=EVERY, sizes=SIZES),
    Row(name="ResNet101", depth=101, endings=(".weights.h5",)),
    Row(name="ResNet152", depth=152, endings=(".h5",)),
    Row(name="ResNet50V2", depth=50, v2=True, endings=EVERY),
    Row(name="ResNet101V2", depth=101, v2=True, endings=(".keras",)),
    Row(name="ResNet152V2", depth=152, v2=True, endings=(".weights.h5",)),
    Row(name="ResNet50", depth=50, top=False, endings=(".weights.h5", ".h5")),
    Row(name="ResNet50V2", depth=50, v2=True, top=False, endings=(".weights.h5",)),
    Row(name="ResNet50", depth=50, classes=5, endings=EVERY, trained=True),
)


@dataclass(frozen=True)
class Both:
    """A row, the network that Keras Applications made, and the same one with its levels as outputs."""

    row: Row
    model: keras.Model
    side: KerasSide


@pytest.fixture(scope="module", params=ROWS, ids=lambda row: f"{row.name}, {row.classes if row.top else 'no'} classes")
def both(request: pytest.FixtureRequest) -> Iterator[Both]:
    row: Row = request.param
    keras.utils.clear_session()
    image = keras.Input((None, None, 3))
    top = {"classes": row.classes, "classifier_activation": None} if row.top else {}
    build = getattr(keras.applications, row.name)
    model = build(weights=None, input_tensor=image, include_top=row.top, **top)
    if row.trained:
        model.compile("adam")
        model.optimizer.build(model.trainable_variables)
    levels = application_levels(row.depth, v2=row.v2) | ({"logits": "predictions"} if row.top else {})
    network = plan(row.architecture)
    names = keras_side.application_v2_layer if row.v2 else keras_side.application_layer
    yield Both(
        row, model, keras_side.carry(keras_side.application(model, levels), network, random_weights(network), names)
    )


def test_what_keras_saves_loads(both: Both, scratch: Path, record_property: Record) -> None:
    for ending in both.row.endings:
        path = scratch / f"theirs{ending}"
        both.model.save_weights(path) if ending == ".weights.h5" else both.model.save(path)
        loaded = load(path)
        assert loaded.card.architecture == both.row.architecture, ending
        for size in both.row.sizes:
            x = picture((1, 3, *size))
            error = assert_computes(loaded.network, x, both.side.outputs(x))
            record_property(f"files: {both.row.kind} to us", error)


@pytest.mark.filterwarnings("ignore:Skipping variable loading for optimizer:UserWarning")  # ours has none
def test_keras_loads_what_is_written_for_it(both: Both, scratch: Path, record_property: Record) -> None:
    usual = PREPROCESSES["inception" if both.row.v2 else "caffe"].preprocess
    ours = our_model(both.row.architecture, usual)
    write(ours, scratch / "ours.weights.h5", "keras")
    back = load(scratch / "ours.weights.h5")
    assert (back.card.architecture, back.card.preprocess) == (ours.card.architecture, ours.card.preprocess)
    assert all(a.equal(b) for a, b in zip(back.network.parameters(), ours.network.parameters(), strict=True))
    forget_keras(both.model)
    both.model.load_weights(scratch / "ours.weights.h5")
    for size in both.row.sizes:
        x = picture((1, 3, *size))
        error = assert_computes(ours.network, x, both.side.outputs(x))
        record_property(f"files: us to {both.row.kind}", error)
