"""What a right TCP-AO or TCP-MD5 signature is, told a second time and independently of the product.

Tests sign with this and verify with aoinspect, so this file imports nothing of aoinspect. It is plain scalar
code in the order in which the RFCs tell it: RFC 5926 3.1 and 3.2 (key derivation and MACs), RFC 5925 5.1 and
5.2 (what the MAC covers, and the KDF's context), draft-ietf-tcpm-tcp-ao-algs (HKDF), RFC 2385 2.0 (TCP-MD5).
`segment` is always a TCP header with its options and payload, as sent.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address

from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

AO_KIND = 29
MD5_KIND = 19
TCP_MD5 = "tcp-md5"

HASH_OF_ALGORITHM = {
    "hmac-sha-1-96": "sha1",
    "hmac-sha-256-96": "sha256",
    "hmac-sha-256-128": "sha256",
    "hkdf-sha-256-128": "sha256",
    "hmac(md5)": "md5",
    "hmac(sha1)": "sha1",
    "hmac(sha224)": "sha224",
    "hmac(sha256)": "sha256",
    "hmac(sha384)": "sha384",
    "hmac(sha512)": "sha512",
    "hmac(sha3-256)": "sha3_256",
    "hmac(sha3-512)": "sha3_512",
}
CMAC_ALGORITHMS = ("aes-128-cmac-96", "cmac(aes128)")
ALGORITHMS = (*HASH_OF_ALGORITHM, *CMAC_ALGORITHMS)
"""Every TCP-AO algorithm that this file signs with."""
MAC_LENGTHS = {"hmac-sha-256-128": 16, "hkdf-sha-256-128": 16}
"""Octets of the MAC where a key does not say: 12 for the others."""


@dataclass(frozen=True, slots=True)
class Key:
    """One MKT as the client sees it: the client signs with `send_id`, the server with `recv_id`."""

    name: str = "k1"
    send_id: int = 1
    recv_id: int = 101
    algorithm: str = "hmac-sha-1-96"
    secret: bytes = field(default=b"testvector", repr=False)
    mac_length: int | None = None
    """Octets of the MAC on the wire; None: what the algorithm's name says."""
    include_options: bool = True

    @property
    def wire_mac_length(self) -> int:
        """Octets of the MAC in the option."""
        if self.algorithm == TCP_MD5:
            return 16
        return self.mac_length if self.mac_length is not None else MAC_LENGTHS.get(self.algorithm, 12)


def cmac_aes128(key: bytes, message: bytes) -> bytes:
    """AES-128-CMAC (RFC 4493)."""
    computation = CMAC(AES(key))
    computation.update(message)
    return computation.finalize()


def kdf_context(
    source: str,
    destination: str,
    source_port: int,
    destination_port: int,
    source_isn: int,
    destination_isn: int,
) -> bytes:
    """Addresses, ports and ISNs of a segment's sender and receiver, in this order (RFC 5925 5.2)."""
    return (
        ip_address(source).packed
        + ip_address(destination).packed
        + source_port.to_bytes(2, "big")
        + destination_port.to_bytes(2, "big")
        + source_isn.to_bytes(4, "big")
        + destination_isn.to_bytes(4, "big")
    )


def _same(octets: bytes) -> bytes:
    return octets


def traffic_key(key: Key, context: bytes, alter_block: Callable[[bytes], bytes] = _same) -> bytes:
    """The key that signs one direction of one connection (RFC 5926 3.1.1).

    `alter_block` makes a faulty signer: it changes what goes into the PRF.
    """
    if key.algorithm in CMAC_ALGORITHMS:
        # RFC 5926 3.1.1.2: a master key that is not an AES key is made one with CMAC under a key of zeros.
        aes_key = key.secret if len(key.secret) == 16 else cmac_aes128(bytes(16), key.secret)
        return cmac_aes128(aes_key, alter_block(b"\x01TCP-AO" + context + (128).to_bytes(2, "big")))
    if key.algorithm == "hkdf-sha-256-128":
        # RFC 5869 without a salt; `info` is the context alone, and 32 octets are a single round.
        return hmac.digest(hmac.digest(bytes(32), key.secret, "sha256"), context + b"\x01", "sha256")
    hash_name = HASH_OF_ALGORITHM[key.algorithm]
    output_bits = hashlib.new(hash_name).digest_size * 8
    return hmac.digest(key.secret, alter_block(b"\x01TCP-AO" + context + output_bits.to_bytes(2, "big")), hash_name)


def mac(key: Key, signing_key: bytes, message: bytes) -> bytes:
    """The whole MAC, not yet truncated (RFC 5926 3.2)."""
    if key.algorithm in CMAC_ALGORITHMS:
        return cmac_aes128(signing_key, message)
    return hmac.digest(signing_key, message, HASH_OF_ALGORITHM[key.algorithm])


def pseudo_header(source: str, destination: str, segment_length: int) -> bytes:
    """The IPv4 (RFC 793) or IPv6 (RFC 8200 8.1) pseudo-header of a TCP segment."""
    source_octets = ip_address(source).packed
    destination_octets = ip_address(destination).packed
    if len(source_octets) == 4:
        return source_octets + destination_octets + b"\x00\x06" + segment_length.to_bytes(2, "big")
    return source_octets + destination_octets + segment_length.to_bytes(4, "big") + b"\x00\x00\x00\x06"


def option_ranges(segment: bytes) -> list[tuple[int, int, int]]:
    """(kind, start, end) of each option but NOP, positions counted from the TCP header's start."""
    header_length = (segment[12] >> 4) * 4
    found = []
    position = 20
    while position < header_length and segment[position] != 0:
        if segment[position] == 1:
            position += 1
            continue
        length = segment[position + 1]
        found.append((segment[position], position, position + length))
        position += length
    return found


def mac_input(sne: int, source: str, destination: str, segment: bytes, include_options: bool) -> bytes:
    """The octets that the MAC of a segment with one AO option covers (RFC 5925 5.1)."""
    header_length = (segment[12] >> 4) * 4
    start, end = next((start, end) for kind, start, end in option_ranges(segment) if kind == AO_KIND)
    header = segment[:16] + b"\x00\x00" + segment[18:20]
    ao_option = segment[start : start + 4] + bytes(end - start - 4)
    if include_options:
        options = segment[20:start] + ao_option + segment[end:header_length]
    else:
        options = ao_option
    covered = pseudo_header(source, destination, len(segment)) + header + options + segment[header_length:]
    return sne.to_bytes(4, "big") + covered


def md5_digest(
    secret: bytes, source: str, destination: str, segment: bytes, alter: Callable[[bytes], bytes] = _same
) -> bytes:
    """The digest of pseudo-header, header without options and checksum, payload, secret (RFC 2385 2.0).

    `alter` makes a faulty signer: it changes what is covered before the secret.
    """
    header_length = (segment[12] >> 4) * 4
    header = segment[:16] + b"\x00\x00" + segment[18:20]
    covered = pseudo_header(source, destination, len(segment)) + header + segment[header_length:]
    return hashlib.md5(alter(covered) + secret).digest()
