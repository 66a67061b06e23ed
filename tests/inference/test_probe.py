"""Probing: networks whose truth is known, saved under names that do not say it or say another, are found out."""

from __future__ import annotations

import itertools
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from resnets.data.open import open_data
from resnets.inference import evidence, probe_text
from resnets.inference import probe as probing
from resnets.inference.hypotheses import DOUBTS, alike, builds, coloured, conventions
from resnets.inference.probe import MOST_SMALL_PICTURES, Probe, probe
from resnets.net.layers import BatchNorm
from resnets.net.network import ResNet, build
from resnets.net.normalise import normalise
from resnets.spec.architecture import CHOICES
from resnets.spec.preprocess import IMAGENET, Preprocess
from resnets.weights import modelfile
from resnets.weights.dialects.dialect import names
from resnets.weights.dialects.preprocessing import PREPROCESSES
from resnets.weights.dialects.registry import DIALECTS
from resnets.weights.identify import identify
from resnets.weights.load import load
from tests import tiny

BOTTLENECKS: dict[str, Any] = {"blocks": (1, 2, 1), "stem_width": 8, "widths": (8, 16, 32), "num_classes": 7}
CIFAR: dict[str, Any] = {"blocks": (1, 1, 1), "stem_width": 8, "widths": (8, 16, 32)}
BGR = replace(IMAGENET, colour="bgr", mean=IMAGENET.mean[::-1], std=IMAGENET.std[::-1])


def photograph(chance: np.random.Generator, side: int) -> Image.Image:
    """Something with the traits that a probe lives on: soft shapes, detail, and colours of unequal means."""
    cells = max(6, side // 8)
    shared, own = chance.normal(size=(1, cells, cells)), chance.normal(size=(3, cells, cells))
    planes = (0.8 * shared + 0.4 * own) * np.array([64, 58, 52])[:, None, None] + np.array([128, 116, 98])[
        :, None, None
    ]
    small = Image.fromarray(planes.clip(0, 255).astype(np.uint8).transpose(1, 2, 0))
    soft = np.asarray(small.resize((side, side), Image.Resampling.BICUBIC)).astype(float)
    return Image.fromarray((soft + 15 * chance.normal(size=(side, side, 1))).clip(0, 255).astype(np.uint8))


class World:
    """Pictures of one kind: some that networks remember, and a folder of others."""

    def __init__(self, folder: Path, side: int, remembered: int, shown: int, preprocess: Preprocess) -> None:
        chance = np.random.default_rng(0)
        self.folder = folder
        for number in range(shown):
            photograph(chance, side).save(folder / f"{number}.png")
        self.pixels = evidence.see([photograph(chance, side) for _ in range(remembered)], preprocess, "training")

    def remember(self, network: ResNet, preprocess: Preprocess) -> ResNet:
        """Give a network the statistics of these pictures, as training would have, and norms that do something."""
        torch.manual_seed(0)
        for norm in (module for module in network.modules() if isinstance(module, BatchNorm)):
            torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
            torch.nn.init.normal_(norm.bias, 0, 0.3)
            norm.momentum = None  # the plain mean over all batches
        network.train()
        with torch.no_grad():
            for part in torch.split(self.pixels, 64):
                network(normalise(part, preprocess))
        return network.eval()


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("photographs"), 112, remembered=256, shown=24, preprocess=IMAGENET)


@pytest.fixture(scope="module")
def thumbnails(tmp_path_factory: pytest.TempPathFactory) -> World:
    preprocess = PREPROCESSES["cifar10"].preprocess
    return World(tmp_path_factory.mktemp("thumbnails"), 32, remembered=512, shown=64, preprocess=preprocess)


def written(network: ResNet, dialect: str, path: Path) -> Path:
    """Write a network under the names of a dialect, whether or not that dialect has such networks."""
    state = network.state_dict()
    theirs = names(DIALECTS[dialect], network.plan)
    save_file({key: state[name].contiguous() for name, key in theirs.items()}, path)
    return path


def verdicts(found: Probe) -> dict[str, bool]:
    return {verdict.fact: verdict.settled for verdict in found.verdicts}


