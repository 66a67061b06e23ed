"""The catalogue, held against the installed torchvision, timm's own results, and our table of networks."""

from __future__ import annotations

import csv
import re
from math import floor
from pathlib import Path
from typing import Any

import pytest

from resnets.spec.count import parameters
from resnets.spec.resolve import plan
from resnets.spec.variants import VARIANTS, architecture
from resnets.weights.hub.catalogue import CATALOGUE, rows
from resnets.weights.hub.endpoint import HUBS
from resnets.weights.hub.resolve import resolve
from resnets.weights.hub.row import NON_COMMERCIAL, Row

ROWS = list(CATALOGUE.values())
TORCHVISION = [row for row in ROWS if row.hub == "torchvision"]
TIMM = [row for row in ROWS if row.dialect == "timm"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_has_a_network_a_place_a_licence_and_a_source(row: Row) -> None:
    assert row.architecture in VARIANTS
    assert architecture(row.architecture, **row.differences).num_classes == 1000
    assert row.hub in HUBS
    assert row.dialect in ("torchvision", "timm", "transformers")
    assert row.licence in {"Apache-2.0", "BSD-3-Clause"} | NON_COMMERCIAL
    assert row.source
    assert row.sha256 is None or re.fullmatch(r"[0-9a-f]{8}|[0-9a-f]{64}", row.sha256)
    assert resolve(row.name).row is row
    assert resolve(row.name).sha256 == row.sha256


def test_names_and_paths_are_unique() -> None:
    assert len({row.name for row in ROWS}) == len({(row.hub, row.path) for row in ROWS}) == len(ROWS) == 113


def published() -> dict[str, Any]:
    from torchvision.models import resnet

    enums = {name: value for name, value in vars(resnet).items() if name.endswith("_Weights")}
    return {f"torchvision:{name}.{member.name}": member for name, enum in enums.items() for member in enum}


def test_every_weight_set_of_torchvision_is_a_row() -> None:
    assert {row.name for row in TORCHVISION} == set(published())


@pytest.mark.parametrize("row", TORCHVISION, ids=lambda row: row.name)
def test_a_row_is_what_the_installed_torchvision_says(row: Row) -> None:
    weights = published()[row.name]
    assert resolve(row.name).url("https://download.pytorch.org", "") == weights.url
    assert row.sha256 is not None
    assert row.sha256[:8] == re.fullmatch(r".*-([0-9a-f]{8})\.pth", weights.url)[1]  # type: ignore[index]
    (metrics,) = weights.meta["_metrics"].values()
    (tested,) = row.tested
    assert {"acc@1": tested.top1, "acc@5": tested.top5} == metrics
    assert row.mebibytes == weights.meta["_file_size"]
    assert parameters(plan(VARIANTS[row.architecture])) == weights.meta["num_params"]
    transforms, ours = weights.transforms(), row.preprocess
    assert ([ours.resize], list(ours.size)) == (transforms.resize_size, transforms.crop_size * 2)
    assert ours.interpolation == transforms.interpolation.value
    assert (ours.antialias, ours.fit, ours.colour) == (transforms.antialias, "crop", "rgb")
    assert (list(ours.mean), list(ours.std)) == (transforms.mean, transforms.std)


@pytest.mark.parametrize("enum", sorted({row.name.partition(".")[0] for row in TORCHVISION}))
def test_the_default_is_the_one_of_torchvision(enum: str) -> None:
    from torchvision.models import resnet

    newest = getattr(resnet, enum.removeprefix("torchvision:")).DEFAULT
    assert resolve(f"{enum}.DEFAULT").reference == f"{enum}.{newest.name}"


def test_accuracies_of_timm_are_those_of_its_results(shared_data: Path) -> None:
    found: dict[str, list[tuple[int, int, str, float, float]]] = {}
    with (shared_data / "reference-results" / "timm" / "results-imagenet.csv").open() as file:
        for line in csv.DictReader(file):
            size = int(line["img_size"])
            resize = floor(size / float(line["crop_pct"]))
            facts = (size, resize, line["interpolation"], float(line["top1"]), float(line["top5"]))
            found.setdefault(line["model"], []).append(facts)
    for row in TIMM:
        ours = [
            (t.preprocess.size[0], t.preprocess.resize, t.preprocess.interpolation, t.top1, t.top5) for t in row.tested
        ]
        assert sorted(map(str, ours)) == sorted(map(str, found[row.path.removeprefix("timm/")])), row.name


def test_a_pattern_is_part_of_a_name_or_a_shell_pattern() -> None:
    assert [row.name for row in rows("/resnet50.a1_")] == ["hf:timm/resnet50.a1_in1k"]
    assert next(row.name for row in rows("*RESNET50_WEIGHTS.*1")) == "torchvision:ResNet50_Weights.IMAGENET1K_V1"
    assert {row.architecture for row in rows("seresnet50")} == {"seresnet50"}
    assert {row.dialect for row in rows("hf:microsoft/*")} == {"transformers"}
    assert rows("vgg") == ()
    assert len(rows()) == len(ROWS)


def test_what_must_not_be_sold_can_be_left_out() -> None:
    kept = rows(commercial_only=True)
    left_out = {row.name for row in ROWS} - {row.name for row in kept}
    assert left_out == {row.name for row in ROWS if "fb_" in row.name}
    assert len(left_out) == 9
