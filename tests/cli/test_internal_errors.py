"""A mistake of ours: one line that says where, exit status 70, and never a secret."""

from __future__ import annotations

from typing import NoReturn

import pytest

import aoinspect.report.model
from aoinspect.cli import DEBUG_VARIABLE
from tests.cli.processes import SAMPLES
from tests.report.running import Command

SECRET = "correct-horse-battery-staple"


def fail(*arguments: object, **options: object) -> NoReturn:
    try:
        raise KeyError("the first trouble")
    except KeyError as error:
        raise RuntimeError(SECRET) from error


@pytest.fixture
def broken_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aoinspect.report.model, "build_report", fail)


@pytest.mark.usefixtures("broken_report")
def test_one_line_says_what_and_where(aoinspect: Command) -> None:
    run = aoinspect("verify", SAMPLES / "v4-sha1.pcap")
    assert (run.status, run.out) == (70, "")
    line = fail.__code__.co_firstlineno + 4
    assert run.err == (
        f"aoinspect: internal error: RuntimeError in test_internal_errors.py, line {line}; "
        f"please report it, with what {DEBUG_VARIABLE}=1 in the environment adds\n"
    )


@pytest.mark.usefixtures("broken_report")
def test_debugging_adds_the_whole_way_there(aoinspect: Command) -> None:
    run = aoinspect("verify", SAMPLES / "v4-sha1.pcap", environment={DEBUG_VARIABLE: "1"})
    assert run.status == 70
    assert run.err.index("KeyError: 'the first trouble'") < run.err.index(f"RuntimeError: {SECRET}")
    assert 'commands/verify.py", line' in run.err
    assert run.err.splitlines()[-1].startswith("aoinspect: internal error: ")


def test_text_of_code_that_handles_secrets_is_not_shown_even_then(
    aoinspect: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aoinspect.keys.toml_key.KeyReader.read", fail)
    for variables in ({}, {DEBUG_VARIABLE: "1"}):
        run = aoinspect("verify", SAMPLES / "v4-sha1.pcap", "--keys", SAMPLES / "v4-sha1.toml", environment=variables)
        assert run.status == 70
        assert SECRET not in run.err
    assert "RuntimeError: (its text may quote a secret)" in run.err
