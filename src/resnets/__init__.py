"""The public names of resnets, each fetched from its room when it is first used.

Importing this package imports no torch, so that `resnets show` and `--help` answer at once.
"""

from typing import TYPE_CHECKING

__all__ = [
    "Model", "agreement", "build", "convert", "evaluate", "identify", "load", "predict", "save", "train", "variants",
]  # fmt: skip

if TYPE_CHECKING:
    from resnets.deployment.convert import convert
    from resnets.evaluation.agreement import agreement
    from resnets.evaluation.evaluate import evaluate
    from resnets.inference.predict import predict
    from resnets.net.network import build
    from resnets.spec.variants import variants
    from resnets.training.train import train
    from resnets.weights.identify import identify
    from resnets.weights.load import load
    from resnets.weights.modelfile import Model, save

    __version__: str

else:
    _HOMES = {
        "Model": "resnets.weights.modelfile",
        "agreement": "resnets.evaluation.agreement",
        "build": "resnets.net.network",
        "convert": "resnets.deployment.convert",
        "evaluate": "resnets.evaluation.evaluate",
        "identify": "resnets.weights.identify",
        "load": "resnets.weights.load",
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
