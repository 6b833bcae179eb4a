"""A file that is still being written is read as it grows, whatever its format."""

from __future__ import annotations

import os
import threading
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from aoinspect.capture import open_capture
from aoinspect.capture.growing import POLL_SECONDS
from aoinspect.capture.stored import Attendance
from tests.capture.builders import epb, idb, pcap_header, pcap_record, shb
from tests.capture.test_pipes import SLOWEST


class _Reading:
    """A thread that follows the file at `path`; it counts frames."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._news = threading.Condition()
        self.frames = 0
        self.idle = 0
        self.succession: str | None = None
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with open_capture(self._path, is_followed=True, attendance=Attendance(self._on_idle, None)) as reader:
            for batch in reader.batches():
                self._add(len(batch))
            self.succession = reader.succession

    def _on_idle(self) -> float | None:
        with self._news:
            self.idle += 1
            self._news.notify_all()
        return None

    def _add(self, frames: int) -> None:
        with self._news:
            self.frames += frames
            self._news.notify_all()

    def comes_to(self, frames: int) -> bool:
        with self._news:
            return self._news.wait_for(lambda: self.frames >= frames, SLOWEST)

    def is_idle(self, times: int) -> bool:
        with self._news:
            return self._news.wait_for(lambda: self.idle >= times, SLOWEST)

    def has_ended(self) -> bool:
        self._thread.join(SLOWEST)
        return not self._thread.is_alive()


def _gzip_flushing() -> Callable[[bytes], bytes]:
    deflate = zlib.compressobj(wbits=31)
    return lambda octets: deflate.compress(octets) + deflate.flush(zlib.Z_SYNC_FLUSH)


@pytest.mark.parametrize("head, packet", [(pcap_header(), pcap_record), (shb() + idb(), epb)], ids=["pcap", "pcapng"])
@pytest.mark.parametrize("wrapping", [lambda: bytes, _gzip_flushing], ids=["plain", "gzip"])
def test_each_frame_comes_once_it_is_whole(
    head: bytes, packet: Callable[[bytes], bytes], wrapping: Callable[[], Callable[[bytes], bytes]], tmp_path: Path
) -> None:
    path, wrap = tmp_path / "capture", wrapping()
    path.touch()
    reading = _Reading(path)
    with open(path, "ab", buffering=0) as file:
        file.write(wrap(head))
        for frames in range(1, 4):
            record = packet(b"frame %d" % frames)
            file.write(wrap(record[:11]))
            assert reading.is_idle(frames)
            assert reading.frames == frames - 1, "half a frame is none"
            file.write(wrap(record[11:]))
            assert reading.comes_to(frames)
    os.truncate(path, 1)
    assert reading.has_ended()
    assert reading.succession == "it was truncated"


def test_idle_is_told_once_until_something_comes(tmp_path: Path) -> None:
    path = tmp_path / "capture"
    path.write_bytes(pcap_header() + pcap_record(b"one"))
    reading = _Reading(path)
    assert reading.is_idle(1)
    assert not threading.Event().wait(5 * POLL_SECONDS)
    assert reading.idle == 1
    path.unlink()
    path.write_bytes(pcap_header())
    assert reading.has_ended()
    assert reading.succession == "another file has its name"


def test_a_frame_is_read_again_while_the_file_grows(tmp_path: Path) -> None:
    path = tmp_path / "capture"
    path.write_bytes(pcap_header() + pcap_record(b"one") + pcap_record(b"two"))
    with open_capture(path, is_followed=True) as reader:
        batch = next(reader.batches())
        assert [reader.frame_at(offset).octets for offset in batch.offsets.tolist()] == [b"one", b"two"]
        assert reader.size is None


def test_a_pipe_is_followed_as_a_pipe() -> None:
    reading, writing = os.pipe()
    os.write(writing, pcap_header() + pcap_record(b"one"))
    os.close(writing)
    with open(reading, "rb", buffering=0) as source, open_capture(source, is_followed=True) as reader:
        assert sum(len(batch) for batch in reader.batches()) == 1
        assert (reader.succession, reader.damage) == (None, None)
