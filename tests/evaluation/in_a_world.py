"""What each process of a world evaluates in `test_world.py`: its answers and reports, as a line of JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from resnets.data.errors import TooManyBadImages
from resnets.data.open import open_data
from resnets.data.source import Source
from resnets.evaluation.classes import match_classes
from resnets.evaluation.evaluate import answer_network
from resnets.evaluation.judge import count, judge
from resnets.net.device import find_device
from resnets.net.world import World, find_world, joined
from resnets.weights.modelfile import Model
from tests import tiny
from tests.evaluation.test_several import several_data, several_model

ONE, SEVERAL = tiny.model(classes=tuple("abcdefg")), several_model()
CASES: dict[str, Any] = {
    "one": (ONE, tiny.array(101, classes=7)),
    "several": (SEVERAL, several_data(61).test),
    "fewer pictures than processes": (ONE, tiny.array(2, classes=7)),
}


def reports(world: World, folder: Path) -> dict[str, Any]:
    """Return name -> answers and the whole report on them, or what was refused; and some of the cases in other ways."""
    told: dict[str, Any] = {}
    cases = CASES | {
        name: (tiny.model(classes=("ant", "bee")), open_data(folder / name).test) for name in ("ok", "bad")
    }
    for name, (model, source) in cases.items():
        try:
            told[name] = asked(world, model, source)
        except TooManyBadImages as error:
            told[name] = str(error)
    fewer = {"a": "b", "c": None}
    matching = match_classes(tuple("abcdefg"), tuple("abcdefg"), fewer)
    told["mapped"] = asked(world, *CASES["one"], judge=judge, matching=matching)
    told["flipped"] = asked(world, *CASES["several"], views="flips")
    return told


def asked(world: World, model: Model, source: Source, judge: Any = count, **how: Any) -> dict[str, Any]:
    """Return each array of the answers, what the pictures are called, and the report."""
    answers = answer_network(
        model.network,
        source,
        model.card.preprocess,
        classes=model.card.classes,
        batch_size=4,
        workers=0,
        world=world,
        **how,
    )
    said = {name: getattr(answers, name).tolist() for name in ("logits", "labels", "indices")}
    return said | {"names": [answers.name(row) for row in range(len(answers))], "report": judge(answers).to_dict()}


if __name__ == "__main__":
    with joined(find_world(find_device("cpu"))) as whole:
        print(json.dumps(reports(whole, Path(sys.argv[1]))))
