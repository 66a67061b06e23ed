"""How long `resnets identify` takes on a ResNet-50 checkpoint, beside loading it: whole processes, in turn.

    python benchmarks/identify.py [--runs 10]

The peer imports torch and loads the same file as people look into a checkpoint, `torch.load(..., weights_only=True)`.
Prints both medians and the median of the ratios of neighbouring runs, for the zip and the legacy container.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from machine import machine

RESNETS = str(Path(sys.executable).with_name("resnets"))
PEER = "import sys, torch; print(len(torch.load(sys.argv[1], map_location='cpu', weights_only=True)))"


def seconds(command: list[str]) -> float:
    """Return the wall time of one process."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    """Write the two files, run both in turn on each, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=10)
    runs = parser.parse_args().runs
    import torch
    import torchvision

    print(json.dumps(machine()))
    state = torchvision.models.resnet50().state_dict()
    with tempfile.TemporaryDirectory() as folder:
        for container in ("zip", "legacy"):
            path = Path(folder) / f"{container}.pth"
            torch.save(state, path, _use_new_zipfile_serialization=container == "zip")
            ours, peer = [RESNETS, "identify", str(path)], [sys.executable, "-c", PEER, str(path)]
            seconds(ours), seconds(peer)  # the first of each reads its files from disk
            pairs = [(seconds(ours), seconds(peer)) for _ in range(runs)]
            ratio = median(one / other for one, other in pairs)
            print(f"{container:6}  resnets identify  {median(one for one, _ in pairs):.3f} s (median of {runs})")
            print(f"{container:6}  torch.load        {median(other for _, other in pairs):.3f} s")
            print(f"{container:6}  ratio             {ratio:.3f}")


if __name__ == "__main__":
    main()
