"""Captures for measuring speed: what they hold, and the key files for aoinspect and for `reference.c`.

    python benchmarks/make_captures.py DIRECTORY [--scale 0.1] [--seed 1]

Five captures, at scale 1 the first of 1.5 million segments and the others of 300,000, the same octets for the same
seed and scale. Every connection has its handshake, every signature and checksum is right, and the segments of a
capture's connections are mixed at random. There are no timestamps, as between Linux hosts that offer SACK. Signing is
plain `hmac` and `cryptography`, segment by segment.
"""

from __future__ import annotations

import argparse
import hmac
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

SECRET = b"benchmark-key-16"
CLIENT_KEY_ID, SERVER_KEY_ID = 61, 84
SYN, PSH, ACK = 0x02, 0x08, 0x10
SYN_OPTIONS = bytes.fromhex("020405b40101040201030307")
START_S = 1_790_000_000
WRITE_AT_ONCE = 4_000_000
"""Octets that are collected before they are written."""

ETHERNET = {
    4: bytes.fromhex("0200000000020200000000010800"),
    6: bytes.fromhex("02000000000202000000000186dd"),
}
RECORD = struct.Struct("<IIII")
TCP_HEADER = struct.Struct("!HHIIBBHHH")

BGP_MARKER = b"\xff" * 16
KEEPALIVE = BGP_MARKER + b"\x00\x13\x04"
UPDATE_ATTRIBUTES = bytes.fromhex("4001010040020602010000fde84003040a000001")


@dataclass(frozen=True, slots=True)
class Profile:
    """What one capture is made of."""

    name: str
    shows: str
    segments: int
    """At scale 1, handshakes included."""
    connections: int
    protected: int
    """How many of the connections are signed, the first ones; they talk BGP, the others HTTPS."""
    ip_version: int = 4
    algorithm: str = "hmac-sha-1-96"
    full_size: bool = False
    """Full segments one way and an ACK for every second, instead of BGP's mix."""


PROFILES = (
    Profile("bgp", "BGP sizes over 1,000 connections, HMAC-SHA-1-96", 1_500_000, 1000, 1000),
    Profile("bulk", "one connection, full segments, HMAC-SHA-1-96", 300_000, 1, 1, full_size=True),
    Profile("ipv6", "BGP sizes over 1,000 connections, IPv6, HMAC-SHA-1-96", 300_000, 1000, 1000, ip_version=6),
    Profile(
        "cmac",
        "BGP sizes over 1,000 connections, AES-128-CMAC-96",
        300_000,
        1000,
        1000,
        algorithm="aes-128-cmac-96",
    ),
    Profile("mostly-unprotected", "1 connection of 20 is signed, HMAC-SHA-1-96", 300_000, 1000, 50),
)


@dataclass(frozen=True, slots=True)
class MadeCapture:
    """Where a capture and its key files lie, and what must be found in it."""

    profile: Profile
    capture: Path
    toml_keys: Path
    reference_keys: Path
    segments: int
    signed_segments: int


Signer = Callable[[bytes], bytes]
"""Message -> MAC of 12 octets."""


def cmac(key: bytes, message: bytes) -> bytes:
    """AES-128-CMAC (RFC 4493)."""
    computation = CMAC(AES(key))
    computation.update(message)
    return computation.finalize()


def signer(algorithm: str, context: bytes) -> Signer:
    """Signs with the traffic key of a KDF context (RFC 5926 3.1.1)."""
    if algorithm == "aes-128-cmac-96":
        keyed = CMAC(AES(cmac(SECRET, b"\x01TCP-AO" + context + (128).to_bytes(2, "big"))))

        def sign_with_cmac(message: bytes) -> bytes:
            computation = keyed.copy()
            computation.update(message)
            return computation.finalize()[:12]

        return sign_with_cmac
    traffic_key = hmac.digest(SECRET, b"\x01TCP-AO" + context + (160).to_bytes(2, "big"), "sha1")
    return lambda message: hmac.digest(traffic_key, message, "sha1")[:12]


def checksum(octets: bytes) -> int:
    """RFC 1071: a sum of 16-bit words with end-around carry is the whole number modulo 65535."""
    padded = octets if len(octets) % 2 == 0 else octets + b"\x00"
    return 65535 - (int.from_bytes(padded, "big") % 65535 or 65535)


