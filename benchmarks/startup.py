"""How long `resnets show resnet50` takes, beside `import torchvision`: whole processes, in turn, 20 of each.

    python benchmarks/startup.py [--runs 20]

Prints both medians and the median of the ratios of neighbouring runs. The claim: at most a fifth.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from machine import machine

OURS = [str(Path(sys.executable).with_name("resnets")), "show", "resnet50"]
PEER = [sys.executable, "-c", "import torchvision"]


def seconds(command: list[str]) -> float:
    """Return the wall time of one process."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    """Run both in turn and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=20)
    runs = parser.parse_args().runs
    seconds(OURS), seconds(PEER)  # the first of each reads its files from disk
    pairs = [(seconds(OURS), seconds(PEER)) for _ in range(runs)]
    ratio = median(ours / peer for ours, peer in pairs)
    print(json.dumps(machine()))
    print(f"resnets show resnet50  {median(ours for ours, _ in pairs):.3f} s (median of {runs})")
    print(f"import torchvision     {median(peer for _, peer in pairs):.3f} s (median of {runs})")
    print(f"ratio                  {ratio:.3f} (median of {runs} neighbouring pairs; claimed: at most 0.2)")
    sys.exit(0 if ratio <= 0.2 else 1)


if __name__ == "__main__":
    main()
