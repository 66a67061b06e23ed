"""Who may import whom: the contracts of pyproject.toml, and what each room may take from outside."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "resnets"
FILES = sorted(SOURCE.rglob("*.py"))

# What a room may import from outside at all. Rooms that are not listed choose for themselves.
OUTSIDE = {
    "spec": set(),
    "files": set(),
    "net": {"torch"},
    "page": {"numpy", "matplotlib", "jinja2"},
}

# Extras may be absent, so they are imported inside the function that needs them.
EXTRAS = {
    "fastapi", "h5py", "huggingface_hub", "imagecorruptions", "nncf", "onnx", "onnxruntime", "openvino", "pyarrow",
    "ray", "simplejpeg", "tensorboard", "uvicorn",
}  # fmt: skip

# References for the agreement tests, and never dependencies.
REFERENCES = {"keras", "tensorflow", "timm", "transformers"}

# These run what a file says.
RUNS_FILES = {"cloudpickle", "dill", "marshal", "pickle", "shelve"}


def imports(nodes: Iterator[ast.AST] | list[ast.stmt]) -> set[str]:
    """Return the top-level names that some import statements name."""
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(str(node.module).partition(".")[0])
    return found


def outside(names: set[str]) -> set[str]:
    """Leave out ourselves and the standard library."""
    return names - {"resnets"} - set(sys.stdlib_module_names)


def parse(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), str(file))


def name_of(file: Path) -> str:
    return str(file.relative_to(SOURCE))


def lint(root: Path) -> subprocess.CompletedProcess[str]:
    """Check the contracts of a checkout with import-linter."""
    program = "import sys; sys.path.insert(0, 'src'); from importlinter.cli import lint_imports_command; "
    program += "lint_imports_command()"
    return subprocess.run(
        [sys.executable, "-c", program, "--no-cache", "--no-logo"],
        capture_output=True, text=True, cwd=root, timeout=120, check=False,
        env=os.environ | {"COLUMNS": "200"},  # its messages are wrapped to the terminal
    )  # fmt: skip


def small_checkout(root: Path, guilty: str) -> Path:
    """Write a checkout with our contracts, every room empty but for one line in spec."""
    for room in (
        "cli",
        "training",
        "evaluation",
        "inference",
        "weights",
        "data",
        "runtime",
        "net",
        "page",
        "spec",
        "files",
    ):
        folder = root / "src" / "resnets" / room
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text("", encoding="utf-8")
    (root / "src" / "resnets" / "__init__.py").write_text("", encoding="utf-8")
    (root / "src" / "resnets" / "spec" / "guilty.py").write_text(guilty, encoding="utf-8")
    (root / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    return root


def test_the_import_contracts_hold() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 kept, 0 broken" in done.stdout


def test_the_contracts_are_kept_by_rooms_that_import_nothing(tmp_path: Path) -> None:
    assert lint(small_checkout(tmp_path, "")).returncode == 0


@pytest.mark.parametrize(
    ("guilty", "said"),
    [
        ("import resnets.net", "resnets.spec is not allowed to import resnets.net"),
        (
            "def f():\n    from resnets import training",
            "resnets.spec is not allowed to import resnets.training",
        ),
        ("import resnets.files", "resnets.spec is not allowed to import resnets.files"),
        ("import numpy", "resnets.spec is not allowed to import numpy"),
    ],
)
def test_the_contracts_see_a_wrong_import(guilty: str, said: str, tmp_path: Path) -> None:
    done = lint(small_checkout(tmp_path, guilty))
    assert done.returncode == 1
    assert said in done.stdout


def test_the_contracts_see_a_room_without_a_line(tmp_path: Path) -> None:
    root = small_checkout(tmp_path, "")
    (root / "src" / "resnets" / "utils.py").write_text("", encoding="utf-8")
    assert "- resnets.utils" in lint(root).stdout


@pytest.mark.parametrize("room", OUTSIDE)
def test_a_room_takes_from_outside_only_what_it_may(room: str) -> None:
    files = sorted((SOURCE / room).rglob("*.py"))
    assert files
    taken = {name_of(file): outside(imports(ast.walk(parse(file)))) - OUTSIDE[room] for file in files}
    assert {file: names for file, names in taken.items() if names} == {}


def test_extras_are_imported_inside_the_function_that_needs_them() -> None:
    taken = {name_of(file): imports(parse(file).body) & EXTRAS for file in FILES}
    assert {file: names for file, names in taken.items() if names} == {}


def test_references_are_no_dependencies() -> None:
    taken = {name_of(file): imports(ast.walk(parse(file))) & REFERENCES for file in FILES}
    assert {file: names for file, names in taken.items() if names} == {}


def test_no_pickle_is_executed() -> None:
    taken = {name_of(file): imports(ast.walk(parse(file))) & RUNS_FILES for file in FILES}
    assert {file: names for file, names in taken.items() if names} == {}


def unsafe_loads(tree: ast.Module) -> list[int]:
    """Return the lines of calls that may run a pickle through torch, numpy or joblib."""
    lines = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            options = {each.arg: ast.unparse(each.value) for each in node.keywords}
            called = ast.unparse(node.func)
            unsafe = (
                (called == "torch.load" and options.get("weights_only") != "True")
                or called == "joblib.load"
                or options.get("allow_pickle", "False") != "False"
            )
            lines += [node.lineno] if unsafe else []
    return lines


def test_torch_and_numpy_load_numbers_only() -> None:
    found = {name_of(file): unsafe_loads(parse(file)) for file in FILES}
    assert {file: lines for file, lines in found.items() if lines} == {}


def test_this_probe_sees_unsafe_loads() -> None:
    program = "torch.load(f)\ntorch.load(f, weights_only=True)\nnp.load(f, allow_pickle=True)\njoblib.load(f)"
    assert unsafe_loads(ast.parse(program)) == [1, 3, 4]
