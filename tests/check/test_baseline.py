"""Baselines: what a Report is held to, and what one change in the traffic shows as."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from aoinspect.api import verify
from aoinspect.report.baseline import (
    BaselineError,
    Difference,
    baseline_json,
    baseline_of,
    difference,
    difference_lines,
    load_baseline,
    save_baseline,
)
from aoinspect.report.model import Report
from tests.check.running import K1, K2, report_of, talk
from tests.conversation import Conversation, merge
from tests.recorded import SAMPLES, SMALL, RecordedCapture, captures_in

SAMPLE_CAPTURES = captures_in(SAMPLES)


def told(differences: tuple[Difference, ...]) -> list[tuple[str, str, int | None]]:
    return [(one.subject, one.what, one.frame) for one in differences]


@pytest.mark.parametrize("capture", SAMPLE_CAPTURES, ids=lambda capture: capture.name)
def test_every_sample_is_as_its_baseline_says(capture: RecordedCapture) -> None:
    baseline = load_baseline(capture.path.with_name(f"{capture.name}.baseline.json"))
    assert difference(baseline, verify(capture.path, capture.keys)) == ()


@pytest.mark.parametrize("is_strict", [False, True])
@pytest.mark.parametrize("capture", SAMPLE_CAPTURES, ids=lambda capture: capture.name)
def test_a_baseline_that_was_written_is_read_as_the_same(
    capture: RecordedCapture, is_strict: bool, tmp_path: Path
) -> None:
    report = verify(capture.path, capture.keys)
    path = tmp_path / "sample.baseline.json"
    assert save_baseline(baseline_of(report, is_strict=is_strict), path)
    read = load_baseline(path)
    assert difference(read, report) == ()
    assert baseline_json(read) == path.read_text()
    assert not save_baseline(read, path)


def test_a_baseline_says_nothing_that_varies_and_nothing_secret(tmp_path: Path) -> None:
    report = report_of(talk(), tmp_path)
    text = baseline_json(baseline_of(report))
    for connection in report.connections:
        for end in (connection.a, connection.b):
            assert str(end.isn) not in text
        assert str(connection.a.port) not in text
    conversation = talk()
    for segment in conversation.segments:
        assert segment.mac.hex() not in text
    for key in (K1, K2):
        assert key.secret.decode() not in text
        assert key.secret.hex() not in text
    assert not re.search(r"frame|segments|time|latency|isn|mac\b", text)


class TestTheSameScenarioAgain:
    """Other ports, ISNs, times and lengths of runs pass the same baseline."""

    @pytest.mark.parametrize("names", [("v4-sha1", "v4-sha1-linux6.18"), ("v4-sha1-linux6.18", "v4-sha1")])
    def test_recorded_by_two_kernels(self, names: tuple[str, str]) -> None:
        captures = {capture.name: capture for capture in (*SAMPLE_CAPTURES, *captures_in(SMALL))}
        first, second = (verify(captures[name].path, captures[name].keys) for name in names)
        assert first.connections[0].a.port != second.connections[0].a.port
        assert first.connections[0].a.isn != second.connections[0].a.isn
        assert difference(baseline_of(first), second) == ()

    def test_told_twice(self, tmp_path: Path) -> None:
        baseline = baseline_of(report_of(talk(), tmp_path))
        again = report_of(talk("10.0.0.1:51515", isn=0xFFFF_FFF0, start_ns=17 * 10**17), tmp_path)
        assert difference(baseline, again) == ()

    def test_connections_met_in_another_order(self, tmp_path: Path) -> None:
        def two(first_ns: int, second_ns: int) -> Report:
            one = Conversation((K1,), client="10.0.0.1:40000", start_ns=first_ns).handshake().data("a", 9).close()
            other = Conversation((K2,), client="10.0.0.3:40000", start_ns=second_ns).handshake().close()
            return report_of(merge([one, other]), tmp_path)

        assert difference(baseline_of(two(10**18, 10**18 + 500)), two(10**18 + 500, 10**18)) == ()

    def test_whoever_is_seen_first_where_the_handshake_is_missing(self, tmp_path: Path) -> None:
        def middle(end: str) -> Report:
            conversation = Conversation((K1,)).established()
            other = "b" if end == "a" else "a"
            conversation.data(end, 10).ack(other).data(other, 10).ack(end)  # type: ignore[arg-type]
            return report_of(conversation, tmp_path)

        first, second = middle("a"), middle("b")
        assert first.connections[0].a.address != second.connections[0].a.address
        assert difference(baseline_of(first), second) == ()


class TestOneChangeIsOneDifference:
    def test_one_mac(self, tmp_path: Path) -> None:
        baseline = baseline_of(report_of(talk(), tmp_path))
        changed = report_of(talk().flip_bit(-1 + 20 + 12, frame=3), tmp_path)
        (one,) = difference(baseline, changed)
        assert (one.subject, one.what, one.frame) == ("verdict", "verdict mismatch", 4)
        assert (one.connection, one.connection_id) == ("10.0.0.1 > 10.0.0.2:179", 0)
        assert (one.expected, one.found) == ("no mismatch", "1 mismatch")

    def test_one_key_id(self, tmp_path: Path) -> None:
        baseline = baseline_of(report_of(talk(), tmp_path))
        changed = report_of(talk().name_unknown_key(77, frame=3), tmp_path)
        differences = difference(baseline, changed)
        assert told(differences) == [("verdict", "verdict no-key", 4), ("run", "run 2 of 10.0.0.1", 4)]
        assert "KeyID 77" in differences[1].found
        assert differences[1].expected == "-"

    @pytest.mark.parametrize("policy", ["observe", "rfc"])
    def test_one_lost_transition(self, policy: str, tmp_path: Path) -> None:
        def session(*, is_followed: bool) -> Report:
            conversation = Conversation((K1, K2)).handshake().data("a", 10).ack("b").rnext("b", 2).ack("b")
            if is_followed:
                conversation.switch("a", 2)
            return report_of(conversation.data("a", 10).ack("b").close(), tmp_path, policy)

        one, *others = difference(baseline_of(session(is_followed=True)), session(is_followed=False))
        assert (one.subject, one.what, one.frame) == ("transition", "transition of key-id of 10.0.0.1", None)
        assert (one.expected, one.found) == ("1 to 2 (peer-rnext)", "-")
        # The RFC's expectations have a finding that says the same.
        assert told(tuple(others)) == ([("finding", "finding rnext-unused", 6)] if policy == "rfc" else [])

    def test_one_new_connection(self, tmp_path: Path) -> None:
        baseline = baseline_of(report_of(talk(), tmp_path))
        new = Conversation((K1, K2), client="10.0.0.1:50505", client_isn=5, start_ns=11 * 10**17).handshake()
        (one,) = difference(baseline, report_of(merge([talk(), new]), tmp_path))
        assert (one.subject, one.what, one.frame) == ("connection", "connection", len(talk().segments) + 1)
        assert (one.expected, one.found) == ("-", "verified with k1")

    def test_one_connection_that_is_gone(self, tmp_path: Path) -> None:
        more = Conversation((K1, K2), client="10.0.0.1:50505", client_isn=5, start_ns=11 * 10**17).handshake()
        baseline = baseline_of(report_of(merge([talk(), more]), tmp_path))
        (one,) = difference(baseline, report_of(talk(), tmp_path))
        assert (one.subject, one.found, one.connection_id) == ("connection", "-", None)

    def test_one_key_under_another_name(self, tmp_path: Path) -> None:
        conversation = Conversation((K1,)).handshake().data("a", 5).close()
        baseline = baseline_of(report_of(conversation, tmp_path))
        (tmp_path / "told.toml").write_text(conversation.key_file().replace('"k1"', '"renamed"'))
        differences = difference(baseline, verify(tmp_path / "told.pcap", tmp_path / "told.toml"))
        assert [(one.subject, one.what) for one in differences] == [
            ("run", "run 1 of 10.0.0.1"),
            ("run", "run 1 of 10.0.0.2:179"),
        ]

    def test_one_finding(self, tmp_path: Path) -> None:
        plain = Conversation((K1,)).handshake().data("a", 9).ack("b").close()
        baseline = baseline_of(report_of(plain, tmp_path))
        spoofed = Conversation((K1,)).handshake().data("a", 9).ack("b").stray("a", 5, payload=b"")
        told_findings = {one.what for one in difference(baseline, report_of(spoofed.close(), tmp_path))}
        assert told_findings == {"verdict unsigned", "finding unsigned-segment"}


class TestStrict:
    def test_counts_and_frames_matter_only_there(self, tmp_path: Path) -> None:
        short = report_of(Conversation((K1,)).handshake().data("a", 9).close(), tmp_path)
        long = report_of(Conversation((K1,)).handshake().data("a", 9).data("a", 9).close(), tmp_path)
        assert difference(baseline_of(short), long) == ()
        found = {one.what: (one.expected, one.found) for one in difference(baseline_of(short, is_strict=True), long)}
        assert found["frames of the captures"] == ("7", "8")
        assert found["verdict verified"] == ("7 verified", "8 verified")
        assert found["run 1 of 10.0.0.1"] == ("5 segments, frames 1 to 7", "6 segments, frames 1 to 8")


class TestAFileThatIsNoBaseline:
    @pytest.mark.parametrize(
        "text, said",
        [
            ("", "this is no JSON"),
            ("{\n oops", ":2: column 2"),
            ("[]", "the document is not an object"),
            ('{"schema": "aoinspect.report/1"}', "schema is not aoinspect.baseline/1"),
            ('{"schema": "aoinspect.baseline/1"}', "strict is neither true nor false"),
            ('{"schema": "aoinspect.baseline/1", "strict": false}', "connections is not a list"),
        ],
    )
    def test_is_told_with_its_place(self, text: str, said: str, tmp_path: Path) -> None:
        path = tmp_path / "base.json"
        path.write_text(text)
        with pytest.raises(BaselineError) as error:
            load_baseline(path)
        assert str(path) in str(error.value)
        assert said in str(error.value)

    @pytest.mark.parametrize(
        "member, value, place",
        [
            ("peers", ["10.0.0.1"], "connections[0].peers does not name two ends"),
            ("peers", ["10.0.0.1", "router"], "connections[0].peers[1] is not an address"),
            ("verdicts", ["good"], "connections[0].verdicts has a verdict that does not exist: 'good'"),
            ("runs", {"a>b": [{"method": "ipsec"}], "b>a": []}, "connections[0].runs.a>b[0].method is neither"),
            ("transitions", {"a>b": []}, "connections[0].transitions.b>a is not a list"),
            ("findings", [{"ident": "x", "severity": "bad"}], "connections[0].findings[0].severity is neither"),
        ],
    )
    def test_names_the_member(self, member: str, value: object, place: str, tmp_path: Path) -> None:
        document = json.loads(baseline_json(baseline_of(report_of(talk(), tmp_path))))
        document["connections"][0][member] = value
        path = tmp_path / "base.json"
        path.write_text(json.dumps(document))
        with pytest.raises(BaselineError, match=re.escape(place)):
            load_baseline(path)

    def test_that_is_not_there_is_said_to_be_written_by_update(self, tmp_path: Path) -> None:
        with pytest.raises(BaselineError, match="--update writes it"):
            load_baseline(tmp_path / "none.json")


def test_the_table_of_differences_has_its_columns_below_each_other(tmp_path: Path) -> None:
    baseline = baseline_of(report_of(talk(), tmp_path))
    lines = difference_lines(difference(baseline, report_of(talk().name_unknown_key(77, frame=3), tmp_path)))
    assert lines[0].split() == ["connection", "what", "frame", "expected", "found"]
    assert len(lines) == 3
    column = lines[0].index("expected")
    assert all(line[column - 1] == " " and line[column] != " " for line in lines)
    assert difference_lines(()) == []
