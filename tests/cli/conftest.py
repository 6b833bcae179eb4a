"""The command line, run in this process."""

from __future__ import annotations

import pytest

from tests.report.running import Command, command


@pytest.fixture
def aoinspect(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs `aoinspect` with these arguments."""
    return command(monkeypatch, capsys)
