"""Where tshark and we describe the same message, the same octets have the same name; and in recorded sessions both
find the same message types, prefixes, AS numbers and texts.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import pytest

from dissectors.base import Field
from dissectors.registry import Registry
from dissectors.tree import describe_frame
from tests.dissectors.application_messages import PORTS, SAMPLES, segment
from tests.dissectors.recorded import SHARED, Recorded, corpus_files, needs_shared, read
from tests.dissectors.test_against_tshark import as_capture
from tests.dissectors.trees import MALFORMED, are_bits, assert_octets_are_told_once, named, walk

TSHARK = shutil.which("tshark")
REGISTRY = Registry(use_entry_points=False)
needs_tshark = pytest.mark.skipif(TSHARK is None, reason="tshark is not installed")
Place = tuple[str, int, int]
"""Wireshark's name, the first octet, and the one behind the last."""
COMPARED = (
    "bgp.nlri_prefix",
    "bgp.withdrawn_prefix",
    "bgp.nlri_path_id",
    "bgp.mp_reach_nlri_ipv4_prefix",
    "bgp.mp_reach_nlri_ipv6_prefix",
    "bgp.mp_unreach_nlri_ipv4_prefix",
    "bgp.mp_unreach_nlri_ipv6_prefix",
    "bgp.update.path_attribute.as_path_segment.as2",
    "bgp.update.path_attribute.as_path_segment.as4",
    "bgp.update.path_attribute.next_hop",
    "bgp.update.path_attribute.mp_reach_nlri.next_hop.ipv6",
    "bgp.update.path_attribute.local_pref",
    "bgp.update.path_attribute.multi_exit_disc",
    "bgp.large_communities.ga",
    "bgp.open.myas",
    "bgp.open.identifier",
    "bgp.cap.4as",
    "bgp.length",
)
NUMBERED = ("bgp.type", "bgp.update.path_attribute.type_code", "bgp.cap.type", "bgp.notify.major_error")
"""Fields that we show as "name (number)"."""


def run_tshark(*arguments: str) -> str:
    assert TSHARK is not None
    command = [TSHARK, "-n", "-o", "tcp.desegment_tcp_streams:FALSE", *arguments]
    return subprocess.run(command, capture_output=True, check=False).stdout.decode("utf-8", "replace")


def application(frame: Recorded) -> Field | None:
    """The node behind TCP, where there is one."""
    layers = describe_frame(REGISTRY, frame.octets, ("linktype", frame.link_type), frame.wire_length)
    names = [layer.node.name for layer in layers]
    return layers[-1].node if names[-2:-1] == ["tcp"] else None


def places(root: Field) -> tuple[set[Place], set[Place]]:
    """Whole fields without children, and bits of a word."""
    bits = {
        (child.name, child.start, child.end)
        for field in walk(root)
        if are_bits(field)
        for child in field.children
        if child.name is not None
    }
    leaves = {
        (field.name, field.start, field.end) for field in walk(root) if field.name is not None and not field.children
    }
    return leaves - bits, bits


@needs_tshark
def test_the_same_octets_have_the_same_names(tmp_path: Path) -> None:
    samples = [(protocol, message) for protocol, messages in SAMPLES.items() for message in messages]
    frames = []
    for number, (protocol, message) in enumerate(samples):
        octets = segment(message, PORTS[protocol], 30000 + number)
        frames.append(Recorded(1, octets, len(octets)))
    capture = tmp_path / "samples.pcapng"
    capture.write_bytes(as_capture(frames))
    output = run_tshark("-d", "tcp.port==11019,bmp", "-r", str(capture), "-T", "pdml")
    packets = re.findall(r"<packet>.*?</packet>", output, re.DOTALL)
    assert len(packets) == len(frames)
    for frame, text in zip(frames, packets, strict=True):
        theirs = {
            (
                field.get("name", ""),
                int(field.get("pos", "0")),
                int(field.get("pos", "0")) + int(field.get("size", "0")),
            )
            for field in ElementTree.fromstring(text).iter("field")
        }
        node = application(frame)
        assert node is not None
        whole, bits = places(node)
        assert len(whole) >= 2
        assert whole - theirs == set()
        for name, start, end in bits:
            # tshark gives a flag the octet or the half word that it lies in; we give it the word's range.
            assert [place for place in theirs if place[0] == name and start <= place[1] < place[2] <= end], name


