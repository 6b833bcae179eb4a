"""How a segment is cut into messages: what begins one, what continues one, and what is missing."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dissectors.base import Dissector, Field
from dissectors.registry import Registry
from dissectors.tree import describe_frame
from tests.dissectors import application_messages as made
from tests.dissectors.recorded import PROJECT_ROOT
from tests.dissectors.trees import CONTINUES, MALFORMED, assert_octets_are_told_once, complaints, labelled, walk

REGISTRY = Registry(use_entry_points=False)
PROTOCOLS = sorted(made.SAMPLES)


def dissector_of(protocol: str) -> Dissector:
    found = REGISTRY.lookup(("tcp.port", made.PORTS[protocol]))
    assert found is not None
    assert found.name == protocol
    return found


def described(protocol: str, payload: bytes, before: bytes = b"", missing: int = 0) -> Field:
    """The node of `payload` behind `before`, of which the last `missing` octets were not captured."""
    octets = before + payload
    return dissector_of(protocol).describe(octets[: len(octets) - missing], len(before), len(octets)).node


def leaves(root: Field) -> set[tuple[str, str, int, int]]:
    return {(field.label, field.value, field.start, field.end) for field in walk(root) if not field.children}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_messages_of_one_segment_stand_one_behind_the_other(protocol: str) -> None:
    messages = made.SAMPLES[protocol]
    node = described(protocol, b"".join(messages), before=b"12345")
    assert [(child.end - child.start) for child in node.children] == [len(message) for message in messages]
    assert complaints(node) == []
    assert node.value == ", ".join(child.label for child in node.children)
    assert_octets_are_told_once(node)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_message_that_the_segment_cuts_continues_in_the_next_one(protocol: str) -> None:
    for message in made.SAMPLES[protocol]:
        whole = leaves(described(protocol, message))
        for size in range(1, len(message)):
            node = described(protocol, message[:size])
            assert complaints(node) == [CONTINUES]
            assert_octets_are_told_once(node)
            assert {leaf for leaf in leaves(node) if leaf[3] < size} <= whole


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_message_that_the_capture_cuts_is_said_to_be_cut(protocol: str) -> None:
    for message in made.SAMPLES[protocol]:
        for missing in range(1, len(message) + 1):
            node = described(protocol, message, missing=missing)
            assert complaints(node) == [MALFORMED]
            assert "the captured octets end" in labelled(node, MALFORMED).value


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_segment_that_begins_inside_a_message_is_a_continuation_until_a_marker(protocol: str) -> None:
    first, second = made.SAMPLES[protocol][1 if protocol == "msdp" else 2], made.SAMPLES[protocol][0]
    node = described(protocol, first[7:] + second)
    head, *behind = node.children
    assert head.label == "continuation"
    assert not head.children
    assert head.start == 0
    if protocol == "bgp":
        assert head.end == len(first) - 7
        assert [field.label for field in behind] == ["OPEN"]
    else:
        assert head.end == len(first) - 7 + len(second)
        assert behind == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_octets_behind_a_message_that_begin_none_are_malformed(protocol: str) -> None:
    node = described(protocol, made.SAMPLES[protocol][0] + b"\xaa" * 20)
    assert [child.label for child in node.children][1:] == [MALFORMED]
    assert node.children[1].end - node.children[1].start == 20


def test_of_a_longer_run_of_ones_the_last_sixteen_are_the_marker() -> None:
    node = described("bgp", b"tail\xff\xff\xff" + made.BGP_KEEPALIVE)
    assert [(child.label, child.start) for child in node.children] == [("continuation", 0), ("KEEPALIVE", 7)]


def test_a_header_that_the_segment_cuts_is_the_start_of_a_message() -> None:
    node = described("bgp", made.BGP_KEEPALIVE + made.BGP_UPDATE[:17])
    assert [child.label for child in node.children] == ["KEEPALIVE", "start of a message"]
    assert complaints(node) == [CONTINUES]


def test_a_bgp_length_below_the_header_begins_no_message() -> None:
    node = described("bgp", made.bgp(4, length=18) + made.BGP_KEEPALIVE)
    assert [child.label for child in node.children] == ["continuation", "KEEPALIVE"]


def test_a_segment_without_payload_has_no_message_layer() -> None:
    for payload, names in ((b"", ["eth", "ip", "tcp"]), (made.BGP_KEEPALIVE, ["eth", "ip", "tcp", "bgp"])):
        frame = made.segment(payload, 179)
        layers = describe_frame(REGISTRY, frame, ("linktype", 1), len(frame))
        assert [layer.node.name for layer in layers] == names


def test_both_directions_of_a_session_are_described() -> None:
    for ports in ((179, 33000), (33000, 179)):
        frame = made.segment(made.BGP_KEEPALIVE, *ports)
        layers = describe_frame(REGISTRY, frame, ("linktype", 1), len(frame))
        assert layers[-1].node.value == "KEEPALIVE"


def test_another_port_is_described_by_decode_as() -> None:
    registry = Registry(use_entry_points=False)
    registry.decode_as("tcp.port==5000,bmp")
    frame = made.segment(made.BMP_INITIATION, 5000)
    assert describe_frame(registry, frame, ("linktype", 1), len(frame))[-1].node.value == "Initiation"


@pytest.mark.parametrize("protocol", PROTOCOLS)
@given(octets=st.binary(max_size=300), cut=st.integers(0, 20))
@settings(max_examples=150, deadline=None)
def test_any_octets_are_described_and_each_is_told_once(protocol: str, octets: bytes, cut: int) -> None:
    assert_octets_are_told_once(described(protocol, octets, missing=min(cut, len(octets))))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@given(
    order=st.lists(st.integers(0, 99), min_size=1, max_size=3),
    changes=st.lists(st.tuples(st.integers(0, 999), st.integers(0, 255)), max_size=6),
    cut=st.integers(0, 60),
)
@settings(max_examples=200, deadline=None)
def test_damaged_messages_are_described_and_each_octet_is_told_once(
    protocol: str, order: list[int], changes: list[tuple[int, int]], cut: int
) -> None:
    messages = made.SAMPLES[protocol]
    octets = bytearray(b"".join(messages[index % len(messages)] for index in order))
    for position, value in changes:
        octets[position % len(octets)] = value
    payload = bytes(octets[: max(1, len(octets) - cut)])
    assert_octets_are_told_once(described(protocol, payload))


def test_text_from_the_wire_cannot_move_the_cursor() -> None:
    message = made.bgp(3, b"\x06\x02\x0e\x1b[2J\x07bye\xff\n\xc2\x9b5n")
    shown = labelled(described("bgp", message), "Shutdown communication").value
    assert shown.isprintable()
    assert "bye" in shown


def test_locating_segments_loads_no_file_of_an_application_protocol() -> None:
    program = (
        "import sys, dissectors.registry\n"
        "registry = dissectors.registry.Registry(use_entry_points=False)\n"
        "registry.namespace('tcp.port')\n"
        "before = [name for name in sys.modules if name.startswith(('dissectors.bgp', 'dissectors.passage'))]\n"
        "registry.lookup(('tcp.port', 179)).describe(b'', 0, 0)\n"
        "print(before, 'dissectors.bgp' in sys.modules)"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[] True"
