"""Stream numbers are Wireshark's: against its rules told one segment at a time, and against tshark itself."""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aoinspect.capture.frames import HEADROOM, TAILROOM, FrameBatch
from aoinspect.capture.reader import open_capture
from aoinspect.engine.locate import Locator
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.reading import analyse
from aoinspect.engine.segments import read_segments
from aoinspect.engine.streams import Streams
from aoinspect.keys.model import KeyStore
from dissectors.registry import Registry
from tests.dissectors.recorded import read
from tests.dissectors.test_against_tshark import as_capture
from tests.recorded import LARGER, SAMPLES, SHARED, SMALL

TSHARK = shutil.which("tshark")
needs_tshark = pytest.mark.skipif(TSHARK is None, reason="tshark is not installed")
LINKTYPE_RAW = 101


class Sent(NamedTuple):
    """One segment of a made capture."""

    pair: int
    side: int
    seq: int
    ack: int
    flags: int
    shape: str
    """`whole`; `cut`: only part of the options captured; `ports`: nothing behind octet 12; `window`: 16 octets;
    `short`: a data offset of 4; `past`: a data offset beyond the segment."""

    @property
    def packet(self) -> bytes:
        """The captured octets, from the IP header on."""
        offset = {"short": 4, "past": 6, "cut": 6, "ports": 6}.get(self.shape, 5)
        ports = (1000, 179)[:: 1 - 2 * self.side]
        header = struct.pack(">HHIIHHHH", *ports, self.seq, self.ack, offset << 12 | self.flags, 1024, 0, 0)
        header += bytes(4 if self.shape in ("cut", "ports") else 0)
        ends = (bytes([10, 0, self.pair >> 8, self.pair & 255]), bytes([10, 1, 0, 1]))[:: 1 - 2 * self.side]
        if self.pair % 2:
            addresses = b"".join(bytes(12) + end for end in ends)
            ip = struct.pack(">IHBB", 6 << 28, len(header), 6, 64) + addresses
        else:
            ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(header), 1, 0, 64, 6, 0) + b"".join(ends)
        captured = {"cut": 22, "ports": 12, "window": 16}.get(self.shape, len(header))
        return ip + header[:captured]

    @property
    def wire_length(self) -> int:
        return (40 if self.pair % 2 else 20) + (24 if self.shape in ("cut", "ports") else 20)


SHAPES = ("whole", "whole", "whole", "cut", "ports", "window", "short", "past")
SEQS = (0, 100, 101, 200, 201)
FLAGS = (0x02, 0x02, 0x02, 0x12, 0x12, 0x10, 0x18, 0x11, 0x14, 0x04, 0x01, 0x00, 0x42, 0x03, 0x06, 0x102)


def sent_segments(pairs: int) -> st.SearchStrategy[Sent]:
    numbers = st.sampled_from(SEQS)
    return st.builds(
        Sent,
        st.integers(0, pairs - 1),
        st.integers(0, 1),
        numbers,
        numbers,
        st.sampled_from(FLAGS),
        st.sampled_from(SHAPES),
    )


def told_one_by_one(segments: Iterable[Sent]) -> list[int | None]:
    """Wireshark's rules, plainly."""
    newest: dict[int, int] = {}
    bases: dict[int, list[int | None]] = {}
    streams: list[int | None] = []
    count = 0
    for segment in segments:
        if segment.shape == "ports":
            streams.append(None)
            continue
        pair, side, answers = segment.pair, segment.side, segment.flags & 0x12 == 0x12
        base = bases[pair][side] if pair in bases else None
        is_new_syn = segment.flags & 0x12 == 0x02 and base is not None and base != segment.seq
        if pair not in newest or is_new_syn:
            newest[pair], bases[pair] = count, [None, None]
            count += 1
        elif answers and base is not None:
            bases[pair][side] = segment.seq
        if segment.shape != "past":
            known = bases[pair]
            if known[side] is None:
                known[side] = (segment.seq - (segment.flags & 0x02 == 0)) % 2**32
            if known[1 - side] is None and segment.flags & 0x10:
                known[1 - side] = (segment.ack - 1) % 2**32
        streams.append(newest[pair])
    return streams


def as_batch(segments: list[Sent], first_frame: int) -> FrameBatch:
    packets = [segment.packet for segment in segments]
    octets = np.frombuffer(bytes(HEADROOM) + b"".join(packets) + bytes(TAILROOM), dtype=np.uint8).copy()
    ends = HEADROOM + np.cumsum([len(packet) for packet in packets], dtype=np.int64)
    count = len(packets)
    return FrameBatch(
        octets=octets,
        starts=ends - np.array([len(packet) for packet in packets], dtype=np.int64),
        ends=ends,
        wire_lengths=np.array([segment.wire_length for segment in segments], dtype=np.int64),
        times_ns=np.zeros(count, dtype=np.int64),
        interfaces=np.zeros(count, dtype=np.uint16),
        link_types=np.full(count, LINKTYPE_RAW, dtype=np.uint16),
        offsets=np.zeros(count, dtype=np.int64),
        first_frame=first_frame,
    )


