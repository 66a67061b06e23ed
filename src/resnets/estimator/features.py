"""Features: what a residual network sees in pictures, as a transformer of scikit-learn."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin

from resnets.data.measure import suited_preprocess
from resnets.data.reading import Reading
from resnets.data.source import Source
from resnets.estimator.pictures import data_set
from resnets.estimator.state import PictureEstimator
from resnets.net.network import build
from resnets.spec.card import Card
from resnets.spec.preprocess import Preprocess
from resnets.training.choose import is_trained
from resnets.weights.load import load
from resnets.weights.modelfile import Model, save


class ResNetFeatures(ClassNamePrefixFeaturesOutMixin, TransformerMixin, PictureEstimator):  # type: ignore[misc]
    """The last map of a residual network, its mean over all places: pictures to (N, C), C as wide as the network.

    X are paths of pictures, arrays of them, or rows of their numbers, as for `ResNetClassifier`. `model` is a trained
    file, of which `fit` changes nothing; or a row's name, whose weights are then drawn from `random_state`: features
    that nothing was learnt for, as a baseline. `facts` changes facts of a row, `size` is what the network is shown.

    Fitted: `n_features_in_` (of rows), `layout_` (how X becomes pictures), `model_file_` (the model file's bytes) and
    `model_` (that model).
    """

    def __init__(
        self,
        model: str | Path | None = None,
        *,
        facts: Mapping[str, Any] | None = None,
        size: int | tuple[int, int] | None = None,
        image_shape: Sequence[int] | None = None,
        value_range: Sequence[float] | None = None,
        device: str = "auto",
        workers: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.model = model
        self.facts = facts
        self.size = size
        self.image_shape = image_shape
        self.value_range = value_range
        self.device = device
        self.workers = workers
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> ResNetFeatures:
        """Read the network, fix how X becomes pictures, and return this transformer; y is not looked at.

        Raises `ValueError` where no model is given, X is not possible, or the network cannot be shown such pictures.
        """
        if self.model is None:
            raise ValueError(
                "model=None is not possible: features come from a trained file, model='model.safetensors', or from a "
                "row's name, such as 'resnet18', whose weights are then drawn"
            )
        found = self._checked(X, fitting=True)
        source = self._learn_layout(found).source(found)
        model = self._read(source) if is_trained(str(self.model)) else self._drawn(source)
        source.check(model.card.preprocess)
        with tempfile.TemporaryDirectory(prefix="resnets-") as folder:
            path = Path(folder) / "model.safetensors"
            save(model, path)
            self._keep(path.read_bytes())
        return self

    def transform(self, X: Any) -> npt.NDArray[np.float32]:
        """Return the features of each picture: (N, C) float32."""
        return self._ask(X, lambda network, images: network.features(images))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []  # pictures are bytes, and features float32, whatever X is
        return tags

    @property
    def _n_features_out(self) -> int:
        return self.model_.network.plan.out_channels

    def _read(self, source: Source) -> Model:
        if self.facts:
            raise ValueError(f"{self.model} is a trained network, in which {', '.join(self.facts)} cannot be changed")
        model = load(str(self.model))
        takes = model.card.preprocess.channels
        if source.size is not None and source.channels > takes:
            raise ValueError(
                f"{self.model} takes {takes} channel, and the pictures have {source.channels}: it would not see their "
                "colour; take another model, or give grey pictures"
            )
        return replace(model, card=replace(model.card, preprocess=self._at_size(model.card.preprocess)))

    def _drawn(self, source: Source) -> Model:
        facts = dict(self.facts or {})
        preprocess = self._at_size(suited_preprocess(data_set(source, ["X"]), Reading(), facts.get("in_channels")))
        facts = {"in_channels": preprocess.channels, **facts, "head": "none"}
        network = build(str(self.model), seed=self._seed(), **facts).eval()
        return Model(network, Card(architecture=network.architecture, classes=(), preprocess=preprocess))

    def _at_size(self, preprocess: Preprocess) -> Preprocess:
        if self.size is None:
            return preprocess
        return preprocess.at_size((self.size, self.size) if isinstance(self.size, int) else self.size)
