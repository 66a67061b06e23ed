""".keras: the weights of the HDF5 file inside, the description beside it, and nothing of a Lambda layer run."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resnets.files.errors import FileError
from resnets.weights.containers import keras_zip
from resnets.weights.containers.contents import array
from resnets.weights.containers.zip_archive import open_archive

h5py = pytest.importorskip("h5py", reason="h5py is not installed; the extra [keras] brings it")

LAMBDA = {"class_name": "Lambda", "config": {"name": "twice", "function": {"class_name": "__lambda__"}}}
CONFIG: dict[str, Any] = {
    "module": "keras.src.models.functional",
    "class_name": "Functional",
    "config": {
        "layers": [{"class_name": "Lambda", "config": {"name": "twice", "function": {"class_name": "__lambda__"}}}]
    },
}


def weights() -> bytes:
    file = io.BytesIO()
    with h5py.File(file, "w") as made:
        made["layers/conv2d/vars/0"] = np.arange(24, dtype="f4").reshape(2, 3, 4)
        made["layers/conv2d/vars"].attrs["name"] = "stem"
    return file.getvalue()


def archive(path: Path, packing: int = zipfile.ZIP_STORED, **members: str | bytes) -> Path:
    whole = {"metadata.json": '{"keras_version": "3.15.1"}', "config.json": json.dumps(CONFIG)}
    whole |= {"model.weights.h5": weights()}  # type: ignore[dict-item]
    with zipfile.ZipFile(path, "w", packing) as file:
        for name, data in (whole | {name.replace("_", "."): data for name, data in members.items()}).items():
            if data:
                file.writestr(name, data)
    return path


def test_a_model_comes_out_under_the_names_of_its_weights(tmp_path: Path) -> None:
    found = keras_zip.read(archive(tmp_path / "a.keras"))
    assert found.container == "keras"
    assert [*found.tensors] == ["layers/conv2d/vars/0"]
    assert np.array_equal(array(found.tensors["layers/conv2d/vars/0"]), np.arange(24).reshape(2, 3, 4))
    assert found.facts == {
        "group_names": {"layers/conv2d": "stem"}, "model_config": CONFIG, "keras_version": "3.15.1",
    }  # fmt: skip
    assert found.not_run == ("Lambda layer twice",)
    assert keras_zip.looks_like(open_archive(tmp_path / "a.keras"))


REFUSALS: dict[str, tuple[dict[str, str], str]] = {
    "no weights": ({"model_weights_h5": ""}, r"a zip archive without model\.weights\.h5"),
    "no description": ({"config_json": ""}, r"a zip archive without config\.json"),
    "weights that are no HDF5": ({"model_weights_h5": "x" * 1000}, "does not start as HDF5 does"),
    "a description that is no JSON": ({"config_json": "{oh}"}, r"config\.json: it holds no JSON"),
    "a deep description": ({"config_json": "[" * 100 + "]" * 100}, "containers deep"),
    "a description over 8 MB": ({"config_json": " " * (8 << 20) + "1"}, "at most 8,388,608 are read"),
    "metadata that are no JSON": ({"metadata_json": "{oh}"}, r"metadata\.json: it holds no JSON"),
}


@pytest.mark.parametrize(("members", "said"), REFUSALS.values(), ids=REFUSALS)
def test_what_is_no_model_of_keras_is_refused(members: dict[str, str], said: str, tmp_path: Path) -> None:
    with pytest.raises(FileError, match=said):
        keras_zip.read(archive(tmp_path / "a.keras", **members))


def test_weights_that_are_deflated_are_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"its model\.weights\.h5 is deflated, .*zip -0"):
        keras_zip.read(archive(tmp_path / "a.keras", zipfile.ZIP_DEFLATED))


def test_a_deflated_description_is_read(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.keras")
    with zipfile.ZipFile(tmp_path / "b.keras", "w") as file, zipfile.ZipFile(path) as old:
        for name in old.namelist():
            packing = zipfile.ZIP_STORED if name.endswith(".h5") else zipfile.ZIP_DEFLATED
            file.writestr(name, old.read(name), packing)
    assert keras_zip.read(tmp_path / "b.keras").facts == keras_zip.read(path).facts
