"""A page that says which test shows a thing names a test that exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CITATION = re.compile(r"`(tests/[\w/]+\.py)`:\s+`(test_\w+)`")
PAGES = [page for page in sorted((ROOT / "docs").rglob("*.md")) if CITATION.search(page.read_text("utf-8"))]


def test_the_notes_page_cites_tests() -> None:
    assert ROOT / "docs" / "notes.md" in PAGES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_test_that_a_page_cites_exists(page: Path) -> None:
    for file, name in CITATION.findall(page.read_text("utf-8")):
        assert f"def {name}(" in (ROOT / file).read_text("utf-8"), f"{page.name} cites {file}: {name}"
