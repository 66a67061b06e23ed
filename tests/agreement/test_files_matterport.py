"""Matterport's files: a legacy `.h5` of resnet_graph loads here, and ours is loaded by name in Keras."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import keras
import pytest

from resnets.spec.resolve import plan
from resnets.spec.variants import architecture
from resnets.weights.dialects.preprocessing import PREPROCESSES
from resnets.weights.identify import identify
from resnets.weights.load import load
from resnets.weights.writers.write import write
from tests.agreement import keras_graphs, keras_side, matterport_side
from tests.agreement.files import assert_computes, forget_keras, our_model
from tests.agreement.rows import SIZES, Size
from tests.goldens import picture, random_weights

Record = Callable[[str, object], None]
PREPROCESS = PREPROCESSES["matterport"].preprocess
DEEP = "resnet50_mrcnn"
GRAPHS: dict[str, Callable[[], keras.Model]] = {
    DEEP: partial(keras_graphs.matterport, 50),
    "resnet101_mrcnn": partial(keras_graphs.matterport, 101),
    "resnet50_mrcnn_c4": partial(keras_graphs.matterport, 50, stage5=False),
    "resnet101_mrcnn_c4": partial(keras_graphs.matterport, 101, stage5=False),
    "resnet50_note001": partial(keras_graphs.note001, 50),
}
# Keras's variables know numpy 1's protocol, and Keras itself makes arrays of them when it saves.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")


@dataclass(frozen=True)
class Both:
    """A row of ours, and the network of Keras under Matterport's names with our numbers in it."""

    name: str
    side: keras_side.KerasSide

    @property
    def sizes(self) -> tuple[Size, ...]:
        return SIZES if self.name == DEEP else SIZES[:1]

    def assert_loads(self, path: Path, record: Record) -> None:
        loaded = load(path)
        assert loaded.card.architecture == architecture(self.name)
        for size in self.sizes:
            x = picture((1, 3, *size))
            record("files: Matterport to us", assert_computes(loaded.network, x, self.side.outputs(x)))


def made(name: str, dense: tuple[str, str] = matterport_side.DENSE) -> Both:
    network = plan(architecture(name))
    model = matterport_side.named(GRAPHS[name](), dense)
    names = partial(matterport_side.layer_name, dense=dense)
    return Both(name, keras_side.carry(model, network, random_weights(network), names))


@pytest.fixture(scope="module", params=GRAPHS)
def both(request: pytest.FixtureRequest) -> Iterator[Both]:
    keras.utils.clear_session()
    yield made(request.param)


def test_a_legacy_file_of_resnet_graph_loads(both: Both, scratch: Path, record_property: Record) -> None:
    matterport_side.write_legacy(matterport_side.legacy_weights(both.side.model), scratch / "theirs.h5")
    both.assert_loads(scratch / "theirs.h5", record_property)


def test_a_detector_s_other_layers_are_set_aside(both: Both, scratch: Path, record_property: Record) -> None:
    layers = matterport_side.legacy_weights(both.side.model) + matterport_side.detector()
    matterport_side.write_legacy(layers, scratch / "mask_rcnn_coco.h5")
    both.assert_loads(scratch / "mask_rcnn_coco.h5", record_property)
    assert identify(scratch / "mask_rcnn_coco.h5").match.aside == {
        "feature pyramid": 16,
        "region proposals": 6,
        "detection heads": 20,
    }


def test_keras_loads_what_is_written_for_matterport_by_name(both: Both, scratch: Path, record_property: Record) -> None:
    ours = our_model(architecture(both.name), PREPROCESS)
    write(ours, scratch / "ours.h5", "matterport")
    back = load(scratch / "ours.h5")
    assert (back.card.architecture, back.card.preprocess) == (ours.card.architecture, PREPROCESS)
    assert all(a.equal(b) for a, b in zip(back.network.parameters(), ours.network.parameters(), strict=True))
    forget_keras(both.side.model)
    both.side.model.load_weights(scratch / "ours.h5", by_name=True)
    for size in both.sizes:
        x = picture((1, 3, *size))
        record_property("files: us to Matterport", assert_computes(ours.network, x, both.side.outputs(x)))


def test_whole_models_and_keras_3_s_own_files_load(scratch: Path, record_property: Record) -> None:
    both = made("resnet50_mrcnn_c4")
    model = both.side.model
    matterport_side.write_legacy(matterport_side.legacy_weights(model), scratch / "whole.h5", below="model_weights")
    for name in ("keras3.h5", "keras3.keras"):
        model.save(scratch / name)
    model.save_weights(scratch / "keras3.weights.h5")
    for name in ("whole.h5", "keras3.h5", "keras3.keras", "keras3.weights.h5"):
        both.assert_loads(scratch / name, record_property)


@pytest.mark.parametrize("dense", [("dense", "dense_1"), ("dense_1", "dense_2"), ("dense_7", "dense_8")])
def test_note_001_s_head_is_found_however_keras_counted_it(
    dense: tuple[str, str], scratch: Path, record_property: Record
) -> None:
    both = made("resnet50_note001", dense)
    matterport_side.write_legacy(matterport_side.legacy_weights(both.side.model), scratch / "theirs.h5")
    both.assert_loads(scratch / "theirs.h5", record_property)
