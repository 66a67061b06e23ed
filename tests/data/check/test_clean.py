"""Collections of real photographs without faults: nothing is cried over."""

from __future__ import annotations

from pathlib import Path

import pytest

from resnets.data.check.check import check


@pytest.mark.parametrize("part", ["trashnet", "imagenet-sample", "photos-cc0-skimage"])
def test_clean_collections_have_no_copies(part: str, shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / part
    if part != "trashnet":
        (tmp_path / "mixed/one").mkdir(parents=True)
        (tmp_path / "mixed/two").mkdir()
        for number, path in enumerate(sorted(source.iterdir())):
            (tmp_path / "mixed" / ("one" if number % 2 else "two") / path.name).symlink_to(path)
        source = tmp_path / "mixed"
    checked = check(source, workers=2)
    expected = {"trashnet": [], "imagenet-sample": [], "photos-cc0-skimage": ["alpha"]}[part]
    of_files = [finding.rule for finding in checked.findings if finding.rule != "not-a-picture"]
    assert of_files == expected
