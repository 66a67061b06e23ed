"""The classifier: pictures in, scikit-learn's answers out, and the same network as everybody's."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import resnets
from resnets import ResNetClassifier
from resnets.data.dataset import DataSet
from resnets.data.source import FileSource
from resnets.evaluation.evaluate import answer
from tests import tiny

BRIGHT = tiny.array(60)
X, Y = BRIGHT.pixels, np.array(["ant", "bee", "cat"])[BRIGHT.labels]


def classifier(**differences: Any) -> ResNetClassifier:
    given: dict[str, Any] = {"facts": tiny.SMALL, "epochs": 8, "batch_size": 16, "device": "cpu", "random_state": 0}
    return ResNetClassifier(tiny.ROW, **given | differences)


@pytest.fixture(scope="module")
def fitted() -> ResNetClassifier:
    return classifier().fit(X, Y)


def write(folder: Path) -> list[Path]:
    """The pictures of X as files, numbered."""
    paths = [folder / f"{number:03}.png" for number in range(len(X))]
    for path, pixels in zip(paths, X, strict=True):
        Image.fromarray(pixels).save(path)
    return paths


def test_it_learns_classes_by_their_names(fitted: ResNetClassifier) -> None:
    assert list(fitted.classes_) == ["ant", "bee", "cat"]
    assert fitted.score(X, Y) > 0.9
    assert fitted.predict(X).dtype == Y.dtype
    assert not hasattr(fitted, "n_features_in_")


def test_probabilities_are_the_softmax_of_the_decision(fitted: ResNetClassifier) -> None:
    logits = fitted.decision_function(X)
    powers = np.exp(logits - logits.max(1, keepdims=True))
    np.testing.assert_allclose(fitted.predict_proba(X), powers / powers.sum(1, keepdims=True))


def test_two_classes_have_one_decision() -> None:
    two = Y != "cat"
    made = classifier(epochs=2).fit(X[two], Y[two])
    decision = made.decision_function(X)
    assert decision.shape == (60,)
    assert list(made.classes_[(decision > 0).astype(int)]) == list(made.predict(X))


def test_answers_are_those_of_evaluate_on_the_same_pictures(fitted: ResNetClassifier) -> None:
    dataset = DataSet(name="x", classes=("ant", "bee", "cat"), train=None, test=BRIGHT, fingerprint="")
    np.testing.assert_allclose(fitted.decision_function(X), answer(fitted.model_, dataset).logits, rtol=1e-5, atol=1e-5)


def test_a_picture_is_answered_alone_as_in_company(fitted: ResNetClassifier) -> None:
    alone = np.concatenate([fitted.decision_function(X[row : row + 1]) for row in range(10)])
    np.testing.assert_allclose(alone, fitted.decision_function(X)[:10], rtol=1e-5, atol=1e-5)


def test_training_is_that_of_train(fitted: ResNetClassifier, tmp_path: Path) -> None:
    dataset = DataSet(name="X", classes=("ant", "bee", "cat"), train=BRIGHT, test=None, fingerprint="")
    numbers: dict[str, Any] = {"epochs": 8, "batch_size": 16, "augmentation": "none", "seed": 0}
    theirs = tiny.run(dataset, tmp_path / "run", recipe_name="digits", **numbers).model.network.state_dict()
    ours = fitted.model_.network.state_dict()
    assert all((ours[name] == tensor).all() for name, tensor in theirs.items())


def test_files_are_pictures_too(tmp_path: Path) -> None:
    paths = write(tmp_path)
    made = classifier(size=8, epochs=20).fit(paths, Y)
    assert made.score([str(path) for path in paths], Y) > 0.9
    predicted = [prediction.top[0][0] for prediction in resnets.predict(made.model_, paths)]
    assert list(made.predict(np.array(list(map(str, paths))))) == predicted
    dataset = DataSet(
        name="x", classes=("ant", "bee", "cat"), train=None, test=FileSource.of(paths, BRIGHT.labels), fingerprint=""
    )
    np.testing.assert_allclose(made.decision_function(paths), answer(made.model_, dataset).logits, atol=1e-5)


def test_a_file_that_is_no_picture_is_left_out_of_training_and_refused_after_it(tmp_path: Path) -> None:
    paths = write(tmp_path)
    paths[7].write_bytes(b"no picture")
    with pytest.warns(UserWarning, match=r"left out of training: .*007.png"):
        made = classifier(size=8, epochs=1).fit(paths, Y)
    with pytest.raises(ValueError, match=r"007\.png"):
        made.predict(paths)


def test_equal_seeds_give_equal_bytes_and_others_other_ones(fitted: ResNetClassifier) -> None:
    assert clone(fitted).fit(X, Y).model_file_ == fitted.model_file_
    assert classifier(random_state=1).fit(X, Y).model_file_ != fitted.model_file_
    drawn = [classifier(epochs=1, random_state=np.random.RandomState(3)).fit(X, Y) for _ in range(2)]
    assert drawn[0].model_file_ == drawn[1].model_file_


def test_what_is_pickled_are_plain_values(fitted: ResNetClassifier) -> None:
    fitted.predict(X)
    text = pickle.dumps(fitted)
    assert b"torch" not in text.replace(fitted.model_file_, b"")
    again = pickle.loads(text)
    np.testing.assert_array_equal(again.predict_proba(X), fitted.predict_proba(X))


def test_a_fitted_model_is_saved_as_any_other(fitted: ResNetClassifier, tmp_path: Path) -> None:
    resnets.save(fitted.model_, tmp_path / "m.safetensors")
    assert (tmp_path / "m.safetensors").read_bytes() == fitted.model_file_


def test_training_goes_on_from_a_file(fitted: ResNetClassifier, tmp_path: Path) -> None:
    (tmp_path / "m.safetensors").write_bytes(fitted.model_file_)
    made = ResNetClassifier(tmp_path / "m.safetensors", epochs=1, lr=0.0, device="cpu", random_state=0).fit(X, Y)
    assert made.model_.card.origin["recipe"]["name"] == "finetune"
    assert made.score(X, Y) > 0.9


def test_a_run_is_kept_where_it_is_asked_for(tmp_path: Path) -> None:
    made = classifier(epochs=1, out=tmp_path / "run").fit(X, Y)
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == made.model_file_
    with pytest.raises(ValueError, match="already holds a run"):
        made.fit(X, Y)


def test_probabilities_are_at_the_temperature_of_the_held_out_pictures(tmp_path: Path) -> None:
    made = classifier(epochs=2, held_out=0.3).fit(X, Y)
    assert made.model_.card.calibration["temperature"] > 0
    cooled = replace(made.model_, card=replace(made.model_.card, calibration={"temperature": 2.0}))
    resnets.save(cooled, tmp_path / "m.safetensors")
    made.__setstate__(made.__getstate__() | {"model_file_": (tmp_path / "m.safetensors").read_bytes()})
    powers = np.exp(made.decision_function(X) / 2)
    np.testing.assert_allclose(made.predict_proba(X), powers / powers.sum(1, keepdims=True), rtol=1e-6)


def test_nothing_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    classifier(epochs=1).fit(X, Y).predict(X)
    assert capsys.readouterr() == ("", "")


def test_scikit_learn_searches_validates_and_pipes() -> None:
    search = GridSearchCV(classifier(epochs=4), {"lr": [0.0, 0.2], "numbers": [{"nesterov": True}]}, cv=2).fit(X, Y)
    assert search.best_params_["lr"] == 0.2
    piped = make_pipeline(FunctionTransformer(lambda pictures: 255 - pictures), classifier())
    assert cross_val_score(piped, X, Y, cv=2).mean() > 0.8


@pytest.mark.slow
def test_processes_share_the_work() -> None:
    alone, shared = (cross_val_score(classifier(), X, Y, cv=2, n_jobs=jobs) for jobs in (1, 2))
    np.testing.assert_array_equal(alone, shared)


@pytest.mark.slow
def test_digits_are_learnt_from_their_rows() -> None:
    from sklearn.datasets import load_digits

    pictures, labels = load_digits(return_X_y=True)
    made = ResNetClassifier("resnet20_cifar", epochs=3, device="cpu", random_state=0).fit(
        pictures[:1400], labels[:1400]
    )
    assert made.n_features_in_ == 64
    assert made.score(pictures[1400:], labels[1400:]) > 0.9


@pytest.mark.parametrize(
    ("x", "y", "differences", "said"),
    [
        (X, np.zeros(60), {}, "y has one class only, 0.0"),
        (X, Y[:5], {}, "inconsistent numbers of samples"),
        (X, Y, {"numbers": {"learning": 1}}, "'learning' is no number of a recipe"),
        (X, Y, {"image_shape": (4, 4)}, "X has pictures of"),
        (X, Y, {"value_range": (0, 100)}, "and the estimator takes 0 to 100"),
        (X, Y, {"value_range": (1, 1)}, "of which high is larger"),
        (X.reshape(60, -1), Y, {"image_shape": (8, 8)}, "has 64 numbers, and a row 192"),
        (X.reshape(60, -1), Y, {"image_shape": 8.0}, "image_shape=8.0 is not possible"),
        (X[..., None], Y, {}, "X has 5 dimensions"),
        ("a.png", Y, {}, "X is one path, a.png"),
        (["a.png", 3], [0, 1], {}, r"X\[1\] is no path as others are: 3"),
    ],
)
def test_what_does_not_fit_is_refused(x: Any, y: Any, differences: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        classifier(**differences).fit(x, y)


def test_other_pictures_than_those_fitted_on_are_refused(fitted: ResNetClassifier) -> None:
    with pytest.raises(ValueError, match="X are rows, and this ResNetClassifier was fitted on pictures"):
        fitted.predict(X.reshape(60, -1))
    with pytest.raises(ValueError, match="of 1 channels, and the estimator was fitted on 3"):
        fitted.predict(X[..., 0])


def test_a_number_that_is_given_twice_is_refused() -> None:
    pictures = np.zeros((8, 8, 8), np.uint8)
    classifier = ResNetClassifier(epochs=1, numbers={"epochs": 3})
    with pytest.raises(ValueError, match="epochs is given by itself and in numbers too; give it once"):
        classifier.fit(pictures, [0, 1] * 4)
