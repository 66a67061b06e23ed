"""Aside: what else a checkpoint of this family holds, recognised by its names and not taken for the network."""

from __future__ import annotations

import re
from collections.abc import Iterable

PARTS: tuple[tuple[str, str], ...] = (
    ("optimizer state", r"(^|[./])(optimizer|optim|momentum_buffer|exp_avg|exp_avg_sq)([./_]|s?$)|_momentum$"),
    ("learning-rate schedule", r"(^|\.)(lr_)?scheduler[./]|^(lr|weight_order)$"),
    ("feature pyramid", r"(^|[./])(fpn|P[2-7]|lateral_|neck)|^fpn_"),
    (
        "region proposals",
        r"(^|[./])(rpn|proposal_generator|rpn_model|rpn_head|anchor_generator)([./_]|$)|^(conv_)?rpn_|retnet_|cell_anchors",
    ),
    (
        "detection heads",
        r"(^|[./])(roi_heads|roi_head|box_head|box_predictor|mask_head|mask_predictor|keypoint_head|mrcnn_\w+|bbox_head)"
        r"([./]|$)|^(fc6|fc7|cls_score|bbox_pred|mask_fcn|_\[mask\]_|conv5_mask|mask_|kps_|conv_fcn|head_conv)",
    ),
    (
        "segmentation heads",
        r"(^|\.)(decode_head|auxiliary_head|aux_classifier|sem_seg_head)\.|(^|\.)classifier\.(\d+\.convs|4)\.",
    ),
    ("normalisation constants", r"(^|\.)(pixel_mean|pixel_std|normalizer?\.(mean|std)|data_preprocessor\.\w+)$"),
    ("an auxiliary head", r"(^|\.)(AuxLogits|projector|projection_head|predictor|prototypes|queue|queue_ptr)([.\d]|$)"),
)
"""What it is, and the names that tell it: torchvision's, Matterport's, Detectron's, detectron2's, OpenMMLab's."""

_PATTERNS = tuple((part, re.compile(pattern)) for part, pattern in PARTS)


def part_of(key: str) -> str | None:
    """Return what a tensor belongs to, such as "feature pyramid", or None."""
    return next((part for part, pattern in _PATTERNS if pattern.search(key)), None)


def counted(parts: Iterable[str]) -> dict[str, int]:
    """Return how many tensors each part has, in order of appearance."""
    counts: dict[str, int] = {}
    for part in parts:
        counts[part] = counts.get(part, 0) + 1
    return counts
