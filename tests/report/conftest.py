"""The option that writes golden files anew: `pytest tests/report --update-golden`, then read the difference."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write tests/report/golden anew from what is printed now"
    )


@pytest.fixture
def updates_golden(request: pytest.FixtureRequest) -> bool:
    # The option is known only where pytest was given this folder.
    return bool(request.config.getoption("--update-golden", default=False))
