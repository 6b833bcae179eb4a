"""The check finds what the writing should not have left, and then nothing is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import numpy as np
import pytest

from aoinspect.capture.frames import Interface
from aoinspect.capture.fresh import FreshCapture
from aoinspect.engine.anonymise import anonymise as passes
from aoinspect.engine.anonymise import frames, headers
from aoinspect.engine.anonymise.neighbours import Neighbours
from aoinspect.engine.anonymise.tcp import copy_headers, copy_payloads
from aoinspect.engine.anonymise.traces import Kind, Traces
from aoinspect.engine.anonymise.twin import Twin
from tests.anonymise.sharing import share, telling
from tests.anonymise.test_frames import CLIENT, MAC_ADDRESSES, PAYLOAD, SECRET, SERVER, one, session, told
from tests.anonymise.test_frames import with_mac_addresses as framed
from tests.conversation import Conversation, Key
from tests.packets import Record, write_pcap, write_pcapng
from tests.resign.running import run_resign
from tests.resign.test_identity import records_of

Break = Callable[[pytest.MonkeyPatch], None]


def _arp() -> Record:
    request = bytes.fromhex("0001080006040001") + MAC_ADDRESSES[0] + ip_address(CLIENT).packed
    return one(framed(request + bytes(6) + ip_address(SERVER).packed, 0x0806))


def keep_arp(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Neighbours, "arp", lambda self, packet: packet)


def keep_link_layer(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(headers.COPIERS, "eth", headers.COPIERS["vlan"])


def keep_payloads(patch: pytest.MonkeyPatch) -> None:
    original = copy_headers

    def copy(twin: Twin, segments: object, rows: object) -> None:
        original(twin, segments, rows)  # type: ignore[arg-type]
        copy_payloads(twin, segments, rows)  # type: ignore[arg-type]

    patch.setattr(frames, "copy_headers", copy)


def keep_one_address(patch: pytest.MonkeyPatch) -> None:
    rewrite = Twin.copy_addresses
    wanted = np.frombuffer(ip_address(SERVER).packed, dtype=np.uint8)

    def copy(self: Twin, at: np.ndarray[tuple[int], np.dtype[np.int64]], width: int) -> None:
        rewrite(self, at, width)
        for place in at.tolist():
            if np.array_equal(self.batch.octets[place : place + 4], wanted):
                self.octets[place : place + 4] = wanted

    patch.setattr(Twin, "copy_addresses", copy)


def keep_frame_ends(patch: pytest.MonkeyPatch) -> None:
    rewrite = frames.FrameRewriter.rewrite

    def kept(self: frames.FrameRewriter, *arguments: object) -> frames.Rewritten:
        rewritten = rewrite(self, *arguments)  # type: ignore[arg-type]
        last = int(rewritten.twin.batch.ends[-1])
        rewritten.twin.octets[last - 12 : last] = rewritten.twin.batch.octets[last - 12 : last]
        return rewritten

    patch.setattr(frames.FrameRewriter, "rewrite", kept)


def keep_an_interfaces_name(patch: pytest.MonkeyPatch) -> None:
    """A pcapng file whose interface is called as a server of the original."""
    describe = FreshCapture._description

    def described(self: FreshCapture, interface: Interface) -> bytes:
        self._names = {"": f"to-{SERVER}-"}
        return describe(self, replace(interface, name=None))

    patch.setattr(FreshCapture, "_description", described)


def keep_secrets(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(passes, "write_key_file", lambda store: f"# {SECRET.hex()}\nversion = 1\n")


def keep_addresses_of_keys(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(passes, "write_key_file", lambda store: f'version = 1\n# was "{SERVER}"\n')


@pytest.mark.parametrize(
    ("break_it", "what"),
    [
        (keep_arp, "IPv4 address"),
        (keep_link_layer, "link-layer address"),
        (keep_payloads, "payload"),
        (keep_one_address, "unmapped address"),
        (keep_frame_ends, "payload"),
        (keep_an_interfaces_name, "address"),
        (keep_secrets, "a secret in the key file"),
        (keep_addresses_of_keys, "an address in the key file"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_what_is_left_is_found_and_nothing_is_written(
    break_it: Break, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, keys, out = tmp_path / "in.pcap", tmp_path / "in.toml", tmp_path / "out.pcap"
    records = [one(framed(record.octets[14:])) for record in session(tmp_path)]
    (tmp_path / "session.pcap").unlink()
    write = write_pcapng if break_it is keep_an_interfaces_name else write_pcap
    source.write_bytes(write([_arp(), *records, one(records[0].octets + b"left behind!")]))
    keys.write_text(told().key_file())
    break_it(monkeypatch)
    ended = run_resign("--anonymise", "--keys", keys, source, out)
    assert ended.status != 0
    assert what in ended.err
    assert "nothing was written" in ended.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.pcap", "in.toml"]
    assert SECRET.decode() not in ended.err
    assert SECRET.hex() not in ended.err


class TestTraces:
    def found(self, traces: Traces, octets: bytes) -> list[tuple[Kind, int, int]]:
        array = np.frombuffer(octets + bytes(64), dtype=np.uint8)
        return [(hit.kind, hit.position, hit.length) for hit in traces.find(array)]

    def test_addresses_are_found_as_octets_and_as_text_wherever_they_stand(self) -> None:
        traces = Traces([])
        traces.add_addresses([ip_address(text).packed for text in (CLIENT, "2001:db8::77")])
        octets = b"x" + ip_address(CLIENT).packed + b"yy" + CLIENT.encode() + ip_address("2001:db8::77").packed
        assert self.found(traces, octets) == [
            (Kind.SHORT_ADDRESS, 1, 4),
            (Kind.ADDRESS, 7, len(CLIENT)),
            (Kind.ADDRESS, 7 + len(CLIENT), 16),
        ]

    def test_secrets_are_found_in_every_form(self) -> None:
        traces = Traces([SECRET, b"abc"])
        for form in (SECRET, SECRET.hex().encode(), SECRET.hex().upper().encode()):
            assert (Kind.SECRET, 3, len(form)) in self.found(traces, b"\0\0\0" + form)
        assert self.found(traces, b"xxabcxx") == []

    def test_what_is_public_is_no_trace(self) -> None:
        traces = Traces([])
        traces.add_addresses([ip_address(text).packed for text in ("224.0.0.5", "255.255.255.255", "ff02::1")])
        assert self.found(traces, b"\xff" * 64 + ip_address("ff02::1").packed) == []


def test_kept_payloads_are_told(tmp_path: Path) -> None:
    source, keys, out = tmp_path / "in.pcap", tmp_path / "in.toml", tmp_path / "out.pcap"
    conversation = told().data("a", PAYLOAD + ip_address(SERVER).packed)
    source.write_bytes(conversation.to_pcap())
    keys.write_text(conversation.key_file())
    ended = run_resign("--anonymise", "--payload", "keep", "--keys", keys, source, out)
    assert ended.status == 0, ended.err
    assert "payloads are kept, and tell what they tell: 1 frames hold addresses of the original" in ended.out
    assert PAYLOAD in out.read_bytes()


class TestNoFalseAlarm:
    """What stands in any key file and any capture by chance keeps nobody from sharing one."""

    @pytest.mark.parametrize(
        "secret",
        [
            *(b"secret", b"version", b"algorithm", b"keychain", b"published", b"hmac-sha-1", b"keys-1"),
            *(b"vector", b"testvector-2", b"000000", bytes(16), b"\xff" * 16),
        ],
    )
    @pytest.mark.parametrize("payload", ["zero", "keep"])
    def test_a_secret_that_is_a_word_of_every_key_file(self, secret: bytes, payload: str, tmp_path: Path) -> None:
        keys = [Key(name="a", secret=secret), Key(name="b", send_id=2, recv_id=102, secret=b"another one")]
        conversation = Conversation(keys).handshake().data("a", bytes(100)).rollover("a", to="b").close()
        source, key_file = tmp_path / "in.pcap", tmp_path / "in.toml"
        source.write_bytes(conversation.to_pcap())
        key_file.write_text(conversation.key_file())
        before, now = share(source, key_file, tmp_path, "--payload", payload).lines()
        assert list(map(telling, now)) == list(map(telling, before))

    def test_an_arp_probe_beside_a_peer_of_any_address(self, tmp_path: Path) -> None:
        probe = bytes.fromhex("0001080006040001") + MAC_ADDRESSES[0] + bytes(4 + 6) + ip_address(CLIENT).packed
        source, key_file = tmp_path / "in.pcap", tmp_path / "in.toml"
        source.write_bytes(write_pcap([one(framed(probe, 0x0806)), *session(tmp_path)]))
        text = told().key_file()
        assert text.count(f'"{SERVER}"') == 1
        key_file.write_text(text.replace(f'"{SERVER}"', '"0.0.0.0/0"'))
        shared = share(source, key_file, tmp_path)
        before, now = shared.lines()
        assert list(map(telling, now)) == list(map(telling, before))
        written = records_of(shared.path)[0]
        sender, target = written[0].octets[28:32], written[0].octets[38:42]
        assert (sender, target) == (bytes(4), written[1].octets[26:30])


def test_a_secret_in_a_kept_payload_is_not_kept(tmp_path: Path) -> None:
    source, keys, out = tmp_path / "in.pcap", tmp_path / "in.toml", tmp_path / "out.pcap"
    conversation = told().data("a", b"neighbor 10.20.30.41 password " + SECRET)
    source.write_bytes(conversation.to_pcap())
    keys.write_text(conversation.key_file())
    ended = run_resign("--anonymise", "--payload", "keep", "--keys", keys, source, out)
    frame = len(conversation.segments)
    assert (ended.status, f"hold a secret of the key files (frames {frame})" in ended.err) == (2, True), ended.err
    assert "fault of aoinspect" not in ended.err
    assert not out.exists()
    assert run_resign("--anonymise", "--keys", keys, source, out).status == 0
