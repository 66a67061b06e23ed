"""Heads: from the last map to logits, by one linear layer or by note 001's dropout and Dense(1024)."""

from __future__ import annotations

from torch import Tensor, nn

from resnets.spec.plan import HeadPlan


class Head(nn.Module):
    """Average pool or a flattened 1x1 map; dropout, hidden layer, ReLU and dropout if `mlp`; then linear."""

    def __init__(self, spec: HeadPlan) -> None:
        super().__init__()
        self.flattens = spec.pooling == "flatten"
        self.hidden = None
        if spec.hidden:
            self.hidden = nn.Linear(spec.hidden.in_features, spec.hidden.out_features)
        self.relu = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout(spec.dropout)
        self.linear = nn.Linear(spec.linear.in_features, spec.linear.out_features)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, num_classes) logits; raises `ValueError` if it flattens more than 1x1."""
        if self.flattens and x.shape[-2:] != (1, 1):
            raise ValueError(
                f"this head flattens a 1x1 map and was given {x.shape[-2]}x{x.shape[-1]}; "
                "give smaller pictures, or build with head_pooling='average'"
            )
        x = self.pool(x)
        if self.hidden is not None:
            x = self.relu(self.hidden(self.dropout(x)))
        logits: Tensor = self.linear(self.dropout(x))
        return logits

    def pool(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C): the mean over all places, the picture's feature vector."""
        return x.mean((2, 3))
