"""What a run's outcome means: its exit status and its times."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from aoinspect.capture.frames import Damage
from aoinspect.report.model import ExitCode, Report, iso_time
from tests.conversation import Conversation, merge
from tests.report.running import report_of_told


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return report_of_told(Conversation().handshake().capture(), tmp_path_factory.mktemp("sound"))


def told(session: Conversation, folder: Path) -> Report:
    return report_of_told(session.capture(), folder)


def damaged(report: Report, *, frames: int) -> Report:
    (capture,) = report.captures
    broken = dataclasses.replace(capture, frames=frames, damage=Damage(24, "cut short"))
    return dataclasses.replace(report, captures=(broken,))


def test_all_verified_is_0(sound: Report) -> None:
    assert sound.exit_code is ExitCode.OK
    assert [sound.standing(connection) for connection in sound.connections] == [True]


@pytest.mark.parametrize(
    "session",
    [
        pytest.param(Conversation().handshake().data("a", 9).sign_with_wrong_secret(), id="mismatch"),
        pytest.param(Conversation().handshake().data("a", 9).strip_option(), id="unsigned"),
        pytest.param(Conversation().handshake().data("a", 9).add_second_option(), id="malformed"),
        pytest.param(Conversation().handshake().data("a", 9).name_unknown_key(9), id="no-key where keys cover it"),
    ],
)
def test_one_wrong_segment_is_1(session: Conversation, tmp_path: Path) -> None:
    report = told(session, tmp_path)
    assert report.exit_code is ExitCode.WRONG
    assert [report.standing(connection) for connection in report.connections] == [False]


def test_ends_that_disagree_are_1_although_all_is_verified(tmp_path: Path) -> None:
    key = Conversation().keys["a"][0]
    other = dataclasses.replace(key, secret=b"another")
    report = told(Conversation([key], server_keys=[other]).syn(), tmp_path)
    assert report.totals.verdicts["verified"] == 1
    assert report.exit_code is ExitCode.WRONG


def test_what_no_key_covers_is_4(tmp_path: Path) -> None:
    stranger = Conversation(client="10.9.9.9:40000").handshake()
    known = Conversation().handshake()
    report = report_of_told(merge([known, stranger]), tmp_path, keys=known.key_file())
    assert report.exit_code is ExitCode.UNCHECKED


def test_what_cannot_be_proved_is_4(tmp_path: Path) -> None:
    session = Conversation().handshake().data("a", 100)
    assert told(session.cut(70), tmp_path).exit_code is ExitCode.UNCHECKED


def test_nothing_protected_is_4_with_keys_and_0_without(tmp_path: Path) -> None:
    plain = Conversation([]).handshake().capture()
    keys = Conversation(client="10.8.8.8:1").key_file()
    assert report_of_told(plain, tmp_path, keys=keys).exit_code is ExitCode.UNCHECKED
    assert report_of_told(plain, tmp_path, keys="").exit_code is ExitCode.OK


def test_damage_behind_frames_is_4_and_before_them_3(sound: Report) -> None:
    assert damaged(sound, frames=3).exit_code is ExitCode.UNCHECKED
    assert damaged(sound, frames=0).exit_code is ExitCode.UNREADABLE


def test_without_keys_reading_is_enough(tmp_path: Path) -> None:
    session = Conversation().handshake().data("a", 9).sign_with_wrong_secret()
    report = report_of_told(session.capture(), tmp_path, keys="")
    assert report.exit_code is ExitCode.OK
    assert damaged(report, frames=3).exit_code is ExitCode.OK
    assert damaged(report, frames=0).exit_code is ExitCode.UNREADABLE
    assert [report.standing(connection) for connection in report.connections] == [None]


def test_interruption_comes_before_everything(tmp_path: Path) -> None:
    report = told(Conversation().handshake().data("a", 9).sign_with_wrong_secret(), tmp_path)
    assert dataclasses.replace(report, is_interrupted=True).exit_code is ExitCode.INTERRUPTED


def test_wrong_comes_before_unreadable(tmp_path: Path) -> None:
    report = told(Conversation().handshake().data("a", 9).sign_with_wrong_secret(), tmp_path)
    assert damaged(report, frames=0).exit_code is ExitCode.WRONG


@pytest.mark.parametrize(
    "time_ns, shown",
    [
        (1_795_451_040_000_000_001, "2026-11-23T16:24:00.000000001Z"),
        (0, "1970-01-01T00:00:00.000000000Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (2**63 - 1, "2262-04-11T23:47:16.854775807Z"),
        (-(2**63), "1677-09-21T00:12:43.145224192Z"),
    ],
)
def test_times_have_nine_digits_and_any_int64_is_one(time_ns: int, shown: str) -> None:
    assert iso_time(time_ns) == shown
