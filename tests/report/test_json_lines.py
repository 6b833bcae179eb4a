"""JSON Lines: one object a segment, as soon as it is judged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aoinspect.capture.reader import open_capture
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.reading import analyse
from aoinspect.keys.model import KeyStore
from aoinspect.report.json_form import SegmentLines, flag_letters
from tests.conversation import Conversation, Key
from tests.recorded import SAMPLES, judge
from tests.report.running import command


def lines_of(path: Path, store: KeyStore, batch_frames: int) -> list[str]:
    return list(judge(path, store, batch_frames).texts)


def test_src_is_who_sent_it_however_late_the_opener_is_known(tmp_path: Path) -> None:
    # The server's SYN-ACK comes first, so the server is "a" until the SYN is seen again.
    session = Conversation().handshake().data("a", 10).retransmit(0)
    session.segments = [session.segments[1], *session.segments[2:]]
    path = tmp_path / "late.pcap"
    path.write_bytes(session.to_pcap())
    for batch_frames in (1, 100):
        told = [json.loads(line) for line in lines_of(path, KeyStore(), batch_frames)]
        assert [line["src"] for line in told] == [segment.src for segment in session.segments]
        assert [line["dst"] for line in told] == [segment.dst for segment in session.segments]


def test_a_long_mac_is_whole(tmp_path: Path) -> None:
    session = Conversation([Key(algorithm="hmac(sha512)", mac_length=20)]).handshake()
    path = tmp_path / "long.pcap"
    path.write_bytes(session.to_pcap())
    told = [json.loads(line) for line in lines_of(path, KeyStore(), 100)]
    assert [line["mac"] for line in told] == [segment.mac.hex() for segment in session.segments]


def test_ipv6_addresses_stand_in_brackets(tmp_path: Path) -> None:
    path = tmp_path / "v6.pcap"
    path.write_bytes(Conversation(client="[fd00::1]:40000", server="[fd00::2]:179").syn().to_pcap())
    (line,) = (json.loads(line) for line in lines_of(path, KeyStore(), 100))
    assert (line["src"], line["dst"]) == ("[fd00::1]:40000", "[fd00::2]:179")


def test_each_frame_has_its_capture_from_the_first_line_on_where_there_are_several(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = command(monkeypatch, capsys)
    several = run("verify", SAMPLES / "v4-sha1.pcap", SAMPLES / "rotation.pcap", "--format", "jsonl", "-q").out
    captures = [json.loads(line)["capture"] for line in several.splitlines()]
    assert captures == sorted(captures)
    assert set(captures) == {0, 1}
    one = run("verify", SAMPLES / "v4-sha1.pcap", "--format", "jsonl", "-q").out
    assert all("capture" not in json.loads(line) for line in one.splitlines())


def test_lines_of_a_batch_are_there_before_the_next_is_read() -> None:
    analyzer = Analyzer(KeyStore(), keep_table=False)
    lines = SegmentLines(analyzer)
    counts: list[int] = []
    with open_capture(SAMPLES / "v4-sha1.pcap", batch_frames=10) as reader:
        analyse([reader], analyzer, on_rows=lambda rows: counts.append(len(list(lines.lines(rows)))))
    assert sum(counts) == 37
    assert len([count for count in counts if count]) == 4


@pytest.mark.parametrize(
    "flags, letters", [(0x002, "S"), (0x012, "SA"), (0x018, "PA"), (0x000, "."), (0x0FF, "SFRPAUEC"), (0x100, ".")]
)
def test_flags_are_letters(flags: int, letters: str) -> None:
    assert flag_letters(flags) == letters
