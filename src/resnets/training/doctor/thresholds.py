"""Thresholds: every number the doctor judges by, with what it stands on. docs/doctor.md shows the measurements."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Threshold:
    """A number and the reason for it."""

    value: float
    reason: str


# Of all rules.
WASHED_OUT = Threshold(64, "steps: at momentum 0.1 the first values of the statistics weigh 0.9^64 = 0.1 % by then")
FEWEST = Threshold(8, "pictures of a probe: with fewer, the batch's own statistics are mostly noise")
MUCH_WORSE = Threshold(2, "times as bad: a finding that was said is said again")

# Answers that part.
PARTED = Threshold(
    0.3,
    "of 1, total variation between the two answers: 0.00-0.13 at the end of healthy runs, 0.6-0.97 with planted faults",
)
DRIFTED = Threshold(
    0.05,
    "Bhattacharyya distance of a layer's two statistics: at most 0.03 after 50 steps of healthy runs, whose answers "
    "may part by 0.8 while the rate is high and come together by themselves; 0.08-0.56 with planted faults",
)

# The loss.
SPREAD = Threshold(
    8,
    "nats above log(classes) that the size of the first logits alone costs: at most 0.95 in ResNets up to 56 layers at "
    "10 classes, 3.5 in ResNet-110, whose 54 blocks add up",
)
LOSS_BESIDE = Threshold(0.5, "nats between the first loss and that of its logits, beside two of their deviations")
STUCK = Threshold(0.98, "of log(classes): an epoch's mean loss above it has learnt nothing")
ENOUGH_STEPS = Threshold(256, "steps to learn anything in: healthy runs of 72 small batches were still at log(classes)")
HALF = Threshold(0.5, "of the run: before it, a class may come late, and a loss may still begin to fall")

# Activations.
ROW_SUM = Threshold(0.02, "of 1: the sum of a row of probabilities, which bf16 rounds to 8 bits")
ENOUGH_LOGITS = Threshold(64, "logits: as many are of one sign by chance once in 2^64")
ZEROS = Threshold(0.1, "of all logits, exactly zero and none negative: a ReLU; true logits are never exactly zero")

# What learns.
STEPS_TO_MOVE = Threshold(32, "steps: the second of a zero gamma moves what is behind it, and a scaler skips up to 16")

# Classes.
BY_CHANCE = Threshold(
    1e-3, "the most that chance may have to do with it: that none of a class's pictures is answered rightly"
)
LEARNT = Threshold(
    0.8,
    "of the pictures of the classes that are answered are right: healthy runs cut short miss one of ten even classes "
    "with up to 0.79",
)
RARE = Threshold(0.5, "of an even share of validation: a class below it is the kind that a run forgets")
OF_A_CLASS = Threshold(5, "pictures of a class in validation: fewer prove nothing")

# Time.
WAITING = Threshold(0.25, "of an epoch spent waiting: a quarter of the run is to be had")
JUDGED_S = Threshold(10, "seconds of an epoch: in shorter ones starting the workers is what one waits for")

# The parts of a batch.
SMALL_PART = Threshold(
    8,
    "pictures that a norm sees: ResNet-50's error is 23.6 % at 32 and 24.8, 27.3, 34.7 % at 8, 4 and 2 "
    "(Wu and He 2018, arXiv:1803.08494, Table 2)",
)
