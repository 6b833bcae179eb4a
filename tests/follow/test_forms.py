"""The forms of events: to the letter, and as the schema says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aoinspect.keys import load_keys
from aoinspect.keys.model import KeyStore
from aoinspect.report.event_json import event_object, summary_object
from aoinspect.report.event_text import EventLines
from tests.follow.watching import Watched, watch
from tests.recorded import SAMPLES, RecordedCapture, parameters
from tests.report.running import Command, command
from tests.report.test_schema import EXACT

GOLDEN = Path(__file__).parent / "golden"

CAPTURES: dict[str, tuple[str, bool]] = {
    "inject": ("inject", True),
    "rotation": ("rotation", True),
    "no-keys": ("md5-then-ao", False),
}
"""Golden file -> sample, and whether its keys are given."""


def told(name: str) -> tuple[Watched, bool]:
    sample, has_keys = CAPTURES[name]
    store = load_keys([str(SAMPLES / f"{sample}.toml")]) if has_keys else KeyStore()
    return watch(SAMPLES / f"{sample}.pcap", store, batch_frames=1), has_keys


def assert_golden(name: str, text: str, *, updates: bool) -> None:
    if updates:
        (GOLDEN / name).write_text(text, encoding="utf-8")
    assert text == (GOLDEN / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", CAPTURES)
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_lines_of_text_are_those_of_the_golden_file(name: str, encoding: str, updates_golden: bool) -> None:
    watched, has_keys = told(name)
    made = EventLines(encoding, has_keys=has_keys)
    lines = [line.plain for event in watched.events if (line := made.line(event)) is not None]
    assert_golden(f"{name}-{encoding}.txt", "".join(f"{line}\n" for line in lines), updates=updates_golden)
    assert encoding == "utf-8" or "".join(lines).isascii()
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize("name", CAPTURES)
def test_json_lines_are_those_of_the_golden_file(name: str, updates_golden: bool) -> None:
    watched, _ = told(name)
    objects = [*map(event_object, watched.events), summary_object(watched.report)]
    for told_object in objects:
        told_object.pop("keys", None)  # They lie elsewhere on each machine.
        told_object.pop("captures", None)
    lines = [json.dumps(told_object, ensure_ascii=False) for told_object in objects]
    assert_golden(f"{name}.jsonl", "".join(f"{line}\n" for line in lines), updates=updates_golden)


def test_every_golden_file_belongs_to_a_run() -> None:
    expected = {f"{name}{end}" for name in CAPTURES for end in ("-utf-8.txt", "-ascii.txt", ".jsonl")}
    assert {path.name for path in GOLDEN.iterdir()} == expected


@pytest.mark.parametrize("capture", parameters(own_only=True))
def test_objects_are_as_the_schema_says(capture: RecordedCapture) -> None:
    watched = watch(capture.path, load_keys([str(capture.keys)]), batch_frames=5, is_idle_between=True)
    for event in watched.events:
        EXACT.validate(event_object(event))
        EXACT.validate(event_object(event, names_captures=True))
    EXACT.validate(summary_object(watched.report, untold_findings=1))


@pytest.fixture
def aoinspect(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.chdir(SAMPLES)
    return command(monkeypatch, capsys)


class TestWithoutFollow:
    """`--events` works on captures that are whole, too."""

    def test_lines_are_segments_unless_others_are_asked_for(self, aoinspect: Command) -> None:
        run = aoinspect("verify", "rotation.pcap", "--keys", "rotation.toml", "--format", "jsonl", "-q")
        assert {json.loads(line)["type"] for line in run.out.splitlines()} == {"segment"}

    def test_all_of_several_captures_name_their_capture(self, aoinspect: Command) -> None:
        files = ("inject.pcap", "rotation.pcap", "--keys", "inject.toml", "--keys", "rotation.toml")
        run = aoinspect("verify", *files, "--format", "jsonl", "--events", "all", "-q")
        objects = [json.loads(line) for line in run.out.splitlines()]
        for told_object in objects:
            EXACT.validate(told_object)
        assert all("capture" in told_object for told_object in objects[:-1])
        assert {told_object["type"] for told_object in objects} == {
            *("segment", "connection", "verdict", "transition", "finding", "summary")
        }
        assert objects[-1]["exit_status"] == run.status == 1

    def test_only_what_is_asked_for_is_told(self, aoinspect: Command) -> None:
        run = aoinspect(
            *(
                "verify",
                "inject.pcap",
                "--keys",
                "inject.toml",
                "--format",
                "jsonl",
                "--events",
                "finding,summary",
                "-q",
            )
        )
        kinds = [json.loads(line)["type"] for line in run.out.splitlines()]
        assert kinds == ["finding"] * (len(kinds) - 1) + ["summary"]
        assert len(kinds) > 5

    def test_a_search_for_isns_comes_before_the_lines(self, aoinspect: Command) -> None:
        run = aoinspect(
            "verify", "rotation.pcap", "--keys", "rotation.toml", "--format", "jsonl", "--events", "summary"
        )
        assert len(run.out.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments, complaint",
    [
        (("a.pcap", "b.pcap", "--follow"), "--follow: one capture can be followed"),
        (("a.pcap", "--format", "json", "--events", "all"), "--events: --format json is one report at the end"),
        (("a.pcap", "--events", "finding"), "--events: text has events only with --follow"),
        (("-", "--follow", "--events", "segment"), "--events: segments are told with --format jsonl only"),
        (("-", "--follow", "--events", "findings"), "argument --events: 'findings' is none of segment, connection"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(arguments: tuple[str, ...], complaint: str, aoinspect: Command) -> None:
    run = aoinspect("verify", *arguments)
    assert (run.status, run.out) == (2, "")
    assert complaint in run.err
