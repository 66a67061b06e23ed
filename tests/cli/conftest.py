"""Commands as a person types them: words in, exit code, output and errors out."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from resnets.cli import main


@dataclass(frozen=True)
class Done:
    """What a command left."""

    code: int
    out: str
    err: str


Type = Callable[..., Done]


@pytest.fixture
def type_(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Type:
    """Run `resnets WORDS...` in this process."""

    def run(*words: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["resnets", *map(str, words)])
        with pytest.raises(SystemExit) as stopped:
            main()
        code = stopped.value.code
        captured = capsys.readouterr()
        return Done(code if isinstance(code, int) else int(code is not None), captured.out, captured.err)

    return run


@pytest.fixture
def refused(type_: Type) -> Callable[..., str]:
    """Run a command that must be refused, and return its one sentence."""

    def run(*words: object, code: int = 2) -> str:
        done = type_(*words)
        assert (done.code, done.out) == (code, "")
        assert done.err.startswith("error: ")
        assert "Traceback" not in done.err
        return done.err.removeprefix("error: ").rstrip("\n")

    return run
