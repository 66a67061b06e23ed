"""References: what a person types, and what it stands for."""

from __future__ import annotations

import pytest

from resnets.weights.hub.resolve import Place, resolve

HF = "https://huggingface.co"


@pytest.mark.parametrize(
    ("typed", "reference", "folder", "url"),
    [
        (
            "hf:timm/resnet50.a1_in1k",
            "hf:timm/resnet50.a1_in1k",
            "hf--timm--resnet50.a1_in1k",
            f"{HF}/timm/resnet50.a1_in1k/resolve/main/F",
        ),
        (
            "hf:a/b@main",
            "hf:a/b",
            "hf--a--b",
            f"{HF}/a/b/resolve/main/F",
        ),
        (
            "hf:a/b@refs/pr/3",
            "hf:a/b@refs/pr/3",
            "hf--a--b--at--refs--pr--3",
            f"{HF}/a/b/resolve/refs%2Fpr%2F3/F",
        ),
        (
            "hf:a/b@v1.0/c/d.bin",
            "hf:a/b@v1.0/c/d.bin",
            "hf--a--b--at--v1.0--file--c--d.bin",
            f"{HF}/a/b/resolve/v1.0/F",
        ),
        (
            "ResNet18_Weights.IMAGENET1K_V1",
            "torchvision:ResNet18_Weights.IMAGENET1K_V1",
            "torchvision--ResNet18_Weights.IMAGENET1K_V1",
            f"{HF}/models/resnet18-f37072fd.pth",
        ),
        (
            "torchvision:ResNet50_Weights.DEFAULT",
            "torchvision:ResNet50_Weights.IMAGENET1K_V2",
            "torchvision--ResNet50_Weights.IMAGENET1K_V2",
            f"{HF}/models/resnet50-11ad3fa6.pth",
        ),
    ],
)
def test_a_reference_stands_for_a_place(typed: str, reference: str, folder: str, url: str) -> None:
    place = resolve(typed)
    assert (place.reference, place.folder, place.url(HF, "F")) == (reference, folder, url)
    assert resolve(place.reference) == place


def test_a_row_is_known_and_its_hash_holds_for_its_own_file_only() -> None:
    name = "hf:timm/resnet50.a1_in1k"
    row = resolve(name).row
    assert row is not None
    assert resolve(name).sha256 == resolve(f"{name}/model.safetensors").sha256 == row.sha256
    for other in (f"{name}@v1", f"{name}/pytorch_model.bin"):
        assert (resolve(other).row, resolve(other).sha256) == (row, None)
        assert resolve(other).licence == "Apache-2.0"


def test_a_published_size_is_the_limit_with_one_in_a_hundred_to_spare() -> None:
    assert resolve("ResNet18_Weights.DEFAULT").limit == pytest.approx(44.661 * 1.01 * 2**20, abs=1)
    assert resolve("hf:a/b").limit == 2 << 30


def test_a_place_that_the_catalogue_does_not_know() -> None:
    assert resolve("hf:a/b") == Place(reference="hf:a/b", hub="hf", folder="hf--a--b", path="a/b")
    assert resolve("hf:a/b").licence is None


ENDING = " `resnets weights list` lists all 113."


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (
            "ResNet50_Weight.IMAGENET1K_V2",
            "no weights are called 'ResNet50_Weight.IMAGENET1K_V2'. Nearest: "
            "torchvision:ResNet50_Weights.IMAGENET1K_V2, torchvision:ResNet50_Weights.IMAGENET1K_V1, "
            "torchvision:ResNet152_Weights.IMAGENET1K_V2." + ENDING,
        ),
        (
            "resnet50.a1_in1k",
            "no weights are called 'resnet50.a1_in1k'. Nearest: hf:timm/resnet50.a1_in1k." + ENDING,
        ),
        (
            "timm/resnet50d.a1",
            "no weights are called 'timm/resnet50d.a1'. Nearest: hf:timm/resnet50d.a1_in1k." + ENDING,
        ),
        ("ResNet20_Weights.DEFAULT", "no weights are called 'ResNet20_Weights.DEFAULT'."),
        ("", "no weights are called ''." + ENDING),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(typed: str, said: str) -> None:
    with pytest.raises(ValueError, match="no weights are called") as raised:
        resolve(typed)
    assert str(raised.value).startswith(said)


@pytest.mark.parametrize(
    "typed",
    [
        "hf:resnet50", "hf:a/b/", "hf:a//b", "hf:../b", "hf:a/..", "hf:a--b/c", "hf:a/b.", "hf:-a/b", "hf:a/b/../c",
        "hf:a/b//c", "hf:a/b/.hidden", "hf:a/b/source.json", "hf:a/b/x.part", "hf:a/b@", "hf:a/b@../c", "hf:a/b?x=1",
        "hf:a/b/c#d", "hf:a/b\n", "hf:ä/b",
    ],
)  # fmt: skip
def test_a_reference_that_could_lead_elsewhere_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match="is no repository on Hugging Face; write hf:owner/name, hf:owner/name@rev"):
        resolve(typed)
