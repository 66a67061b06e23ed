"""State: what estimators of this room share: their parameters for pictures, and a fitted model as plain bytes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_array, check_is_fitted, validate_data
from torch import Tensor

from resnets.data.loader import Loader
from resnets.estimator.pictures import Kind, Layout, as_paths, kind_of, layout_of
from resnets.net.device import find_device
from resnets.net.network import ResNet
from resnets.weights import modelfile
from resnets.weights.modelfile import Model

LARGEST_SEED = 2**31 - 1

AT_ONCE: Mapping[Kind, int] = {"paths": 32, "pictures": 256, "rows": 256}
"""Pictures that are answered at once: files may be photographs, and need more memory."""


class Held:
    """A model that is read from the bytes of its file when it is first asked for."""

    def __init__(self, data: bytes) -> None:
        self._data, self._model = data, None  # type: tuple[bytes, Model | None]

    def model(self) -> Model:
        """Return the model, in evaluation mode."""
        if self._model is None:
            with tempfile.TemporaryDirectory(prefix="resnets-") as folder:
                path = Path(folder) / "model.safetensors"
                path.write_bytes(self._data)
                self._model = modelfile.load(path)
        return self._model


class PictureEstimator(BaseEstimator):  # type: ignore[misc]
    """An estimator whose X are pictures: paths, arrays of pictures, or rows of their numbers.

    What is fitted are plain values: `model_file_`, the bytes of a model file, and `layout_`, how X becomes pictures.
    """

    image_shape: Sequence[int] | None
    value_range: Sequence[float] | None
    device: str
    workers: int | None
    random_state: Any
    model_file_: bytes
    layout_: dict[str, Any]

    @property
    def model_(self) -> Model:
        """The fitted model, as `resnets.save`, `evaluate` and `convert` take it."""
        check_is_fitted(self)
        return self._held.model()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__getstate__().items() if name != "_held"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "model_file_" in state:
            self._held = Held(self.model_file_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        return tags

    def _keep(self, data: bytes) -> None:
        self.model_file_, self._held = data, Held(data)

    def _checked(self, x: Any, *, fitting: bool) -> list[str] | npt.NDArray[Any]:
        """X as paths or as an array of finite numbers, of at least one picture, of the kind that was fitted on."""
        found: list[str] | npt.NDArray[Any] | None = as_paths(x)
        is_row = found is None and np.asarray(x).ndim <= 2
        if is_row:
            # How many numbers there are in a row scikit-learn remembers and compares; one alone is no picture.
            found = validate_data(self, x, reset=fitting, ensure_min_features=2 if fitting else 1)
        elif found is None:
            found = check_array(x, allow_nd=True)
        assert found is not None
        if isinstance(found, np.ndarray) and found.ndim > 4:
            raise ValueError(f"X has {found.ndim} dimensions; allowed: (N, H, W, C), (N, H, W), (N, features)")
        if fitting and not is_row:  # what has no features does not keep those of an earlier fit on rows
            for name in ("n_features_in_", "feature_names_in_"):
                self.__dict__.pop(name, None)
        if not fitting and kind_of(found) != self.layout_["kind"]:
            raise ValueError(
                f"X are {kind_of(found)}, and this {type(self).__name__} was fitted on {self.layout_['kind']}"
            )
        return found

    def _learn_layout(self, found: Sequence[str] | npt.NDArray[Any]) -> Layout:
        layout = layout_of(found, self.image_shape, self.value_range)
        self.layout_ = asdict(layout)
        return layout

    def _seed(self) -> int:
        """The seed that `random_state` is, or that is drawn from it."""
        if isinstance(self.random_state, int | np.integer):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(LARGEST_SEED))

    @torch.no_grad()
    def _ask(self, x: Any, ask: Callable[[ResNet, Tensor], Tensor]) -> npt.NDArray[np.float32]:
        """What the fitted network is asked about each picture of X, in order: (N, numbers).

        A picture that cannot be decoded is refused: there is an answer to each row of X, or none at all.
        """
        check_is_fitted(self)
        layout, model, device = Layout(**self.layout_), self._held.model(), find_device(self.device)
        network = model.network.to(device).eval()
        loader = Loader(
            layout.source(self._checked(x, fitting=False)),
            model.card.preprocess,
            batch_size=AT_ONCE[layout.kind],
            drop_single=False,
            workers=self.workers,
            bad_limit=0,
            device=device,
        )
        return np.concatenate([ask(network, batch.images).cpu().numpy() for batch in loader.epoch(0)])
