"""What a page consists of, as a browser takes it apart, and a text that no page may take for markup."""

from __future__ import annotations

import html.parser

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\0\ud800\u202egpj.exe{{ 7 * 7 }}"
VOID = ("meta", "img")


class Seen(html.parser.HTMLParser):
    """Its tags in order, its attributes, and the elements that were left open."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
