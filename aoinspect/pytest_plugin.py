"""pytest: the fixture `aoinspect_verify`, and what a failing test is told of the Reports that it made.

    def test_the_session_is_authenticated(aoinspect_verify):
        report = aoinspect_verify("session.pcap", "keys.toml")
        assert not report.is_wrong
        assert report.totals.verdicts["unverifiable"] == 0

The assertions are plain ones. pytest shows the expression that failed; below it stands every Report that the test made,
as `aoinspect verify` prints it. pytest imports this file in every run, so all else is loaded by the fixture.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from aoinspect.api import PathName
    from aoinspect.engine.findings import Policy
    from aoinspect.keys.model import KeyStore
    from aoinspect.report.model import Report

_REPORTS = pytest.StashKey["list[Report]"]()
_DIFFERENCES = "aoinspect.report.baseline"


class Verify(Protocol):
    """What the fixture gives: `aoinspect.verify`, with relative paths taken from the test's folder."""

    def __call__(
        self,
        captures: PathName | Sequence[PathName],
        keys: KeyStore | PathName | Sequence[PathName] | None = None,
        *,
        where: str | None = None,
        policy: Policy | str = "rfc",
        recover_isn: int | None = None,
        decode_as: Sequence[str] = (),
        dissectors: Sequence[PathName] = (),
    ) -> Report: ...


@pytest.fixture
def aoinspect_verify(request: pytest.FixtureRequest) -> Verify:
    """Verifies captures as `aoinspect.verify` does, and shows the Report where the test fails.

    Relative paths start at the folder of the test's file.
    """
    from aoinspect.api import verify
    from aoinspect.engine.recovery import DEFAULT_CANDIDATES
    from aoinspect.keys.model import KeyStore

    folder = request.path.parent
    reports: list[Report] = []
    request.node.stash[_REPORTS] = reports

    def placed(paths: PathName | Sequence[PathName]) -> list[Path]:
        if isinstance(paths, str | Path) or not isinstance(paths, Sequence):
            return [folder / paths]
        return [folder / path for path in paths]

    def verify_beside(
        captures: PathName | Sequence[PathName],
        keys: KeyStore | PathName | Sequence[PathName] | None = None,
        *,
        where: str | None = None,
        policy: Policy | str = "rfc",
        recover_isn: int | None = None,
        decode_as: Sequence[str] = (),
        dissectors: Sequence[PathName] = (),
    ) -> Report:
        report = verify(
            placed(captures),
            keys if keys is None or isinstance(keys, KeyStore) else placed(keys),
            where=where,
            policy=policy,
            recover_isn=DEFAULT_CANDIDATES if recover_isn is None else recover_isn,
            decode_as=decode_as,
            dissectors=[folder / path for path in dissectors],
        )
        reports.append(report)
        return report

    return verify_beside


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Adds a section for each Report that a failing test made."""
    outcome = yield
    if outcome.failed and outcome.when == "call":
        for report in item.stash.get(_REPORTS, []):
            names = ", ".join(Path(capture.path).name for capture in report.captures)
            outcome.sections.append((f"aoinspect: {names}", _text_of(report)))
    return outcome


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """`assert difference(baseline, report) == ()` fails with a table."""
    if op != "==" or right != () or not isinstance(left, tuple) or not left:
        return None
    module = sys.modules.get(_DIFFERENCES)
    if module is None or not all(type(one) is module.Difference for one in left):
        return None
    from aoinspect.report.baseline import difference_lines

    one = "1 difference" if len(left) == 1 else f"{len(left)} differences"
    return [f"{one} from the baseline", *difference_lines(left)]


def _text_of(report: Report) -> str:
    import io

    from rich.console import Console

    from aoinspect.report.text import print_report

    out = io.StringIO()
    print_report(report, Console(file=out, width=100, highlight=False, color_system=None))
    return out.getvalue().rstrip()
