"""tshark reads what was written: right checksums, and nothing malformed that was not so before."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from aoinspect.engine.resign.wishes import Faults, Wishes
from aoinspect.keys import load_keys
from tests.conversation import Conversation, Key
from tests.packets import ByteOrder
from tests.recorded import RecordedCapture, parameters
from tests.resign.pcapng import rich_pcapng
from tests.resign.running import store_of, written
from tests.resign.strategies import key_file_for
from tests.resign.test_envelopes import gre_with_checksum, vxlan_with_checksum
from tests.resign.test_identity import records_of
from tests.resign.test_rekey import published_keys

TSHARK = shutil.which("tshark")
_BAD, _GOOD = "0", "1"
_SHOWN = ("frame.number", "tcp.checksum.status", "ip.checksum.status", "udp.checksum.status", "_ws.malformed")
_CHECKED = ("tcp.check_checksum", "ip.check_checksum", "udp.check_checksum")
WANTED = ("rotation", "vxlan", "gretap", "ipip", "ipfrag", "vlan", "v6-exopt-ts", "offload-on-A", "accecn-maclen4")

pytestmark = pytest.mark.skipif(TSHARK is None, reason="tshark is not installed")


class Shown(NamedTuple):
    """What tshark says of one frame: checksum states of all layers, and whether something is malformed."""

    tcp: str
    ip: str
    udp: str
    malformed: str


def shown_by_tshark(path: Path) -> dict[int, Shown]:
    assert TSHARK is not None
    preferences = [part for name in _CHECKED for part in ("-o", f"{name}:TRUE")]
    fields = [part for name in _SHOWN for part in ("-e", name)]
    command = [TSHARK, "-n", "-r", str(path), *preferences, "-T", "fields", "-E", "occurrence=a", *fields]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = [line.split("\t") for line in run.stdout.splitlines()]
    return {int(number): Shown(*rest) for number, *rest in lines}


@pytest.mark.parametrize("mac_length", [4, 12, 16])
@pytest.mark.parametrize("capture", parameters(lambda name: name in WANTED))
def test_a_rekeyed_capture_has_right_checksums_and_nothing_malformed(
    capture: RecordedCapture, mac_length: int, tmp_path: Path
) -> None:
    store = load_keys([str(capture.keys)])
    names = {mkt.name for peer in store.peers for mkt in peer.mkts}
    text = published_keys(names).replace('"hmac-sha-1-96"', f'"hmac-sha-1-96"\n  mac-length = {mac_length}')
    out = tmp_path / "out.pcap"
    wishes = Wishes(new_keys=store_of(tmp_path, text), faults=Faults.KEEP)
    resigned = written(capture.path, out, store, wishes)
    left = {int(frame) for frames in resigned.left.values() for frame in frames}
    before, after = shown_by_tshark(capture.path), shown_by_tshark(out)
    assert before.keys() == after.keys()
    checked = 0
    for frame, now in after.items():
        then = before[frame]
        assert now.malformed == then.malformed, frame
        # Checksums that an offloading sender left undone may be right now; none that was right is wrong.
        assert now.ip == then.ip, frame
        assert now.udp == then.udp, frame
        if frame not in left and now.tcp:
            checked += 1
            assert _BAD not in now.tcp.split(",") or then.tcp == now.tcp and _is_unsigned(frame, out, store_of(tmp_path, text))
    assert checked


def _is_unsigned(frame: int, path: Path, store) -> bool:  # type: ignore[no-untyped-def]
    return False
