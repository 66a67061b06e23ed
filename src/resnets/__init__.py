"""The public names of resnets, each fetched from its room when it is first used.

Importing this package imports no torch, so that `resnets show` and `--help` answer at once.
"""

from typing import TYPE_CHECKING

__all__ = [
    "Columns", "Model", "Reading", "ResNetClassifier", "ResNetFeatures", "agreement", "build", "calibrate", "check",
    "compare", "convert", "evaluate", "export", "features", "identify", "load", "open_data", "pack", "predict", "save",
    "train", "variants",
]  # fmt: skip

if TYPE_CHECKING:
    from resnets.data.check.check import check
    from resnets.data.open import open_data
    from resnets.data.pack import pack
    from resnets.data.reading import Columns, Reading
    from resnets.deployment.convert import convert
    from resnets.deployment.export import export
    from resnets.estimator.classifier import ResNetClassifier
    from resnets.estimator.features import ResNetFeatures
    from resnets.evaluation.agreement import agreement
    from resnets.evaluation.calibrate import calibrate
    from resnets.evaluation.compare import compare
    from resnets.evaluation.evaluate import evaluate
    from resnets.inference.features import features
    from resnets.inference.models import load
    from resnets.inference.predict import predict
    from resnets.net.network import build
    from resnets.spec.variants import variants
    from resnets.training.train import train
    from resnets.weights.identify import identify
    from resnets.weights.modelfile import Model, save

    __version__: str

else:
    _HOMES = {
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

    def __getattr__(name):
        """Fetch a public name from its home and keep it here, so that this runs once for each name."""
        if name == "__version__":
            from importlib.metadata import version

            value = version("resnets")
        elif name in _HOMES:
            from importlib import import_module

            value = getattr(import_module(_HOMES[name]), name)
        else:
            raise AttributeError(f"module 'resnets' has no attribute {name!r}; it has {', '.join(__all__)}")
        globals()[name] = value
        return value

    def __dir__():
        """List the public names, fetched or not."""
        return sorted({*globals(), *__all__, "__version__"})
