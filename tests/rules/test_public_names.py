"""The public names: what they are, where they live, and that type checkers are told the same."""

import ast
import inspect
import pkgutil
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

import resnets

ROOT = Path(__file__).parents[2]

# A change here is a change of the public interface: it needs a line in CHANGELOG.md.
PUBLIC = {
    "Columns": "resnets.data.reading",
    "Model": "resnets.weights.modelfile",
    "Reading": "resnets.data.reading",
    "ResNetClassifier": "resnets.estimator.classifier",
    "ResNetFeatures": "resnets.estimator.features",
    "agreement": "resnets.evaluation.agreement",
    "build": "resnets.net.network",
    "calibrate": "resnets.evaluation.calibrate",
    "check": "resnets.data.check.check",
    "compare": "resnets.evaluation.compare",
    "convert": "resnets.deployment.convert",
    "evaluate": "resnets.evaluation.evaluate",
    "export": "resnets.deployment.export",
    "features": "resnets.inference.features",
    "identify": "resnets.weights.identify",
    "load": "resnets.inference.models",
    "open_data": "resnets.data.open",
    "pack": "resnets.data.pack",
    "predict": "resnets.inference.predict",
    "save": "resnets.weights.modelfile",
    "train": "resnets.training.train",
    "variants": "resnets.spec.variants",
}

MODULES = sorted(module.name for module in pkgutil.walk_packages(resnets.__path__, "resnets."))


def declared_for_type_checkers() -> dict[str, str]:
    """Return name -> home of what the package's __init__ imports under TYPE_CHECKING."""
    tree = ast.parse(Path(resnets.__file__).read_text(encoding="utf-8"))
    (guard,) = (node for node in tree.body if isinstance(node, ast.If))
    imports = (node for node in guard.body if isinstance(node, ast.ImportFrom))
    return {alias.name: str(node.module) for node in imports for alias in node.names}


def test_public_names_are_the_stored_ones() -> None:
    assert resnets.__all__ == list(PUBLIC)


def test_type_checkers_know_the_public_names_from_their_homes() -> None:
    assert declared_for_type_checkers() == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_is_the_object_of_its_home(name: str) -> None:
    value = getattr(resnets, name)
    assert inspect.isfunction(value) or inspect.isclass(value)
    assert value is getattr(import_module(PUBLIC[name]), name)
    assert value is vars(resnets)[name], "fetched once, then kept"


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_has_a_docstring_that_says_what_it_is(name: str) -> None:
    value = getattr(resnets, name)
    assert value.__doc__
    assert not value.__doc__.startswith(f"{name}("), "dataclasses write this one; say it in words"


def test_public_names_hide_no_room() -> None:
    rooms = {module.name for module in pkgutil.iter_modules(resnets.__path__)}
    assert rooms & set(PUBLIC) == set()


def test_dir_lists_the_public_names() -> None:
    assert set(PUBLIC) | {"__version__"} <= set(dir(resnets))


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'resnet50'; it has Columns, Model, Reading, ResNet"):
        resnets.resnet50  # noqa: B018


def test_the_version_is_the_one_in_pyproject() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert resnets.__version__ == project["version"], "install again: pip install -e ."


def test_there_are_modules() -> None:
    assert {"resnets.spec.variants", "resnets.cli"} <= set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_every_module_imports_and_its_all_is_sorted_and_true(name: str) -> None:
    module = import_module(name)
    assert module.__doc__, f"{name} does not say what idea it holds"
    names = getattr(module, "__all__", [])
    assert list(names) == sorted(names)
    assert [each for each in names if not hasattr(module, each)] == []