@needs_tshark
def test_every_name_that_the_samples_have_is_one_of_wiresharks() -> None:
    assert TSHARK is not None
    listing = subprocess.run([TSHARK, "-G", "fields"], capture_output=True, check=True).stdout.decode()
    known = {line.split("\t")[2] for line in listing.splitlines()}
    ours: set[str] = set()
    for protocol, messages in SAMPLES.items():
        for message in messages:
            dissector = REGISTRY.lookup(("tcp.port", PORTS[protocol]))
            assert dissector is not None
            node = dissector.describe(message, 0, len(message)).node
            ours |= {field.name for field in walk(node) if field.name is not None}
    assert len(ours) > 150
    assert ours - known == set()


def recorded_files() -> list[Path]:
    if not SHARED.exists():
        return []
    captures = [SHARED / "captures" / f"{name}.pcap" for name in ("bird-bird", "gobgp-bird-md5")]
    return [*captures, *sorted((SHARED / "corpus" / "tcpdump").glob("*bgp*"))]


def fields_of_tshark(path: Path) -> list[dict[str, list[str]]]:
    """Frame by frame, Wireshark's fields that are compared, and what it remarks on."""
    names = (*COMPARED, *NUMBERED, "_ws.malformed", "bgp.marker_invalid", "tcp.analysis.flags", "bgp.length.invalid")
    arguments = [word for name in names for word in ("-e", name)]
    output = run_tshark("-r", str(path), "-T", "fields", "-E", "aggregator=|", "-E", "occurrence=a", *arguments)
    return [
        {name: column.split("|") if column else [] for name, column in zip(names, line.split("\t"), strict=True)}
        for line in output.splitlines()
    ]


@needs_shared
@needs_tshark
def test_recorded_sessions_have_the_types_and_prefixes_that_tshark_finds() -> None:
    compared = 0
    for path in recorded_files():
        frames = read(path, most=100_000)
        for number, (frame, theirs) in enumerate(zip(frames, fields_of_tshark(path), strict=True), 1):
            node = application(frame)
            if not theirs["bgp.type"] or node is None:
                # tshark leaves retransmissions alone; we describe each segment.
                assert node is None or not theirs["bgp.type"]
                continue
            is_damaged = any(field.label == MALFORMED for field in walk(node))
            if theirs["_ws.malformed"] or theirs["bgp.marker_invalid"] or is_damaged:
                assert named(node, "bgp.type")
                continue
            for name in NUMBERED:
                ours = [re.sub(r".*\((\d+)\)$", r"\1", value) for value in named(node, name)]
                assert ours == theirs[name], (path.name, number, name)
            for name in COMPARED:
                assert named(node, name) == theirs[name], (path.name, number, name)
            compared += 1
    assert compared > 150


@needs_shared
def test_odd_captures_are_described_and_each_octet_is_told_once() -> None:
    registry = Registry(use_entry_points=False)
    registry.decode_as("udp.port==646,ldp")
    described: Counter[str] = Counter()
    for path in corpus_files():
        for frame in read(path, most=60):
            layers = describe_frame(registry, frame.octets, ("linktype", frame.link_type), frame.wire_length)
            if layers and layers[-1].node.name in PORTS:
                assert_octets_are_told_once(layers[-1].node)
                described[layers[-1].node.name or ""] += 1
    assert described["bgp"] > 50
    assert described["ldp"] > 5
    assert described["rpkirtr"] > 0


@needs_shared
def test_every_recorded_session_is_described_and_its_keep_alives_are_whole() -> None:
    keep_alives = 0
    for path in recorded_files():
        for frame in read(path, most=100_000):
            node = application(frame)
            if node is not None and node.value == "KEEPALIVE":
                keep_alives += 1
                assert node.end - node.start == 19
    assert keep_alives > 60