@pytest.mark.parametrize(
    ("stride_on", "convention", "preprocess"),
    [
        ("1x1", "caffe", coloured(IMAGENET, PREPROCESSES["caffe"].preprocess)),
        ("3x3", "imagenet", IMAGENET),
        pytest.param("1x1", "imagenet-bgr", BGR, marks=pytest.mark.slow),
    ],
)
def test_names_that_imply_another_stride_and_other_colours_are_found_out(
    stride_on: str, convention: str, preprocess: Preprocess, photographs: World, tmp_path: Path
) -> None:
    network = photographs.remember(build("resnet50", seed=1, stride_on=stride_on, **BOTTLENECKS), preprocess)
    path = written(network, "torchvision", tmp_path / "a.safetensors")
    found = probe(path, [photographs.folder])
    assert found.measure == "statistics"
    assert (found.rows[0].facts["stride_on"], found.rows[0].facts["preprocess"]) == (stride_on, convention)
    assert found.decided
    assert verdicts(found)["stride_on"] and verdicts(found)["preprocess"] and verdicts(found)["colour"]
    expected = {"stride_on": "1x1"} if stride_on == "1x1" else {}
    told = dict(found.told)
    if convention != "imagenet":
        stated = told.pop("preprocess")
        made = PREPROCESSES[stated].preprocess if isinstance(stated, str) else stated
        assert alike(made, preprocess) and made.size == (224, 224)
    assert told == expected
    model = load(path, told=found.told)
    assert model.card.architecture.stride_on == stride_on
    assert alike(model.card.preprocess, preprocess)


@pytest.mark.parametrize(
    ("facts", "convention", "decided"),
    [
        ({"shortcut": "zero_pad", "zero_pad_side": "both"}, "cifar-imagenet", True),
        ({"shortcut": "zero_pad", "zero_pad_side": "after"}, "cifar10", True),
        # Its numbers are within a hundredth of CIFAR-10's: 64 pictures rank the two rightly, and are not sure.
        ({"shortcut": "none"}, "cifar100", False),
    ],
)
def test_unknown_facts_of_a_cifar_network_are_found(
    facts: dict[str, Any], convention: str, decided: bool, thumbnails: World, tmp_path: Path
) -> None:
    preprocess = PREPROCESSES[convention].preprocess
    network = thumbnails.remember(build("resnet20_cifar", seed=2, **CIFAR | facts), preprocess)
    path = written(network, "cifar", tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match="does not say"):
        load(path)
    found = probe(path, [thumbnails.folder])
    assert found.decided == decided
    assert found.told == {**facts, "preprocess": convention}
    model = load(path, told=found.told)
    assert torch.equal(model.network.state_dict()["stem.conv1.weight"], network.state_dict()["stem.conv1.weight"])
    assert model.card.architecture.shortcut == facts["shortcut"]
    x = normalise(thumbnails.pixels[:4], preprocess)
    with torch.no_grad():
        assert torch.equal(model.network(x), network(x))


