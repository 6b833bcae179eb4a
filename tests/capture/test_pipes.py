"""Pipes: frames come out as soon as they are whole, however the octets arrive."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO

import pytest

from aoinspect.capture import CaptureReader, open_capture
from aoinspect.errors import CaptureError
from tests.capture.builders import epb, idb, pcap, pcap_header, pcap_record, pcapng, read, shb, told

SLOWEST = 20.0
"""Seconds after which a pipe counts as stuck; nothing waits as long unless the test fails."""


class Trickle(io.RawIOBase):
    """A stream of unknown end that gives `step` octets at a time and can neither seek nor be polled."""

    def __init__(self, octets: bytes, step: int) -> None:
        self._octets = octets
        self._step = step

    def readable(self) -> bool:
        return True

    def readinto(self, room: memoryview) -> int:  # type: ignore[override]
        count = min(self._step, len(room), len(self._octets))
        room[:count] = self._octets[:count]
        self._octets = self._octets[count:]
        return count


class OnlyRead:
    """The least that a binary stream can be."""

    def __init__(self, octets: bytes) -> None:
        self._stream = io.BytesIO(octets)

    def seekable(self) -> bool:
        return False

    def read(self, most: int) -> bytes:
        return self._stream.read(min(most, 7))


CAPTURES = pytest.mark.parametrize(
    "octets",
    [pcap([bytes([index]) * 9 for index in range(60)]), pcapng([bytes([index]) * 9 for index in range(60)])],
    ids=["pcap", "pcapng"],
)


@CAPTURES
@pytest.mark.parametrize("step", [1, 3, 1000])
def test_short_reads_change_no_frame(octets: bytes, step: int) -> None:
    expected = read(octets)[0]
    for stored in (octets, gzip.compress(octets)):
        reader = open_capture(Trickle(stored, step))  # type: ignore[arg-type]
        assert told(reader) == expected
        assert (reader.damage, reader.size, reader.octets_read) == (None, None, len(stored))
    assert told(open_capture(OnlyRead(octets))) == expected  # type: ignore[arg-type]


class _Pipe:
    """A pipe whose reading end is a capture that a thread reads, batch by batch, into `frames`."""

    def __init__(self, buffering: int) -> None:
        self._buffering = buffering
        self._reading, self._writing = os.pipe()
        self.frames: list[int] = []
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with open(self._reading, "rb", buffering=self._buffering) as source, open_capture(source) as reader:
            for batch in reader.batches():
                with self._news:
                    self.frames.append(len(batch))
                    self._news.notify_all()

    def write(self, octets: bytes) -> None:
        os.write(self._writing, octets)

    def comes_to(self, frames: int) -> bool:
        """Whether so many frames are out without any more octets being written."""
        with self._news:
            return self._news.wait_for(lambda: sum(self.frames) >= frames, SLOWEST)

    def close(self) -> None:
        os.close(self._writing)
        self._thread.join(SLOWEST)
        assert not self._thread.is_alive()


@pytest.fixture(params=[0, -1], ids=["raw", "buffered"])
def pipe(request: pytest.FixtureRequest) -> Iterator[_Pipe]:
    """Buffered is what standard input is."""
    made = _Pipe(request.param)
    yield made
    made.close()


def _gzip_flushing() -> Callable[[bytes], bytes]:
    deflate = zlib.compressobj(wbits=31)
    return lambda octets: deflate.compress(octets) + deflate.flush(zlib.Z_SYNC_FLUSH)


@pytest.mark.parametrize("head, packet", [(pcap_header(), pcap_record), (shb() + idb(), epb)], ids=["pcap", "pcapng"])
@pytest.mark.parametrize("wrapping", [lambda: bytes, _gzip_flushing], ids=["plain", "gzip"])
def test_a_lone_frame_comes_out_of_a_live_pipe_at_once(
    head: bytes,
    packet: Callable[[bytes], bytes],
    wrapping: Callable[[], Callable[[bytes], bytes]],
    pipe: _Pipe,
) -> None:
    wrap = wrapping()
    pipe.write(wrap(head))
    for frames in range(1, 4):
        record = packet(b"frame %d" % frames)
        pipe.write(wrap(record[:11]))
        pipe.write(wrap(record[11:]))
        assert pipe.comes_to(frames)


def test_frames_that_come_with_the_head_do_not_wait_for_more(pipe: _Pipe) -> None:
    pipe.write(pcap_header() + pcap_record(b"frame") * 9 + pcap_record(b"frame")[:11])
    assert pipe.comes_to(9)


def test_a_fast_producer_gives_large_batches(pipe: _Pipe) -> None:
    pipe.write(pcap_header())
    octets = pcap_record(bytes(100)) * 20_000
    for at in range(0, len(octets), 65536):
        pipe.write(octets[at : at + 65536])
    assert pipe.comes_to(20_000)
    assert len(pipe.frames) < 1000


def test_a_pipe_cannot_be_read_again() -> None:
    reader = open_capture(Trickle(pcap([b"x"]), 100))  # type: ignore[arg-type]
    (frame,) = told(reader)
    with pytest.raises(CaptureError, match="pipe cannot be read again"):
        reader.frame_at(frame.offset)


@pytest.mark.parametrize("is_pipe", [True, False])
def test_a_dash_is_standard_input(is_pipe: bool, tmp_path_factory: pytest.TempPathFactory) -> None:
    octets = pcap([b"one", b"three"])
    program = (
        "from aoinspect.capture import open_capture\n"
        "reader = open_capture('-')\n"
        "print([len(batch) for batch in reader.batches()], reader.path, reader.size)\n"
    )
    path = tmp_path_factory.mktemp("stdin") / "a.pcap"
    path.write_bytes(octets)
    with open(path, "rb") as file:
        source: dict[str, bytes | BinaryIO] = {"input": octets} if is_pipe else {"stdin": file}
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, **source)  # type: ignore[call-overload]
    size = None if is_pipe else len(octets)
    assert done.stdout.decode().split() == ["[2]", "-", str(size)]


def test_a_device_that_fails_is_damage_behind_the_frames_before() -> None:
    class Failing(Trickle):
        def readinto(self, room: memoryview) -> int:  # type: ignore[override]
            count = super().readinto(room)
            if not count:
                raise OSError(5, "Input/output error")
            return count

    octets = pcap([b"one", b"two"])
    reader: CaptureReader = open_capture(Failing(octets, 30))  # type: ignore[arg-type]
    assert [frame.octets for frame in told(reader)] == [b"one", b"two"]
    assert reader.damage is not None
    assert (reader.damage.offset, reader.damage.message) == (len(octets), "reading fails: Input/output error")
