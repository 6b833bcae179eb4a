"""Every published vector, step by step: KDF context, traffic key, MAC input, MAC; and segments of real
kernels."""

from __future__ import annotations

import pytest

from aoinspect.ao.algorithms import find_algorithm
from aoinspect.ao.mac_input import mac_input, segment_mac
from aoinspect.ao.md5 import md5_digest, md5_input
from aoinspect.ao.option import KIND_MD5, AoOption, locate_ao, walk_options
from aoinspect.ao.traffic_keys import derive_traffic_key, kdf_context
from tests.ao.vectors import DRAFT_ALGORITHMS, LINUX, RFC9235, SignedPacket, read_vectors


def title(packet: SignedPacket) -> str:
    return packet.title


def context_of(packet: SignedPacket) -> bytes:
    return kdf_context(packet.source, packet.destination, *packet.ports, packet.source_isn, packet.destination_isn)


def covered_octets(packet: SignedPacket) -> bytes:
    return mac_input(packet.sne, packet.source, packet.destination, packet.segment, packet.includes_options)


def option_of(packet: SignedPacket) -> AoOption:
    option = locate_ao(packet.segment)
    return AoOption.parse(packet.segment[option.start : option.end])


def test_the_vectors_are_all_there() -> None:
    assert (len(RFC9235), len(DRAFT_ALGORITHMS), len(LINUX)) == (32, 16, 39)
    assert len({title(packet) for packet in RFC9235 + DRAFT_ALGORITHMS + LINUX}) == 87


@pytest.mark.parametrize("packet", RFC9235, ids=title)
class TestRfc9235:
    def test_kdf_context(self, packet: SignedPacket) -> None:
        assert context_of(packet) == packet.octets("kdf_context_hex")

    def test_mac_input(self, packet: SignedPacket) -> None:
        assert covered_octets(packet) == packet.octets("mac_input_hex")


@pytest.mark.parametrize("packet", RFC9235 + DRAFT_ALGORITHMS, ids=title)
class TestPublishedVectors:
    def test_traffic_key(self, packet: SignedPacket) -> None:
        assert derive_traffic_key(packet.mkt, context_of(packet)) == packet.octets("traffic_key_hex")

    def test_mac(self, packet: SignedPacket) -> None:
        mac = segment_mac(packet.mkt, packet.octets("traffic_key_hex"), covered_octets(packet))
        assert mac == packet.octets("mac_hex")

    def test_the_packet_carries_that_mac(self, packet: SignedPacket) -> None:
        option = option_of(packet)
        assert option.mac == packet.octets("mac_hex")
        assert (option.key_id, option.rnext_key_id) == (
            packet.expected["keyid"],
            packet.expected["rnextkeyid"],
        )


@pytest.mark.parametrize("packet", DRAFT_ALGORITHMS, ids=title)
def test_the_drafts_traffic_key_is_not_that_of_rfc_5926s_kdf(packet: SignedPacket) -> None:
    assert packet.mkt.secret is not None
    as_linux_does_it = find_algorithm("hmac-sha-256-128").derive(packet.mkt.secret, context_of(packet))
    assert as_linux_does_it != packet.octets("traffic_key_hex")


@pytest.mark.parametrize("packet", [packet for packet in LINUX if not packet.mkt.algorithm.is_md5], ids=title)
def test_a_kernels_ao_segment_verifies(packet: SignedPacket) -> None:
    traffic_key = derive_traffic_key(packet.mkt, context_of(packet))
    mac = option_of(packet).mac
    assert segment_mac(packet.mkt, traffic_key, covered_octets(packet)) == mac
    assert len(mac) == packet.mkt.mac_length


@pytest.mark.parametrize("packet", [packet for packet in LINUX if packet.mkt.algorithm.is_md5], ids=title)
def test_a_kernels_md5_segment_verifies(packet: SignedPacket) -> None:
    (option,) = [option for option in walk_options(packet.segment) if option.kind == KIND_MD5]
    message = md5_input(packet.source, packet.destination, packet.segment)
    assert packet.mkt.secret is not None
    assert md5_digest(packet.mkt.secret, message) == packet.segment[option.start + 2 : option.end]


@pytest.mark.parametrize("vector", read_vectors("tcp-md5.json"), ids=lambda v: f"RFC 2385 2.0 {v['password']}")
def test_md5_digest(vector: dict[str, str]) -> None:
    digest = md5_digest(vector["password"].encode(), bytes.fromhex(vector["message_hex"]))
    assert digest.hex() == vector["digest_hex"]
