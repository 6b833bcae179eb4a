"""Golden files are written anew by `pytest tests/report tests/follow --update-golden`; then read the difference."""

from __future__ import annotations

from tests.report.conftest import updates_golden

__all__ = ["updates_golden"]
