"""What importing costs and touches: no torch for the package and its quick commands, and no side effects."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import resnets

SOURCE = Path(resnets.__file__).parent
HEAVY = {"torch", "torchvision", "numpy", "sklearn", "matplotlib", "PIL", "scipy"}

CALL_CLI = """
import sys
from resnets.cli import main
sys.argv = ["resnets", {arguments}]
try:
    main()
except SystemExit as stop:
    assert not stop.code, stop.code
"""

# What importing our modules must leave alone. The libraries are imported first: what they do is theirs.
SIDE_EFFECTS = """
import logging, os, pkgutil, random, signal, sys, threading, warnings
from importlib import import_module
import jinja2, matplotlib, numpy, PIL.Image, rich, safetensors.torch, sklearn, torch, torchvision, typer

def state():
    return {
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "logging": [repr(logging.root.handlers), logging.root.level],
        "warnings": repr(warnings.filters),
        "signals": [repr(signal.getsignal(number)) for number in signal.valid_signals()],
        "threads": [threading.active_count(), torch.get_num_threads(), torch.get_num_interop_threads()],
        "torch": [repr(torch.get_default_dtype()), torch.is_grad_enabled(), torch.initial_seed()],
        "backends": [torch.backends.cudnn.benchmark, torch.get_float32_matmul_precision()],
        "random": [hash(random.getstate()), int(torch.get_rng_state().long().sum())],
        "matplotlib": dict(matplotlib.rcParams).__repr__(),
        "pillow": [PIL.Image.MAX_IMAGE_PIXELS, PIL.ImageFile.LOAD_TRUNCATED_IMAGES],
    }

import PIL.ImageFile
before = state()
import resnets
for module in pkgutil.walk_packages(resnets.__path__, "resnets."):
    import_module(module.name)
after = state()
changed = [name for name in before if before[name] != after[name]]
print(REPORT + __import__("json").dumps(changed))
"""

REPORT = "report: "


def run(program: str, folder: Path) -> list[str]:
    """Run a program that prints a report, in an interpreter of its own, and return the report."""
    environment = os.environ | {"PYTHONPATH": str(SOURCE.parent)}
    done = subprocess.run(
        [sys.executable, "-c", f"REPORT = {REPORT!r}\n{program}"],
        capture_output=True, text=True, cwd=folder, env=environment, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    report: list[str] = json.loads(done.stdout.rpartition(REPORT)[2])
    return report


def imported_by(program: str, folder: Path) -> set[str]:
    """Return the top-level modules, outside the standard library, that a program imports."""
    probe = f"""
import sys
before = set(sys.modules)
{program}
import json
new = {{name.partition(".")[0] for name in set(sys.modules) - before}} - set(sys.stdlib_module_names)
print(REPORT + json.dumps(sorted(new)))
"""
    return set(run(probe, folder))


@pytest.mark.parametrize("module", ["resnets", "resnets.spec", "resnets.files"])
def test_importing_the_foundation_imports_the_standard_library_only(module: str, tmp_path: Path) -> None:
    assert imported_by(f"import {module}", tmp_path) == {"resnets"}


def test_every_module_of_the_foundation_imports_the_standard_library_only(tmp_path: Path) -> None:
    files = [*(SOURCE / "spec").rglob("*.py"), *(SOURCE / "files").rglob("*.py")]
    names = [".".join(file.relative_to(SOURCE.parent).with_suffix("").parts) for file in files]
    names = [name.removesuffix(".__init__") for name in names]
    assert len(names) > 2
    assert imported_by("\n".join(f"import {name}" for name in names), tmp_path) == {"resnets"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["show", "resnet50"],
        ["show", "resnet50", "--json"],
        ["draw", "resnet34", "--out", "r34.svg"],
        ["weights", "list"],
        ["train", "--help"],
    ],
    ids=" ".join,
)
def test_quick_commands_import_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    program = CALL_CLI.format(arguments=", ".join(map(repr, arguments)))
    assert imported_by(program, tmp_path) & HEAVY == set()


def test_this_probe_sees_torch_where_it_is_imported(tmp_path: Path) -> None:
    assert "torch" in imported_by("import torch", tmp_path)
    assert "torch" in imported_by("import resnets; resnets.build", tmp_path)


def test_importing_every_module_leaves_the_process_alone(tmp_path: Path) -> None:
    assert run(SIDE_EFFECTS, tmp_path) == []


def test_this_probe_sees_side_effects_where_there_are_some(tmp_path: Path) -> None:
    guilty = "import os, torch; os.environ['SEEN'] = '1'; torch.set_num_threads(torch.get_num_threads() + 1)"
    program = SIDE_EFFECTS.replace("import resnets\n", f"import resnets; {guilty}\n")
    assert run(program, tmp_path) == ["environment", "threads"]
