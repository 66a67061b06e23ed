"""Published checkpoints, whole: the accuracies their authors measured, and torchvision's logits from the same file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torchvision

from resnets.data.open import open_data
from resnets.evaluation.evaluate import evaluate
from resnets.weights.load import load

ACCURACY = {
    "resnet20-12fca82f": 91.73, "resnet32-d509ac18": 92.63, "resnet44-014dd654": 93.10, "resnet56-4bfd9763": 93.39,
}  # fmt: skip
"""Top-1 on CIFAR-10's test set, in percent, as their repository states and as it was measured again."""


@pytest.mark.parametrize("name", ACCURACY)
def test_the_cifar_nets_have_their_published_accuracy(shared_data: Path, cifar10_folder: Path, name: str) -> None:
    model = load(shared_data / "weights-cifar10-akamaster" / f"{name}.th")
    report = evaluate(model, open_data(str(cifar10_folder)), batch_size=500)
    assert report.pictures == 10_000
    assert report.top1 * 100 == pytest.approx(ACCURACY[name], abs=0.02)


@pytest.mark.parametrize("name", ["resnet50_pqf.safetensors", "resnet18_pqf.pth.tar"])
def test_the_imagenet_nets_give_torchvisions_logits(imagenet_weights: Path, shared_data: Path, name: str) -> None:
    from safetensors.torch import load_file

    from resnets.data.decoding.decode import decode
    from resnets.data.decoding.transform import fit
    from resnets.net.normalise import normalise

    path = imagenet_weights / name
    if path.suffix == ".safetensors":
        state = load_file(path)
    else:
        saved = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
        state = {key.removeprefix("module."): tensor for key, tensor in saved.items()}
    theirs = torchvision.models.get_model(name.partition("_")[0], weights=None).eval()
    theirs.load_state_dict(state, strict=True)
    model = load(path)
    pictures = sorted((shared_data / "imagenet-sample").glob("*.JPEG"))[::25]
    assert len(pictures) == 8
    arrays = [
        torch.from_numpy(fit(decode(picture, model.card.preprocess), model.card.preprocess)) for picture in pictures
    ]
    batch = normalise(torch.stack(arrays), model.card.preprocess)
    with torch.no_grad():
        torch.testing.assert_close(model.network(batch), theirs(batch), rtol=1e-5, atol=1e-5)
        right = sum(
            int(answer) == label
            for answer, label in zip(model.network(batch).argmax(1), _labels(shared_data, pictures), strict=True)
        )
    assert right >= 5


def _labels(shared_data: Path, pictures: list[Path]) -> list[int]:
    import csv

    with (shared_data / "imagenet-sample" / "labels.csv").open(encoding="utf-8") as file:
        index = {row["path"]: int(row["index"]) for row in csv.DictReader(file)}
    return [index[picture.name] for picture in pictures]
