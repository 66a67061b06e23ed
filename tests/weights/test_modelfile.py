"""The model file: the same bytes for the same model, read back strictly, and nothing else taken for one."""

from __future__ import annotations

import json
import os
import pickle
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from resnets.net.network import ResNet
from resnets.spec.card import CARD_KEY, Card
from resnets.spec.variants import VARIANTS, architecture
from resnets.weights.appearance import SIGNATURES, appearance
from resnets.weights.modelfile import Model, load, read_card, save
from tests import tiny

PICTURES = torch.linspace(-2, 2, 5 * 3 * 8 * 8).reshape(5, 3, 8, 8)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save(tiny.model(), tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def header(data: bytes) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return read


def with_header(data: bytes, facts: dict[str, Any]) -> bytes:
    text = json.dumps(facts).encode()
    return len(text).to_bytes(8, "little") + text + data[8 + int.from_bytes(data[:8], "little") :]


def with_tensors(path: Path, tensors: dict[str, torch.Tensor]) -> Path:
    """The file with the same card and other tensors."""
    from safetensors.torch import save as to_bytes

    metadata = header(path.read_bytes())["__metadata__"]
    path.write_bytes(to_bytes(tensors, metadata=metadata))
    return path


def tensors(path: Path) -> dict[str, torch.Tensor]:
    return dict(load(path).network.state_dict())


# Equal models, equal files.


def test_two_independent_saves_of_equal_models_are_equal_bytes(tmp_path: Path) -> None:
    save(tiny.model(seed=1), tmp_path / "a")
    save(tiny.model(seed=1), tmp_path / "b")
    save(tiny.model(seed=2), tmp_path / "c")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a").read_bytes() != (tmp_path / "c").read_bytes()


def test_neither_memory_order_nor_training_mode_changes_the_bytes(path: Path, tmp_path: Path) -> None:
    made = tiny.model()
    made.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, unused-ignore]
    made.network.train()
    save(made, tmp_path / "other")
    assert (tmp_path / "other").read_bytes() == path.read_bytes()


