"""A filter of Wireshark's own fields selects the segments that `tshark -Y` selects."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

from aoinspect.capture.reader import open_capture
from aoinspect.engine.filtering import FIELDS, FilterContext, FilterError, parse_filter
from aoinspect.engine.filtering.fields import NOT_IN_THE_TABLE
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.reading import analyse
from aoinspect.keys.model import KeyStore
from tests.dissectors.recorded import read
from tests.dissectors.test_against_tshark import as_capture
from tests.recorded import SAMPLES, SMALL

TSHARK = shutil.which("tshark")
pytestmark = pytest.mark.skipif(TSHARK is None, reason="tshark is not installed")

CAPTURES = (
    *("accecn", "cmac-16", "exopt-sack", "gobgp-bird-md5", "half-open", "ipfrag", "listener-rst", "md5-v6", "mixed"),
    *("mapped", "port-reuse", "server-no-ao", "sha1-maclen4", "sha256-16", "simopen", "syn-retrans", "v4-sha1-id0-255"),
    *("v6-exopt-ts", "v6-timewait-linux6.18", "vlan", "vrf-any-sll", "wrap-at-fin", "wrong-key-linux6.18"),
)
"""No tunnels: of those Wireshark shows the outer addresses too."""

FILTERS = (
    "frame.number >= 100 and frame.number < 200",
    "frame.number in {3, 90..100, 0x100}",
    "frame.time_epoch < 0.0004",
    "frame.time_relative >= 0.0005",
    "ip",
    "!ipv6",
    "ip.addr == 10.0.0.1",
    "ip.addr != 10.0.0.1",
    "ip.addr !== 10.0.0.1",
    "ip.addr === 10.0.0.1",
    "!(ip.addr == 10.0.0.1)",
    "ip.src == 10.0.0.0/29",
    "ip.src > 10.0.0.0/29",
    "ip.src < 10.0.0.2",
    "ip.dst in {10.0.0.11, 10.0.0.2..10.0.0.4}",
    "ip.src == ip.dst",
    "ip.src != ip.dst",
    "ipv6.addr == 2001:db8::1",
    "ipv6.src in {2001:db8::2, ::1..::2}",
    "ipv6.src == 2001:DB8::/64 and ipv6.dst > 2001:db8::1",
    "tcp.port == 179",
    "tcp.port not in {179, 40000..65535}",
    "tcp.srcport lt tcp.dstport",
    "tcp.len > 0",
    "tcp.len in {1..100}",
    "tcp.seq_raw > 0x80000000",
    "tcp.ack_raw == 0",
    "tcp.flags == 0x010",
    "tcp.flags & 0x12 == 0x02",
    "tcp.flags & 0x05",
    "tcp.flags.syn == 1 or tcp.flags.fin == True || tcp.flags.reset == 1",
    "tcp.flags.syn",
    "tcp.flags.ack == 0 and not tcp.flags.push > 0",
    "tcp.flags.syn == 1 and (tcp.flags.ae == 1 or tcp.flags.ece == 1 && tcp.flags.cwr == 1)",
    "tcp.flags.urg == 1",
    "tcp.options.ao",
    "tcp.options.ao.keyid == 100",
    "tcp.options.ao.keyid != 100 and tcp.options.ao.keyid ge 7",
    "tcp.options.ao.keyid == tcp.options.ao.rnextkeyid",
    "tcp.options.ao.rnextkeyid in {200, 255}",
    "tcp.options.ao.mac contains 0a",
    "tcp.options.ao.mac[0] == a0 or tcp.options.ao.mac[1:2] contains 7f",
    "tcp.options.md5",
    "tcp.options.md5.digest[0-1] != 0a:0b and tcp.options.md5.digest contains 0a",
    "tcp.stream == 3",
    "tcp.stream > 20 and tcp.stream != 25",
)


def _path(name: str) -> Path:
    folder = SAMPLES if (SAMPLES / f"{name}.pcap").exists() else SMALL
    return folder / f"{name}.pcap"


@cache
def merged(folder: Path) -> Path:
    path = folder / "merged.pcapng"
    path.write_bytes(as_capture([frame for name in CAPTURES for frame in read(_path(name))]))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("merged")


@cache
def analysis(path: Path) -> tuple[Analyzer, FilterContext]:
    analyzer = analyse([open_capture(str(path))], Analyzer(KeyStore(), count_streams=True))
    return analyzer, FilterContext(analyzer)


def frames_we_select(path: Path, text: str) -> list[int]:
    analyzer, context = analysis(path)
    assert analyzer.table is not None
    rows = analyzer.table.rows
    frames: list[int] = sorted(rows.frame[parse_filter(text).mask(rows, context)].tolist())
    return frames


def frames_tshark_selects(path: Path, text: str) -> list[int]:
    """Those among them that the table has a row for."""
    assert TSHARK is not None
    command = [TSHARK, "-n", "-r", str(path), "-Y", text, "-T", "fields", "-e", "frame.number"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    held = set(frames_we_select(path, "frame"))
    return [frame for frame in map(int, done.stdout.split()) if frame in held]


@pytest.mark.parametrize("text", FILTERS)
def test_the_same_segments_are_selected(text: str, folder: Path) -> None:
    path = merged(folder)
    assert frames_we_select(path, text) == frames_tshark_selects(path, text)


@pytest.mark.parametrize(
    "text",
    [
        "tcp.seq > 100 and tcp.seq < 2000",
        "tcp.seq in {0, 1}",
        "tcp.ack == 0",
        "tcp.ack > 500",
        "frame.time_relative < 0.5",
        'frame.time >= "2026-11-23 18:16:06.5Z"',
    ],
)
@pytest.mark.parametrize("name", ["rotation", "v4-sha1", "wrap-at-fin"])
def test_relative_numbers_and_times_select_the_same(text: str, name: str) -> None:
    path = _path(name)
    assert frames_we_select(path, text) == frames_tshark_selects(path, text)


def test_the_filters_here_tell_segments_apart(folder: Path) -> None:
    path = merged(folder)
    everything = frames_we_select(path, "frame")
    telling_nothing = {text for text in FILTERS if len(frames_we_select(path, text)) in (0, len(everything))}
    assert telling_nothing == {"ip.addr === 10.0.0.1", "ip.src == ip.dst", "tcp.flags.syn", "tcp.flags.urg == 1"}


@cache
def fields_of_tshark() -> frozenset[str]:
    assert TSHARK is not None
    done = subprocess.run([TSHARK, "-G", "fields"], capture_output=True, text=True, check=True)
    kinds = [line.split("\t") for line in done.stdout.splitlines()]
    return frozenset(kind[2] for kind in kinds if kind[0] in "FP")


def test_every_field_that_is_not_ours_is_wiresharks() -> None:
    assert {name for name in FIELDS if not name.startswith("ao.")} <= fields_of_tshark()
    assert set(NOT_IN_THE_TABLE) <= fields_of_tshark()


@pytest.mark.parametrize(
    "text",
    [
        'tcp.port == "x"',
        "tcp.port == 70000",
        "tcp.port in {80 179}",
        "frame.number in {1,}",
        "ip.src == host",
        "3 >= frame.number",
        "frame.number == 1 AND tcp",
        "tcp.prot == 179",
        "(tcp",
        "tcp and",
        "tcp.port contains 1",
    ],
)
def test_what_wireshark_refuses_is_refused(text: str) -> None:
    assert TSHARK is not None
    done = subprocess.run(
        [TSHARK, "-n", "-r", str(SAMPLES / "rotation.pcap"), "-Y", text], capture_output=True, check=False
    )
    assert done.returncode != 0
    with pytest.raises(FilterError):
        parse_filter(text)
