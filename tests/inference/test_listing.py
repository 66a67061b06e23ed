"""Listing: the files that are meant, in an order that is always the same, and in little memory."""

from __future__ import annotations

import io
import os
import tracemalloc
from pathlib import Path

import pytest

from resnets.inference.listing import listed, lists, pictures
from resnets.spec.preprocess import Preprocess

PREPROCESS = Preprocess(size=(8, 8))


def files(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return root


def test_a_folder_is_listed_as_sorted_paths_are(tmp_path: Path) -> None:
    names = ["c.png", "c/10.png", "c/9.png", "c/d/e.PNG", "c!/x.jpg", "B.jpeg", "a.b/z.webp", "ä ö.png", "n\nl.png"]
    files(tmp_path, *names, "notes.txt", ".h.png", ".cache/x.png", "c/.png", "noending")
    (tmp_path / "folder.png").mkdir()
    found = list(pictures(tmp_path, PREPROCESS))
    assert found == sorted(tmp_path / name for name in names)
    assert found == sorted(
        path
        for path in tmp_path.rglob("*")
        if path.suffix.lower() in {".png", ".jpg", ".jpeg", ".webp"}
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(tmp_path).parts)
    )


def test_files_and_folders_come_as_they_are_given_and_arrays_only_to_who_asked(tmp_path: Path) -> None:
    files(tmp_path, "f/a.png", "f/b.npy", "z.txt")
    given = [tmp_path / "z.txt", tmp_path / "f", tmp_path / "z.txt", tmp_path / "absent.png"]
    meant = [tmp_path / "z.txt", tmp_path / "f/a.png", tmp_path / "z.txt", tmp_path / "absent.png"]
    assert list(pictures(given, PREPROCESS)) == meant
    bands = Preprocess(size=(8, 8), formats=("NPY",))
    assert list(pictures(tmp_path / "f", bands)) == [tmp_path / "f/a.png", tmp_path / "f/b.npy"]


def test_links_to_files_are_pictures_and_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    files(tmp_path, "f/a.png")
    (tmp_path / "f" / "b.png").symlink_to(tmp_path / "f" / "a.png")
    (tmp_path / "f" / "loop").symlink_to(tmp_path / "f")
    assert [path.name for path in pictures(tmp_path / "f", PREPROCESS)] == ["a.png", "b.png"]


def test_a_folder_that_cannot_be_listed_is_not_left_out_silently(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files(tmp_path, "a.png", "shut/b.png", "z.png")
    scandir = os.scandir

    def shut(folder: str) -> object:
        if folder.endswith("shut"):
            raise PermissionError(13, "Permission denied", folder)
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", shut)
    assert [path.name for path in pictures(tmp_path, PREPROCESS)] == ["a.png", "shut", "z.png"]


def test_the_names_of_a_large_folder_take_little_memory(tmp_path: Path) -> None:
    count = 3000
    (tmp_path / "0.png").write_bytes(b"")
    for number in range(1, count):
        os.link(tmp_path / "0.png", tmp_path / f"{number:012}.png")
    tracemalloc.start()
    try:
        assert sum(1 for _ in pictures(tmp_path, PREPROCESS)) == count
        assert tracemalloc.get_traced_memory()[1] < 300 * count
    finally:
        tracemalloc.stop()


LISTS = {
    b"a.png\nb c.png\n": ["a.png", "b c.png"],
    b"a.png\r\n\r\nb.png": ["a.png", "b.png"],
    b"\xef\xbb\xbfa.png\n": ["a.png"],
    b" a.png \n": [" a.png "],
    b"@b\n-\n": ["@b", "-"],
    "\u72d0.png\n".encode(): ["\u72d0.png"],
    b"\xff.png\n": [os.fsdecode(b"\xff.png")],
    b"": [],
}


@pytest.mark.parametrize("text", LISTS, ids=repr)
def test_a_list_has_a_path_on_each_line(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(text)
    words = ["x.png", f"@{tmp_path / 'list'}", "-"]
    assert list(listed(words, io.BytesIO(text))) == ["x.png", *LISTS[text], *LISTS[text]]
    assert lists(words) == [str(tmp_path / "list")]


@pytest.mark.parametrize("text", [b"a.png\0b.png\0", b"a.png\n" + b"x" * (1 << 17)], ids=["zeros", "endless"])
def test_what_is_no_list_is_refused(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(text)
    with pytest.raises(ValueError, match="is no path; a list has a path on each line"):
        list(listed([f"@{tmp_path / 'list'}"]))


def test_a_list_that_is_not_there_is_refused_with_a_way_out(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"cannot be read .* whose own name begins with @ is \./@"):
        list(listed(["@absent.txt"]))
    with pytest.raises(ValueError, match="cannot be read"):
        list(listed([f"@{tmp_path}"]))


def test_a_list_is_read_as_it_is_needed(tmp_path: Path) -> None:
    class Endless(io.RawIOBase):
        def readline(self, size: int | None = -1, /) -> bytes:
            return b"a.png\n"

    lines = listed(["-"], Endless())  # type: ignore[arg-type]
    assert [next(lines) for _ in range(3)] == ["a.png"] * 3
