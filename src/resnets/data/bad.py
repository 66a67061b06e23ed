"""Bad pictures: which of a source are known, and how many of them a run tolerates."""

from __future__ import annotations

from collections.abc import Mapping

from resnets.data.errors import DataError, TooManyBadImages
from resnets.data.source import Source


class BadPictures:
    """What is known to be bad of a source: `reasons` holds why, by the picture's index.

    `limit` is the share of the source that may be bad. One picture may always be, unless the limit is 0 or
    nothing else is left.
    """

    def __init__(self, source: Source, limit: float) -> None:
        self.source = source
        self.tolerated = max(1, int(limit * len(source))) if limit else 0
        self.reasons: dict[int, str] = {}

    @property
    def named(self) -> list[tuple[str, str]]:
        """Return the (name, reason) of each, in the order of the source, whoever found it first."""
        return [(self.source.name(index), reason) for index, reason in sorted(self.reasons.items())]

    def add(self, bad: Mapping[int, str]) -> None:
        """Know these too.

        Of two reasons for one picture the first in the alphabet stays, so that processes that tell each other what
        they found, in whatever order, end up saying the same. Raises `DataError` for a picture that the source does not
        have.
        """
        for index, reason in bad.items():
            if not 0 <= index < len(self.source):
                raise DataError(
                    f"picture {index} is said to be bad, and the source has 0 to {len(self.source) - 1}; "
                    "these are other pictures than those it was said of"
                )
            self.reasons[index] = min(reason, self.reasons.get(index, reason))

    def judge(self) -> None:
        """Raise `TooManyBadImages` where more are bad than are tolerated, or all are."""
        if len(self.reasons) > self.tolerated or len(self.reasons) == len(self.source):
            raise TooManyBadImages(self.named, self.tolerated, len(self.source))
