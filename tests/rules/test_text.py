"""What the pages say is so: commands exist, Python blocks run, links lead somewhere, translations agree."""

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import resnets

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").rglob("*.md")])
PAGE_NAMES = [str(page.relative_to(ROOT)) for page in PAGES]

RUN = "<!-- run -->"
SHELL = {"console", "bash", "sh", "shell"}
FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)[^\n]*\n(?P<code>.*?)^(?P=indent)```\s*$", re.M | re.S)
LINK = re.compile(r"!?\[(?:[^\]\[]|\[[^\]]*\])*\]\(\s*<?([^)>\s]+)>?[^)]*\)|(?:src|href)=\"([^\"]+)\"")


@dataclass(frozen=True)
class CodeBlock:
    """A fenced block of a page: its language, text and first line, and whether it is marked to run."""

    language: str
    code: str
    line: int
    runs: bool


def blocks(text: str) -> list[CodeBlock]:
    found = []
    for match in FENCE.finditer(text):
        before = text[: match.start()].rstrip().rpartition("\n")[2].strip()
        line = text.count("\n", 0, match.start()) + 1
        found.append(CodeBlock(match["language"], match["code"], line, before == RUN))
    return found


def commands(block: CodeBlock) -> list[list[str]]:
    """Return the words of each command line; a `$` prompt, comments and continued lines are understood.

    A block with prompts shows output too, so there only lines with a prompt are commands.
    """
    lines = block.code.replace("\\\n", " ").splitlines()
    if any(line.lstrip().startswith("$ ") for line in lines):
        lines = [line.lstrip()[2:] for line in lines if line.lstrip().startswith("$ ")]
    found = []
    for line in lines:
        if not re.match(r"\s*(\S*/)?(resnets|make)\b", line):
            continue
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if set(word) <= set("|&;<>"):
                found.append(words)
                words = []
            else:
                words.append(word)
    return [words for words in found if words and Path(words[0]).name in {"resnets", "make"}]


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))


def cli() -> Any:
    from typer.main import get_command

    from resnets.cli import app

    return get_command(app)


def complaint(words: list[str], command: Any) -> str | None:
    """Return what is wrong with a command line, or None."""
    said = " ".join(words)
    if words[0] == "make":
        named = [word for word in words[1:] if "=" not in word and not word.startswith("-")]
        unknown = [word for word in named if word not in targets()]
        return f"no target {unknown} in the Makefile: {said}" if unknown else None
    rest = words[1:]
    while rest and hasattr(command, "commands") and not rest[0].startswith("-"):
        if rest[0] not in command.commands:
            return f"no verb {rest[0]!r}: {said}"
        command = command.commands[rest.pop(0)]
    known = {"--help"}.union(*({*each.opts, *each.secondary_opts} for each in command.params))
    options = [word.partition("=")[0] for word in rest if re.match(r"--?[A-Za-z]", word)]
    unknown = [option for option in options if option not in known]
    return f"no option {unknown}: {said}" if unknown else None


def slug(heading: str) -> str:
    """Return the anchor that code hosts give a heading."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)|[`*]", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def anchors(text: str) -> set[str]:
    return {slug(heading) for heading in re.findall(r"^#+ +(.+)$", FENCE.sub("", text), re.M)}


def broken_links(page: Path, text: str) -> list[str]:
    """Return the links inside the repository that lead nowhere; addresses elsewhere are not followed."""
    broken = []
    for match in LINK.finditer(re.sub(r"`[^`\n]*`", "", FENCE.sub("", text))):
        link = match[1] or match[2]
        if re.match(r"[a-z][a-z+.-]*:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        inside = target.is_relative_to(ROOT) and target.exists()
        missing = inside and anchor and anchor not in anchors(target.read_text(encoding="utf-8"))
        broken += [link] if not inside or missing else []
    return broken


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PAGE_NAMES)
def test_every_command_in_a_page_exists(name: str) -> None:
    lines = [words for block in blocks(read(name)) if block.language in SHELL for words in commands(block)]
    command = cli() if any(words[0] != "make" for words in lines) else None
    assert [said for words in lines if (said := complaint(words, command))] == []


@pytest.mark.parametrize("name", PAGE_NAMES)
def test_every_python_block_in_a_page_compiles_and_runs_where_marked(name: str, tmp_path: Path) -> None:
    for block in blocks(read(name)):
        if block.language != "python":
            continue
        where = f"{name}:{block.line}"
        compile(block.code, where, "exec")
        if block.runs:
            environment = os.environ | {"PYTHONPATH": str(Path(resnets.__file__).parents[1])}
            done = subprocess.run(
                [sys.executable, "-W", "error::DeprecationWarning:__main__", "-c", block.code],
                capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=300, check=False,
            )  # fmt: skip
            assert done.returncode == 0, f"{where}\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("name", PAGE_NAMES)
def test_every_link_in_a_page_leads_somewhere(name: str) -> None:
    assert broken_links(ROOT / name, read(name)) == []


def test_both_readmes_show_the_same_code() -> None:
    english, chinese = blocks(read("README.md")), blocks(read("README.zh-CN.md"))
    assert [(each.language, each.code, each.runs) for each in english] == [
        (each.language, each.code, each.runs) for each in chinese
    ]


def test_the_readme_shows_the_front_door() -> None:
    shown = blocks(read("README.md"))
    lines = [" ".join(words) for block in shown if block.language in SHELL for words in commands(block)]
    assert {"make demo", "make test"} <= set(lines)
    assert any(line.startswith("resnets ") for line in lines)
    assert any(block.language == "python" and block.runs for block in shown)


def test_a_wrong_command_is_seen() -> None:
    block = CodeBlock("console", "$ make tset ARGS=-x\nmake this\n$ resnets shwo a --json | head -3\n", 1, False)
    wrong_target, wrong_verb = commands(block)
    assert wrong_target == ["make", "tset", "ARGS=-x"]
    assert wrong_verb == ["resnets", "shwo", "a", "--json"]
    assert complaint(wrong_target, None) == "no target ['tset'] in the Makefile: make tset ARGS=-x"
    assert complaint(wrong_verb, cli()) == "no verb 'shwo': resnets shwo a --json"
    assert complaint(["resnets", "show", "resnet50", "--jason"], cli()) is not None
    assert complaint(["resnets", "show", "resnet50", "--json"], cli()) is None


def test_a_broken_link_is_seen() -> None:
    page = ROOT / "CONTRIBUTING.md"
    text = "[a](LICENSE) [b](nowhere.md) [c](#contributing) [d](#nothing) [e](mailto:a@b.c) `[f](code.md)`\n"
    assert broken_links(page, f"{text}\n# Contributing\n") == ["nowhere.md", "#nothing"]


def test_blocks_are_found_with_their_mark() -> None:
    text = f"a\n\n{RUN}\n```python\nx = 1\n```\n\n- b\n  ```console\n  make test  # fast\n  ```\n"
    first, second = blocks(text)
    assert (first.language, first.code, first.runs, first.line) == ("python", "x = 1\n", True, 4)
    assert (second.language, second.runs, commands(second)) == ("console", False, [["make", "test"]])
