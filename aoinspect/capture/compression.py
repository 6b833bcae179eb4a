"""How compressed captures are undone while they are read.

Nothing else knows a compression format. They are recognised by their first octets, never by a file's name;
several members (gzip) or frames (zstd, lz4) one after the other are one stream (RFC 1952 2.2, RFC 8878 3, the
LZ4 frame format).

A decoder is fed what has arrived and hands on what comes of it at once, so that a compressed pipe is live
too; and it is not asked for more than fits, so that a small file that inflates without end costs no memory.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from aoinspect.capture.stored import BrokenStreamError
from aoinspect.errors import CaptureError


class _Decoder(Protocol):
    """One member or frame, in the manner of zlib's decompression objects."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes | None: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _GzipMember:
    """zlib hands back the input that it had no room for; this keeps it."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._inflate.eof

    @property
    def unused_data(self) -> bytes:
        return self._inflate.unused_data

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        return self._inflate.decompress(self._inflate.unconsumed_tail + data, max_length)


class _ZstdFrame:
    """zstandard's object knows no limit; this keeps what was not asked for yet."""

    def __init__(self) -> None:
        import zstandard

        self._inflate = zstandard.ZstdDecompressor().decompressobj()
        self._ready = memoryview(b"")

    @property
    def eof(self) -> bool:
        return self._inflate.eof and not self._ready

    @property
    def unused_data(self) -> bytes:
        return self._inflate.unused_data

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        if data:
            self._ready = memoryview(bytes(self._ready) + self._inflate.decompress(data))
        octets = bytes(self._ready[:max_length])
        self._ready = self._ready[max_length:]
        return octets


def _lz4_frame() -> _Decoder:
    import lz4.frame

    decoder: _Decoder = lz4.frame.LZ4FrameDecompressor()
    return decoder


class Compression(NamedTuple):
    """One compression format."""

    name: str
    magic: bytes
    decoder: Callable[[], _Decoder]
    chunk: int
    """Stored octets that are fed at once."""


COMPRESSIONS: Final = (
    Compression("gzip", b"\x1f\x8b", _GzipMember, 64 << 10),
    # Four octets can make a block of 128 KiB, and zstandard gives all of it, so little is fed at once.
    Compression("zstd", b"\x28\xb5\x2f\xfd", _ZstdFrame, 4 << 10),
    Compression("lz4", b"\x04\x22\x4d\x18", _lz4_frame, 64 << 10),
)


def compression_of(start: bytes) -> Compression | None:
    """The compression that a file starting with these four octets has."""
    return next((one for one in COMPRESSIONS if start.startswith(one.magic)), None)


class Inflater:
    """The uncompressed octets of a compressed stream, in short reads."""

    def __init__(self, compression: Compression, feed: Callable[[memoryview], int], path: str) -> None:
        """`feed` puts stored octets into its room and says how many, 0 at the end.

        CaptureError where the format's package is not installed.
        """
        try:
            self._decoder = compression.decoder()
        except ImportError:
            name = compression.name
            message = f"{path}: reading {name} takes a package: pip install aoinspect[{name}]"
            raise CaptureError(message) from None
        self._compression = compression
        self._feed = feed
        self._room = memoryview(bytearray(compression.chunk))
        self._unfed = b""
        self.has_pending = False
        """The last read was as long as its room: the next may give more without new input."""

    def readinto(self, room: memoryview) -> int:
        """Put inflated octets into `room` and say how many; 0 at the end. BrokenStreamError where the stream
        is broken.
        """
        while True:
            if self._decoder.eof and not self._start_next():
                return 0
            octets = self._decode(len(room))
            if octets:
                room[: len(octets)] = octets
                self.has_pending = len(octets) == len(room)
                return len(octets)
            if self._decoder.eof:
                continue
            self._unfed = self._fetch()
            if not self._unfed:
                raise BrokenStreamError(f"the {self._compression.name} stream is cut short")

    def _decode(self, most: int) -> bytes:
        fed, self._unfed = self._unfed, b""
        try:
            return self._decoder.decompress(fed, most)
        except Exception as error:
            # zlib.error, ZstdError and lz4's bare RuntimeError have no common ancestor below Exception.
            raise BrokenStreamError(f"the {self._compression.name} stream is broken: {error}") from error

    def _fetch(self) -> bytes:
        return bytes(self._room[: self._feed(self._room)])

    def _start_next(self) -> bool:
        """Go on to the next member, if there is one. Zeros behind the last are padding, as for gzip(1)."""
        rest = self._decoder.unused_data or b""  # lz4 says None for nothing.
        magic = self._compression.magic
        while True:
            rest = rest.lstrip(b"\0")
            if len(rest) >= len(magic):
                break
            more = self._fetch()
            if not more:
                break
            rest += more
        if not rest:
            return False
        if not rest.startswith(magic):
            raise BrokenStreamError(
                f"octets that are no {self._compression.name} follow the {self._compression.name} stream"
            )
        self._decoder = self._compression.decoder()
        self._unfed = rest
        return True
