"""What goes wrong with data: a set that is not what it should be, a bad image, too many of them."""

from __future__ import annotations

from collections.abc import Sequence


class DataError(ValueError):
    """A data set is absent, of no known kind, incomplete or inconsistent."""


class BadImage(ValueError):
    """One image cannot be used: `name` says which, `reason` says why."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason


class TooManyBadImages(DataError):
    """More images are bad than a run tolerates: `bad` holds the (name, reason) of each found so far."""

    def __init__(self, bad: Sequence[tuple[str, str]], tolerated: int, total: int) -> None:
        self.bad = tuple(bad)
        shown = "\n".join(f"  {name}: {reason}" for name, reason in bad[:10])
        more = f"\n  and {len(bad) - 10} more" if len(bad) > 10 else ""
        super().__init__(
            f"{len(bad)} of {total:,} images are bad and {tolerated} may be; "
            "mend or remove them, or leave them out: resnets check DATA --manifest FILE, and then the same with "
            f"--manifest FILE (in Python bad_limit allows more):\n{shown}{more}"
        )
