"""Budgets: no source file over 400 lines, and half of them under 150. Run as a script it prints the table."""

import statistics
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "resnets"
LARGEST = 400
MEDIAN = 150


def lines() -> dict[str, int]:
    """Return file -> lines, the largest first; a room's `__init__.py` is a marker, not a file to read."""
    files = [file for file in SOURCE.rglob("*.py") if file.name != "__init__.py" or file.parent == SOURCE]
    counted = {str(file.relative_to(SOURCE)): len(file.read_text(encoding="utf-8").splitlines()) for file in files}
    return dict(sorted(counted.items(), key=lambda item: -item[1]))


def test_no_file_is_over_400_lines() -> None:
    assert {file: count for file, count in lines().items() if count > LARGEST} == {}


def test_the_median_file_is_under_150_lines() -> None:
    assert statistics.median(lines().values()) < MEDIAN


def test_no_room_is_a_drawer_for_everything() -> None:
    drawers = {"utils", "util", "common", "helpers", "helper", "misc", "core"}
    assert [str(path) for path in SOURCE.rglob("*") if path.stem.strip("_") in drawers] == []


if __name__ == "__main__":
    for name, count in lines().items():
        print(f"{count:5d}  {name}")
    table = lines().values()
    print(f"{sum(table):5d}  in {len(table)} files; median {statistics.median(table):g}, largest {max(table)}")
