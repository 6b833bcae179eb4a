"""What cannot be opened gets one clear line; what is compressed is opened by content."""

from __future__ import annotations

import bz2
import gzip
import io
import struct
import sys
import tarfile
import zlib
from pathlib import Path

import lz4.frame
import pytest
import zstandard

from aoinspect.capture import link_type_name, open_capture
from aoinspect.capture.linktypes import LINK_TYPES
from aoinspect.errors import CaptureError
from tests.capture.builders import block, pcap, pcap_header, pcapng, read, shb, told

CAPTURE = pcap([bytes([index]) * index for index in range(200)])


def tar() -> bytes:
    store = io.BytesIO()
    with tarfile.open(fileobj=store, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.pcap"))
    return store.getvalue()


NO_CAPTURES = {
    "empty": (b"", "empty"),
    "jpeg": (b"\xff\xd8\xff\xe0\0\x10JFIF" + bytes(300), "JPEG"),
    "png": (b"\x89PNG\r\n\x1a\n" + bytes(30), "PNG"),
    "pdf": (b"%PDF-1.7\n", "PDF"),
    "zip": (b"PK\x03\x04" + bytes(30), "ZIP"),
    "bzip2": (bz2.compress(CAPTURE), "bunzip2"),
    "tar": (tar(), "tar archive"),
    "text": ("Frame 1: Grüße\n".encode() * 60, "text"),
    "one letter": (b"x", "text"),
    "zeros": (bytes(600), "zero octets"),
    "noise": (b"\x93\x01\xfe\x80" * 30, "93 01 fe 80"),
    "snoop": (b"snoop\0\0\0" + struct.pack(">II", 2, 4), "editcap -F pcap"),
    "netmon": (b"GMBU" + bytes(40), "editcap -F pcap"),
    "gzip of text": (gzip.compress(b"hello\n"), "gzip of something else.*text"),
    "gzip of nothing": (gzip.compress(b""), "gzip of something else.*nothing"),
    "gzip of gzip": (gzip.compress(gzip.compress(CAPTURE)), "gzip of something else.*gzip"),
    "gzip cut in its header": (gzip.compress(CAPTURE)[:8], "gzip stream is cut short"),
    "gzip of nonsense": (b"\x1f\x8b\x08\0" + b"\xff" * 40, "gzip stream is broken"),
    "pcap header cut": (pcap_header()[:20], "octet 20"),
    "pcap magic alone": (pcap_header()[:4], "octet 4"),
    "pcapng header cut": (shb()[:27], "octet 27"),
    "pcapng of unknown byte order": (shb(magic=1), "byte-order magic"),
    "pcapng version 2": (shb(version=(2, 0)), "version 2.0"),
    "pcapng block length 0": (block(0x0A0D0D0A, shb()[8:24], length=0), "length of 0 octets"),
    "pcapng block length 4": (block(0x0A0D0D0A, shb()[8:24], length=4), "length of 4 octets"),
    "pcapng block length 4 GiB": (block(0x0A0D0D0A, shb()[8:24], length=0xFFFF_FFFC), "length of 4294967292"),
}


@pytest.mark.parametrize("content, says", NO_CAPTURES.values(), ids=NO_CAPTURES.keys())
def test_a_file_of_which_nothing_can_be_read_gets_one_clear_line(content: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "file.pcap"
    path.write_bytes(content)
    with pytest.raises(CaptureError, match=says) as raised:
        open_capture(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert "\n" not in str(raised.value)


def test_a_missing_file_and_a_directory_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="no such file"):
        open_capture(tmp_path / "missing.pcap")
    with pytest.raises(CaptureError, match="directory"):
        open_capture(tmp_path)
    with pytest.raises(CaptureError, match="cannot be opened"):
        open_capture("a\0b")


def test_a_file_without_permission_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:  # root may read everything, so no mode would do
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(CaptureError, match=r"a\.pcap: no permission"):
        open_capture("a.pcap")


@pytest.mark.parametrize("name, module, content", [
    ("zstd", "zstandard", zstandard.ZstdCompressor().compress(CAPTURE)),
    ("lz4", "lz4.frame", lz4.frame.compress(CAPTURE)),
])  # fmt: skip
def test_a_compression_that_is_not_installed_names_the_extra(
    name: str, module: str, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(CaptureError, match=rf"pip install aoinspect\[{name}\]"):
        open_capture(io.BytesIO(content))


COMPRESSED = {
    "gzip": ("gzip", gzip.compress(CAPTURE)),
    "gzip of many members": (
        "gzip",
        b"".join(gzip.compress(CAPTURE[at : at + 999]) for at in range(0, len(CAPTURE), 999)),
    ),
    "gzip with padding": ("gzip", gzip.compress(CAPTURE) + bytes(700)),
    "zstd": ("zstd", zstandard.ZstdCompressor().compress(CAPTURE)),
    "zstd of two frames": (
        "zstd",
        zstandard.ZstdCompressor().compress(CAPTURE[:5000]) + zstandard.ZstdCompressor().compress(CAPTURE[5000:]),
    ),
    "lz4": ("lz4", lz4.frame.compress(CAPTURE)),
    "lz4 of two frames": ("lz4", lz4.frame.compress(CAPTURE[:5000]) + lz4.frame.compress(CAPTURE[5000:])),
}


@pytest.mark.parametrize("name, content", COMPRESSED.values(), ids=COMPRESSED.keys())
def test_compressed_files_give_the_same_frames_in_any_order_of_reading_again(name: str, content: bytes) -> None:
    plain, _ = read(CAPTURE)
    for batch_octets in (100, 4 << 20):
        frames, reader = read(content, batch_octets=batch_octets)
        assert frames == plain
        assert (reader.compression, reader.damage) == (name, None)
        assert reader.octets_read == reader.size == len(content)
    for frame in (plain[150], plain[3], plain[3], plain[199]):
        assert reader.frame_at(frame.offset).octets == frame.octets


@pytest.mark.parametrize("name, content", COMPRESSED.values(), ids=COMPRESSED.keys())
def test_a_compressed_file_cut_short_is_read_up_to_there(name: str, content: bytes) -> None:
    plain, _ = read(CAPTURE)
    content = content.rstrip(b"\0")
    for kept in (len(content) - 1, len(content) // 2):
        try:
            frames, reader = read(content[:kept])
        except CaptureError:
            assert name != "gzip"  # Half of one zstd block may give nothing; deflate gives what it has.
            continue
        assert frames == plain[: len(frames)]
        assert reader.damage is not None
        assert f"{name} stream is cut short" in reader.damage.message


def test_octets_behind_a_gzip_stream_are_damage_behind_all_frames() -> None:
    frames, reader = read(gzip.compress(CAPTURE) + b"garbage")
    assert len(frames) == 200
    assert reader.damage is not None
    assert reader.damage.offset == len(CAPTURE)


def test_a_small_file_that_inflates_without_end_is_read_in_bounded_pieces() -> None:
    deflate = zlib.compressobj(9, wbits=31)
    bomb = (
        deflate.compress(pcap_header())
        + b"".join(deflate.compress(bytes(1 << 20)) for _ in range(64))
        + deflate.flush()
    )
    reader = open_capture(io.BytesIO(bomb), batch_octets=1 << 16)
    assert sum(len(batch) for batch in reader.batches()) == 64 * (1 << 20) // 16
    assert max(len(batch.octets) for batch in open_capture(io.BytesIO(bomb), batch_octets=1 << 16).batches()) < 1 << 18


def test_a_stream_is_read_from_where_it_stands() -> None:
    stream = io.BytesIO(b"before it" + CAPTURE)
    stream.seek(9)
    with open_capture(stream) as reader:
        frames = told(reader)
        assert reader.frame_at(frames[9].offset).octets == frames[9].octets
        assert reader.size == len(CAPTURE)
    assert frames == read(CAPTURE)[0]
    assert not stream.closed


@pytest.mark.parametrize("content", [CAPTURE, pcapng([b"one", b"two"])], ids=["pcap", "pcapng"])
def test_offsets_that_start_no_record_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(content)
    with open_capture(path) as reader:
        told(reader)
        for offset in (len(content), len(content) - 3, 10**9):
            with pytest.raises(CaptureError, match=r"a\.pcap: "):
                reader.frame_at(offset)


def test_a_sections_header_is_no_packet() -> None:
    _, reader = read(pcapng([b"x"]))
    with pytest.raises(CaptureError, match="no packet block"):
        reader.frame_at(0)


def test_link_types_have_the_registrys_names() -> None:
    assert [link_type_name(number) for number in (0, 1, 101, 113, 147, 276)] == [
        "NULL",
        "ETHERNET",
        "RAW",
        "LINUX_SLL",
        "LINKTYPE 147",
        "LINUX_SLL2",
    ]
    assert len(LINK_TYPES) == len(set(LINK_TYPES.values())) >= 60
