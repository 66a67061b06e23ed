"""PyTorch files: a state dict as `.pth` or `.safetensors`, and transformers' folder."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from resnets.files import atomic
from resnets.spec.card import Card
from resnets.spec.preprocess import Preprocess
from resnets.weights.writers.state import State


def write_state_dict(state: State, card: Card, path: Path) -> None:
    """Write `{name: tensor}`: safetensors where the name ends so, else what `torch.load` reads."""
    import torch

    tensors = {name: torch.from_numpy(array) for name, array in state.arrays.items()}
    if path.suffix == ".safetensors":
        from safetensors.torch import save

        atomic.write(path, save(tensors, metadata={"format": "pt"}))
        return
    buffer = io.BytesIO()
    # detectron2's checkpointer looks for the state dict under "model", torch.load's users at the top
    torch.save({"model": tensors} if state.dialect.family == "detectron2" else tensors, buffer)
    atomic.write(path, buffer.getvalue())


def write_transformers(state: State, card: Card, path: Path) -> None:
    """Write a folder that `from_pretrained` reads: `config.json`, `preprocessor_config.json`, `model.safetensors`."""
    import torch
    from safetensors.torch import save

    preprocessor = _preprocessor(card.preprocess)
    path.mkdir(parents=True, exist_ok=True)
    tensors = {name: torch.from_numpy(array) for name, array in state.arrays.items()}
    atomic.write(path / "model.safetensors", save(tensors, metadata={"format": "pt"}))
    _json(path / "config.json", _config(state, card))
    _json(path / "preprocessor_config.json", preprocessor)


def _config(state: State, card: Card) -> dict[str, Any]:
    arch = card.architecture
    config: dict[str, Any] = {
        "architectures": ["ResNetForImageClassification" if arch.head == "linear" else "ResNetModel"],
        "model_type": "resnet",
        "num_channels": arch.in_channels,
        "embedding_size": arch.stem_width,
        "hidden_sizes": [width * arch.expansion for width in arch.widths],
        "depths": list(arch.blocks),
        "layer_type": arch.block,
        "hidden_act": "relu",
        "downsample_in_first_stage": arch.strides[0] == 2,
        "downsample_in_bottleneck": arch.block == "bottleneck" and arch.stride_on == "1x1",
    }
    if arch.head == "linear":
        config["id2label"] = {str(index): name for index, name in enumerate(card.classes)}
        config["label2id"] = {name: index for index, name in enumerate(card.classes)}
    return config


def _preprocessor(preprocess: Preprocess) -> dict[str, Any]:
    """BitImageProcessor's words for a crop, ViTImageProcessor's for a stretch; both are transformers' own."""
    if preprocess.colour not in ("rgb", "grey") or preprocess.fit == "pad":
        what = "fit='pad'" if preprocess.fit == "pad" else f"colour={preprocess.colour!r}"
        raise ValueError(
            f"the preprocessing has {what}, which no image processor of transformers does; its networks would see "
            "other pixels than this one. Convert to another dialect, or to resnets"
        )
    count = preprocess.channels if len(preprocess.mean) == 1 else 1
    height, width = preprocess.size
    facts: dict[str, Any] = {
        "do_resize": True,
        "resample": {"nearest": 0, "bilinear": 2, "bicubic": 3}[preprocess.interpolation],
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(preprocess.mean) * count,
        "image_std": list(preprocess.std) * (preprocess.channels if len(preprocess.std) == 1 else 1),
    }
    if preprocess.fit == "squash":
        return facts | {"image_processor_type": "ViTImageProcessor", "size": {"height": height, "width": width}}
    return facts | {
        "image_processor_type": "BitImageProcessor",
        "size": {"shortest_edge": preprocess.shorter_side},
        "do_center_crop": True,
        "crop_size": {"height": height, "width": width},
        "do_convert_rgb": preprocess.colour == "rgb",
    }


def _json(path: Path, facts: dict[str, Any]) -> None:
    atomic.write(path, (json.dumps(facts, indent=2, ensure_ascii=False) + "\n").encode())
