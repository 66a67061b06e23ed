"""timm's files: what timm saves loads here, what is written for timm loads there, and every level is the same."""

from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.data import create_transform, resolve_data_config
from timm.models import save_for_hf
from timm.utils import ModelEmaV3
from timm.utils.checkpoint_saver import CheckpointSaver
from torch import Tensor, nn

from resnets.spec.variants import architecture
from resnets.weights.dialects.preprocessing import PREPROCESSES
from resnets.weights.load import load
from resnets.weights.writers.write import write
from tests.agreement.compare import our_outputs
from tests.agreement.files import PHOTOS, assert_computes, forget, our_model, our_pixels, photo
from tests.agreement.rows import SIZES
from tests.agreement.timm_side import TimmSide, carry
from tests.goldens import network_of, picture, random_weights, relative_error

Record = Callable[[str, object], None]
DEEP = "resnet50"  # at every size; the others at the first
NAMES = (
    DEEP,
    "resnet18",
    "resnet18d",
    "resnet50c",
    "resnet50d",
    "resnet101d",
    "resnext50_32x4d",
    "wide_resnet50_2",
    "seresnet50",
    "seresnext50_32x4d",
    "resnetv2_50",
)


def single(network: nn.Module) -> dict[str, Tensor]:
    """Return a network's numbers as its users save them; the comparison itself runs in float64."""
    tensors = network.state_dict().items()
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors}


@pytest.fixture(scope="module", params=NAMES)
def timm_side(request: pytest.FixtureRequest) -> Iterator[tuple[str, TimmSide]]:
    plan = network_of(architecture(request.param)).plan
    yield request.param, carry(request.param, plan, random_weights(plan))


def test_what_timm_saves_loads(timm_side: tuple[str, TimmSide], scratch: Path, record_property: Record) -> None:
    name, theirs = timm_side
    for ending in (".safetensors", ".pth") if name == DEEP else (".pth",):
        path = scratch / f"theirs{ending}"
        (torch.save if ending == ".pth" else save_file)(single(theirs.network), path)
        # Bare files of ResNet-D may be of timm's ra2 recipe or of its ra4, which see other pixels.
        loaded = load(path, told={"preprocess": "timm-95"} if name.endswith("d") else None)
        assert loaded.card.architecture == architecture(name)
        for size in SIZES if name == DEEP else SIZES[:1]:
            x = picture((1, 3, *size))
            record_property("files: timm to us", assert_computes(loaded.network, x, theirs.outputs(x)))


def test_timm_loads_what_is_written_for_it(
    timm_side: tuple[str, TimmSide], scratch: Path, record_property: Record
) -> None:
    name, theirs = timm_side
    ours = our_model(architecture(name))
    for ending in (".pth", ".safetensors") if name == DEEP else (".safetensors",):
        write(ours, scratch / f"ours{ending}", "timm")
        forget(theirs.network)
        timm.models.load_checkpoint(theirs.network, str(scratch / f"ours{ending}"), strict=True)
        for size in SIZES if name == DEEP else SIZES[:1]:
            x = picture((1, 3, *size))
            record_property("files: us to timm", assert_computes(ours.network, x, theirs.outputs(x)))


@pytest.mark.parametrize(
    ("prefix", "wrapped"),
    [
        ("module.", nn.DataParallel),
        ("_orig_mod.", torch.compile),
        ("_orig_mod.module.", lambda network: torch.compile(nn.DataParallel(network))),
        ("module._orig_mod.", lambda network: nn.DataParallel(torch.compile(network))),
        ("model.", lambda network: nn.ModuleDict({"model": network})),
        ("backbone.model.", lambda network: nn.ModuleDict({"backbone": nn.ModuleDict({"model": network})})),
    ],
)
@pytest.mark.parametrize("below", [None, "state_dict"])
def test_wrappers_are_taken_off(
    prefix: str, wrapped: Callable[[nn.Module], nn.Module], below: str | None, scratch: Path
) -> None:
    network = timm.create_model("resnet18", num_classes=5).eval()
    tensors = wrapped(network).state_dict()
    assert all(name.startswith(prefix) for name in tensors)
    torch.save({below: tensors, "epoch": 3} if below else tensors, scratch / "wrapped.pth")
    loaded = load(scratch / "wrapped.pth")
    x = picture((1, 3, 64, 64))
    with torch.no_grad():
        assert relative_error(our_outputs(loaded.network, x)["logits"], network(torch.from_numpy(x)).numpy()) < 1e-5


