"""What the labelled fields of a frame say, and where each lies."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dissectors import tcp
from dissectors.base import Dissector, Field, Layer
from dissectors.registry import BUILT_IN, Registry
from dissectors.tree import describe_frame
from tests.dissectors import frames as made

REGISTRY = Registry(use_entry_points=False)
EVERY_OPTION = (
    bytes.fromhex("020405b4 030307 0402 080a0000000100000002")
    + bytes([172, 5, 0, 0, 1])
    + bytes.fromhex("0101 fd06000aabcd 2204beef")
    + bytes(4)
)


def walk(field: Field) -> Iterator[Field]:
    yield field
    for child in field.children:
        yield from walk(child)


def by_name(layer: Layer) -> dict[str, Field]:
    return {field.name: field for field in walk(layer.node) if field.name is not None}


def described_tcp(options: bytes) -> dict[str, Field]:
    return by_name(tcp.DISSECTOR.describe(made.tcp(options), 0, len(made.tcp(options))))


def test_the_ao_option_is_shown_with_its_ids_and_mac() -> None:
    fields = described_tcp(made.AO)
    assert (fields["tcp.options.ao.keyid"].value, fields["tcp.options.ao.keyid"].start) == ("61", 22)
    assert (fields["tcp.options.ao.rnextkeyid"].value, fields["tcp.options.ao.rnextkeyid"].start) == (
        "84",
        23,
    )
    mac = fields["tcp.options.ao.mac"]
    assert (mac.value, mac.start, mac.end) == (made.AO[4:].hex(), 24, 36)
    assert (fields["tcp.options.ao"].start, fields["tcp.options.ao"].end) == (20, 36)


def test_the_md5_option_is_shown_with_its_digest() -> None:
    fields = described_tcp(bytes([19, 18]) + bytes(range(16)) + b"\x01\x01")
    digest = fields["tcp.options.md5.digest"]
    assert (digest.value, digest.start, digest.end) == (bytes(range(16)).hex(), 22, 38)


def test_every_option_is_named_with_its_content() -> None:
    fields = described_tcp(EVERY_OPTION)
    assert fields["tcp.options"].value == (
        "Maximum segment size, Window scale, SACK permitted, Timestamps, Accurate ECN, order 0, "
        "Experiment 253, Fast Open cookie, End of options"
    )
    assert fields["tcp.options.mss_val"].value == "1460"
    assert fields["tcp.options.wscale.shift"].value == "7"
    assert fields["tcp.options.timestamp.tsval"].value == "1"
    assert fields["tcp.options.timestamp.tsecr"].value == "2"
    assert fields["tcp.options.acc_ecn.e0b"].value == "1"
    assert fields["tcp.options.experimental.exid"].value == "0x000a"
    assert fields["tcp.options.tfo.cookie"].value == "beef"


def test_accurate_ecn_counters_stand_in_the_order_that_the_kind_gives() -> None:
    fields = described_tcp(bytes([174, 11, 0, 0, 1, 0, 0, 2, 0, 0, 3]) + b"\x01")
    values = [fields[f"tcp.options.acc_ecn.{name}"].value for name in ("e1b", "ceb", "e0b")]
    assert values == ["1", "2", "3"]


def test_selective_acknowledgments_are_shown_as_blocks() -> None:
    fields = described_tcp(bytes.fromhex("0101050a0000000100000009"))
    assert fields["tcp.options.sack"].value == "1-9"


@pytest.mark.parametrize(
    "options",
    [bytes([29, 3, 61, 1]), bytes([29, 20]) + bytes(10), bytes([29, 0, 0, 0]), bytes([1, 1, 1, 29])],
)
def test_a_broken_option_is_one_malformed_field_and_the_header_stays_whole(options: bytes) -> None:
    segment = made.tcp(options)
    layer = tcp.DISSECTOR.describe(segment, 0, len(segment))
    assert sum(field.label == "malformed" for field in walk(layer.node)) == 1
    assert layer.next_start == 20 + len(options)


def test_flags_are_spelled_out() -> None:
    fields = described_tcp(b"")
    assert fields["tcp.flags"].value == "0x018 (ACK, PSH)"
    assert fields["tcp.flags.push"].value == "set"
    assert fields["tcp.flags.syn"].value == "not set"


def test_octet_ranges_are_those_of_the_frame() -> None:
    frame = made.ethernet(made.ipv4(made.tcp()))
    layers = describe_frame(REGISTRY, frame, ("linktype", 1), len(frame))
    assert [layer.node.name for layer in layers] == ["eth", "ip", "tcp", "bgp"]
    assert [(layer.node.start, layer.node.end) for layer in layers] == [(0, 14), (14, 34), (34, 70), (70, 77)]
    source = by_name(layers[1])["ip.src"]
    assert frame[source.start : source.end] == bytes([10, 0, 0, 1])


def test_a_frame_cut_in_the_options_shows_those_that_are_there_and_says_where_it_ends() -> None:
    frame = made.ethernet(made.ipv4(made.tcp(b"\x02\x04\x05\xb4" + made.AO)))
    layers = describe_frame(REGISTRY, frame[:62], ("linktype", 1), len(frame))
    fields = by_name(layers[-1])
    assert fields["tcp.options.mss_val"].value == "1460"
    assert fields["_ws.malformed"].end <= 62
    assert layers[-1].next_key is None


def test_an_unknown_link_type_has_no_layers() -> None:
    assert describe_frame(REGISTRY, b"octets", ("linktype", 9999), 6) == ()


def test_a_dissector_from_outside_that_raises_is_reported_in_the_tree() -> None:
    def describe(octets: bytes, start: int, end: int) -> Layer:
        raise RuntimeError("out of ideas")

    registry = Registry((*BUILT_IN, Dissector("bad", "Bad", (("tcp.port", 179),), describe)), use_entry_points=False)
    frame = made.ethernet(made.ipv4(made.tcp()))
    layers = describe_frame(registry, frame, ("linktype", 1), len(frame))
    assert "out of ideas" in layers[-1].node.children[0].value
