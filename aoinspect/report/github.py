"""Checks as GitHub workflow commands, which annotate the files of a pull request.

An annotation is one line of stdout: `::error file=PATH,line=N,title=TEXT::MESSAGE`, with `%`, CR and LF escaped, and
`:` and `,` too in properties (GitHub's "Workflow commands for GitHub Actions").
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aoinspect.report.cases import Case, CheckResult, Outcome


def checks_github(results: Sequence[CheckResult]) -> str:
    """One line a failure, then a notice with the counts."""
    return "".join(f"{line}\n" for result in results for line in _lines(result)) + _summary(results)


def _lines(result: CheckResult) -> Iterator[str]:
    for case in result.failures:
        yield _command("error", case.file or result.name, case.line, f"aoinspect: {case.name}", _message(case))


def _message(case: Case) -> str:
    place = f"{case.capture} frame {case.frame}: " if case.frame is not None else ""
    details = [] if case.kind == "difference" else list(case.details)
    return "\n".join([f"{place}{case.message}", *details])


def _summary(results: Sequence[CheckResult]) -> str:
    failed = sum(result.outcome is not Outcome.PASSED for result in results)
    cases = sum(len(result.cases) for result in results)
    told = f"{len(results)} checks with {cases} cases, {failed} of them not passed" if failed else ""
    told = told or f"{len(results)} checks with {cases} cases, all passed"
    return f"::notice title=aoinspect::{_escaped(told)}\n"


def _command(name: str, file: str, line: int | None, title: str, message: str) -> str:
    properties = [f"file={_escaped_property(file)}"]
    if line is not None:
        properties.append(f"line={line}")
    properties.append(f"title={_escaped_property(title)}")
    return f"::{name} {','.join(properties)}::{_escaped(message)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escaped_property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")
