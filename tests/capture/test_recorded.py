"""Captures that others wrote: against their own facts, dpkt and tshark."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import subprocess
from decimal import Decimal
from pathlib import Path

import dpkt
import pytest

from aoinspect.capture import open_capture
from aoinspect.errors import CaptureError
from tests.capture.builders import Told, block, epb, idb, shb, told

PROJECT_ROOT = Path(__file__).resolve().parents[2]
SHARED = PROJECT_ROOT.parent / "shared"
CAPTURES = sorted(path for path in SHARED.glob("captures/*") if ".pcap" in path.suffixes)
PCAPNG_TESTS = sorted(SHARED.glob("corpus/pcapng/*/*/*.pcapng"))
CORPUS = sorted(SHARED.glob("corpus/tcpdump/*"))

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not SHARED.exists(), reason="shared captures are not beside the project"),
]
needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")


def read_file(path: Path) -> list[Told]:
    with open_capture(path) as reader:
        frames = told(reader)
        assert reader.damage is None
        assert reader.octets_read == reader.size == path.stat().st_size
    return frames


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name)
def test_real_captures_have_the_frames_that_their_facts_and_dpkt_say(path: Path) -> None:
    frames = read_file(path)
    facts = json.loads((path.parent / f"{path.name.split('.pcap')[0]}.json").read_text())
    assert len(frames) == facts["check"]["counts"]["frames"]
    octets = path.read_bytes()
    if path.suffix == ".gz":
        octets = gzip.decompress(octets)
    unit_ns = 1 if octets[:4] in (b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d") else 1000
    records = list(dpkt.pcap.Reader(io.BytesIO(octets)))
    assert [frame.octets for frame in frames] == [octets for _, octets in records]
    # dpkt gives Decimal seconds for nanosecond files and floats, good to a microsecond, for the others.
    assert [frame.time_ns // unit_ns for frame in frames] == [
        round(Decimal(seconds) * 10**9 / unit_ns) for seconds, _ in records
    ]


def block_counts(path: Path) -> dict[str, int]:
    lines = path.with_suffix(".txt").read_text().split("Block counts:")[1].split("Block sequence:")[0].split("\n")
    return {name.strip(): int(count) for name, count in (line.split(":") for line in lines if ":" in line)}


@pytest.mark.parametrize("path", PCAPNG_TESTS, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_every_file_of_the_pcapng_generator_has_the_blocks_that_it_describes(path: Path) -> None:
    counts = block_counts(path)
    with open_capture(path) as reader:
        frames = told(reader)
    assert reader.damage is None
    assert reader.malformed_options == 0
    assert len(frames) == sum(counts.get(name, 0) for name in ("EPB", "SPB", "PB"))
    assert len(reader.interfaces) == counts.get("IDB", 0)
    skipped = {"NRB": 4, "ISB": 5, "CB": 0xBAD, "DCB": 0x40000BAD}
    described = sum(counts.get(name, 0) for name in skipped)
    assert sum(reader.skipped_blocks.values()) == described


def test_comments_of_the_pcapng_generator_are_kept() -> None:
    (path,) = SHARED.glob("corpus/pcapng/output_le/basic/test009.pcapng")
    with open_capture(path) as reader:
        told(reader)
    assert reader.comments == {1: ("test009-1",), 2: ("test009-2",)}


def tshark_frames(paths: list[Path]) -> dict[Path, list[tuple[int, int, int, int]] | None]:
    """(number, time in ns, captured, wire) of each frame; None for a file that tshark does not read."""
    told_by_tshark: dict[Path, list[tuple[int, int, int, int]] | None] = {}
    fields = ["frame.number", "frame.time_epoch", "frame.cap_len", "frame.len", "_ws.col.Protocol"]
    for path in paths:
        options = [part for field in fields for part in ("-e", field)]
        done = subprocess.run(
            ["tshark", "-n", "-r", path, "-T", "fields", *options],
            capture_output=True,
            text=True,
            check=False,
        )
        rows = [line.split("\t") for line in done.stdout.splitlines()]
        told_by_tshark[path] = None if done.returncode else [
            (int(number), int(Decimal(time or 0) * 10**9), int(captured), int(wire))
            for number, time, captured, wire, protocol in rows
            if protocol != "PCAPNG"  # A custom block, which has a number and is no packet.
        ]  # fmt: skip
    return told_by_tshark


@needs_tshark
def test_frame_numbers_times_and_lengths_are_tsharks() -> None:
    for path, expected in tshark_frames(PCAPNG_TESTS + CORPUS[::40]).items():
        if expected is None:
            continue
        frames = read_file(path)
        assert [(frame.number, frame.time_ns, len(frame.octets), frame.wire_length) for frame in frames] == expected, (
            path.name
        )


@needs_tshark
def test_frame_numbers_leap_over_the_same_blocks_as_tsharks(tmp_path: Path) -> None:
    kinds = (0x9, 0x204, 0x208, 0x216, 0x217, 0x221, 0x222, 0x201, 0xBAD, 0x40000BAD, 0x80000001, 7, 8)
    event = bytes([0, 0, 0, 1] * 16)
    others = b"".join(block(kind, event) + epb(b"x" * 20) for kind in kinds)
    path = tmp_path / "others.pcapng"
    path.write_bytes(shb() + idb() + others)
    (expected,) = tshark_frames([path]).values()
    assert expected is not None
    assert [frame.number for frame in read_file(path)] == [number for number, _, _, wire in expected if wire == 20]


@needs_tshark
def test_the_corpus_has_the_frame_counts_that_capinfos_says() -> None:
    command = ["capinfos", "-T", "-r", "-M", "-c", *map(str, CORPUS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    counts = dict(line.split("\t")[:2] for line in done.stdout.splitlines() if line.count("\t"))
    assert len(counts) > 500
    for path in CORPUS:
        try:
            with open_capture(path) as reader:
                frames: int | None = sum(len(batch) for batch in reader.batches())
        except CaptureError:
            frames = None
        if str(path) in counts:
            assert frames == int(counts[str(path)]), path.name