@pytest.fixture(scope="module")
def cifar_file(thumbnails: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Option A padded on both sides, fed as akamaster does; its file says neither."""
    preprocess = PREPROCESSES["cifar-imagenet"].preprocess
    network = build("resnet20_cifar", seed=0, zero_pad_side="both", **CIFAR)
    thumbnails.remember(network, preprocess)
    return written(network, "cifar", tmp_path_factory.mktemp("file") / "cifar.safetensors")


def test_what_was_told_is_not_in_question_and_is_told_on(cifar_file: Path, thumbnails: World) -> None:
    told = {"shortcut": "zero_pad", "zero_pad_side": "after", "preprocess": "cifar10", "classes": list("abcdefghij")}
    found = probe(cifar_file, [thumbnails.folder], told=told)
    assert len(found.rows) == 1
    assert {name: found.told[name] for name in ("shortcut", "zero_pad_side")} == {
        "shortcut": "zero_pad",
        "zero_pad_side": "after",
    }
    assert load(cifar_file, told=found.told).card.classes == tuple("abcdefghij")
    assert probe(identify(cifar_file, told=told), [thumbnails.folder]) == found


def test_a_probe_gives_the_same_answer_twice_and_is_plain_data(cifar_file: Path, thumbnails: World) -> None:
    first, second = (probe(cifar_file, [thumbnails.folder]) for _ in range(2))
    assert first == second
    stored = json.loads(json.dumps(first.to_dict()))
    assert stored["decided"] is True
    assert stored["told"] == {"shortcut": "zero_pad", "zero_pad_side": "both", "preprocess": "cifar-imagenet"}
    assert stored["rows"][0]["distance"] == first.rows[0].distance
    assert stored["verdicts"][0]["fact"] == "shortcut"
    text = list(probe_text.lines(first, most=2))
    assert "decided: --set shortcut=zero_pad --set zero_pad_side=both --preprocess cifar-imagenet" in text
    assert text[-1] == f"and {len(first.rows) - 2} that did worse"
    distances = [row.distance for row in first.rows if row.pictures == 64 and row.distance is not None]
    assert distances == sorted(distances)


def test_pictures_that_cannot_be_read_are_named_and_the_others_used(
    cifar_file: Path, thumbnails: World, tmp_path: Path
) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    found = probe(cifar_file, [*thumbnails.folder.iterdir(), tmp_path / "bad.png"])
    assert (found.pictures, len(found.unread)) == (64, 1)
    assert "bad.png" in found.unread[0]
    assert any("1 pictures could not be read" in line for line in probe_text.lines(found))


def test_few_pictures_decide_nothing(cifar_file: Path, thumbnails: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (probing, probe_text):
        monkeypatch.setattr(module, "LEAST_PICTURES", 65)
    found = probe(cifar_file, [thumbnails.folder])
    assert all(verdicts(found).values())
    assert not found.decided
    assert any(line.startswith("undecided: 64 pictures are too few") for line in probe_text.lines(found))
    assert not probe(cifar_file, sorted(thumbnails.folder.iterdir())[:1]).decided


def test_many_pictures_are_thinned_evenly(cifar_file: Path, thumbnails: World) -> None:
    paths = sorted(thumbnails.folder.iterdir())
    found = probe(cifar_file, list(itertools.chain.from_iterable([paths] * 5)))
    assert found.pictures == MOST_SMALL_PICTURES
    assert found.decided


def test_what_speaks_against_the_names_without_being_sure_is_not_decided(cifar_file: Path, thumbnails: World) -> None:
    found = probe(cifar_file, [thumbnails.folder])
    open_ = [replace(verdict, settled=verdict.fact != "preprocess", how="implied") for verdict in found.verdicts]
    bgr = replace(found.rows[0], against=("preprocess",))
    told = {"stride_on": "1x1", "preprocess": BGR}
    text = list(
        probe_text.lines(replace(found, rows=(bgr,), verdicts=tuple(open_), decided=False, told=told)),
    )
    assert any("likely, against its names: " in line for line in text)
    assert (
        "undecided: more pictures, in colour and of the kind it was trained on, may tell preprocess; likely: "
        "--set stride_on=1x1 preprocess=Preprocess(colour='bgr', mean=(0.406, 0.456, 0.485), "
        "std=(0.225, 0.224, 0.229), ...)"
    ) in text


def test_pictures_of_another_kind_are_remarked_upon(cifar_file: Path, tmp_path: Path) -> None:
    chance = np.random.default_rng(5)
    for number in range(16):
        Image.fromarray(chance.integers(0, 40, (32, 32, 3), dtype=np.uint8)).save(tmp_path / f"{number}.png")
    found = probe(cifar_file, [tmp_path])
    assert any(line.startswith("Even the best is far from its training") for line in probe_text.lines(found))


def folded(path: Path, to: Path, head: bool = True) -> Path:
    """The same function with norms of mean 0 and variance 1, as quantised releases have them."""
    tensors = load_file(path)
    for key in [key for key in tensors if key.endswith("running_mean")]:
        norm = key.removesuffix("running_mean")
        scale = tensors[f"{norm}weight"] / (tensors[f"{norm}running_var"] + 1e-5).sqrt()
        tensors[f"{norm}bias"] = tensors[f"{norm}bias"] - tensors[key] * scale
        tensors[f"{norm}weight"] = scale * (1 + 1e-5) ** 0.5
        tensors[key] = torch.zeros_like(scale)
        tensors[f"{norm}running_var"] = torch.ones_like(scale)
    save_file({key: value for key, value in tensors.items() if head or not key.startswith("fc.")}, to)
    return to


def test_where_norms_are_folded_the_answers_are_what_is_left_to_go_by(
    cifar_file: Path, thumbnails: World, tmp_path: Path
) -> None:
    found = probe(folded(cifar_file, tmp_path / "a.safetensors"), [thumbnails.folder])
    assert (found.measure, found.norms) == ("confidence", 0)
    assert all(row.distance is None and row.confidence is not None for row in found.rows)
    confidences = [row.confidence for row in found.rows if row.pictures == 64 and not row.tied]
    assert confidences == sorted(confidences, key=lambda c: -(c or 0))
    assert any("norms were folded" in line for line in probe_text.lines(found))


def test_without_norms_and_head_nothing_is_ranked_and_nothing_decided(
    cifar_file: Path, thumbnails: World, tmp_path: Path
) -> None:
    found = probe(folded(cifar_file, tmp_path / "a.safetensors", head=False), [thumbnails.folder])
    assert found.measure is None
    assert not found.decided
    assert not any(verdict.settled for verdict in found.verdicts)
    assert any(line.startswith("undecided: say where the file came from") for line in probe_text.lines(found))


def test_loud_input_does_not_pass_for_confidence() -> None:
    """Without norms a network answers input of 60 times the scale with 60 times the logits, and sure nonsense."""
    logits = torch.randn(5, 10, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(evidence._heights(logits), evidence._heights(60 * logits), atol=1e-5)
    assert evidence._heights(torch.zeros(2, 10)).tolist() == [0.0, 0.0]


def test_the_distance_of_a_norm_is_bhattacharyyas() -> None:
    """Against the integral it is defined by: -log of the integral of sqrt(p q)."""
    norm = BatchNorm(1, eps=1e-12)
    norm.running_mean, norm.running_var = torch.tensor([0.5]), torch.tensor([4.0])
    pixels = torch.tensor([[-1.0, 1.0, 0.0, 2.0]]).reshape(1, 1, 2, 2)  # mean 0.5, variance 1.25
    moments: list[tuple[torch.Tensor, torch.Tensor]] = []
    evidence._noting(moments)(norm, (pixels + 3,))
    got = float(evidence._distances(norm, moments, torch.ones(1, 1))[0])
    x = np.linspace(-60, 60, 400_001)
    p, q = (np.exp(-((x - m) ** 2) / 2 / v) / np.sqrt(2 * np.pi * v) for m, v in ((3.5, 1.25), (0.5, 4.0)))
    assert got == pytest.approx(-np.log(np.sum(np.sqrt(p * q)) * (x[1] - x[0])), rel=1e-4)


@pytest.mark.parametrize("doubt", DOUBTS, ids=lambda doubt: f"{doubt.fact}: {doubt.instead}")
def test_a_doubt_names_a_fact_two_of_its_values_and_a_source(doubt: Any) -> None:
    assert {doubt.implied, doubt.instead} <= set(CHOICES[doubt.fact])
    assert doubt.implied != doubt.instead
    assert doubt.source


def test_only_networks_that_differ_in_numbers_are_tried(cifar_file: Path) -> None:
    """Without shortcuts the side of their padding is nothing, so three networks remain of four."""
    tried = [dict(build.facts) for build in builds(identify(cifar_file))]
    assert tried == [
        {"shortcut": "zero_pad", "zero_pad_side": "both"},
        {"shortcut": "zero_pad", "zero_pad_side": "after"},
        {"shortcut": "none"},
    ]


def test_each_convention_is_tried_in_both_orders_and_near_ones_once(cifar_file: Path, tmp_path: Path) -> None:
    for path in (cifar_file, written(build("resnet18", seed=0), "torchvision", tmp_path / "b.safetensors")):
        tried = conventions(identify(path))
        for one, other in itertools.combinations(tried, 2):
            assert not alike(one.preprocess, other.preprocess), (one.name, other.name)
        colours = [way.preprocess.colour for way in tried]
        assert colours.count("rgb") == colours.count("bgr") == len(tried) / 2
        assert {way.preprocess.size for way in tried} == {tried[0].preprocess.size}
        assert not tried[0].against
        turned = next(way for way in tried if way.name in (f"{tried[0].name} in bgr", f"{tried[0].name}-bgr"))
        assert turned.preprocess.mean == tried[0].preprocess.mean[::-1], "each colour keeps its own mean"
    for name in ("imagenet", "caffe", "matterport", "inception", "unit"):
        assert any(alike(way.preprocess, PREPROCESSES[name].preprocess) for way in tried), name
    assert not any(way.name.startswith("cifar") for way in tried), "CIFAR's means are no photographs'"


def test_a_network_of_grey_pictures_has_no_order_of_colours(thumbnails: World, tmp_path: Path) -> None:
    path = written(build("resnet20_cifar", seed=0, in_channels=1, **CIFAR), "cifar", tmp_path / "a.safetensors")
    assert {way.preprocess.colour for way in conventions(identify(path))} == {"grey"}
    assert probe(path, sorted(thumbnails.folder.iterdir())[:8]).pictures == 8


def test_what_cannot_be_probed_is_refused_with_a_reason(cifar_file: Path, thumbnails: World, tmp_path: Path) -> None:
    modelfile.save(tiny.model(), tmp_path / "m.safetensors")
    with pytest.raises(ValueError, match="its card states every fact"):
        probe(tmp_path / "m.safetensors", [thumbnails.folder])
    with pytest.raises(ValueError, match="none of 0 could be read; give files or folders"):
        probe(cifar_file, [])
    with pytest.raises(ValueError, match=r"none of 1 could be read: .*absent\.png"):
        probe(cifar_file, [tmp_path / "absent.png"])
    with pytest.raises(ValueError, match="told and parted already"):
        probe(identify(cifar_file), [thumbnails.folder], told={"shortcut": "none"})
    with pytest.raises(FileNotFoundError):
        probe(tmp_path / "absent.safetensors", [thumbnails.folder])
    bands = written(build("resnet20_cifar", seed=0, in_channels=4, **CIFAR), "cifar", tmp_path / "b.safetensors")
    with pytest.raises(ValueError, match="takes 4 channels"):
        probe(bands, [thumbnails.folder])
    tensors = load_file(cifar_file)
    save_file({key: value for key, value in tensors.items() if "layer2.0.conv2" not in key}, tmp_path / "c.safetensors")
    with pytest.raises(ValueError, match="is missing"):
        probe(tmp_path / "c.safetensors", [thumbnails.folder])


def test_a_published_cifar_network_is_known_without_the_mark_of_its_maker(
    shared_data: Path, cifar10_folder: Path, tmp_path: Path
) -> None:
    published = next((shared_data / "weights-cifar10-akamaster").glob("resnet20-*.th"))
    assert identify(published).origin is not None
    state = load(published).network
    path = written(state, "cifar", tmp_path / "a.safetensors")
    assert identify(path).origin is None
    test = open_data(cifar10_folder).test
    assert test is not None
    for number in range(100):
        test.image(79 * number).save(tmp_path / f"{number}.png")
    found = probe(path, [tmp_path])
    assert found.decided
    assert found.told == {"shortcut": "zero_pad", "zero_pad_side": "both", "preprocess": "cifar-imagenet"}
    assert found.rows[0].facts["colour"] == "rgb"
    assert all(verdicts(found).values())


@pytest.mark.parametrize(
    ("name", "count"),
    [("resnet18_pqf.pth.tar", 12), pytest.param("resnet50_pqf.safetensors", 32, marks=pytest.mark.slow)],
)
def test_a_real_imagenet_network_with_folded_norms_is_known_by_its_confidence(
    name: str, count: int, shared_data: Path, cifar10_folder: Path, tmp_path: Path
) -> None:
    photos = sorted((shared_data / "imagenet-sample").glob("*.JPEG"))
    for photo in photos[:: len(photos) // count][:count]:
        shutil.copy(photo, tmp_path)
    told = {"pool_padding": "symmetric"}
    found = probe(cifar10_folder.parent / "weights-imagenet-NC" / name, [tmp_path], told=told)
    assert found.measure == "confidence"
    assert found.decided
    assert found.told == told
    assert verdicts(found)["colour"]
    if "stride_on" in verdicts(found):
        assert verdicts(found)["stride_on"]
