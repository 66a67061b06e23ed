"""Quiet: import what an extra brings, with its telemetry off before its first line runs.

Importing openvino sends an event through the package openvino_telemetry, and so does quantizing with NNCF; both go on
without that package where it is absent (openvino/tools/ovc/telemetry_utils.py, nncf/telemetry/wrapper.py).
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

TELEMETRY = "openvino_telemetry"

SENDERS = ("send_event", "send_error", "send_stack_trace", "send_opt_in_event", "start_session", "end_session")
"""Methods of its class by which anything is sent."""

EXTRAS = {"openvino": "openvino", "nncf": "openvino", "onnx": "onnx", "onnxruntime": "onnx"}
"""Package -> the extra that brings it."""


def load(package: str) -> Any:
    """Return a package that an extra of ours brings, imported with telemetry off.

    Raises `ValueError` that says what to install where it is absent.
    """
    telemetry_off()
    try:
        module = import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise ValueError(f"this needs {package}; install it: pip install 'resnets[{EXTRAS[package]}]'") from None
    if package == "onnxruntime" and hasattr(module, "disable_telemetry_events"):  # Windows builds send events
        module.disable_telemetry_events()
    return module


def telemetry_off() -> None:
    """See to it that nothing is sent from this process, whatever is imported from now on.

    Python is told that the package is absent. Where somebody imported it before us, its class sends nothing more. No
    file is written, and the consent that a user keeps in a home folder is left as it is.
    """
    module = sys.modules.get(TELEMETRY)
    if module is None:
        sys.modules[TELEMETRY] = None  # type: ignore[assignment]  # as importlib documents: importing it fails
        return
    for name in SENDERS:
        setattr(module.Telemetry, name, _nothing)


def _nothing(*_: object, **__: object) -> None:
    """Send nothing."""
