"""Checks as JUnit XML: one suite a check, one test case a case.

There is no one standard. What is written here is valid by the schema of Ant's junitreport task, the strictest in use,
and by the one of Jenkins' xUnit plugin, so the root has no attributes and every suite has all its children.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from aoinspect.report.cases import Case, CheckResult, Outcome

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""XML 1.0 2.2: characters that no document may hold."""


def checks_junit(results: Sequence[CheckResult]) -> str:
    """All checks as one document."""
    root = Element("testsuites")
    for number, result in enumerate(results):
        _suite(root, number, result)
    indent(root, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _suite(root: Element, number: int, result: CheckResult) -> None:
    outcomes = [case.outcome for case in result.cases]
    suite = SubElement(
        root,
        "testsuite",
        {
            "id": str(number),
            "name": _token(result.name) or "check",
            "package": "aoinspect",
            "timestamp": result.started,
            "hostname": "localhost",
            "tests": str(len(outcomes)),
            "failures": str(outcomes.count(Outcome.FAILED)),
            "errors": str(outcomes.count(Outcome.ERROR)),
            "time": f"{result.seconds:.3f}",
        },
    )
    properties = SubElement(suite, "properties")
    for name, value in (
        ("kind", result.kind),
        ("against", result.against),
        *(("capture", path) for path in result.captures),
        *(("keys", path) for path in result.keys),
        *((f"segments.{verdict}", str(count)) for verdict, count in result.verdicts.items()),
    ):
        SubElement(properties, "property", {"name": name, "value": _text(value)})
    for case in result.cases:
        _case(suite, case, result)
    SubElement(suite, "system-out").text = _text(result.note)
    SubElement(suite, "system-err").text = _text("\n".join(result.warnings))


def _case(suite: Element, case: Case, result: CheckResult) -> None:
    element = SubElement(
        suite,
        "testcase",
        # One run judges all cases at once: no case has a time of its own.
        {"name": _token(case.name), "classname": _token(result.name), "time": "0"},
    )
    if case.outcome is Outcome.PASSED:
        return
    tag = "failure" if case.outcome is Outcome.FAILED else "error"
    told = SubElement(element, tag, {"type": case.kind, "message": _text(case.message)})
    told.text = _text("\n".join((*_places(case), *case.details)))


def _places(case: Case) -> list[str]:
    places = []
    if case.line is not None:
        places.append(f"{case.file}:{case.line}")
    if case.frame is not None:
        places.append(f"{case.capture} frame {case.frame}")
    return places


def _text(text: str) -> str:
    return _NOT_XML.sub("?", text)


def _token(text: str) -> str:
    """Text without blanks at its ends or next to one another (XML Schema's xs:token)."""
    return " ".join(_text(text).split())
