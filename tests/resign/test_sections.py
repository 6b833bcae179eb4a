"""Sections of a pcapng that say how long they are, and connections whose handshake is missing."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from aoinspect.engine.resign.wishes import Wishes
from tests.conversation import Conversation, Key
from tests.packets import ByteOrder, write_pcapng
from tests.recovery.test_recovery import midway
from tests.resign.running import lines_of, run_resign, store_of, written

SECTION_HEADER = 28
"""Octets of a Section Header Block without options."""


def told() -> Conversation:
    return Conversation([Key()]).handshake().data("a", 100).ack("b").data("b", 60).ack("a")


def with_length(section: bytes, order: str) -> bytes:
    return section[:16] + struct.pack(order + "q", len(section) - SECTION_HEADER) + section[24:]


@pytest.mark.parametrize("byte_order", ["little", "big"])
def test_a_sections_length_follows_its_frames(byte_order: ByteOrder, tmp_path: Path) -> None:
    """The Section Length counts the octets of the section without its header. -- draft-ietf-opsawg-pcapng 4.1"""
    order = "<" if byte_order == "little" else ">"
    records = told().capture().records()
    sections = [with_length(write_pcapng(part, byte_order=byte_order), order) for part in (records[:4], records[4:])]
    capture, out = tmp_path / "c.pcapng", tmp_path / "out.pcapng"
    capture.write_bytes(b"".join(sections))
    written(capture, out, store_of(tmp_path, told().key_file()), Wishes(strips=True))
    octets = out.read_bytes()
    assert len(octets) < len(b"".join(sections))
    at = 0
    for _ in sections:
        assert octets[at : at + 4] == b"\x0a\x0d\x0d\x0a"
        (length,) = struct.unpack_from(order + "q", octets, at + 16)
        at += SECTION_HEADER + length
    assert at == len(octets)


def test_missing_isns_are_searched_before_anything_is_signed(tmp_path: Path) -> None:
    conversation = midway(90, 110)
    (tmp_path / "k.toml").write_text(conversation.key_file(), encoding="utf-8")
    capture, out = tmp_path / "c.pcap", tmp_path / "out.pcap"
    capture.write_bytes(conversation.to_pcap())
    kept = run_resign(capture, out, "--keys", tmp_path / "k.toml", "--recover-isn", "off")
    assert "left as they were" in kept.out
    again = run_resign(capture, out, "--keys", tmp_path / "k.toml", "--force", "--recover-isn", "100000")
    assert "left" not in again.out
    assert "kept: right as they were" in again.out
    assert out.read_bytes() == capture.read_bytes()


def test_an_anonymised_capture_without_handshake_verifies_with_its_key_file_alone(tmp_path: Path) -> None:
    conversation = midway(90, 110)
    (tmp_path / "k.toml").write_text(conversation.key_file(), encoding="utf-8")
    capture, out = tmp_path / "c.pcap", tmp_path / "out.pcap"
    capture.write_bytes(conversation.to_pcap())
    done = run_resign(capture, out, "--keys", tmp_path / "k.toml", "--anonymise", "--recover-isn", "100000")
    assert done.status == 0, done.err
    text = (tmp_path / "out.toml").read_text(encoding="utf-8")
    assert "[[connection]]" in text
    assert {line.verdict for line in lines_of(out, store_of(tmp_path, text, "again.toml"))} == {"verified"}
