"""Checks in the Test Anything Protocol, version 13: a plan, a line a case, a YAML block where one failed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from aoinspect.report.cases import Case, CheckResult, Outcome


def checks_tap(results: Sequence[CheckResult]) -> str:
    """All cases of all checks, numbered from 1."""
    return "".join(f"{line}\n" for line in _lines(results))


def _lines(results: Sequence[CheckResult]) -> Iterator[str]:
    yield "TAP version 13"
    yield f"1..{sum(len(result.cases) for result in results)}"
    number = 0
    for result in results:
        for warning in result.warnings:
            yield f"# {_line(warning)}"
        for case in result.cases:
            number += 1
            word = "ok" if case.outcome is Outcome.PASSED else "not ok"
            yield f"{word} {number} - {_line(f'{result.name}: {case.name}')}"
            if case.is_failure:
                yield from _block(case)


def _block(case: Case) -> Iterator[str]:
    """A YAML document; JSON strings are YAML strings (YAML 1.2 1.3)."""
    yield "  ---"
    yield f"  message: {json.dumps(case.message)}"
    yield f"  severity: {'fail' if case.outcome is Outcome.FAILED else 'error'}"
    if case.file:
        yield f"  file: {json.dumps(case.file)}"
    if case.line is not None:
        yield f"  line: {case.line}"
    if case.frame is not None:
        yield f"  capture: {json.dumps(case.capture)}"
        yield f"  frame: {case.frame}"
    if case.details:
        yield "  details:"
        yield from (f"    - {json.dumps(detail)}" for detail in case.details)
    yield "  ..."


def _line(text: str) -> str:
    """One line in which # starts no directive (TAP 13, "Directives")."""
    return " ".join(text.split()).replace("\\", "\\\\").replace("#", "\\#")
