"""Frames of capture files, read in the plainest way: the product's own reader is not what is tested here."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

PROJECT_ROOT = Path(__file__).resolve().parents[2]
SHARED = PROJECT_ROOT.parent / "shared"
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="shared captures are not beside the project")


class Recorded(NamedTuple):
    link_type: int
    octets: bytes
    wire_length: int


def corpus_files() -> list[Path]:
    """Every capture file of the shared corpus and of the shared captures, sorted."""
    return sorted(
        path
        for folder in ("corpus", "captures")
        for path in (SHARED / folder).rglob("*")
        if path.name.endswith((".pcap", ".pcapng", ".pcap.gz", ".pcapng.gz"))
    )


def read(path: Path, most: int = 400) -> list[Recorded]:
    """The first `most` frames of a file; what is before the damage where it is damaged."""
    octets = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    frames: list[Recorded] = []
    source = _pcapng(octets) if octets[:4] == b"\x0a\x0d\x0d\x0a" else _pcap(octets)
    try:
        for frame in source:
            frames.append(frame)
            if len(frames) == most:
                break
    except (struct.error, IndexError):
        pass
    return frames


def _pcap(octets: bytes) -> Iterator[Recorded]:
    order = "<" if octets[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    link_type = struct.unpack_from(order + "I", octets, 20)[0] & 0xFFFF
    at = 24
    while at + 16 <= len(octets):
        captured, wire = struct.unpack_from(order + "II", octets, at + 8)
        if at + 16 + captured > len(octets):
            return
        yield Recorded(link_type, octets[at + 16 : at + 16 + captured], wire)
        at += 16 + captured


def _pcapng(octets: bytes) -> Iterator[Recorded]:
    at, order, link_types = 0, "<", list[int]()
    while at + 12 <= len(octets):
        if octets[at : at + 4] == b"\x0a\x0d\x0d\x0a":
            order = "<" if octets[at + 8 : at + 12] == b"\x4d\x3c\x2b\x1a" else ">"
            link_types = []
        kind, length = struct.unpack_from(order + "II", octets, at)
        if length < 12 or at + length > len(octets):
            return
        if kind == 1:
            link_types.append(struct.unpack_from(order + "H", octets, at + 8)[0])
        elif kind == 6:
            interface, _, _, captured, wire = struct.unpack_from(order + "IIIII", octets, at + 8)
            if captured <= length - 32:
                yield Recorded(link_types[interface], octets[at + 28 : at + 28 + captured], wire)
        elif kind == 3:
            (wire,) = struct.unpack_from(order + "I", octets, at + 8)
            captured = min(wire, length - 16)
            yield Recorded(link_types[0], octets[at + 12 : at + 12 + captured], wire)
        at += length
