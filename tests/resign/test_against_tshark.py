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
from tests.resign.test_envelopes import Encapsulate, gre_with_checksum, vxlan_with_checksum
from tests.resign.test_identity import BYTE_ORDERS, records_of
from tests.resign.test_rekey import published_keys

TSHARK = shutil.which("tshark")
_GOOD = "1"
_SHOWN = ("frame.number", "tcp.checksum.status", "ip.checksum.status", "udp.checksum.status", "_ws.malformed")
_CHECKED = ("tcp.check_checksum", "ip.check_checksum", "udp.check_checksum")
WANTED = ("rotation", "vxlan", "gretap", "ipip", "ipfrag", "vlan", "v6-exopt-ts", "offload-on-A")

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
    for frame, now in after.items():
        then = before[frame]
        assert (now.malformed, now.ip, now.udp) == (then.malformed, then.ip, then.udp), frame
        # Checksums that an offloading sender left undone are right now, too.
        assert frame in left or set(now.tcp) <= {_GOOD}, frame
    assert sum(now.tcp == _GOOD for now in after.values()) >= sum(resigned.outcomes.values()) - len(left)


@pytest.mark.parametrize("byte_order", BYTE_ORDERS)
@pytest.mark.parametrize("encapsulate", [gre_with_checksum, vxlan_with_checksum])
def test_a_rich_pcapng_with_checksums_all_around_is_read_without_complaint(
    encapsulate: Encapsulate, byte_order: ByteOrder, tmp_path: Path
) -> None:
    told = Conversation([Key(mac_length=12)], timestamps=True).handshake().data("a", 333).data("b", 20).close()
    plain, source, out = tmp_path / "in.pcap", tmp_path / "in.pcapng", tmp_path / "out.pcapng"
    plain.write_bytes(told.to_pcap(encapsulate=encapsulate))
    source.write_bytes(rich_pcapng(records_of(plain)[0], byte_order=byte_order, with_simple=True))
    new_store = store_of(tmp_path, key_file_for(told, [Key(mac_length=16)]), "new.toml")
    written(source, out, store_of(tmp_path, told.key_file()), Wishes(new_keys=new_store))
    shown = shown_by_tshark(out)
    assert len(shown) == len(told.segments)
    for frame in shown.values():
        assert frame.malformed == ""
        assert set(frame.tcp + frame.ip + frame.udp) - {","} == {_GOOD}
    comments = [comments_in(path) for path in (source, out)]
    assert comments[0] == comments[1] != []


def comments_in(path: Path) -> list[str]:
    assert TSHARK is not None
    command = [TSHARK, "-n", "-r", str(path), "-T", "fields", "-e", "frame.comment"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")
