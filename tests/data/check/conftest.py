"""A folder of real photographs without a fault, to plant faults in, and a cache of its own for every test."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from resnets.data.check.check import Checked, check

CLASSES = ("cardboard", "glass", "metal", "paper")
OF_TRAIN, OF_TEST = 6, 3


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this test's cache is; the user's is not touched."""
    monkeypatch.delenv("RESNETS_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "resnets" / "check.sqlite"


@pytest.fixture(scope="session")
def clean_photos(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs of rubbish in train/ and test/, at half their size so that a test is fast; none has a fault."""
    root = tmp_path_factory.mktemp("clean") / "photos"
    for part, given, count in (("train", "train", OF_TRAIN), ("test", "val", OF_TEST)):
        for name in CLASSES:
            (root / part / name).mkdir(parents=True)
            for source in sorted((shared_data / "trashnet" / given / name).iterdir())[:count]:
                with Image.open(source) as image:
                    image.resize((192, 256), Image.Resampling.LANCZOS).save(
                        root / part / name / source.name, quality=95
                    )
    return root


@pytest.fixture
def photos(clean_photos: Path, tmp_path: Path) -> Path:
    """A copy of the photographs without a fault, to plant some in."""
    return Path(shutil.copytree(clean_photos, tmp_path / "photos"))


@pytest.fixture
def found(photos: Path) -> Callable[[], list[tuple[str, ...]]]:
    """What a check of the photographs finds: rule, then the names below the folder, all sorted."""

    def run() -> list[tuple[str, ...]]:
        return listed(check(photos, workers=2))

    return run


def listed(checked: Checked) -> list[tuple[str, ...]]:
    """Return each finding as its rule and the names of its pictures and places, sorted."""
    root = Path(checked.pictures.name(0)).parents[2]
    rows = []
    for finding in checked.findings:
        names = [Path(checked.pictures.name(number)).relative_to(root).as_posix() for number in finding.pictures]
        rows.append((finding.rule, *sorted(names), *finding.places))
    return sorted(rows)


def copy(source: Path, target: Path) -> None:
    """Copy a file as it is."""
    shutil.copyfile(source, target)