def test_a_loaded_model_saves_as_the_file_it_came_from(path: Path, tmp_path: Path) -> None:
    save(load(path), tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_a_model_file_names_no_place_and_no_time(path: Path) -> None:
    data = path.read_bytes()
    assert list(header(data)["__metadata__"]) == [CARD_KEY]
    for word in (str(path.parent), os.getcwd(), time.strftime("%Y-%m-%d")):
        assert word.encode() not in data


# What is read back.


def test_a_loaded_model_gives_the_same_logits_and_has_the_same_card(path: Path) -> None:
    made, read = tiny.model(), load(path)
    assert read.card == made.card
    assert not read.network.training
    with torch.no_grad():
        assert torch.equal(read.network(PICTURES), made.network(PICTURES))


@pytest.mark.parametrize(
    "differences",
    [
        {"order": "pre", "shortcut": "projection"},
        {"block": "bottleneck", "shortcut": "pooled_projection", "se_reduction": 4},
        {"shortcut": "none", "conv_bias": ("stem", "inner", "last")},
        {"head": "mlp", "head_width": 8},
    ],
    ids=lambda differences: "-".join(map(str, differences)),
)
def test_every_kind_of_network_gives_the_same_logits_again(differences: dict[str, Any], tmp_path: Path) -> None:
    made = tiny.model(**differences)
    save(made, tmp_path / "m")
    with torch.no_grad():
        assert torch.equal(load(tmp_path / "m").network(PICTURES), made.network(PICTURES))


def test_a_network_without_a_head_is_a_model_too(tmp_path: Path) -> None:
    headless = tiny.network(head="none")
    card = replace(tiny.model().card, architecture=headless.architecture, classes=())
    save(Model(headless, card), tmp_path / "m")
    assert "head.linear.weight" not in tensors(tmp_path / "m")


def test_a_loaded_network_can_learn_and_its_file_stays_as_it_is(path: Path) -> None:
    before = path.read_bytes()
    network = load(path).network
    assert all(parameter.requires_grad for parameter in network.parameters())
    with torch.no_grad():
        for tensor in network.state_dict().values():
            tensor.add_(1)
    assert path.read_bytes() == before
    assert not torch.equal(load(path).network.head.linear.bias, network.head.linear.bias)  # type: ignore[union-attr]


def test_the_card_is_read_without_the_weights(path: Path) -> None:
    assert read_card(path) == tiny.model().card


def test_a_network_and_a_card_of_another_are_no_model() -> None:
    with pytest.raises(ValueError, match="describe different architectures"):
        Model(tiny.network(stem_width=2), tiny.model().card)


def test_a_failed_save_leaves_the_model_that_was_there(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save(tiny.model(seed=7), path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


# Strictness: the tensors are exactly those that the card describes.


def test_missing_tensors_are_named(path: Path) -> None:
    kept = {name: tensor for name, tensor in tensors(path).items() if name != "head.linear.bias"}
    with pytest.raises(ValueError, match=r"not those its card describes: 1 missing \(head\.linear\.bias\)$"):
        load(with_tensors(path, kept))


def test_extra_tensors_are_named(path: Path) -> None:
    with pytest.raises(ValueError, match=r": 1 unexpected \(stages\.9\.weight\)$"):
        load(with_tensors(path, tensors(path) | {"stages.9.weight": torch.zeros(3)}))


def test_tensors_of_another_shape_are_named(path: Path) -> None:
    with pytest.raises(ValueError, match=r": 1 of another shape or type \(head\.linear\.bias\)$"):
        load(with_tensors(path, tensors(path) | {"head.linear.bias": torch.zeros(4)}))


@pytest.mark.parametrize("dtype", [torch.int64, torch.float16, torch.bfloat16, torch.float64])
def test_tensors_of_another_type_are_named(path: Path, dtype: torch.dtype) -> None:
    with pytest.raises(ValueError, match=r": 1 of another shape or type \(head\.linear\.bias\)$"):
        load(with_tensors(path, tensors(path) | {"head.linear.bias": torch.zeros(3, dtype=dtype)}))


def test_every_kind_of_difference_is_told_at_once_and_the_rest_is_counted(path: Path) -> None:
    renamed = {f"module.{name}": tensor for name, tensor in tensors(path).items()}
    renamed["head.linear.bias"] = torch.zeros(9)
    count = len(renamed)
    sentence = rf"{count - 2} missing \(.*, \.\.\.\); {count - 1} unexpected \(.*, \.\.\.\); 1 of another shape or type"
    with pytest.raises(ValueError, match=sentence):
        load(with_tensors(path, renamed))


def test_the_weights_of_another_network_are_refused(path: Path) -> None:
    with pytest.raises(ValueError, match="not those its card describes"):
        load(with_tensors(path, dict(tiny.network(stem_width=2).state_dict())))


# What is no model says what it looks like.


def zip_archive() -> bytes:
    import io
    import zipfile

    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}.")
    return target.getvalue()


def encoded(format: str) -> bytes:
    import io

    target = io.BytesIO()
    Image.new("RGB", (4, 4)).save(target, format)
    return target.getvalue()


STRANGERS: dict[str, tuple[Callable[[], bytes], str]] = {
    "an empty file": (lambda: b"", "an empty file"),
    "checkpoint.pth": (zip_archive, r"a zip archive, such as a PyTorch \.pt or \.pth checkpoint"),
    "weights.h5": (lambda: b"\x89HDF\r\n\x1a\n" + bytes(100), "an HDF5 file, such as Keras weights"),
    **{
        f"pickle{protocol}.pkl": (lambda protocol=protocol: pickle.dumps({"a": [1]}, protocol), "a pickle")
        for protocol in (2, 3, 4, 5)
    },
    "a.npy": (lambda: b"\x93NUMPY\x01\x00" + bytes(100), "a NumPy array"),
    "a.png": (lambda: encoded("PNG"), "a PNG picture"),
    "a.jpg": (lambda: encoded("JPEG"), "a JPEG picture"),
    "a.webp": (lambda: encoded("WEBP"), "a WebP picture"),
    "a.gif": (lambda: encoded("GIF"), "a GIF picture"),
    "train-images-idx3-ubyte": (lambda: b"\0\0\x08\x03" + bytes(100), "an MNIST-style idx file"),
    "train-images-idx3-ubyte.gz": (lambda: b"\x1f\x8b\x08" + bytes(100), "a gzip archive"),
    "a.txt": (lambda: b"the weights are on the other disk", "a text"),
    "one letter": (lambda: b"a", "a text"),
    "config.json": (lambda: b'{"name":{"class_name": "Functional"}}', "a text in JSON"),
    "page.html": (lambda: b"<html>404: Not Found</html>", "a text in XML or HTML"),
    "noise": (lambda: bytes(range(200, 256)), "an unknown kind of file"),
}


@pytest.mark.parametrize("name", STRANGERS)
def test_what_is_no_model_says_what_it_looks_like(name: str, tmp_path: Path) -> None:
    content, looks = STRANGERS[name]
    (tmp_path / name).write_bytes(content())
    for read in (load, read_card):
        with pytest.raises(ValueError, match=rf"{name} is no resnets model; it looks like {looks}"):
            read(tmp_path / name)


def test_no_pickle_is_executed(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (os.mkdir, (str(tmp_path / "sprung"),))

    (tmp_path / "model.safetensors").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ValueError, match="a pickle"):
        load(tmp_path / "model.safetensors")
    assert not (tmp_path / "sprung").exists()


def test_a_folder_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"is a folder, not a model file; .* model\.safetensors"):
        load(tmp_path)


def test_an_absent_file_says_how_one_is_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no file .*absent; `resnets train DATA --out DIR` writes"):
        load(tmp_path / "absent")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="pipe is no regular file"):
        load(tmp_path / "pipe")


