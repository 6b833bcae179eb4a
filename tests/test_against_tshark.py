"""Where tshark sees a TCP-AO or TCP-MD5 option, we see the same one, in the same frame, between the same sockets."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.recorded import RecordedCapture, SegmentLine, outcome, parameters
from tests.recorded_facts import socket_text

TSHARK = shutil.which("tshark")
FIELDS = (
    "frame.number",
    "ip.src",
    "ipv6.src",
    "ip.dst",
    "ipv6.dst",
    "tcp.srcport",
    "tcp.dstport",
    "tcp.options.ao.keyid",
    "tcp.options.ao.rnextkeyid",
    "tcp.options.ao.mac",
    "tcp.options.md5.digest",
)
MALFORMED_BY_RULES = ("two-ao", "ao-and-md5")
"""What we call malformed and tshark shows option by option."""

pytestmark = pytest.mark.skipif(TSHARK is None, reason="tshark is not installed")


class Signed(NamedTuple):
    """The authentication option of one segment."""

    frame: int
    src: str
    dst: str
    key_id: int | None
    rnext_key_id: int | None
    mac: str


def seen_by_tshark(path: Path, *, is_ao: bool) -> list[Signed]:
    """The frames with an AO option (otherwise: with an MD5 option), with the first such option of each."""
    assert TSHARK is not None
    options = [part for field in FIELDS for part in ("-e", field)]
    command = [TSHARK, "-n", "-r", str(path), "-T", "fields", "-E", "occurrence=a", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seen = []
    for line in done.stdout.splitlines():
        row = dict(zip(FIELDS, line.split("\t"), strict=True))
        # A tunnel's outer addresses come first and TCP's own last; of two options the first is the one compared.
        version = "ipv6" if row["ipv6.src"] else "ip"
        key_ids, rnext_key_ids, macs, digests = (row[field].split(",") for field in FIELDS[7:])
        if not (key_ids if is_ao else digests)[0]:
            continue
        seen.append(
            Signed(
                int(row["frame.number"]),
                socket_text(row[f"{version}.src"].split(",")[-1], int(row["tcp.srcport"])),
                socket_text(row[f"{version}.dst"].split(",")[-1], int(row["tcp.dstport"])),
                int(key_ids[0]) if is_ao else None,
                int(rnext_key_ids[0]) if is_ao else None,
                (macs if is_ao else digests)[0],
            )
        )
    return seen


def seen_by_us(lines: tuple[SegmentLine, ...], method: str) -> list[Signed]:
    """The segments of `method` whose option is whole."""
    return [
        Signed(line.frame, line.src, line.dst, line.key_id, line.rnext_key_id, line.mac or "")
        for line in lines
        if line.method == method and (line.verdict != "malformed" or line.reason in MALFORMED_BY_RULES)
    ]


@pytest.mark.parametrize("capture", parameters(lambda name: name != "snap60"))
def test_frames_sockets_ids_and_macs_of_ao_segments_are_tsharks(capture: RecordedCapture) -> None:
    assert seen_by_us(outcome(capture).lines, "ao") == seen_by_tshark(capture.path, is_ao=True)


@pytest.mark.parametrize("capture", parameters(lambda name: name == "snap60"))
def test_options_that_the_snap_length_cut_are_no_ids_of_ours_though_tshark_shows_what_is_left(
    capture: RecordedCapture,
) -> None:
    theirs, ours = seen_by_tshark(capture.path, is_ao=True), outcome(capture).lines
    assert {(line.method, line.key_id, line.reason) for line in ours} == {("none", None, "truncated")}
    assert [(line.frame, line.src, line.dst) for line in ours] == [signed[:3] for signed in theirs]
    assert {signed.mac for signed in theirs} == {""}


@pytest.mark.parametrize("capture", parameters(lambda name: "md5" in name or name == "mixed"))
def test_frames_sockets_and_digests_of_md5_segments_are_tsharks(capture: RecordedCapture) -> None:
    assert seen_by_us(outcome(capture).lines, "md5") == seen_by_tshark(capture.path, is_ao=False)
