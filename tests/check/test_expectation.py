"""expect.toml: what it can ask, and how its mistakes are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from aoinspect.api import verify
from aoinspect.report.cases import Case
from aoinspect.report.expectation import expectation_cases
from aoinspect.report.expectation_file import ExpectationError, load_expectations, parse_expectations
from tests.check.running import K1, K2, check, talk, written
from tests.conversation import Conversation
from tests.recorded import SAMPLES

HEAD = 'version = 1\nkeys = "told.toml"\n[[capture]]\npath = "told.pcap"\n'


def held(told: Conversation, folder: Path, text: str, head: str = HEAD) -> dict[str, Case]:
    """The cases of a told capture under these expectations, by name."""
    capture, keys = written(told, folder)
    path = folder / "expect.toml"
    path.write_text(head + text)
    (expected,) = load_expectations(path).captures
    assert expected.paths == (str(capture),)
    assert expected.keys == (str(keys),)
    return {case.name: case for case in expectation_cases(expected, verify(capture, keys), str(path))}


def failing(cases: dict[str, Case]) -> list[str]:
    return [name for name, case in cases.items() if case.is_failure]


class TestVerdicts:
    def test_nothing_but_verified_is_expected_where_nothing_is_said(self, tmp_path: Path) -> None:
        assert failing(held(talk(), tmp_path, "")) == []
        cases = held(talk().sign_with_wrong_secret(frame=4), tmp_path, "")
        assert failing(cases) == ["verdicts"]
        assert cases["verdicts"].message == "expected 0 mismatch, found 1"
        assert (cases["verdicts"].frame, cases["verdicts"].line) == (5, 3)

    @pytest.mark.parametrize(
        "counts, is_right",
        [
            ("mismatch = 1", True),
            ("mismatch = 2", False),
            ('mismatch = "1.."', True),
            ('mismatch = "..1"', True),
            ('mismatch = "2..5"', False),
            ('mismatch = "any"', True),
            ("mismatch = 1, verified = 3", False),
            ("", False),
        ],
    )
    def test_counts(self, counts: str, is_right: bool, tmp_path: Path) -> None:
        told = talk().sign_with_wrong_secret(frame=4)
        cases = held(told, tmp_path, f"verdicts = {{ {counts} }}")
        assert (failing(cases) == []) is is_right


SESSION = """
[[capture.connection]]
name = "session"
local = "10.0.0.1"
remote = "10.0.0.2:179"
"""


class TestConnections:
    def test_the_sequences_of_both_directions(self, tmp_path: Path) -> None:
        good = SESSION + "key-ids = { local = [1, 2], remote = [101, 102] }\nrnext-key-ids = { local = [101, 102] }\n"
        cases = held(talk(), tmp_path, good)
        assert failing(cases) == []
        assert set(cases) >= {"session: key-ids from local", "session: key-ids from remote", "session: count"}

    def test_a_sequence_that_differs_is_told_with_its_frame_and_line(self, tmp_path: Path) -> None:
        cases = held(talk(), tmp_path, SESSION + "key-ids = { local = [1, 3] }\n")
        case = cases["session: key-ids from local"]
        assert failing(cases) == ["session: key-ids from local"]
        assert case.message == "expected 1 > 3, found 1 > 2"
        assert case.line == (HEAD + SESSION).count("\n") + 1
        told = talk().segments
        first_under_2 = next(n for n, one in enumerate(told, 1) if one.direction == "a>b" and one.plan.key_id == 2)
        assert case.frame == first_under_2

    def test_the_ends_may_be_named_the_other_way_round(self, tmp_path: Path) -> None:
        text = '\n[[capture.connection]]\nlocal = ":179"\nkey-ids = { local = [101, 102], remote = [1, 2] }\n'
        assert failing(held(talk(), tmp_path, text)) == []

    @pytest.mark.parametrize(
        "text, is_right",
        [
            ('local = "10.0.0.0/24"', True),
            ('local = "10.9.0.0/24"', False),
            ('local = "10.0.0.1"\ncount = 1', True),
            ('local = "10.0.0.1"\ncount = 2', False),
            ('local = "10.0.0.9"\ncount = 0', True),
            ('method = "ao"', True),
            ('method = "md5"', False),
        ],
    )
    def test_matches(self, text: str, is_right: bool, tmp_path: Path) -> None:
        cases = held(talk(), tmp_path, f"\n[[capture.connection]]\n{text}\n")
        assert (failing(cases) == []) is is_right


class TestTransitions:
    TRANSITION = '[[capture.connection.transition]]\nsender = "local"\nnew = 2\n'

    @pytest.mark.parametrize(
        "more, is_right",
        [
            ("", True),
            ("old = 1", True),
            ("old = 9", False),
            ('trigger = "peer-rnext"', True),
            ('trigger = "unprompted"', False),
            ('max-latency = "1 s"', True),
            ('max-latency = "1 us"', False),
        ],
    )
    def test_ids_trigger_and_latency(self, more: str, is_right: bool, tmp_path: Path) -> None:
        cases = held(talk(), tmp_path, f"{SESSION}{self.TRANSITION}{more}\n")
        assert (failing(cases) == []) is is_right

    def test_they_must_come_in_their_order(self, tmp_path: Path) -> None:
        first = '[[capture.connection.transition]]\nsender = "local"\nnew = 1\ntrigger = "first"\n'
        assert failing(held(talk(), tmp_path, SESSION + first + self.TRANSITION)) == []
        cases = held(talk(), tmp_path, SESSION + self.TRANSITION + first)
        assert failing(cases) == ["session: key-id to 1 (first) from local"]


class TestFindings:
    def test_must_and_must_not(self, tmp_path: Path) -> None:
        text = 'verdicts = { unsigned = 1 }\nfindings = { must = ["unsigned-segment"], must-not = ["*"] }'
        told = Conversation((K1, K2)).handshake().data("a", 9).ack("b").stray("a", 5, payload=b"")
        assert failing(held(told, tmp_path, text)) == []
        assert failing(held(talk(), tmp_path, text)) == ["verdicts", "finding unsigned-segment"]
        forbidden = 'verdicts = { unsigned = 1 }\nfindings = { must-not = ["unsigned-segment"] }'
        cases = held(told, tmp_path, forbidden)
        assert failing(cases) == ["no finding unsigned-segment"]
        assert cases["no finding unsigned-segment"].frame == 6


class TestMistakes:
    def test_all_are_told_at_once_with_file_and_line(self) -> None:
        text = (
            "version = 1\n"
            "[[capture]]\n"
            "verdict = { verified = 1 }\n"
            "[[capture]]\n"
            'path = "a.pcap"\n'
            'filter = "tcp.port = "\n'
            'verdicts = { verified = "many" }\n'
            'findings = { must = ["replayed-segmnt"] }\n'
            "[[capture.connection]]\n"
            'local = "router"\n'
            "key-ids = { local = [1, 300] }\n"
            "[[capture.connection.transition]]\n"
            'sender = "me"\n'
            'max-latency = "soon"\n'
        )
        with pytest.raises(ExpectationError) as error:
            parse_expectations(text, "expect.toml")
        lines = str(error.value).splitlines()
        assert [line.split(": ")[0] for line in lines] == [
            f"expect.toml:{number}" for number in (2, 3, 6, 7, 8, 10, 11, 12, 13, 14)
        ]
        assert "did you mean verdicts?" in lines[1]
        assert "did you mean replayed-segment?" in lines[4]

    @pytest.mark.parametrize(
        "text, said",
        [
            ("", "has no version"),
            ("version = 2\n", "must be 1"),
            ("version = 1\n", "has no capture"),
            ("version = 1\n[capture]\npath = 'a'\n", "takes double brackets: write [[capture]]"),
            ("version = 1\n[[capture]]\npath = []\n", "path must be text"),
            ("version = 1\n[[capture]]\npath = \n", ":3: column"),
        ],
    )
    def test_each(self, text: str, said: str) -> None:
        with pytest.raises(ExpectationError) as error:
            parse_expectations(text, "expect.toml")
        assert said in str(error.value)

    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(ExpectationError, match="no such file"):
            load_expectations(tmp_path / "expect.toml")


def test_the_command_fails_with_the_expectation_and_its_line(tmp_path: Path) -> None:
    written(talk(), tmp_path)
    path = tmp_path / "expect.toml"
    path.write_text(HEAD + SESSION + "key-ids = { local = [1] }\n")
    run = check("-f", path)
    assert run.status == 1
    assert f"({path}:10)" in run.out
    path.write_text(HEAD + SESSION + "key-ids = { local = [1, 2] }\n")
    assert check("-f", path).status == 0


def test_a_failure_of_verdicts_is_explained(tmp_path: Path) -> None:
    capture, keys = SAMPLES / "nat-outside.pcap", SAMPLES / "nat-outside.toml"
    path = tmp_path / "expect.toml"
    path.write_text(f"version = 1\nkeys = '{keys}'\n[[capture]]\npath = '{capture}'\n")
    run = check("-f", path)
    assert run.status == 1
    assert "10.0.0.254 signs with its own address 192.168.1.10" in run.out


def test_a_filter_chooses_what_is_counted(tmp_path: Path) -> None:
    written(talk().sign_with_wrong_secret(frame=4), tmp_path)
    path = tmp_path / "expect.toml"
    path.write_text(HEAD)
    assert check("-f", path).status == 1
    path.write_text(HEAD + "filter = 'frame.number < 5'\n")
    assert check("-f", path).status == 0
