"""Slots: what the frameworks call the tensors of one layer, `*` standing for the layer's own name."""

from __future__ import annotations

from resnets.weights.dialects.dialect import Slots

_TORCH = {"weight": ("*.weight",), "bias": ("*.bias",)}

TORCH: Slots = {
    "conv": _TORCH,
    "linear": _TORCH,
    "norm": _TORCH
    | {
        "running_mean": ("*.running_mean",),
        "running_var": ("*.running_var",),
        "num_batches_tracked": ("*.num_batches_tracked",),
    },
}
"""PyTorch's modules; files from before version 0.4.1 have no `num_batches_tracked`."""

_KERAS = {"weight": ("*/kernel", "*/W"), "bias": ("*/bias", "*/b")}

KERAS: Slots = {
    "conv": _KERAS,
    "linear": _KERAS,
    "norm": {
        "weight": ("*/gamma",),
        "bias": ("*/beta",),
        "running_mean": ("*/moving_mean", "*/running_mean"),
        "running_var": ("*/moving_variance", "*/running_std"),  # Keras 1 kept the variance under this name
    },
}
"""Keras's layers; the second words are those of Keras 1."""

_CAFFE2 = {"weight": ("*_w",), "bias": ("*_b",)}

CAFFE2: Slots = {
    "conv": _CAFFE2,
    "linear": _CAFFE2,
    "norm": {
        "weight": ("*_s", "*_gamma"),
        "bias": ("*_b", "*_beta"),
        "running_mean": ("*_rm", "*_running_mean"),
        "running_var": ("*_riv", "*_running_var"),
    },
}
"""Caffe2's blobs. Detectron folds the statistics into `_s` and `_b` (its AffineChannel) and stores no others."""

_CAFFE = {"weight": ("*/weight",), "bias": ("*/bias",)}

CAFFE: Slots = {
    "conv": _CAFFE,
    "linear": _CAFFE,
    "norm": {
        "weight": ("scale*/scale",),
        "bias": ("scale*/bias",),
        "running_mean": ("bn*/mean",),
        "running_var": ("bn*/variance",),
    },
}
"""Caffe keeps a norm in two layers, a BatchNorm and a Scale, named after their convolution."""
