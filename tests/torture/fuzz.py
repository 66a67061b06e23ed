"""Fuzzing of one reader in a process of its own, which the kernel stops when a case takes too much.

`python -m tests.torture.fuzz TARGET SEED SECONDS NOTE` prints what it found as one line of JSON, and keeps
in the file NOTE which case it is at. `python -m tests.torture.fuzz TARGET FILE` reads the bytes of a case.
"""

from __future__ import annotations

import faulthandler
import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

from tests.torture.every_target import EVERY
from tests.torture.targets import Target

CPU_SECONDS = 20
"""Of a case: of the processor's time, since others may be using it too."""

MEMORY_BYTES = 2 << 30
"""Of a case: the largest picture that is decoded has 89 million pixels, and some are copied."""

MOST_FAILURES = 3


def case(name: str, seed: int, number: int, examples: list[bytes]) -> bytes:
    """The bytes of a case: the examples themselves first, and then what chance makes of them."""
    if number < len(examples):
        return examples[number]
    return EVERY[name].make(examples, random.Random(f"{seed} {name} {number}"))


def limit() -> None:
    """Let the kernel refuse memory above what is used now, and stop a case that runs on and on."""
    if os.path.exists("/proc/self/statm"):
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY_BYTES, resource.RLIM_INFINITY))
    faulthandler.enable()
    # Says where it was, and then lets the signal do what it does by itself: end the process.
    faulthandler.register(signal.SIGPROF, all_threads=True, chain=True)


def attempt(target: Target, data: bytes, folder: Path, is_example: bool) -> str | None:
    """Read a case; return what went wrong, "refused", or None."""
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
    try:
        target.read(data, folder)
    except target.refusals as refusal:
        return f"a good example was refused: {refusal}" if is_example else "refused"
    except Exception:
        return traceback.format_exc()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return None


def main(name: str, seed: int, seconds: float, note: int) -> dict[str, Any]:
    """Try cases until the time is over or three have failed."""
    target = EVERY[name]
    examples = target.examples()
    failures: list[tuple[int, str]] = []
    number = refused = 0
    with tempfile.TemporaryDirectory() as folder:
        attempt(target, examples[0], Path(folder), True)  # what is imported late is imported now
        limit()
        end = time.monotonic() + seconds
        while len(failures) < MOST_FAILURES and (number <= len(examples) or time.monotonic() < end):
            os.pwrite(note, b"%20d" % number, 0)
            wrong = attempt(target, case(name, seed, number, examples), Path(folder), number < len(examples))
            if wrong == "refused":
                refused += 1
            elif wrong:
                failures.append((number, wrong))
            number += 1
    return {"cases": number, "refused": refused, "failures": failures}


if __name__ == "__main__":
    if len(sys.argv) == 3:
        with tempfile.TemporaryDirectory() as place:
            print(attempt(EVERY[sys.argv[1]], Path(sys.argv[2]).read_bytes(), Path(place), False) or "accepted")
    else:
        descriptor = os.open(sys.argv[4], os.O_WRONLY | os.O_CREAT)
        print(json.dumps(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), descriptor)))
