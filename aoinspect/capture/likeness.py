"""What a file that is no capture looks like, for the message that says so.

Only messages depend on it: whether a file is read is decided by the magics in `pcap`, `pcapng` and
`compression`.
"""

from __future__ import annotations

from typing import Final

_CONVERT: Final = "convert it with `editcap -F pcap IN OUT`"

_CAPTURES: Final[tuple[tuple[bytes, str], ...]] = (
    (b"snoop\0\0\0", "a snoop capture (RFC 1761)"),
    (b"btsnoop\0", "a btsnoop capture"),
    (b"GMBU", "a Microsoft Network Monitor capture"),
    (b"RTSS", "a Microsoft Network Monitor 1 capture"),
    (b"TRSNIFF data", "a Sniffer capture"),
    (b"XCP\0", "a NetXRay or Windows Sniffer capture"),
    (b"\x05VNF", "a Visual Networks capture"),
    (b"iptrace ", "an AIX iptrace capture"),
    (b"\x7fver", "an Omnipeek capture"),
    (b"NetS", "a Network Instruments capture"),
    (b"ObserverPktBuffe", "an Observer capture"),
)

_OTHERS: Final[tuple[tuple[bytes, str], ...]] = (
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"GIF8", "a GIF image"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive (unpack it first)"),
    (b"BZh", "bzip2 (unpack it first: bunzip2)"),
    (b"\xfd7zXZ\0", "xz (unpack it first: unxz)"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive (unpack it first)"),
    (b"\x02\x21\x4c\x18", "lz4's legacy format (unpack it first: unlz4)"),
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"\x7fELF", "an ELF program"),
    (b"SQLite format 3\0", "an SQLite database"),
)


def looks_like(start: bytes) -> str:
    """What a file starting with `start` (up to 512 octets) is instead of a capture, and what can be done
    about it.
    """
    for magic, title in _CAPTURES:
        if start.startswith(magic):
            return f"{title}, which is not read here; {_CONVERT}"
    for magic, title in _OTHERS:
        if start.startswith(magic):
            return f"not a capture but {title}"
    if start[257:262] == b"ustar":
        return "not a capture but a tar archive (unpack it first)"
    if not start.strip(b"\0"):
        return "not a capture: it starts with zero octets only"
    if _is_text(start):
        return "not a capture but text (`text2pcap` makes a capture of a hex dump)"
    return f"not a capture: it starts with {start[:4].hex(' ')}"


def _is_text(start: bytes) -> bool:
    try:
        text = start.decode("utf-8")
    except UnicodeDecodeError as error:
        # The last character may be cut by the limit, and nothing else.
        if error.start < len(start) - 3:
            return False
        text = start[: error.start].decode("utf-8")
    return all(character.isprintable() or character in "\t\n\r\f" for character in text)