def counted(batches: Iterable[list[Sent]]) -> list[int | None]:
    """What the product says of segments that come in these batches."""
    streams = Streams()
    streams.begin_capture()
    locator = Locator(Registry(use_entry_points=False))
    frames = 0
    for batch in batches:
        packets, _ = locator.locate(as_batch(batch, frames + 1))
        streams.count(read_segments(packets))
        frames += len(batch)
    return [streams.of_frame(0, frame) for frame in range(1, frames + 1)]


@settings(max_examples=400, deadline=None)
@given(st.lists(st.lists(sent_segments(3), min_size=1, max_size=14), min_size=1, max_size=4))
@example(
    [
        [
            Sent(0, 0, 200, 0, 0x12, "past"),  # Teaches nothing, and nothing is known yet that it could replace.
            Sent(0, 0, 101, 0, 0x10, "whole"),
            Sent(0, 0, 100, 0, 0x02, "whole"),
        ]
    ]
)
def test_streams_are_those_of_the_rules_whatever_the_batches(batches: list[list[Sent]]) -> None:
    together = [segment for batch in batches for segment in batch]
    assert counted(batches) == told_one_by_one(together)


def test_each_capture_counts_from_zero() -> None:
    streams = Streams()
    locator = Locator(Registry(use_entry_points=False))
    for pair in (0, 2):
        streams.begin_capture()
        batch = [Sent(0, 0, 100, 0, 2, "whole"), Sent(pair, 1, 100, 101, 0x12, "whole")]
        streams.count(read_segments(locator.locate(as_batch(batch, 1))[0]))
    captures = np.array([0, 1, 1, 0, 1], dtype=np.uint16)
    frames = np.array([2, 2, 1, 1, 2000], dtype=np.uint64)
    assert streams.of_rows(captures, frames).tolist() == [0, 1, 0, 0, 0xFFFFFFFF]
    assert streams.of_frame(1, 2000) is None


def seen_by_tshark(path: Path) -> dict[int, int]:
    """Frame -> tcp.stream."""
    assert TSHARK is not None
    command = [
        TSHARK,
        "-n",
        "-r",
        str(path),
        "-Y",
        "tcp.stream",
        "-T",
        "fields",
        "-e",
        "frame.number",
        "-e",
        "tcp.stream",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    return {int(frame): int(stream) for frame, stream in lines}


def seen_by_us(path: Path) -> dict[int, int]:
    analyzer = Analyzer(KeyStore(), keep_table=False, make_rows=False, count_streams=True)
    analyse([open_capture(str(path))], analyzer)
    streams = analyzer.streams
    assert streams is not None
    frames = range(1, analyzer.captures[0].frames + 1)
    return {frame: stream for frame in frames if (stream := streams.of_frame(0, frame)) is not None}


@needs_tshark
def test_tshark_numbers_segments_of_every_kind_the_same(tmp_path: Path) -> None:
    rng = random.Random(29)
    segments = [
        Sent(pair, rng.randrange(2), rng.choice(SEQS), rng.choice(SEQS), rng.choice(FLAGS), rng.choice(SHAPES))
        for pair in range(800)
        for _ in range(10)
    ]
    path = tmp_path / "made.pcap"
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, LINKTYPE_RAW))
        for segment in segments:
            packet = segment.packet
            file.write(struct.pack("<IIII", 1, 0, len(packet), segment.wire_length) + packet)
    expected = {frame: stream for frame, stream in enumerate(told_one_by_one(segments), 1) if stream is not None}
    assert seen_by_tshark(path) == expected
    assert seen_by_us(path) == expected


@needs_tshark
@pytest.mark.parametrize(
    "folder, name",
    [(SMALL, "port-reuse"), (SAMPLES, "inject"), (SMALL, "simopen"), (SMALL, "ipfrag"), (SMALL, "mixed")],
)
def test_tshark_numbers_a_recorded_capture_the_same(folder: Path, name: str) -> None:
    path = folder / f"{name}.pcap"
    ours = seen_by_us(path)
    assert ours
    assert ours == seen_by_tshark(path)


@needs_tshark
def test_tshark_numbers_all_recorded_captures_in_one_file_the_same(tmp_path: Path) -> None:
    """They use the same few sockets over and over, so this is port reuse on end."""
    path = tmp_path / "all.pcapng"
    captures = sorted(folder for folder in (*SMALL.glob("*.pcap*"), *SAMPLES.glob("*.pcap*")))
    path.write_bytes(as_capture([frame for capture in captures for frame in read(capture)]))
    ours = seen_by_us(path)
    assert len(captures) > 80
    assert len(set(ours.values())) > 100
    assert ours == seen_by_tshark(path)


@needs_tshark
@pytest.mark.skipif(not SHARED.exists(), reason="shared captures are not beside the project")
@pytest.mark.parametrize("name", LARGER)
def test_tshark_numbers_a_larger_capture_the_same(name: str) -> None:
    (path,) = SHARED.glob(f"{name}.pcap*")
    assert seen_by_us(path) == seen_by_tshark(path)
