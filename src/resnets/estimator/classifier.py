"""Classifier: training and prediction of a residual network, as scikit-learn's `fit` and `predict`."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassifierMixin
from sklearn.utils import assert_all_finite, check_consistent_length, column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from resnets.data.dataset import DataSet
from resnets.estimator.pictures import Kind, data_set
from resnets.estimator.state import PictureEstimator
from resnets.training.choose import is_trained
from resnets.training.finish import Trained
from resnets.training.train import train

RECIPES: Mapping[Kind, str] = {"paths": "photos", "pictures": "digits", "rows": "digits"}
"""The recipe where none is named and training does not begin from a trained file."""


class ResNetClassifier(ClassifierMixin, PictureEstimator):  # type: ignore[misc]
    """A residual network that classifies pictures, as an estimator of scikit-learn.

    X of `fit` and `predict` are paths of pictures (N,), pictures (N, H, W) or (N, H, W, C), or rows (N, features) of
    their numbers. Numbers become bytes by a rule that is fixed when fitted: uint8 stays as it is, and of others the
    least of the training pictures is black and the largest white, or what `value_range` says.

    `model` is a row's name or a trained file; None: the row that suits the pictures. `facts` changes facts of a row.
    `recipe` is a row's name; None: "finetune" from a trained file, "photos" for paths, "digits" without its
    augmentation for arrays, of which nothing is known that may be done to them. `epochs`, `batch_size`, `lr`,
    `weight_decay`, `augmentation` and any other `numbers` of the recipe change it; None leaves them. It learns from all
    of X; with `held_out` pictures, or below 1 a share of them, a temperature is fitted to those, which `predict_proba`
    obeys. `size` is what the network is shown.
    `image_shape` is what rows are: (H, W) or (H, W, C); None: the smallest grey square that holds them, filled from
    the top. The run is written to the folder `out`, which must be new, or to none. `random_state` is the seed.

    Fitted: `classes_`, `n_features_in_` (of rows), `layout_` (how X becomes pictures), `model_file_` (the model file's
    bytes) and `model_` (that model).
    """

    def __init__(
        self,
        model: str | Path | None = None,
        *,
        facts: Mapping[str, Any] | None = None,
        recipe: str | None = None,
        epochs: float | None = None,
        batch_size: int | None = None,
        lr: float | None = None,
        weight_decay: float | None = None,
        augmentation: str | None = None,
        held_out: float = 0.0,
        numbers: Mapping[str, Any] | None = None,
        size: int | tuple[int, int] | None = None,
        image_shape: Sequence[int] | None = None,
        value_range: Sequence[float] | None = None,
        out: str | Path | None = None,
        device: str = "auto",
        workers: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.model = model
        self.facts = facts
        self.recipe = recipe
        self.epochs = epochs
        self.batch_size = batch_size
        self.lr = lr
        self.weight_decay = weight_decay
        self.augmentation = augmentation
        self.held_out = held_out
        self.numbers = numbers
        self.size = size
        self.image_shape = image_shape
        self.value_range = value_range
        self.out = out
        self.device = device
        self.workers = workers
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> ResNetClassifier:
        """Train on pictures X and their classes y (N,), and return this estimator.

        Pictures that cannot be decoded are left out with a warning, up to one in a hundred. Raises `ValueError` where
        X and y do not fit, y has one class only, or the request does not fit the pictures, as `resnets.train` does.
        """
        found = self._checked(X, fitting=True)
        labels = self._learn_classes(y, len(found))
        layout = self._learn_layout(found)
        dataset = data_set(layout.source(found, labels), [str(name) for name in self.classes_.tolist()])
        with tempfile.TemporaryDirectory(prefix="resnets-") as folder:
            trained = self._train(dataset, layout.kind, Path(folder) / "run" if self.out is None else Path(self.out))
            data = trained.path.read_bytes()
        for path, reason in trained.skipped:
            warnings.warn(f"left out of training: {path}: {reason}", stacklevel=2)
        self._keep(data)
        return self

    def decision_function(self, X: Any) -> npt.NDArray[np.float64]:
        """Return the logits (N, classes); of two classes (N,), the second's less the first's."""
        logits = self._logits(X)
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Return the probability of each class: (N, classes), in the order of `classes_`."""
        from scipy.special import softmax

        found: npt.NDArray[np.float64] = softmax(
            self._logits(X) / self.model_.card.calibration.get("temperature", 1.0), axis=1
        )
        return found

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Return the most probable class of each picture: (N,)."""
        answers = self._logits(X).argmax(1)
        found: npt.NDArray[Any] = self.classes_[answers]
        return found

    def _logits(self, x: Any) -> npt.NDArray[np.float64]:
        return self._ask(x, lambda network, images: network(images)).astype(np.float64)

    def _learn_classes(self, y: Any, pictures: int) -> npt.NDArray[np.int64]:
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        labels = column_or_1d(y, warn=True)
        assert_all_finite(labels, input_name="y")
        check_classification_targets(labels)
        check_consistent_length(np.empty(pictures), labels)
        self.classes_, numbers = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y has one class only, {self.classes_[0]}, of {pictures} pictures; give two or more")
        return numbers.astype(np.int64)

    def _train(self, dataset: DataSet, kind: Kind, out: Path) -> Trained:
        named = ("epochs", "batch_size", "lr", "weight_decay", "augmentation", "held_out")
        numbers = {name: value for name in named if (value := getattr(self, name)) is not None}
        twice = sorted(numbers.keys() & (self.numbers or {}).keys())
        if twice:
            raise ValueError(f"{', '.join(twice)} is given by itself and in numbers too; give it once")
        # Measured precision may be another one each time, and then equal fits give unequal models.
        numbers = {"precision": "fp32", "seed": self._seed(), **(self.numbers or {}), **numbers}
        recipe = self.recipe
        if recipe is None:
            recipe = "finetune" if self.model is not None and is_trained(str(self.model)) else RECIPES[kind]
            if kind != "paths":
                numbers.setdefault("augmentation", "none")
        return train(
            dataset,
            model=self.model,
            recipe_name=recipe,
            out=out,
            size=self.size,
            facts=dict(self.facts or {}),
            device=self.device,
            workers=self.workers,
            **numbers,
        )
