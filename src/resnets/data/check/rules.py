"""Rules: what is looked for, how bad it is, and what is done about it, a row each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from resnets.data.errors import DataError

Severity = Literal["error", "warning"]
"""An error stops a run or spoils its result; a warning may."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """One thing that is looked for. `leave_out` is the verdict unless the user decides; None: there is no choice."""

    name: str
    severity: Severity
    sentence: str
    advice: str
    leave_out: bool | None = False
    odd_one_out: bool = False  # what most pictures of a set have is its nature, not a finding


_ROWS = (
    Rule(
        name="unreadable",
        severity="error",
        sentence="The file cannot be decoded: cut short, damaged, empty, or no picture.",
        advice="Fetch or export it again, or remove it.",
        leave_out=True,
    ),
    Rule(
        name="two-classes",
        severity="error",
        sentence="One picture stands under more than one class.",
        advice="Decide which class is right and remove the other copies; until then all of them are left out.",
        leave_out=True,
    ),
    Rule(
        name="duplicate-across-splits",
        severity="error",
        sentence="The same picture stands in training and in test, so the test measures memory.",
        advice="Remove it from one of the two; the training copy is left out.",
        leave_out=True,
    ),
    Rule(
        name="near-duplicate-across-splits",
        severity="error",
        sentence="A picture in training is one in test, saved again, resized, brightened or mirrored.",
        advice="Look at the pairs and remove one of each; the training copy is left out.",
        leave_out=True,
    ),
    Rule(
        name="group-across-splits",
        severity="error",
        sentence="Pictures that belong together (one patient, one place) stand in training and in test.",
        advice="Split by group; --leave-out group-across-splits leaves the training pictures out.",
    ),
    Rule(
        name="duplicate",
        severity="warning",
        sentence="The same picture comes more than once in one split, under one class.",
        advice="Keep one; in training the repeats are left out, in test they are kept.",
        leave_out=True,
    ),
    Rule(
        name="near-duplicate",
        severity="warning",
        sentence="A picture is another one of its split, saved again, resized, brightened or mirrored.",
        advice="Look at the pairs; --leave-out near-duplicate keeps the first of each in training.",
    ),
    Rule(
        name="constant",
        severity="warning",
        sentence="Every pixel has the same colour.",
        advice="It teaches nothing; remove it, or --leave-out constant.",
    ),
    Rule(
        name="near-black",
        severity="warning",
        sentence="Nearly every pixel is black.",
        advice="Look at it; --leave-out near-black if there is nothing to see.",
    ),
    Rule(
        name="near-white",
        severity="warning",
        sentence="Nearly every pixel is white.",
        advice="Look at it; --leave-out near-white if there is nothing to see.",
    ),
    Rule(
        name="small",
        severity="warning",
        sentence="A side is shorter than the network's stride, so the last map has no cell of its own for it.",
        advice="Find the original; a thumbnail that is enlarged shows blur.",
    ),
    Rule(
        name="proportions",
        severity="warning",
        sentence="The picture is a strip: one side is more than four times the other.",
        advice="Cut it into pieces, or train with --fit pad.",
    ),
    Rule(
        name="crop",
        severity="warning",
        sentence="The crop throws away more than four fifths of the picture.",
        advice="Train with --fit pad or squash, or crop the pictures yourself.",
    ),
    Rule(
        name="size",
        severity="warning",
        sentence="The picture has more than 32 times the usual number of pixels, or less than a 32nd.",
        advice="Look whether it belongs to the set.",
    ),
    Rule(
        name="wrong-ending",
        severity="warning",
        sentence="The file is of another format than its ending says.",
        advice="It is read by its contents; other programs may not. Rename it.",
    ),
    Rule(
        name="sideways",
        severity="warning",
        sentence="EXIF says that the stored pixels lie on their side or are mirrored.",
        advice="It is turned when it is read, unless the model's preprocess says exif=False; other programs may not.",
    ),
    Rule(
        name="sixteen-bit",
        severity="warning",
        sentence="The picture has 16 bits a channel.",
        advice="It is scaled to 8 bits; if its grey levels are measurements, look whether that is fair.",
        odd_one_out=True,
    ),
    Rule(
        name="floating",
        severity="warning",
        sentence="The pixels are floating-point numbers.",
        advice="Convert it to 8 or 16 bits.",
        odd_one_out=True,
    ),
    Rule(
        name="cmyk",
        severity="warning",
        sentence="The colours are those of print (CMYK).",
        advice="They are converted; look whether they come out right, or export it as RGB.",
        odd_one_out=True,
    ),
    Rule(
        name="palette",
        severity="warning",
        sentence="The picture has a palette of at most 256 colours.",
        advice="It is converted to RGB; look whether it is a drawing among photographs.",
        odd_one_out=True,
    ),
    Rule(
        name="alpha",
        severity="warning",
        sentence="The picture may be transparent (it has an alpha channel, or a transparent colour).",
        advice="It is laid on the preprocess's alpha colour, which is white unless stated.",
        odd_one_out=True,
    ),
    Rule(
        name="animated",
        severity="warning",
        sentence="The file holds an animation or several pages.",
        advice="One frame is read: the preprocess's, which is the first unless stated.",
        odd_one_out=True,
    ),
    Rule(
        name="profile",
        severity="warning",
        sentence="The file has a colour profile other than sRGB, which the preprocess ignores.",
        advice="Use a preprocess with profile=srgb, or convert the pictures.",
        odd_one_out=True,
    ),
    Rule(
        name="hidden",
        severity="warning",
        sentence="A hidden file or folder, or what a system leaves behind, lies among the pictures.",
        advice="It is not read. Remove it, or rename it if it holds pictures.",
        leave_out=None,
    ),
    Rule(
        name="not-a-picture",
        severity="warning",
        sentence="A file in a class folder has no ending of a picture that is read.",
        advice="It is not read. Move it away, or name its format with --read formats=JPEG,PNG,TIFF.",
        leave_out=None,
    ),
    Rule(
        name="no-class",
        severity="warning",
        sentence="A picture lies beside the class folders and not in one.",
        advice="It is not read. Move it into its class.",
        leave_out=None,
    ),
    Rule(
        name="empty-class",
        severity="error",
        sentence="A class folder holds no pictures.",
        advice="Add some, remove the folder, or declare the class as empty.",
        leave_out=None,
    ),
    Rule(
        name="single-picture",
        severity="error",
        sentence="A class has one picture to train on.",
        advice="Add pictures; one cannot be split, and teaches itself only.",
        leave_out=None,
    ),
    Rule(
        name="missing-class",
        severity="error",
        sentence="A class stands in one split only.",
        advice="Add it to the other split, or remove it from both.",
        leave_out=None,
    ),
    Rule(
        name="imbalance",
        severity="warning",
        sentence="The largest class has more than ten times the training pictures of the smallest.",
        advice="Look at the accuracy of each class, not at the whole; add pictures to the small ones.",
        leave_out=None,
    ),
    Rule(
        name="drift",
        severity="warning",
        sentence="The classes have other shares in test than in training, by more than chance.",
        advice="Split again, stratified, unless the difference is wanted.",
        leave_out=None,
    ),
    Rule(
        name="class-order",
        severity="warning",
        sentence="Numbers in the names of classes sort differently as text: 1, 10, 2.",
        advice="Other libraries sort as text; compare class names and not numbers, or use --read class_order=string.",
        leave_out=None,
    ),
    Rule(
        name="alike-classes",
        severity="warning",
        sentence="Two class names differ in case, spaces or dashes only.",
        advice="Merge the folders if they are one class.",
        leave_out=None,
    ),
    Rule(
        name="refused",
        severity="error",
        sentence="The data cannot be opened as they are, so train and evaluate refuse them.",
        advice="Do what the message says.",
        leave_out=None,
    ),
)

RULES: Mapping[str, Rule] = {rule.name: rule for rule in _ROWS}
"""In the order of the report, and of which rule a picture is left out by where several say so."""


def verdicts(keep: Iterable[str] = (), leave_out: Iterable[str] = ()) -> dict[str, bool]:
    """Return for each rule of pictures whether these are left out, as the user decides.

    Raises `DataError` for a name that is no rule of pictures, or one that is given both ways.
    """
    made = {rule.name: rule.leave_out for rule in RULES.values() if rule.leave_out is not None}
    keep, leave_out = tuple(keep), tuple(leave_out)
    for name in (*keep, *leave_out):
        if name not in made:
            why = "concerns no single picture" if name in RULES else "is no rule"
            raise DataError(f"{name!r} {why}; rules that can be kept or left out: {', '.join(made)}")
        if name in keep and name in leave_out:
            raise DataError(f"{name!r} cannot be both kept and left out; give it once")
    return made | dict.fromkeys(keep, False) | dict.fromkeys(leave_out, True)
