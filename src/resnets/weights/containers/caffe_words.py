"""Caffe's words: what each blob of a layer is, and what a layer's settings are called (caffe.proto of BVLC/caffe)."""

from __future__ import annotations

SLOTS: dict[str, tuple[tuple[str, int | None], ...]] = {
    "Convolution": (("weight", 4), ("bias", 1)),
    "Deconvolution": (("weight", 4), ("bias", 1)),
    "InnerProduct": (("weight", 2), ("bias", 1)),
    "Scale": (("scale", 1), ("bias", 1)),
    "Bias": (("bias", 1),),
    "PReLU": (("slope", 1),),
}
"""Layer type -> the word and the number of sides of each of its blobs, in order."""

SETTINGS: dict[int, dict[int, str]] = {
    106: {
        1: "num_output", 2: "bias_term", 3: "pad", 4: "kernel_size", 5: "group", 6: "stride", 9: "pad_h", 10: "pad_w",
        11: "kernel_h", 12: "kernel_w", 13: "stride_h", 14: "stride_w", 18: "dilation",
    },
    110: {1: "operation"},
    117: {1: "num_output", 2: "bias_term", 5: "axis", 6: "transpose"},
    121: {1: "pool", 2: "kernel_size", 3: "stride", 4: "pad", 12: "global_pooling"},
    139: {1: "use_global_stats", 3: "eps"},
    142: {1: "axis", 4: "bias_term"},
}  # fmt: skip
"""Field of a layer -> field of that message -> its name: convolution_param, eltwise_param, inner_product_param, ..."""

V1_TYPES: dict[int, str] = {
    1: "Accuracy", 2: "BNLL", 3: "Concat", 4: "Convolution", 5: "Data", 6: "Dropout", 7: "EuclideanLoss",
    8: "Flatten", 9: "HDF5Data", 10: "HDF5Output", 11: "Im2col", 12: "ImageData", 13: "InfogainLoss",
    14: "InnerProduct", 15: "LRN", 16: "MultinomialLogisticLoss", 17: "Pooling", 18: "ReLU", 19: "Sigmoid",
    20: "Softmax", 21: "SoftmaxWithLoss", 22: "Split", 23: "TanH", 24: "WindowData", 25: "Eltwise", 26: "Power",
    27: "SigmoidCrossEntropyLoss", 28: "HingeLoss", 29: "MemoryData", 30: "ArgMax", 31: "Threshold",
    32: "DummyData", 33: "Slice", 34: "MVN", 35: "AbsVal", 36: "Silence", 37: "ContrastiveLoss", 38: "Exp",
    39: "Deconvolution",
}  # fmt: skip
"""V1LayerParameter's LayerType -> the type's name since."""