class Direction:
    """What one end of a connection puts on the wire."""

    def __init__(
        self, source: bytes, destination: bytes, ports: tuple[int, int], isn: int, ids: tuple[int, int]
    ) -> None:
        self.addresses = source + destination
        self.ports = ports
        self.isn = isn
        self.position = isn
        """Of the next octet, without wrapping."""
        self.signs = False
        self.sign: Signer | None = None
        self.option = bytes([29, 16, *ids]) + bytes(12)
        self.version = 4 if len(source) == 4 else 6

    def context(self, destination_isn: int) -> bytes:
        """RFC 5925 5.2."""
        return self.addresses + struct.pack("!HHII", *self.ports, self.isn, destination_isn)

    def network_header(self, segment_length: int) -> bytes:
        """The IPv4 or IPv6 header."""
        if self.version == 6:
            return struct.pack("!IHBB", 6 << 28, segment_length, 6, 64) + self.addresses
        header = struct.pack("!BBHHHBBH", 0x45, 0xC0, 20 + segment_length, 0, 0x4000, 64, 6, 0) + self.addresses
        return header[:10] + checksum(header).to_bytes(2, "big") + header[12:]

    def frame(self, ack: int, flags: int, other_options: bytes, payload: bytes, sign: Signer | None) -> bytes:
        """The Ethernet frame of the next segment; moves `position` on."""
        options = other_options if sign is None else other_options + self.option
        data_offset = (20 + len(options)) // 4 << 4
        seq = self.position & 0xFFFFFFFF
        header = TCP_HEADER.pack(*self.ports, seq, ack, data_offset, flags, 512, 0, 0)
        length = len(header) + len(options) + len(payload)
        if self.version == 4:
            pseudo_header = self.addresses + struct.pack("!HH", 6, length)
        else:
            pseudo_header = self.addresses + struct.pack("!II", length, 6)
        if sign is not None:
            mac = sign(struct.pack("!I", self.position >> 32) + pseudo_header + header + options + payload)
            options = options[:-12] + mac
        tcp_checksum = checksum(pseudo_header + header + options + payload).to_bytes(2, "big")
        segment = header[:16] + tcp_checksum + header[18:] + options + payload
        self.position += len(payload) + (1 if flags & SYN else 0)
        return ETHERNET[self.version] + self.network_header(length) + segment


def addresses_of(profile: Profile, number: int) -> tuple[str, str]:
    """Client's and server's address of a connection."""
    if profile.ip_version == 6:
        return f"fd00::1:{number:x}", "fd00::ffff"
    return f"10.0.{number >> 8}.{number & 255}", "10.255.0.1"


class TalkingConnection:
    """Both directions of one connection."""

    def __init__(self, profile: Profile, number: int, is_protected: bool, isns: tuple[int, int]) -> None:
        client, server = (ip_address(address).packed for address in addresses_of(profile, number))
        self.is_protected = is_protected
        ports = (40000 + number, 179 if self.is_protected else 443)
        self.client = Direction(client, server, ports, isns[0], (CLIENT_KEY_ID, SERVER_KEY_ID))
        self.server = Direction(server, client, ports[::-1], isns[1], (SERVER_KEY_ID, CLIENT_KEY_ID))
        self.directions = (self.client, self.server)
        if self.is_protected:
            self.client.sign = signer(profile.algorithm, self.client.context(self.server.isn))
            self.server.sign = signer(profile.algorithm, self.server.context(self.client.isn))

    def handshake(self, algorithm: str) -> Iterator[bytes]:
        """SYN, SYN-ACK, ACK."""
        sign_syn = signer(algorithm, self.client.context(0)) if self.is_protected else None
        yield self.client.frame(0, SYN, SYN_OPTIONS, b"", sign_syn)
        yield self.server.frame(self.client.position & 0xFFFFFFFF, SYN | ACK, SYN_OPTIONS, b"", self.server.sign)
        yield self.say(0, b"")

    def say(self, end: int, payload: bytes) -> bytes:
        """The next segment of the client (0) or the server (1)."""
        speaker, listener = self.directions[end], self.directions[1 - end]
        ack = listener.position & 0xFFFFFFFF
        return speaker.frame(ack, ACK | PSH if payload else ACK, b"", payload, speaker.sign)


def bgp_update(prefixes: int) -> bytes:
    """An UPDATE that announces so many /24 prefixes: 43 + 4 * prefixes octets."""
    announced = b"".join(b"\x18\x0b" + struct.pack("!H", number) for number in range(prefixes))
    body = struct.pack("!HH", 0, len(UPDATE_ATTRIBUTES)) + UPDATE_ATTRIBUTES + announced
    return BGP_MARKER + struct.pack("!HB", 19 + len(body), 2) + body


