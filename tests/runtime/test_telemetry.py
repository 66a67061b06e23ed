"""Nothing is sent, and nothing is kept in a home folder, by what brings telemetry of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from resnets.runtime.quiet import load

pytest.importorskip("openvino_telemetry")

# Looking a name up or opening a connection, by Python or by anything in the process that asks Python's audit hooks.
WATCHED = """
import socket, sys
sent = []
def refuse(*arguments, **options):
    sent.append(arguments)
    raise OSError("the network is watched")
for name in ("getaddrinfo", "create_connection", "gethostbyname"):
    setattr(socket, name, refuse)
EVENTS = ("socket.connect", "socket.getaddrinfo")
sys.addaudithook(lambda event, arguments: sent.append(event) if event in EVENTS else None)
"""

AT_THE_END = """
import threading
for thread in threading.enumerate():
    if thread is not threading.current_thread() and not thread.daemon:
        thread.join(5)
print("sent", sent)
"""

OURS = """
from resnets.runtime.lower_onnx import to_onnx
from resnets.runtime.onnx_engine import OnnxEngine
from resnets.runtime.openvino_engine import OpenVinoEngine
from tests.runtime.lowered import onnx_of, pictures
for engine in (OnnxEngine, OpenVinoEngine):
    engine(onnx_of("resnet20_cifar"), threads=1).run(pictures("resnet20_cifar", 2))
"""

QUANTIZING = """
from resnets.runtime.openvino_engine import read_onnx
from resnets.runtime.quiet import load
from tests.runtime.lowered import onnx_of, pictures
nncf = load("nncf")
model = read_onnx(onnx_of("resnet20_cifar"))
nncf.quantize(model, nncf.Dataset([pictures("resnet20_cifar", 2)]), subset_size=1)
"""


def run(program: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Run a program as a user whose home is empty would: no CI, no pytest, for both turn telemetry off."""
    kept = {name: value for name, value in os.environ.items() if name not in ("CI", "PYTEST_CURRENT_TEST", "NNCF_CI")}
    return subprocess.run(
        [sys.executable, "-c", WATCHED + program + AT_THE_END],
        env=kept | {"HOME": str(home), "LOCALAPPDATA": str(home)},
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


def left_in(home: Path) -> list[str]:
    return [str(path.relative_to(home)) for path in home.rglob("*") if "intel" in str(path).lower()]


@pytest.mark.parametrize("program", [OURS, QUANTIZING], ids=["engines", "quantizing"])
def test_nothing_is_sent_and_nothing_is_kept(program: str, tmp_path: Path) -> None:
    pytest.importorskip("nncf")
    done = run(program, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "sent []"
    assert left_in(tmp_path) == []


@pytest.mark.slow
def test_this_watch_sees_what_importing_openvino_sends_by_itself(tmp_path: Path) -> None:
    done = run("import openvino\n", tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] != "sent []" or left_in(tmp_path)


@pytest.mark.slow
def test_what_was_imported_before_us_sends_nothing_more(tmp_path: Path) -> None:
    program = "import openvino\nfrom resnets.runtime.quiet import telemetry_off\ntelemetry_off()\n" + (
        "import time; time.sleep(1); sent.clear()\n"
        "import openvino_telemetry as tm\ntm.Telemetry().send_event('a', 'b', 'c', force_send=True)\n"
        "tm.Telemetry().start_session('a')\ntime.sleep(1)\n"
    )
    done = run(program, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "sent []"


@pytest.mark.parametrize(("package", "extra"), [("openvino", "openvino"), ("nncf", "openvino"), ("onnx", "onnx")])
def test_an_absent_package_says_what_to_install(package: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr("resnets.runtime.quiet.import_module", absent)
    with pytest.raises(ValueError, match=rf"needs {package}; install it: pip install 'resnets\[{extra}\]'"):
        load(package)
