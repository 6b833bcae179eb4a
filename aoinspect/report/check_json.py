"""Checks as JSON (`aoinspect.check/1`) and as JSON Lines, one object a case and one a check.

Members are added, and never change or go; docs/ci.md describes them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from aoinspect.report.cases import Case, CheckResult, Outcome, exit_code_of

SCHEMA = "aoinspect.check/1"


def checks_json(results: Sequence[CheckResult]) -> str:
    """All checks as one indented document."""
    outcomes = [result.outcome for result in results]
    document = {
        "schema": SCHEMA,
        "exit_status": int(exit_code_of(results)),
        "summary": {
            "checks": len(results),
            "passed": outcomes.count(Outcome.PASSED),
            "failed": outcomes.count(Outcome.FAILED),
            "errors": outcomes.count(Outcome.ERROR),
            "cases": sum(len(result.cases) for result in results),
        },
        "checks": [{**_check(result), "cases": [_case(case) for case in result.cases]} for result in results],
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def checks_jsonl(results: Sequence[CheckResult]) -> str:
    """One line a case, and behind the cases of a check one line for it."""
    return "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in _lines(results))


def _lines(results: Sequence[CheckResult]) -> Iterator[dict[str, object]]:
    for number, result in enumerate(results):
        for case in result.cases:
            yield {"type": "case", "check": number, **_case(case)}
        yield {"type": "check", "check": number, **_check(result), "cases": len(result.cases)}


def _check(result: CheckResult) -> dict[str, object]:
    return {
        "name": result.name,
        "outcome": result.outcome.value,
        "kind": result.kind,
        "against": result.against or None,
        "captures": list(result.captures),
        "keys": list(result.keys),
        "verdicts": result.verdicts,
        "seconds": round(result.seconds, 3),
        "note": result.note or None,
        "interrupted": result.is_interrupted,
    }


def _case(case: Case) -> dict[str, object]:
    return {
        "name": case.name,
        "outcome": case.outcome.value,
        "kind": case.kind,
        "message": case.message or None,
        "details": list(case.details),
        "file": case.file or None,
        "line": case.line,
        "capture": case.capture or None,
        "frame": case.frame,
    }
