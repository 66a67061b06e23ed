"""Processes that belong together: forked here as `torchrun` starts them, and ended together when one is lost."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

import resnets

ROOT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {
    "OMP_NUM_THREADS": "1",
    "PYTHONPATH": os.pathsep.join([str(Path(resnets.__file__).parents[1]), str(ROOT)]),
}
COMMAND = ("-c", "from resnets.cli import main; main()")

POLL_S = 0.002
NOTICED_S = 0.1
"""After this `torchrun` notices that a process is lost, and ends the others."""


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def in_world(rank: int, size: int, port: int) -> dict[str, str]:
    """The variables that tell a process which of a world it is."""
    return {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(size),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }


class Family:
    """Children that each do `work(rank)`; where there are several, as a world."""

    def __init__(self, size: int, work: Callable[[int], object]) -> None:
        port = free_port() if size > 1 else 0
        self.children = [self._child(rank, size, port, work) for rank in range(size)]
        self.codes: dict[int, int] = {}

    def _child(self, rank: int, size: int, port: int, work: Callable[[int], object]) -> int:
        sys.stdout.flush()
        child = os.fork()
        if child:
            return child
        try:
            if size > 1:
                os.environ.update(in_world(rank, size, port))
            work(rank)
            os._exit(0)
        except BaseException:
            if not self._is_lost_peer(sys.exception()):
                traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)

    @staticmethod
    def _is_lost_peer(error: BaseException | None) -> bool:
        return (
            "WORLD_SIZE" in os.environ
            and isinstance(error, RuntimeError | ConnectionError)
            and "onnection" in str(error)
        )

    def kill(self, rank: int, after: float) -> None:
        """Kill one, after so many seconds, if it is still there."""
        time.sleep(after)
        os.kill(self.children[rank], signal.SIGKILL)

    def wait(self, longest: float, *, kills: bool = True) -> Sequence[int]:
        """Wait for all; with `kills`, where one is lost the others are killed, as `torchrun` does.

        Return how each ended. Raises `RuntimeError` where one hangs.
        """
        end, lost = time.monotonic() + longest, None
        while len(self.codes) < len(self.children):
            for rank, child in enumerate(self.children):
                if rank in self.codes:
                    continue
                done, status = os.waitpid(child, os.WNOHANG)
                if done:
                    self.codes[rank] = os.waitstatus_to_exitcode(status)
                    if self.codes[rank] and lost is None:
                        lost = time.monotonic()
                elif (kills and lost is not None and time.monotonic() > lost + NOTICED_S) or time.monotonic() > end:
                    os.kill(child, signal.SIGKILL)
            time.sleep(POLL_S)
        if time.monotonic() > end:
            raise RuntimeError(f"processes that should end in {longest:g} s hang; they ended with {self.codes}")
        return [self.codes[rank] for rank in range(len(self.children))]
