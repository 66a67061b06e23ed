"""Tokens: the changing parts of a tensor's name, such as the `{stage+1}` of "layer{stage+1}.{block}.conv{n}"."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

Place = dict[str, int]
"""Where a layer stands: `stage` and `block` from 0, `n` from 1."""

Blocks = tuple[int, ...]
"""Blocks in each stage, by which some codebases choose how to count them."""


@dataclass(frozen=True, slots=True)
class Token:
    """How one number of a place is written: `encode(number, place, blocks)` and back from what `pattern` matches."""

    variable: str
    pattern: str
    decode: Callable[[str], int]
    encode: Callable[[int, Place, Blocks], str]


def _counted(variable: str, first: int) -> Token:
    return Token(
        variable, r"\d{1,4}", lambda text: int(text) - first, lambda number, place, blocks: str(number + first)
    )


def _caffe(block: int, place: Place, blocks: Blocks) -> str:
    """`a b c d e f`, but `a b1 b2 ...` in the longer stages of the nets that have one beyond six blocks."""
    numbered = max(blocks) > 6 and blocks[place["stage"]] > 3
    return f"b{block}" if numbered and block else chr(ord("a") + block)


TOKENS: Mapping[str, Token] = MappingProxyType(
    {
        "stage": _counted("stage", 0),
        "stage+1": _counted("stage", 1),
        "stage+2": _counted("stage", 2),
        "block": _counted("block", 0),
        "block+1": _counted("block", 1),
        "n": Token("n", "[1-9]", int, lambda n, place, blocks: str(n)),
        "n-1": _counted("n", -1),
        "3(n-1)": Token("n", r"[036]", lambda text: int(text) // 3 + 1, lambda n, place, blocks: str(3 * (n - 1))),
        "3n-2": Token("n", r"[147]", lambda text: (int(text) + 2) // 3, lambda n, place, blocks: str(3 * n - 2)),
        "abc": Token("n", "[abc]", lambda text: ord(text) - 96, lambda n, place, blocks: chr(96 + n)),
        # Matterport's chr(97 + block) runs past "z" in the 36 blocks of a 152-layer network.
        "letter": Token("block", r"[a-\x84]", lambda text: ord(text) - 97, lambda b, place, blocks: chr(97 + b)),
        "caffe": Token("block", r"[a-z]|b\d{1,3}", lambda text: int(text[1:] or ord(text) - 97), _caffe),
    }
)  # fmt: skip

_TOKEN = re.compile(r"\{([^}]+)\}")


def write(template: str, place: Place, blocks: Blocks) -> str:
    """Return a template with its tokens filled in.

    >>> write("layer{stage+1}.{block}.conv{n}", {"stage": 1, "block": 0, "n": 2}, (3, 4, 6, 3))
    'layer2.0.conv2'
    """

    def fill(found: re.Match[str]) -> str:
        token = TOKENS[found[1]]
        return token.encode(place[token.variable], place, blocks)

    return _TOKEN.sub(fill, template)


def read(template: str, text: str) -> Place | None:
    """Return the place that a text names, or None where it does not follow the template.

    >>> read("res{stage+2}{caffe}_branch2{abc}", "res4b22_branch2a")
    {'stage': 2, 'block': 22, 'n': 1}
    """
    pattern, tokens = _pattern(template)
    found = pattern.fullmatch(text)
    if not found:
        return None
    place: Place = {}
    for token, piece in zip(tokens, found.groups(), strict=True):
        number = token.decode(piece)
        if number < 0 or place.setdefault(token.variable, number) != number:
            return None
    return place


@lru_cache(maxsize=1024)
def _pattern(template: str) -> tuple[re.Pattern[str], tuple[Token, ...]]:
    pieces = _TOKEN.split(template)  # text, token, text, token, ..., text
    tokens = tuple(TOKENS[name] for name in pieces[1::2])
    pattern = "".join(
        f"({TOKENS[piece].pattern})" if index % 2 else re.escape(piece) for index, piece in enumerate(pieces)
    )
    return re.compile(pattern), tokens
