"""WebDataset's shards: what its own writer has written, and what its own reader reads, is what we read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import webdataset
from webdataset import tariterators

from resnets.data.open import open_data
from resnets.data.sources.members import MemberSource

COUNT, SHARDS = 30, 3


@pytest.fixture(params=["cls", "json", "txt"])
def shards(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Three shards of noise, a tenth of each in ten classes."""
    noise = np.random.default_rng(0).integers(0, 256, (SHARDS * COUNT, 8, 9, 3), dtype=np.uint8)
    pattern = str(tmp_path / "noise-%03d.tar")
    with webdataset.ShardWriter(pattern, maxcount=COUNT, verbose=0) as writer:
        for n, pixels in enumerate(noise):
            label = {"cls": n % 10, "json": {"label": n % 10, "note": "x"}, "txt": str(n % 10)}[request.param]
            writer.write({"__key__": f"some.folder/{n:05}", "png": pixels, "extra.pyd": [n], request.param: label})
    return tmp_path


def theirs(shards: Path) -> dict[str, tuple[int, bytes]]:
    """Key -> label and picture, by webdataset's own reading and grouping of members."""
    found = {}
    for path in sorted(shards.glob("*.tar")):
        with path.open("rb") as stream:
            opened = [{"url": str(path), "stream": stream}]
            for sample in tariterators.group_by_keys(tariterators.tar_file_expander(opened)):
                facts = (
                    json.loads(sample["json"])["label"] if "json" in sample else sample.get("cls", sample.get("txt"))
                )
                found[sample["__key__"]] = (int(facts), sample["png"])
    return found


def test_shards_that_webdataset_wrote_hold_what_it_reads(shards: Path) -> None:
    expected = theirs(shards)
    assert len(expected) == SHARDS * COUNT
    for data in (shards, f"{shards}/noise-{{000..002}}.tar"):
        read = open_data(data)
        ours = {}
        for source in (read.train, read.test):
            assert isinstance(source, MemberSource)
            for index, name in enumerate(source.names):
                ours[name.removesuffix(".png")] = (int(source.labels[index]), source.raw(index))
                assert source.image(index).size == (9, 8)
        assert ours == expected
        assert read.classes == tuple(map(str, range(10)))
