"""Small files that claim much, nest deeply or repeat themselves: a Report or our error, in bounded time and memory."""

from __future__ import annotations

import gzip
import io
import json
import struct
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import lz4.frame
import pytest
import zstandard

from aoinspect.capture import open_capture
from aoinspect.engine.filtering import FilterError, parse_filter
from aoinspect.engine.locate import DEPTH_LIMIT
from aoinspect.errors import AoinspectError, KeyFileError
from aoinspect.keys.importers import IMPORTERS, Importer
from aoinspect.keys.importers.model import ImportContext
from aoinspect.keys.toml_file import parse_key_file
from aoinspect.report.baseline_file import BaselineError, load_baseline
from aoinspect.report.expectation_file import parse_expectations
from dissectors.registry import Registry
from dissectors.tree import describe_frame
from tests import packets
from tests.capture.builders import block, epb, idb, option, pcap, pcap_header, pcap_record, shb
from tests.engine.judged import judge
from tests.packets import ip_packet, tcp_segment

MOST_SECONDS = 3.0
"""Of processor time; these take hundredths."""
MOST_OCTETS = 64 << 20


@contextmanager
def bounded(octets: int | None = None) -> Iterator[None]:
    """Time is bounded, and memory where `octets` are given: to trace it makes everything some times slower."""
    if octets is not None:
        tracemalloc.start()
    began = time.process_time()
    try:
        yield
        seconds = time.process_time() - began
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert seconds < MOST_SECONDS
    assert octets is None or peak < octets, f"{peak >> 20} MiB"


def read_through(octets: bytes) -> tuple[int, str | None]:
    """Frames, and what is said of damage."""
    with open_capture(io.BytesIO(octets)) as reader:
        frames = sum(len(batch) for batch in reader.batches())
        return frames, None if reader.damage is None else reader.damage.message


# Capture files.

NO_KEYS = "version = 1\n"


def test_more_interfaces_than_a_frame_can_name_are_damage() -> None:
    octets = shb() + idb() * 66_000
    with bounded():
        frames, damage = read_through(octets)
    assert (frames, damage) == (0, "more than 65535 interfaces")


def test_an_interface_that_was_never_described_is_damage() -> None:
    with bounded():
        frames, damage = read_through(shb() + idb() + epb(b"x") + epb(b"x", interface=2**32 - 1))
    assert frames == 1
    assert damage is not None
    assert "4294967295" in damage


@pytest.mark.parametrize(
    "options",
    [
        option(1, b"c" * 65_000),
        option(1, b"") * 16_000,
        option(9, b"\x09") * 8_000,
        b"\x01\0\xff\xff" + bytes(100),
    ],
    ids=["one comment", "empty comments", "resolutions", "a length past the end"],
)
def test_options_of_sixty_four_kilobytes_are_read_once(options: bytes) -> None:
    octets = shb(options=options) + idb(options=options) + epb(b"frame", options=options) * 3
    with bounded(MOST_OCTETS):
        frames, damage = read_through(octets)
    assert (frames, damage) == (3, None)


@pytest.mark.parametrize(
    "blocks",
    [block(5, b"") * 100_000, shb() * 5_000, (shb() + idb() + epb(b"")) * 1_000, epb(b"") * 50_000],
    ids=["statistics", "sections", "sections of one frame", "empty frames"],
)
def test_a_hundred_thousand_tiny_blocks_are_read_at_once(blocks: bytes) -> None:
    with bounded():
        frames, damage = read_through(shb() + idb() + blocks)
    assert damage is None
    assert frames in (0, 1_000, 50_000)


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress, lz4.frame.compress])
def test_a_file_that_inflates_a_thousandfold_costs_what_a_batch_costs(compress: Callable[[bytes], bytes]) -> None:
    frame = pcap_record(bytes(100_000))
    bomb = compress(pcap_header() + frame * 640)
    assert len(bomb) < 1 << 20
    # Four octets of zstd can be 128 KiB, and it is fed 4 KiB at a time.
    with bounded((160 if compress is zstandard.compress else 48) << 20):
        frames, damage = read_through(bomb)
    assert (frames, damage) == (640, None)


def test_empty_compressed_members_without_end_are_an_empty_file() -> None:
    with bounded():
        frames, _ = read_through(gzip.compress(b"") * 2_000 + gzip.compress(pcap([b"x"])))
    assert frames == 1


# Frames.


def nested(count: int, wrap: Callable[[bytes], bytes], limit: int = 65_000) -> bytes:
    packet = ip_packet("10.0.0.1", "10.0.0.2", tcp_segment((1, 179), 0, 0, 2, 0, b"", b""))
    for _ in range(count):
        packet = wrap(packet)
        assert len(packet) < limit
    return packet


def in_ip(packet: bytes) -> bytes:
    return ip_packet("10.0.0.1", "10.0.0.2", packet, protocol=4)


def in_gre(packet: bytes) -> bytes:
    return ip_packet("10.0.0.1", "10.0.0.2", b"\0\0\x08\0" + packet, protocol=47)


