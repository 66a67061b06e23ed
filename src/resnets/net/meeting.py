"""Meeting: where the processes of a world find one another, each time that they are started.

`torchrun` keeps its store when it starts processes again, with the addresses of those that are gone in it, and counts
restarts on each host apart (pytorch issue 135712). Processes that met under the old names would wait for the dead.
"""

from __future__ import annotations

import time
from datetime import timedelta
from secrets import token_hex
from typing import Any

from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

POLL_S = 0.01


def fresh_store(rank: int, size: int, wait: timedelta) -> Any:
    """Return the store of this start of the world, in which nothing is left of the processes before it.

    Every process shows a word of its own under its rank; the first answers each with its own word, under which they
    then meet, and goes on when all have heard it. Raises `RuntimeError` where one is not heard of in time.
    """
    store, _, _ = next(iter(rendezvous("env://", rank, size, timeout=wait)))
    store.set_timeout(wait)
    mine = token_hex(8)
    store.set(f"here/{rank}", mine)
    if rank:
        word = store.get(f"word/{rank}/{mine}").decode()
        store.set(f"heard/{word}/{rank}", "")
        return PrefixStore(word, store)
    missing, end = list(range(1, size)), time.monotonic() + wait.total_seconds()
    while missing:
        for other in missing:  # its word may be that of one which is gone, until it has shown its own
            store.set(f"word/{other}/{store.get(f'here/{other}').decode()}", mine)
        missing = [other for other in missing if not store.check([f"heard/{mine}/{other}"])]
        if missing and time.monotonic() > end:
            raise RuntimeError(f"gloo: processes {missing} were not heard of for {wait.total_seconds():g} s")
        time.sleep(POLL_S * bool(missing))
    return PrefixStore(mine, store)
