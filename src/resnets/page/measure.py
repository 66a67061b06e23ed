"""How wide words are: the advances of DejaVu Sans, the widest font a reader's machine is likely to choose."""

from __future__ import annotations

FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'Noto Sans', sans-serif"

_GROUPS = {  # share of the font's size -> the characters that need no more
    0.28: "ijl'",
    0.32: "IJ ,.·",
    0.40: "/:;\\|f-()[]t",
    0.47: '!²r"',
    0.56: "*_`–szc?L",
    0.60: "Fkvxy",
    0.64: "PTYoaeEhnuSbdgpq$0123456789{}",
    0.70: "KAVXZBRC",
    0.79: "UNHDG&OQ",
    0.84: "w#+<=>^~×−",
    0.90: "M",
}
ADVANCES = {character: width for width, characters in _GROUPS.items() for character in characters}
WIDEST = 1.0  # for every other character: W, m, %, and whole scripts
BOLD = 1.16


def text_width(words: str, size: float, *, bold: bool = False) -> float:
    """Return the pixels that words may need at a font size; rather too many than too few.

    >>> text_width("3×3", 10)
    21.2
    """
    width = sum(ADVANCES.get(character, WIDEST) for character in words) * size
    return round(width * (BOLD if bold else 1), 2)


def shortened(words: str, size: float, room: float, *, bold: bool = False) -> str:
    """Return the words, cut with an ellipsis if they need more than `room` pixels."""
    if text_width(words, size, bold=bold) <= room:
        return words
    while words and text_width(f"{words}…", size, bold=bold) > room:
        words = words[:-1]
    return f"{words.rstrip()}…"
