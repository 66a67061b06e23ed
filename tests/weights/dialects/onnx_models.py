"""ONNX models without onnx: the nodes and initialisers that an exporter writes for a Plan."""

from __future__ import annotations

import struct
from typing import Any

from resnets.spec.padding import padding
from resnets.spec.plan import Block, Conv, Norm, Plan, Pool, Unit, layer_tensors
from resnets.weights.containers.contents import Contents, Stored

BACKWARDS = -9223372036854775807
"""Where PyTorch's exporter ends a slice that turns a list round."""


class Drawing:
    """Nodes as `onnx_file.read` gives them; with a `size`, rules other than the symmetric are written as amounts."""

    def __init__(self, network: Plan, *, folded: bool = False, size: int | None = None) -> None:
        self.network = network
        self.folded = folded
        self.tensors: dict[str, Stored] = {}
        self.nodes: list[list[Any]] = []
        self.sides: dict[str, int | None] = {"picture": size}
        x = self._draw("picture")
        sides: list[int | str] = ["n", network.architecture.in_channels, size or "h", size or "w"]
        facts = {"inputs": {"picture": sides}, "outputs": {x: ["n", 5]}, "nodes": self.nodes}
        self.contents = Contents(container="onnx", tensors=self.tensors, facts=facts)

    def call(self, word: str, x: str, *others: str, side: int | None = None, **attributes: Any) -> str:
        output = f"out{len(self.nodes)}"
        self.nodes.append([word, f"/{word}_{len(self.nodes)}", [x, *others], [output], attributes])
        self.sides[output] = side or self.sides.get(x)
        return output

    def hold(self, name: str, shape: tuple[int, ...]) -> str:
        self.tensors[name] = Stored("F32", shape, lambda: b"")
        return name

    def whole(self, *numbers: int) -> str:
        name = f"constant{len(self.tensors)}"
        self.tensors[name] = Stored("I64", (len(numbers),), lambda: struct.pack(f"<{len(numbers)}q", *numbers))
        return name

    def _draw(self, x: str) -> str:
        network = self.network
        for unit in network.stem.units:
            x = self.conv(x, unit.conv, unit.norm)
            x = self.call("Relu", self.norm(x, unit.norm)) if unit.norm else x
        x = self.pool(x, network.stem.pool) if network.stem.pool else x
        for block in network.blocks:
            x = self.block(x, block)
        x = self.call("Relu", self.norm(x, network.norm, folds=False)) if network.norm else x
        if network.head:
            x = self.call("Flatten", self.call("GlobalAveragePool", x), axis=1)
            shapes = layer_tensors(network.head.linear)
            names = [self.hold(name, shape) for name, shape in shapes.items()]
            x = self.call("Gemm", x, *names, alpha=1.0, beta=1.0, transB=1)
        return x

    def conv(self, x: str, conv: Conv, norm: Norm | None = None) -> str:
        shapes = layer_tensors(conv)
        names = [self.hold(name, shape) for name, shape in shapes.items()]
        if norm and self.folded and not conv.bias:
            names.append(self.hold(f"{conv.name}.folded", (conv.out_channels,)))
        pads, side = self._pads(x, conv.padding, conv.kernel, conv.stride)
        attributes = {"kernel_shape": [conv.kernel] * 2, "strides": [conv.stride] * 2, "group": conv.groups}
        return self.call("Conv", x, *names, side=side, pads=pads, dilations=[1, 1], **attributes)

    def _pads(self, x: str, rule: Any, kernel: int, stride: int) -> tuple[list[int], int | None]:
        side = self.sides[x]
        assert side or rule == "symmetric"
        before, after = padding(rule, side or 99, kernel, stride)
        return [before, before, after, after], (side + before + after - kernel) // stride + 1 if side else None

    def norm(self, x: str, norm: Norm, *, folds: bool = True) -> str:
        if self.folded and folds:
            return x
        names = [self.hold(name, shape) for name, shape in layer_tensors(norm).items() if shape]
        eps = struct.unpack("<f", struct.pack("<f", norm.eps))[0]
        return self.call("BatchNormalization", x, *names, epsilon=eps, momentum=0.9)

    def pool(self, x: str, pool: Pool) -> str:
        sides = {"kernel_shape": [pool.kernel] * 2, "strides": [pool.stride] * 2}
        if pool.kind == "average":
            return self.call("AveragePool", x, **sides, ceil_mode=1, count_include_pad=0, pads=[0, 0, 0, 0])
        if pool.padding == "ceil":
            return self.call("MaxPool", x, **sides, ceil_mode=1, pads=[0, 0, 0, 0])
        pads, side = self._pads(x, pool.padding, pool.kernel, pool.stride)
        return self.call("MaxPool", x, side=side, pads=pads, **sides)

    def block(self, x: str, block: Block) -> str:
        pre = block.order == "pre"
        y = active = x
        for number, unit in enumerate(block.branch):
            if pre:
                assert unit.norm
                y = self.call("Relu", self.norm(y, unit.norm, folds=number > 0))
                active = y if number == 0 else active
                y = self.conv(y, unit.conv, unit.norm if unit is not block.branch[-1] else None)
            else:
                y = self.step(y, unit)
                y = self.call("Relu", y) if unit is not block.branch[-1] else y
        if block.gate:
            weights = self.call("ReduceMean", y, axes=[2, 3], keepdims=1)
            weights = self.call("Relu", self.conv(weights, block.gate.squeeze))
            y = self.call("Mul", y, self.call("Sigmoid", self.conv(weights, block.gate.excite)))
        carried = active if pre and block.shortcut.unit else x
        if block.shortcut.kind == "none":
            return self.call("Relu", y)
        if block.shortcut.kind in ("subsample", "zero_pad"):
            carried = self.option_a(carried, block)
        if block.shortcut.pool:
            carried = self.pool(carried, block.shortcut.pool)
        carried = self.step(carried, block.shortcut.unit) if block.shortcut.unit else carried
        total = self.call("Add", y, carried)
        return total if pre else self.call("Relu", total)

    def step(self, x: str, unit: Unit) -> str:
        x = self.conv(x, unit.conv, unit.norm)
        return self.norm(x, unit.norm) if unit.norm else x

    def option_a(self, x: str, block: Block) -> str:
        """`F.pad(x[:, :, ::2, ::2], ...)` as PyTorch's exporter has it: the amounts are put together by nodes."""
        far = self.whole(1 << 62)
        for axis in (2, 3):
            step = self.whole(block.shortcut.stride)
            x = self.call("Slice", x, self.whole(0), far, self.whole(axis), step)
        before, after = block.shortcut.pad
        zeros = self.call("ConstantOfShape", self.whole(2), value=None)
        amounts = self.call("Concat", self.whole(0, 0, 0, 0, before, after), zeros, axis=0)
        pairs = self.call("Reshape", amounts, self.whole(-1, 2))
        turned = self.call("Slice", pairs, self.whole(-1), self.whole(BACKWARDS), self.whole(0), self.whole(-1))
        flat = self.call("Reshape", self.call("Transpose", turned, perm=[1, 0]), self.whole(-1))
        return self.call("Pad", x, self.call("Cast", flat, to=7), "", mode="constant")