@pytest.mark.parametrize("wrap", [in_ip, in_gre], ids=["ip", "gre"])
@pytest.mark.parametrize("count", [5, 1_000])
def test_tunnels_are_followed_as_deep_as_anybody_builds_them(wrap: Callable[[bytes], bytes], count: int) -> None:
    frame = packets.ethernet(nested(count, wrap))
    with bounded():
        judged = judge(pcap([frame] * 50), NO_KEYS)
        layers = describe_frame(Registry(use_entry_points=False), frame, ("linktype", 1), len(frame))
    assert judged.analyzer.totals.tcp_segments == (50 if count < DEPTH_LIMIT // 2 else 0)
    assert len(layers) <= 64


def test_a_thousand_vlan_tags_and_labels_end() -> None:
    packet = ip_packet("10.0.0.1", "10.0.0.2", tcp_segment((1, 179), 0, 0, 2, 0, b"", b""))
    tags = packets.ethernet(packet, [(0x8100, 7)] * 1_000)
    labels = packets.ethernet(struct.pack("!I", 0x1040) * 1_000 + b"\0\x01\x01\x40" + packet, ethertype_inside=0x8847)
    with bounded():
        judged = judge(pcap([tags, labels] * 50), NO_KEYS)
        for frame in (tags, labels):
            assert describe_frame(Registry(use_entry_points=False), frame, ("linktype", 1), len(frame))
    assert judged.analyzer.totals.tcp_segments == 0


def test_fragments_that_never_become_whole_are_given_up() -> None:
    payload = bytes(8)
    frames = []
    for identification in range(5_000):
        packet = bytearray(ip_packet("10.0.0.1", "10.0.0.2", payload, identification=identification))
        packet[6:8] = b"\x20\0"
        frames.append(packets.ethernet(bytes(packet)))
    with bounded(MOST_OCTETS):
        judged = judge(pcap(frames), NO_KEYS)
    assert judged.analyzer.totals.incomplete_datagrams == 5_000


# Texts.


@pytest.mark.parametrize(
    "text",
    [
        "(" * 50_000,
        "not " * 30_000 + "tcp",
        "!" * 30_000,
        "(" * 5_000 + "tcp" + ")" * 5_000,
        "tcp.port == " + "9" * 100_000,
        "tcp.port in {" + "1," * 10_000,
        'ao.key contains "' + "x" * 100_000,
        "tcp.seq == 0x" + "f" * 100_000,
        'ao.key matches "' + "(" * 5_000 + '"',
    ],
    ids=lambda text: text[:18],
)
def test_absurd_filters_are_refused(text: str) -> None:
    with bounded(), pytest.raises(FilterError):
        parse_filter(text)


def test_a_long_filter_is_read() -> None:
    with bounded():
        assert str(parse_filter(" or ".join(f"tcp.port == {port}" for port in range(3_000))))


DEEP = 50_000
NUMBER = "9" * 50_000
TOML = {
    "arrays": "version = 1\npeer = " + "[" * DEEP,
    "closed arrays": "version = 1\npeer = " + "[" * DEEP + "]" * DEEP,
    "tables": "version = 1\npeer = " + "{a=" * DEEP,
    "dotted keys": "version = 1\n" + "a." * DEEP + "a = 1",
    "headers": "version = 1\n[" + "a." * DEEP + "a]",
    "a number": f"version = {NUMBER}",
    "a hexadecimal number": "version = 0x" + "f" * DEEP,
    "a number of a peer": f'version = 1\n[[peer]]\nremote = "10.0.0.1"\nport = {NUMBER}\n',
    "many mistakes": "version = 1\n" + "[[peer]]\nport = 0\n" * 5_000,
}


@pytest.mark.parametrize("what", TOML)
def test_absurd_key_files_are_refused_in_few_lines(what: str) -> None:
    with bounded(), pytest.raises(KeyFileError) as error:
        parse_key_file(TOML[what], "keys.toml")
    lines = str(error.value).splitlines()
    assert all(line.startswith(("keys.toml", " ")) for line in lines[:10])
    assert NUMBER[:5_000] not in str(error.value)


@pytest.mark.parametrize("what", TOML)
def test_absurd_expectations_are_refused(what: str) -> None:
    with bounded(), pytest.raises(AoinspectError, match="expect"):
        parse_expectations(TOML[what], "expect.toml")


BASELINE = '{"schema": "aoinspect.baseline/1", "x": '
JSON = {
    "lists": "[" * DEEP,
    "closed lists": BASELINE + "[" * DEEP + "]" * DEEP + "}",
    "objects": '{"a":' * DEEP,
    "closed objects": BASELINE + '{"a":' * DEEP + "1" + "}" * DEEP + "}",
    "a number": BASELINE + NUMBER + "}",
    "a negative number": BASELINE + "-" + NUMBER + "}",
    "an exponent": BASELINE + "1e" + NUMBER + "}",
    "a string": BASELINE + '"' + "\\u0000" * DEEP + '"}',
}


@pytest.mark.parametrize("what", JSON)
def test_absurd_baselines_are_refused(what: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("baselines") / "baseline.json"
    path.write_text(JSON[what])
    with bounded(), pytest.raises(BaselineError) as error:
        load_baseline(path)
    assert len(str(error.value)) < 1_000


@pytest.mark.parametrize("importer", IMPORTERS, ids=lambda importer: importer.name)
def test_absurd_configurations_end_in_keys_or_an_error(importer: Importer) -> None:
    yaml = ("- " * 3_000, "[" * 3_000, "a: &a [*a]\n", "a: &a 1\n" + "b: [" + "*a," * 20_000 + "]\n", "? " * 3_000)
    for text in (*TOML.values(), *JSON.values(), *yaml, "{" * DEEP, "a {" * DEEP, "}" * DEEP, json.dumps({"a": DEEP})):
        began = time.process_time()
        try:
            importer.read(text, "edge.cfg", ImportContext())
        except KeyFileError as error:
            message = str(error)
        else:
            continue
        finally:
            assert time.process_time() - began < MOST_SECONDS, text[:30]
        assert message.startswith("edge.cfg"), text[:30]