def test_a_checkpoint_of_timm_holds_two_networks_and_each_loads_by_its_part(scratch: Path) -> None:
    network = timm.create_model("resnet18", num_classes=5).eval()
    ema = ModelEmaV3(network, decay=0.5)
    with torch.no_grad():
        for tensor in network.parameters():
            tensor.add_(torch.rand_like(tensor) / 10)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    saver = CheckpointSaver(
        network, optimizer, args=Namespace(model="resnet18", lr=0.1), model_ema=ema, checkpoint_dir=str(scratch)
    )
    saver.save_checkpoint(epoch=3, metric=71.5)
    x = picture((1, 3, 64, 64))
    with pytest.raises(ValueError, match=r"2 networks.*--part state_dict or --part state_dict_ema\."):
        load(scratch / "last.pth.tar")
    for part, theirs in {"state_dict.": network, "state_dict_ema": ema.module.eval()}.items():
        loaded = load(scratch / "last.pth.tar", part=part)
        with torch.no_grad():
            logits = theirs(torch.from_numpy(x)).numpy()
        assert relative_error(our_outputs(loaded.network, x)["logits"], logits) < 1e-5, part


@pytest.mark.parametrize(
    "tag",
    [
        "resnet50.a1_in1k",
        "resnet50.tv_in1k",
        "resnet50d.ra2_in1k",
        "resnet18.a3_in1k",  # 160 pixels
        "wide_resnet50_2.tv2_in1k",  # 176 pixels
        "resnet18d.ra4_e3600_r224_in1k",  # mean 0.5, 0.9 of the shorter side
        "resnetv2_50.a1h_in1k",  # mean 0.5
    ],
)
def test_a_folder_of_timm_says_how_pixels_become_numbers(tag: str, shared_data: Path, scratch: Path) -> None:
    network = timm.create_model(tag, pretrained=False)
    save_for_hf(network, str(scratch / "theirs"), safe_serialization=True)
    card = load(scratch / "theirs").card
    assert card.architecture == architecture(tag.partition(".")[0])
    theirs = create_transform(**resolve_data_config(model=network))
    for name in PHOTOS:
        image = photo(shared_data, name)
        assert np.array_equal(our_pixels(image, card.preprocess), theirs(image)[None].numpy()), name


@pytest.mark.parametrize(("row", "tag"), [("timm-95", "resnet50.a1_in1k"), ("timm-875", "resnet50.ra_in1k")])
def test_the_rows_named_after_timm_give_its_pixels(row: str, tag: str, shared_data: Path) -> None:
    theirs = create_transform(**resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg(tag).to_dict()))
    for name in PHOTOS:
        image = photo(shared_data, name)
        assert np.array_equal(our_pixels(image, PREPROCESSES[row].preprocess), theirs(image)[None].numpy()), name


@pytest.mark.parametrize("tag", ["resnet50.a1_in1k", "resnet50c.gluon_in1k", "resnetv2_50.a1h_in1k"])
def test_a_bare_file_implies_the_colours_of_timm_s_own_weights(tag: str, scratch: Path) -> None:
    network = timm.create_model(tag, pretrained=False)
    save_file(network.state_dict(), scratch / "bare.safetensors")
    preprocess = load(scratch / "bare.safetensors").card.preprocess
    cfg = timm.get_pretrained_cfg(tag)
    given = [np.broadcast_to(numbers, 3).tolist() for numbers in (preprocess.mean, preprocess.std)]
    assert given == [list(cfg.mean), list(cfg.std)]
