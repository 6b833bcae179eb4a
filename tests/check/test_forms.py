"""The forms of a check's outcome: what machines read."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
import xmlschema

from aoinspect.report.cases import Case, CheckResult, Outcome, exit_code_of
from aoinspect.report.check_json import checks_json, checks_jsonl
from aoinspect.report.check_text import check_lines
from aoinspect.report.github import checks_github
from aoinspect.report.junit import checks_junit
from aoinspect.report.model import ExitCode
from aoinspect.report.tap import checks_tap
from tests.check.running import check, usage_error
from tests.recorded import SAMPLES

ANT = xmlschema.XMLSchema10(Path(__file__).with_name("junit_ant.xsd"))

NASTY = 'a "quoted" <tag> & 100 % ::error,\x1b[31m\x00 \ud800\r\nand # a line'

PASSED = Case("#0 a > b", Outcome.PASSED, capture="a.pcap")
FAILED = Case(
    "#0 b > a",
    Outcome.FAILED,
    message="1 mismatch",
    details=("mismatch, first in frame 7: it is wrong", "  try: this"),
    file="a.pcap",
    capture="a.pcap",
    frame=7,
)
UNMET = Case("verdicts", Outcome.FAILED, "expectation", "expected 0 mismatch", (), "expect.toml", 12, "a.pcap", 7)
BROKEN = Case("the capture can be read", Outcome.ERROR, "error", "b.pcap: no such file", (), "b.pcap")
ODD = Case(NASTY, Outcome.FAILED, "finding", NASTY, (NASTY,), NASTY, 3, NASTY, 1)

RESULTS = (
    CheckResult("a.pcap", ("a.pcap",), ("k.toml",), "policy", "", (PASSED, FAILED), {"verified": 3, "mismatch": 1}),
    CheckResult("a.pcap", ("a.pcap",), ("k.toml",), "expectation", "expect.toml", (UNMET,)),
    CheckResult("b.pcap", ("b.pcap",), (), "policy", "", (BROKEN,), error_code=ExitCode.UNREADABLE),
    CheckResult(NASTY, (NASTY,), (NASTY,), "policy", NASTY, (ODD,), warnings=(NASTY,), note=NASTY),
)


class TestJunit:
    def test_everything_is_valid_by_the_strictest_schema(self) -> None:
        ANT.validate(checks_junit(RESULTS))
        ANT.validate(checks_junit(()))

    def test_the_schema_refuses_what_breaks_its_rules(self) -> None:
        document = checks_junit(RESULTS)
        for pattern, instead in (
            (r' hostname="localhost"', ""),
            (r' type="verdict"', ""),
            (r"<system-out */>", ""),
            (r'tests="2"', 'tests="two"'),
            (r"<testsuites>", '<testsuites name="x">'),
        ):
            broken = re.sub(pattern, instead, document, count=1)
            assert broken != document
            assert not ANT.is_valid(broken)

    @pytest.mark.parametrize("name", ["v4-sha1", "inject", "wrong-key", "snap60"])
    def test_a_sample_has_one_case_for_each_direction_and_one_for_the_whole(self, name: str) -> None:
        run = check(SAMPLES / f"{name}.pcap", "--keys", SAMPLES / f"{name}.toml", "--format", "junit")
        ANT.validate(run.out)
        (suite,) = ElementTree.fromstring(run.out)
        names = [case.get("name", "") for case in suite.iter("testcase")]
        assert names[-1] == "something is verified"
        assert len(names) == len(set(names))
        assert all(re.fullmatch(r"#\d+ \S+ > \S+", one) for one in names[:-1])

    def test_the_explanation_is_in_the_failure(self) -> None:
        run = check(SAMPLES / "nat-outside.pcap", "--keys", SAMPLES / "nat-outside.toml", "--format", "junit")
        failure = ElementTree.fromstring(run.out).find(".//failure")
        assert failure is not None
        assert failure.get("message") == "3 mismatch"
        assert "signs with its own address 192.168.1.10" in (failure.text or "")
        assert "frame 3" in (failure.text or "")

    def test_counts_are_those_of_the_cases(self) -> None:
        suites = list(ElementTree.fromstring(checks_junit(RESULTS)))
        counts = [[suite.get(name) for name in ("id", "tests", "failures", "errors")] for suite in suites]
        assert counts == [["0", "2", "1", "0"], ["1", "1", "1", "0"], ["2", "1", "0", "1"], ["3", "1", "1", "0"]]


class TestGithub:
    def test_a_failure_is_one_command_with_file_and_line(self) -> None:
        lines = checks_github(RESULTS).splitlines()
        assert lines[0] == (
            "::error file=a.pcap,title=aoinspect%3A #0 b > a::a.pcap frame 7: 1 mismatch"
            "%0Amismatch, first in frame 7: it is wrong%0A  try: this"
        )
        assert lines[1].startswith("::error file=expect.toml,line=12,title=aoinspect%3A verdicts::")
        assert lines[-1] == "::notice title=aoinspect::4 checks with 5 cases, 4 of them not passed"
        assert len(lines) == 5

    def test_no_text_can_begin_a_command_of_its_own(self) -> None:
        for line in checks_github(RESULTS).split("\n")[:-1]:
            assert re.match(r"::(error|notice) ", line)
        assert "\r" not in checks_github(RESULTS)


class TestTap:
    def test_the_plan_counts_the_lines(self) -> None:
        lines = checks_tap(RESULTS).splitlines()
        assert lines[:2] == ["TAP version 13", "1..5"]
        points = [line for line in lines if re.match(r"(not )?ok \d", line)]
        assert [line.split(" - ")[0] for line in points] == ["ok 1", "not ok 2", "not ok 3", "not ok 4", "not ok 5"]
        assert points[1] == "not ok 2 - a.pcap: \\#0 b > a"
        assert sum(line == "  ---" for line in lines) == sum(line == "  ..." for line in lines) == 4


class TestJson:
    def test_the_document_holds_all_cases(self) -> None:
        document = json.loads(checks_json(RESULTS))
        assert document["schema"] == "aoinspect.check/1"
        assert document["summary"] == {"checks": 4, "passed": 0, "failed": 3, "errors": 1, "cases": 5}
        assert document["exit_status"] == 1
        assert document["checks"][0]["cases"][1]["frame"] == 7
        assert document["checks"][1]["cases"][0]["line"] == 12

    def test_lines_are_cases_and_then_their_check(self) -> None:
        lines = [json.loads(line) for line in checks_jsonl(RESULTS).splitlines()]
        assert [line["type"] for line in lines[:3]] == ["case", "case", "check"]
        assert [line["check"] for line in lines] == [0, 0, 0, 1, 1, 2, 2, 3, 3]


class TestExitCode:
    @pytest.mark.parametrize(
        "results, code",
        [
            ((), ExitCode.OK),
            (RESULTS[:1], ExitCode.WRONG),
            (RESULTS[2:3], ExitCode.UNREADABLE),
            (RESULTS[:3], ExitCode.WRONG),
        ],
    )
    def test_failures_count_before_errors(self, results: tuple[CheckResult, ...], code: ExitCode) -> None:
        assert exit_code_of(results) is code


def test_several_forms_come_of_one_run(tmp_path: Path) -> None:
    outputs = {form: tmp_path / f"out.{form}" for form in ("junit", "tap", "json", "jsonl", "github", "text")}
    arguments = [f"--output={form}={path}" for form, path in outputs.items()]
    run = check(SAMPLES / "inject.pcap", "--keys", SAMPLES / "inject.toml", *arguments, "--format", "tap")
    assert run.status == 1
    assert run.out == outputs["tap"].read_text()
    ANT.validate(outputs["junit"].read_text())
    assert json.loads(outputs["json"].read_text())["summary"]["failed"] == 1
    assert "9 mismatch" in outputs["text"].read_text()


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    sample = SAMPLES / "v4-sha1"
    target = tmp_path / "none" / "out.xml"
    said = usage_error(f"{sample}.pcap", "--keys", f"{sample}.toml", "--output", f"junit={target}")
    assert said == f"cannot write {target}: No such file or directory"


class TestDifferencesAsText:
    """A table where the width allows, and lists by connection where it does not: no row is ever broken."""

    CASE = Case(
        "1",
        Outcome.FAILED,
        "difference",
        details=("10.0.0.1 > 10.0.0.2:179", "verdict no-key", "4", "-", "some"),
    )
    RESULT = CheckResult("a.pcap", ("a.pcap",), ("a.toml",), "baseline", "a.json", (CASE,))

    def test_a_wide_page_has_a_table(self) -> None:
        lines = [line.plain for line in check_lines([self.RESULT], width=100)]
        assert [line.split() for line in lines[1:]] == [
            ["connection", "what", "frame", "expected", "found"],
            ["10.0.0.1", ">", "10.0.0.2:179", "verdict", "no-key", "4", "-", "some"],
        ]

    def test_a_narrow_one_has_a_list(self) -> None:
        lines = [line.plain for line in check_lines([self.RESULT], width=60)]
        assert lines[1:] == [
            "    10.0.0.1 > 10.0.0.2:179",
            "      verdict no-key, frame 4: expected nothing, found some",
        ]
