"""What each process of a world evaluates in `test_world.py`: the reports, as a line of JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from resnets.data.errors import TooManyBadImages
from resnets.data.open import open_data
from resnets.evaluation.evaluate import evaluate_network
from resnets.net.device import find_device
from resnets.net.world import World, find_world, joined
from tests import tiny
from tests.evaluation.test_several import several_data, several_model

ONE, SEVERAL = tiny.model(classes=tuple("abcdefg")), several_model()
CASES: dict[str, Any] = {
    "one": (ONE, tiny.array(101, classes=7)),
    "several": (SEVERAL, several_data(61).test),
    "fewer pictures than processes": (ONE, tiny.array(2, classes=7)),
}


def reports(world: World, folder: Path) -> dict[str, Any]:
    """Return name -> report, or what was refused."""
    told: dict[str, Any] = {}
    cases = CASES | {
        name: (tiny.model(classes=("ant", "bee")), open_data(folder / name).test) for name in ("ok", "bad")
    }
    for name, (model, source) in cases.items():
        try:
            report = evaluate_network(
                model.network,
                source,
                model.card.preprocess,
                classes=model.card.classes,
                batch_size=4,
                workers=0,
                world=world,
            )
            told[name] = report.to_dict()
        except TooManyBadImages as error:
            told[name] = str(error)
    return told


if __name__ == "__main__":
    with joined(find_world(find_device("cpu"))) as whole:
        print(json.dumps(reports(whole, Path(sys.argv[1]))))
