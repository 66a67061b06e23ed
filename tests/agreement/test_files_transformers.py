"""transformers' folders: ours and theirs, both directions, with the class names and the preprocessing beside them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import AutoImageProcessor, ResNetConfig, ResNetForImageClassification, ResNetModel

from resnets.spec.architecture import Architecture
from resnets.spec.preprocess import IMAGENET, Preprocess
from resnets.spec.variants import architecture
from resnets.weights.dialects.preprocessing import PREPROCESSES
from resnets.weights.load import load
from resnets.weights.writers.write import write
from tests.agreement.files import PHOTOS, assert_computes, our_model, our_pixels, photo, randomise
from tests.agreement.rows import SIZES, Size
from tests.goldens import Array, Outputs, picture

Record = Callable[[str, object], None]

CONFIGS: dict[str, dict[str, Any]] = {
    "bottleneck": {"depths": [3, 4, 6, 3]},
    "stride on the 1x1": {"depths": [1, 2, 2, 1], "downsample_in_bottleneck": True},
    "basic": {"depths": [2, 2, 2, 2], "layer_type": "basic", "hidden_sizes": [64, 128, 256, 512]},
    "narrow, three stages, one channel": {
        "depths": [2, 1, 2],
        "hidden_sizes": [32, 64, 96],
        "embedding_size": 16,
        "num_channels": 1,
    },
    "strided first stage": {"depths": [1, 1, 1, 1], "downsample_in_first_stage": True},
}
ROWS: dict[str, Architecture] = {
    "bottleneck": architecture("resnet50"),
    "stride on the 1x1": architecture("resnet50_v1", blocks=(1, 2, 2, 1)),
    "basic": architecture("resnet18"),
    "narrow, three stages, one channel": architecture(
        "resnet50", blocks=(2, 1, 2), widths=(8, 16, 24), stem_width=16, in_channels=1
    ),
    "strided first stage": architecture("resnet50", blocks=(1, 1, 1, 1), strides=(2, 2, 2, 2)),
}
"""The same networks in the words of an Architecture."""

LABELS = ("tench", "goldfish", "great white shark", "Löffelstör", "鸭嘴鱼")
KINDS = {"linear": ResNetForImageClassification, "none": ResNetModel}


def sizes(name: str) -> tuple[Size, ...]:
    return SIZES if name == "bottleneck" else SIZES[:1]


def their_outputs(network: nn.Module, x: Array) -> Outputs:
    """(N, C, H, W) -> conv1, the hidden states (the pool's output is the first) and the logits."""
    maps: Outputs = {}
    trunk = getattr(network, "resnet", network)
    keep = trunk.embedder.embedder.register_forward_hook(lambda module, given, map_: maps.update(conv1=map_.numpy()))
    with torch.no_grad():
        told = network(torch.from_numpy(x), output_hidden_states=True)
    keep.remove()
    maps |= {f"C{number}": map_.numpy() for number, map_ in enumerate(told.hidden_states, 1)}
    return maps | ({"logits": told.logits.numpy()} if "logits" in told else {})


@pytest.mark.parametrize("head", KINDS)
@pytest.mark.parametrize("name", CONFIGS)
def test_what_transformers_saves_loads(name: str, head: str, scratch: Path, record_property: Record) -> None:
    config = ResNetConfig(**CONFIGS[name], id2label=dict(enumerate(LABELS)))
    theirs = KINDS[head](config).eval()
    randomise(theirs)
    theirs.save_pretrained(scratch / "theirs")
    grey = config.num_channels == 1
    loaded = load(scratch / "theirs", told={"preprocess": Preprocess(colour="grey")} if grey else None)
    assert loaded.card.classes == (LABELS if head == "linear" else ())
    for size in sizes(name):
        x = picture((2, config.num_channels, *size))
        record_property("files: transformers to us", assert_computes(loaded.network, x, their_outputs(theirs, x)))


@pytest.mark.parametrize("head", KINDS)
@pytest.mark.parametrize("name", CONFIGS)
def test_transformers_loads_what_is_written_for_it(
    name: str, head: str, scratch: Path, record_property: Record
) -> None:
    channels = ROWS[name].in_channels
    preprocess = Preprocess(colour="grey" if channels == 1 else "rgb", mean=(0.4,), std=(0.2,))
    arch = replace(ROWS[name], head=head)
    ours = our_model(arch, preprocess)
    write(ours, scratch / "ours", "transformers")
    theirs, told = KINDS[head].from_pretrained(scratch / "ours", output_loading_info=True)
    assert not any(told.values()), told
    if head == "linear":
        assert tuple(theirs.config.id2label[number] for number in range(1000)) == ours.card.classes
    for size in sizes(name):
        x = picture((2, channels, *size))
        record_property("files: us to transformers", assert_computes(ours.network, x, their_outputs(theirs.eval(), x)))


def test_names_of_classes_and_preprocessing_come_back(scratch: Path) -> None:
    preprocess = PREPROCESSES["timm-95"].preprocess
    ours = our_model(architecture("resnet18", num_classes=3), preprocess)
    write(ours, scratch / "ours", "transformers")
    card = load(scratch / "ours").card
    assert (card.architecture, card.classes, card.preprocess) == (
        ours.card.architecture,
        ours.card.classes,
        ours.card.preprocess,
    )


WRITTEN = {
    "imagenet": IMAGENET,
    "imagenet-232": PREPROCESSES["imagenet-232"].preprocess,
    "timm-875": PREPROCESSES["timm-875"].preprocess,
    "timm-95, the cut made even": replace(PREPROCESSES["timm-95"].preprocess, resize=236),
    "inception": PREPROCESSES["inception"].preprocess,
    "a crop of more than half": Preprocess(resize=400, mean=(0.4,), std=(0.2,)),
    "a large crop": Preprocess(size=(448, 448), resize=512),
    "a crop that is not square": Preprocess(size=(128, 224), resize=256),
    "a small stretched picture": Preprocess(size=(32, 32), fit="squash"),
    "a large stretched picture": Preprocess(size=(448, 448), fit="squash"),
    "grey": Preprocess(colour="grey", resize=256, mean=(0.4,), std=(0.2,)),
}

EVEN_PHOTOS = PHOTOS[:3]


@pytest.mark.parametrize("name", WRITTEN)
def test_their_image_processor_gives_our_pixels(name: str, shared_data: Path, scratch: Path) -> None:
    preprocess = WRITTEN[name]
    ours = our_model(architecture("resnet18", num_classes=3, in_channels=preprocess.channels), preprocess)
    write(ours, scratch / "ours", "transformers")
    # Pillow resizes ours and theirs; their other backend resizes tensors, and rounds to another byte here and there.
    for backend, off, share in (("pil", 1e-3, 0.0), ("torchvision", 1.001, 0.01)):
        theirs = AutoImageProcessor.from_pretrained(scratch / "ours", backend=backend)
        for file in EVEN_PHOTOS:
            image = photo(shared_data, file, "L" if preprocess.colour == "grey" else "RGB")
            pixels = our_pixels(image, preprocess)
            given = theirs(image, return_tensors="np")["pixel_values"]
            assert given.shape == pixels.shape
            bytes_off = np.abs(given - pixels) * 255 * np.reshape(preprocess.std, (1, -1, 1, 1))
            assert bytes_off.max() < off, file
            assert (bytes_off > 0.5).mean() <= share, file
    card = load(scratch / "ours").card
    image = photo(shared_data, EVEN_PHOTOS[1])
    assert np.array_equal(our_pixels(image, card.preprocess), our_pixels(image, preprocess))


def test_their_crop_lies_a_pixel_to_the_left_where_the_rest_is_three_over_a_multiple_of_four(
    shared_data: Path, scratch: Path
) -> None:
    ours = our_model(architecture("resnet18", num_classes=3), IMAGENET)
    write(ours, scratch / "ours", "transformers")
    image = photo(shared_data, PHOTOS[3])  # 640 x 427, so 383 x 256, and 159 columns to cut off
    pixels = our_pixels(image, IMAGENET)  # from column 80, where torchvision cuts: halves are rounded to even
    given = AutoImageProcessor.from_pretrained(scratch / "ours", backend="pil")(image, return_tensors="np")
    assert np.allclose(given["pixel_values"][..., 1:], pixels[..., :-1], atol=1e-5)  # theirs from column 79