def test_a_safetensors_file_without_a_card_says_what_it_holds(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"conv1.weight": torch.zeros(1), "fc.bias": torch.zeros(1)}, tmp_path / "hub.safetensors")
    sentence = (
        r"is a safetensors file of 2 tensors \(conv1\.weight, fc\.bias, \.\.\.\) but no resnets model: .* no card"
    )
    with pytest.raises(ValueError, match=sentence):
        load(tmp_path / "hub.safetensors")


@pytest.mark.parametrize("metadata", [None, {}, {"format": "pt"}, {CARD_KEY: ""}, {CARD_KEY: "[" * 100_000}])
def test_metadata_that_is_no_card_is_refused(path: Path, metadata: dict[str, str] | None) -> None:
    data = path.read_bytes()
    path.write_bytes(with_header(data, header(data) | {"__metadata__": metadata}))
    with pytest.raises(ValueError, match=r"carries no card|is no model that can be trusted"):
        load(path)


@pytest.mark.parametrize("length", [2, 3, 4, 5, 0x08, 0x0280, 0x0480, 0x3C, 0x7B, 4096])
def test_a_cut_off_safetensors_file_is_never_taken_for_another_kind(length: int, tmp_path: Path) -> None:
    """The first bytes of a safetensors file are a length, and may be the signature of something else."""
    (tmp_path / "cut").write_bytes(length.to_bytes(8, "little") + b'{"')
    assert appearance(tmp_path / "cut") == "a damaged or cut-off safetensors file"


def test_no_signature_hides_a_later_one() -> None:
    starts = [signature for signature, _ in SIGNATURES]
    assert [later for i, later in enumerate(starts) if any(later.startswith(early) for early in starts[:i])] == []


# Damage.


def test_a_file_cut_off_anywhere_is_refused(path: Path) -> None:
    data = path.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    offsets = {*range(12), end - 1, end, end + 1, len(data) - 1, *np.linspace(12, len(data) - 1, 150).astype(int)}
    for offset in offsets:
        path.write_bytes(data[:offset])
        with pytest.raises(ValueError, match="no resnets model; it looks like"):
            load(path)
    path.write_bytes(data + b"\0")
    with pytest.raises(ValueError, match="no resnets model; it looks like"):
        load(path)


def test_a_damaged_header_is_refused_or_means_the_same(path: Path) -> None:
    """Single bytes, swaps and cuts, seeded: only a refusal may come out, or a model that a file can hold."""
    data = path.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    chance = np.random.default_rng(20151210)
    refused = 0
    for _ in range(600):
        damaged = bytearray(data)
        for place in chance.integers(0, end, chance.integers(1, 4)):
            damaged[place] = chance.choice([chance.integers(256), ord("0"), ord("9"), ord("{"), ord(","), ord("e")])
        path.write_bytes(damaged)
        try:
            read = load(path)
        except (ValueError, OSError):
            refused += 1
            continue
        # Some facts do not show in the tensors, such as a name: what was read is whole all the same.
        assert Card.from_json(read.card.to_json()) == read.card
        assert {name: tuple(t.shape) for name, t in read.network.state_dict().items()} == read.network.plan.tensors()
    assert refused > 300


def test_a_header_that_claims_more_blocks_than_it_has_tensors_is_refused_before_a_plan_is_made(path: Path) -> None:
    data = path.read_bytes()
    facts = header(data)
    card = json.loads(facts["__metadata__"][CARD_KEY])
    card["architecture"]["blocks"] = [9_999, 1]
    facts["__metadata__"][CARD_KEY] = json.dumps(card)
    path.write_bytes(with_header(data, facts))
    with pytest.raises(ValueError, match="speaks of 10000 blocks, for "):
        load(path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("widths", [4, 10**30]),
        ("num_classes", 10**18),
        ("head_width", 10**18),
        ("in_channels", 3 * 10**9),
        ("name", {}),
    ],
)
def test_a_header_that_claims_absurd_numbers_is_refused_without_memory(path: Path, field: str, value: Any) -> None:
    data = path.read_bytes()
    facts = header(data)
    card = json.loads(facts["__metadata__"][CARD_KEY])
    card["architecture"][field] = value
    if field == "head_width":
        card["architecture"]["head"] = "mlp"
    facts["__metadata__"][CARD_KEY] = json.dumps(card)
    path.write_bytes(with_header(data, facts))
    with pytest.raises(ValueError, match=r"trusted|not those its card describes"):
        load(path)


def test_every_row_of_the_table_can_be_kept_in_a_file() -> None:
    """`load` tells the type of a tensor by its name; here each network says what its tensors are."""
    for name in VARIANTS:
        if name == "resnet1202_cifar":
            continue  # 1,202 layers of the same three kinds as resnet20_cifar
        with torch.device("meta"):
            network = ResNet(architecture(name))
        for key, tensor in network.state_dict().items():
            wanted = torch.int64 if key.endswith("num_batches_tracked") else torch.float32
            assert tensor.dtype == wanted, f"{name}: {key}"
