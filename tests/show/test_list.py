"""`show CAPTURE` lists packets, one line each, while the capture is read."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from aoinspect.capture.reader import open_capture
from aoinspect.engine.pipeline import Analyzer
from aoinspect.keys import load_keys
from aoinspect.report.packet_lines import PacketLines, TimeFormat
from tests.conversation import Conversation, Key
from tests.show.running import run_show


@pytest.fixture
def told(tmp_path: Path) -> tuple[Path, Path, Conversation]:
    """A conversation with one of each: verified, mismatch, unsigned, no key, truncated."""
    conversation = Conversation([Key(), Key("k2", 2, 102)], start_ns=1_790_000_000_000_000_000)
    conversation.handshake().data("a", 30).rollover("b", to="k2").data("b", 1200)
    conversation.data("a", 7).sign_with_wrong_secret().data("a", 8).strip_option()
    conversation.data("b", 9).name_unknown_key(77).data("a", 90).cut(70)
    capture, keys = tmp_path / "a.pcap", tmp_path / "a.toml"
    capture.write_bytes(conversation.to_pcap())
    keys.write_text(conversation.key_file())
    return capture, keys, conversation


def test_a_line_has_frame_time_ends_flags_numbers_ids_and_verdict(told: tuple[Path, Path, Conversation]) -> None:
    capture, keys, conversation = told
    outcome = run_show(capture, "--keys", keys)
    assert outcome.status == 0
    lines = outcome.out.splitlines()
    assert len(lines) == len(conversation.segments)
    assert re.sub(" +", " ", lines[1].strip()) == (
        "2 0.001000 10.0.0.2:179 → 10.0.0.1:40000 SA seq 2578103244 ack 287454021 len 0 AO 101/1 ✓ verified k1"
    )
    endings = [line.split("  ")[-1].strip() for line in lines]
    assert endings[-4:] == ["✗ mismatch", "✗ unsigned", "✗ no-key", "? unverifiable (truncated)"]
    assert "AO 102/2" in lines[5] or "AO 102/1" in lines[5]
    assert " – " in lines[7]


def test_every_line_has_the_verdict_that_the_conversation_expects(told: tuple[Path, Path, Conversation]) -> None:
    capture, keys, conversation = told
    outcome = run_show(capture, "--keys", keys, "--format", "jsonl")
    said = [json.loads(line) for line in outcome.out.splitlines()]
    assert [(line["verdict"], line["reason"]) for line in said] == conversation.capture().verdicts()


def test_columns_stand_below_each_other(told: tuple[Path, Path, Conversation]) -> None:
    capture, keys, _ = told
    lines = run_show(capture, "--keys", keys).out.splitlines()
    assert len({line.index("→") for line in lines}) == 1
    assert len({line.index(" seq ") for line in lines}) == 1
    assert len({min(line.find(mark) for mark in "✓✗?" if mark in line) for line in lines}) == 1


@pytest.mark.parametrize(
    ("letter", "first", "second"),
    [
        ("r", "0.000000", "0.001000"),
        ("e", "1790000000.001000003", "1790000000.002000006"),
        ("a", "2026-09-21T14:13:20.001000003Z", "2026-09-21T14:13:20.002000006Z"),
    ],
)
def test_times_are_relative_absolute_or_in_seconds_since_1970(
    told: tuple[Path, Path, Conversation], letter: str, first: str, second: str
) -> None:
    capture, keys, _ = told
    lines = run_show(capture, "--keys", keys, "-t", letter).out.splitlines()
    assert [line.split()[1] for line in lines[:2]] == [first, second]


def test_a_frame_before_the_first_one_in_time_has_a_negative_time(tmp_path: Path) -> None:
    conversation = Conversation(step_ns=-1_500_000).handshake()
    (tmp_path / "a.pcap").write_bytes(conversation.to_pcap())
    lines = run_show(tmp_path / "a.pcap").out.splitlines()
    assert [line.split()[1] for line in lines] == ["0.000000", "-0.001500", "-0.003000"]


def test_json_is_one_object_of_the_same_packets_as_json_lines(told: tuple[Path, Path, Conversation]) -> None:
    capture, keys, _ = told
    whole = run_show(capture, "--keys", keys, "--format", "json").frame
    lines = run_show(capture, "--keys", keys, "--format", "jsonl").out.splitlines()
    assert whole["schema"] == "aoinspect.packets/1"
    assert whole["capture"] == str(capture)
    assert whole["packets"] == [json.loads(line) for line in lines]


def test_json_of_a_capture_without_protected_packets_is_still_an_object(tmp_path: Path) -> None:
    (tmp_path / "a.pcap").write_bytes(Conversation([]).handshake().to_pcap())
    outcome = run_show(tmp_path / "a.pcap", "--format", "json")
    assert outcome.frame["packets"] == []
    assert "0 of 3 frames listed" in outcome.err


def test_without_a_key_file_an_unknown_key_is_a_question_and_no_failure(
    told: tuple[Path, Path, Conversation],
) -> None:
    capture, _, _ = told
    lines = run_show(capture).out.splitlines()
    assert lines[0].endswith("? no-key")
    assert lines[0].split("AO ")[1].startswith("1/101")


def test_lines_come_batch_by_batch_and_nothing_is_kept(told: tuple[Path, Path, Conversation]) -> None:
    capture, keys, conversation = told
    analyzer = Analyzer(load_keys([str(keys)]), keep_table=False)
    lines = PacketLines(analyzer, TimeFormat.RELATIVE)
    with open_capture(capture, batch_frames=1) as reader:
        analyzer.begin_capture(reader.path, reader.interfaces)
        for read, batch in enumerate(reader.batches(), 1):
            said = list(lines.lines(analyzer.feed(batch), 0))
            assert len(said) == 1
            assert lines.count == read
    assert analyzer.table is None
    assert lines.count == len(conversation.segments)


def test_a_filter_chooses_the_rows(told: tuple[Path, Path, Conversation]) -> None:
    capture, keys, _ = told
    outcome = run_show(capture, "--keys", str(keys), "--filter", "ao.verdict == mismatch")
    assert [line.split()[-1] for line in outcome.out.splitlines()] == ["mismatch"]
    assert "or are filtered out" in outcome.err


def test_an_interrupted_list_ends_with_status_130(
    told: tuple[Path, Path, Conversation], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: PacketLines, rows: object, first_time_ns: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(PacketLines, "lines", interrupted)
    assert run_show(told[0]).status == 130
