"""The signed packets of tests/vectors as values: published ones, and some that real kernels sent."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from aoinspect.ao.algorithms import Algorithm, find_algorithm
from aoinspect.ao.mkt import MasterKeyTuple, Origin, TcpOptions

VECTORS = Path(__file__).resolve().parents[1] / "vectors"

Json = dict[str, "str | int | bool | None"]


@dataclass(frozen=True, slots=True)
class SignedPacket:
    """One packet, what signed it, and what the vector's source says of the steps between."""

    title: str
    """Source and section."""
    source: bytes
    destination: bytes
    segment: bytes
    mkt: MasterKeyTuple
    source_isn: int
    destination_isn: int
    sne: int
    includes_options: bool
    expected: Json
    """The vector as it is written."""

    @property
    def ports(self) -> tuple[int, int]:
        return int.from_bytes(self.segment[0:2], "big"), int.from_bytes(self.segment[2:4], "big")

    def octets(self, name: str) -> bytes:
        """The octets that the vector gives in hexadecimal under `name`."""
        value = self.expected[name]
        assert isinstance(value, str)
        return bytes.fromhex(value)


def read_vectors(file_name: str) -> list[Json]:
    vectors: list[Json] = json.loads((VECTORS / file_name).read_text())["vectors"]
    return vectors


def signed_packet(title: str, vector: Json, algorithm: Algorithm) -> SignedPacket:
    def number(name: str) -> int:
        if f"{name}_hex" in vector:
            return int(str(vector[f"{name}_hex"]), 16)
        return int(str(vector[name]))

    packet = bytes.fromhex(str(vector["packet_hex"]))
    is_ipv4 = vector["ip_version"] == 4
    source, destination, segment = (
        (packet[12:16], packet[16:20], packet[20:]) if is_ipv4 else (packet[8:24], packet[24:40], packet[40:])
    )
    includes_options = vector["include_options"] is True
    mac_length = vector.get("mac_length")
    return SignedPacket(
        title=title,
        source=source,
        destination=destination,
        segment=segment,
        mkt=make_mkt(
            algorithm,
            bytes.fromhex(str(vector["master_key_hex"])),
            mac_length=mac_length if isinstance(mac_length, int) else None,
            includes_options=includes_options,
        ),
        source_isn=number("src_isn"),
        destination_isn=number("dst_isn"),
        sne=number("sne"),
        includes_options=includes_options,
        expected=vector,
    )


def make_mkt(
    algorithm: Algorithm,
    secret: bytes | None,
    *,
    mac_length: int | None = None,
    includes_options: bool = True,
) -> MasterKeyTuple:
    return MasterKeyTuple(
        name="vector",
        send_id=61,
        recv_id=84,
        algorithm=algorithm,
        secret=secret,
        mac_length=algorithm.mac_length if mac_length is None else mac_length,
        tcp_options=TcpOptions.INCLUDE if includes_options else TcpOptions.EXCLUDE,
        origin=Origin("keys.toml", 3),
    )


RFC9235 = [
    signed_packet(f"RFC 9235 {vector['section']}", vector, find_algorithm(str(vector["algorithm"])))
    for vector in read_vectors("rfc9235.json")
]

# The draft's "HMAC-SHA256-128" is not what that name means elsewhere: its traffic key comes from HKDF.
DRAFT_ALGORITHMS = [
    signed_packet(
        f"draft-ietf-tcpm-tcp-ao-algs-07 {vector['section']}",
        vector,
        find_algorithm({"HMAC-SHA256-128": "hkdf-sha-256-128", "KMAC256-128": "kmac256-128"}[str(vector["algorithm"])]),
    )
    for vector in read_vectors("draft-tcp-ao-algs-07.json")
]

LINUX = [
    signed_packet(
        f"{vector['capture']} {vector['segment']} (Linux {vector['kernel']})",
        vector,
        find_algorithm(str(vector["algorithm"])),
    )
    for vector in read_vectors("linux-kernels.json")
]