def frames_of(profile: Profile, segments: int, generator: np.random.Generator) -> Iterator[tuple[bytes, bool]]:
    """Every frame of a capture, in order, and whether it is signed."""
    count = max(1, min(profile.connections, segments // 10))
    isns = generator.integers(0, 2**32, (count, 2)).tolist()
    if profile.full_size:
        # The sequence space of the bulk connection wraps within the capture.
        isns[0][0] = 2**32 - 1_000_000
    protected = max(1, profile.protected * count // profile.connections)
    connections = [
        TalkingConnection(profile, number, number < protected, tuple(isns[number])) for number in range(count)
    ]
    for connection in connections:
        for frame in connection.handshake(profile.algorithm):
            yield frame, connection.is_protected
    remaining = segments - 3 * count
    if profile.full_size:
        # 1500 octets less IPv4 header, TCP header and AO option.
        full = bytes(range(256)) * 5 + bytes(1444 - 1280)
        for number in range(remaining):
            yield (connections[0].say(1, b"") if number % 3 == 2 else connections[0].say(0, full)), True
        return
    updates = [bgp_update(prefixes) for prefixes in range(1, 90)]
    chosen = generator.integers(0, count, remaining).tolist()
    ends = generator.integers(0, 2, remaining).tolist()
    # Of ten segments four are pure ACKs, two KEEPALIVEs, four UPDATEs of 47 to 399 octets.
    kinds = generator.integers(0, 10, remaining).tolist()
    sizes = generator.integers(0, len(updates), remaining).tolist()
    for number, end, kind, size in zip(chosen, ends, kinds, sizes, strict=True):
        connection = connections[number]
        payload = b"" if kind < 4 else KEEPALIVE if kind < 6 else updates[size]
        if payload and not connection.is_protected:
            payload = b"\x17\x03\x03" + struct.pack("!H", len(payload) - 5) + payload[5:]
        yield connection.say(end, payload), connection.is_protected


def key_files(profile: Profile) -> tuple[str, str]:
    """The key file of aoinspect (a peer entry for each protected connection) and the one of `reference.c`."""
    entries = [
        "version = 1\n",
        "[[keychain]]",
        'name = "benchmark"',
        "\n  [[keychain.key]]",
        '  name = "benchmark"',
        f"  send-id = {CLIENT_KEY_ID}",
        f"  recv-id = {SERVER_KEY_ID}",
        f'  algorithm = "{profile.algorithm}"',
        f'  secret-hex = "{SECRET.hex()}"',
    ]
    for number in range(profile.protected):
        client, server = addresses_of(profile, number)
        entries += [
            "\n[[peer]]",
            f'local = "{client}"',
            f'remote = "{server}"',
            "port = 179",
            'keychain = "benchmark"',
        ]
    reference = f"{profile.algorithm} 12 include {CLIENT_KEY_ID} {SERVER_KEY_ID} {SECRET.hex()}\n"
    return "\n".join(entries) + "\n", reference


def make_capture(profile: Profile, directory: Path, scale: float, seed: int) -> MadeCapture:
    """Writes one capture and its key files; deterministic for a profile, scale and seed."""
    generator = np.random.default_rng([seed, *profile.name.encode()])
    made_segments = signed_segments = 0
    capture = directory / f"{profile.name}.pcap"
    with capture.open("wb") as file:
        pending = bytearray(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
        for frame, is_signed in frames_of(profile, max(10, int(profile.segments * scale)), generator):
            seconds, microseconds = divmod(made_segments * 20, 1_000_000)
            pending += RECORD.pack(START_S + seconds, microseconds, len(frame), len(frame))
            pending += frame
            made_segments += 1
            signed_segments += is_signed
            if len(pending) >= WRITE_AT_ONCE:
                file.write(pending)
                pending.clear()
        file.write(pending)
    toml_keys, reference_keys = directory / f"{profile.name}.toml", directory / f"{profile.name}.txt"
    for path, text in zip((toml_keys, reference_keys), key_files(profile), strict=True):
        path.write_text(text)
    return MadeCapture(profile, capture, toml_keys, reference_keys, made_segments, signed_segments)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("directory", type=Path, help="where the captures and key files go")
    parser.add_argument("--scale", type=float, default=1.0, help="1: 1.5 million segments in the first (default)")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    arguments.directory.mkdir(parents=True, exist_ok=True)
    for profile in PROFILES:
        made = make_capture(profile, arguments.directory, arguments.scale, arguments.seed)
        size_mb = made.capture.stat().st_size / 1e6
        counted = f"{made.segments} segments, {made.signed_segments} signed, {size_mb:.0f} MB"
        print(f"{made.capture}: {counted}: {profile.shows}")


if __name__ == "__main__":
    main()
