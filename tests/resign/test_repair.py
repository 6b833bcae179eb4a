"""After somebody edited a capture, its MACs are right again; and TCP checksums, where that is wished."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from aoinspect.engine.resign.wishes import Faults, Outcome, Wishes
from aoinspect.keys import load_keys
from tests.conversation import Conversation, Key
from tests.packets import Record, ethernet, internet_checksum, ip_fragments, write_pcap
from tests.recorded import RecordedCapture, outcome, parameters
from tests.resign.pcapng import rich_pcapng
from tests.resign.running import lines_of, store_of, verdicts, written
from tests.resign.strategies import conversations, key_file_for, keys_named
from tests.resign.test_identity import records_of

Edit = Callable[[bytearray], None]
ETHERNET_LENGTH, IPV4_LENGTH = 14, 20


def conversation() -> Conversation:
    return Conversation([Key()], timestamps=True).handshake().data("a", 300).ack("b").data("b", 20).wrap().close()


def tcp_checksum_is_right(packet: bytes) -> bool:
    """Of an IPv4 packet, told plainly."""
    segment = packet[(packet[0] & 15) * 4 :]
    pseudo_header = packet[12:20] + struct.pack("!BBH", 0, 6, len(segment))
    return internet_checksum(pseudo_header + segment) == 0


def edited(told: Conversation, edit: Edit, frames: slice = slice(None)) -> bytes:
    """The capture with `edit` applied to the IP packet (a bytearray) of some frames."""
    records = []
    chosen = range(len(told.segments))[frames]
    for number, segment in enumerate(told.segments):
        packet = bytearray(segment.packet)
        if number in chosen:
            edit(packet)
        octets = ethernet(bytes(packet))
        records.append(Record(octets, len(octets), segment.time_ns))
    return write_pcap(records)


def change_payload(packet: bytearray) -> None:
    packet[-1] ^= 0xFF


def change_source_alone(packet: bytearray) -> None:
    """The same by somebody who does not think of the header's checksum."""
    packet[13] = packet[17] = 9


def change_source(packet: bytearray) -> None:
    """10.0.0.x becomes 10.9.0.x."""
    packet[13] = packet[17] = 9
    packet[10:12] = bytes(2)
    packet[10:12] = internet_checksum(bytes(packet[:20])).to_bytes(2, "big")


def set_push(packet: bytearray) -> None:
    packet[20 + 13] |= 0x08


def packets_in(octets: bytes) -> list[bytes]:
    """The frames of a little-endian pcap file."""
    at, found = 24, []
    while at < len(octets):
        (length,) = struct.unpack_from("<I", octets, at + 8)
        found.append(octets[at + 16 : at + 16 + length])
        at += 16 + length
    return found


class TestEdits:
    @pytest.mark.parametrize("edit", [change_payload, set_push])
    def test_edited_segments_get_right_macs_and_checksums_and_the_others_stay(self, edit: Edit, tmp_path: Path) -> None:
        told = conversation()
        source, out = tmp_path / "in.pcap", tmp_path / "out.pcap"
        some = slice(3, 4) if edit is change_payload else slice(4, None, 2)
        source.write_bytes(edited(told, edit, some))
        store = store_of(tmp_path, told.key_file())
        before = [line.frame for line in lines_of(source, store) if line.verdict == "mismatch"]
        assert before
        resigned = written(source, out, store)
        assert {line.verdict for line in lines_of(out, store)} == {"verified"}
        assert resigned.outcomes[Outcome.RE_SIGNED] == len(before)
        old, new = records_of(source)[0], records_of(out)[0]
        for number, (then, now) in enumerate(zip(old, new, strict=True), 1):
            assert (then == now) == (number not in before)
            assert tcp_checksum_is_right(now.octets[ETHERNET_LENGTH:][: len(told.segments[number - 1].packet)])

    @pytest.mark.parametrize("edit", [change_source, change_source_alone])
    def test_edited_addresses_get_right_macs_and_headers(self, edit: Edit, tmp_path: Path) -> None:
        told = conversation()
        source, out = tmp_path / "in.pcap", tmp_path / "out.pcap"
        source.write_bytes(edited(told, edit))
        store = store_of(tmp_path, told.key_file().replace("10.0.0.", "10.9.0."))
        written(source, out, store)
        for record in records_of(out)[0]:
            assert internet_checksum(record.octets[ETHERNET_LENGTH : ETHERNET_LENGTH + IPV4_LENGTH]) == 0
        lines = lines_of(out, store)
        assert {line.verdict for line in lines} == {"verified"}
        # Nothing verified told the SNE; it is followed all the same.
        assert max(line.sne or 0 for line in lines) == 1

    def test_a_mac_of_another_length_gets_the_length_of_its_key(self, tmp_path: Path) -> None:
        told = Conversation([Key(mac_length=12)]).handshake().data("a", 40).change_mac_length(16)
        right = Conversation([Key(mac_length=12)]).handshake().data("a", 40)
        source, out = tmp_path / "in.pcap", tmp_path / "out.pcap"
        source.write_bytes(told.to_pcap())
        written(source, out, store_of(tmp_path, told.key_file()))
        assert out.read_bytes() == right.to_pcap()

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(data=st.data())
    def test_any_changed_payload_octet_is_signed_right(self, data: st.DataObject) -> None:
        keys = data.draw(keys_named(["k1"], longest_mac=16))
        told = data.draw(conversations(keys))
        with_payload = [number for number, one in enumerate(told.segments) if one.plan.payload and number > 2]
        assume(with_payload)
        before = told.to_pcap()
        for number in data.draw(st.sets(st.sampled_from(with_payload), min_size=1)):
            told.flip_bit(len(told.segments[number].segment) - 1, data.draw(st.integers(0, 7)), number)
        with tempfile.TemporaryDirectory() as name:
            source, out, again = (Path(name) / file for file in ("in.pcap", "out.pcap", "again.pcap"))
            source.write_bytes(told.to_pcap())
            store = store_of(Path(name), told.key_file())
            written(source, out, store)
            assert {line.verdict for line in lines_of(out, store)} == {"verified"}
            # The others are what they were, also those that the verifier lost sight of behind a failing one.
            for then, now, segment in zip(packets_in(before), packets_in(out.read_bytes()), told.segments, strict=True):
                assert (then == now) == (not segment.plan.fault.flipped)
            assert written(out, again, store).outcomes == {Outcome.KEPT: len(told.segments)}
            assert again.read_bytes() == out.read_bytes()


class TestChecksums:
    @pytest.mark.parametrize("capture", parameters(lambda name: name.startswith("offload-on") or name == "rotation"))
    def test_fix_checksums_repairs_what_is_wrong_and_changes_nothing_else(
        self, capture: RecordedCapture, tmp_path: Path
    ) -> None:
        out, again = tmp_path / "out.pcap", tmp_path / "again.pcap"
        store = load_keys([str(capture.keys)])
        wishes = Wishes(faults=Faults.KEEP, fixes_checksums=True)
        resigned = written(capture.path, out, store, wishes)
        old, new = records_of(capture.path)[0], records_of(out)[0]
        changed = 0
        for then, now in zip(old, new, strict=True):
            if then != now:
                changed += 1
                differs = [
                    at for at, pair in enumerate(zip(then.octets, now.octets, strict=True)) if len(set(pair)) > 1
                ]
                assert set(differs) <= {ETHERNET_LENGTH + IPV4_LENGTH + 16, ETHERNET_LENGTH + IPV4_LENGTH + 17}
                assert tcp_checksum_is_right(now.octets[ETHERNET_LENGTH:])
        assert changed == resigned.fixed_checksums
        assert (changed > 0) == capture.name.startswith("offload-on")
        assert written(out, again, store, wishes).fixed_checksums == 0
        assert verdicts(lines_of(out, store)) == verdicts(outcome(capture).lines)

    def test_without_it_a_wrong_checksum_under_a_right_mac_stays(self, tmp_path: Path) -> None:
        def spoil(packet: bytearray) -> None:
            packet[IPV4_LENGTH + 16] ^= 0xFF

        told = conversation()
        source, out = tmp_path / "in.pcap", tmp_path / "out.pcap"
        source.write_bytes(edited(told, spoil, slice(2, 9)))
        store = store_of(tmp_path, told.key_file())
        written(source, out, store)
        assert out.read_bytes() == source.read_bytes()
        assert written(source, out, store, Wishes(fixes_checksums=True)).fixed_checksums == 7
        assert out.read_bytes() == edited(told, spoil, slice(0, 0))

    def test_a_wrong_header_checksum_is_repaired_on_request_alone(self, tmp_path: Path) -> None:
        def spoil(packet: bytearray) -> None:
            packet[10] ^= 0xFF

        told = conversation()
        source, out = tmp_path / "in.pcap", tmp_path / "out.pcap"
        source.write_bytes(edited(told, spoil, slice(2, 5)))
        store = store_of(tmp_path, told.key_file())
        written(source, out, store)
        assert out.read_bytes() == source.read_bytes()
        assert written(source, out, store, Wishes(fixes_checksums=True)).fixed_checksums == 3
        assert out.read_bytes() == edited(told, spoil, slice(0, 0))


class TestFragments:
    """A reassembled segment goes back into its fragments or is named."""

    def fragmented(self, told: Conversation, *, is_pcapng: bool = False, spoils: bool = True) -> bytes:
        records = []
        for segment in told.segments:
            packet = bytearray(segment.packet)
            if spoils and len(packet) > 400:
                packet[-3] ^= 1
            pieces = ip_fragments(bytes(packet), 104) if len(packet) > 400 else [bytes(packet)]
            # The last piece first: what completes a datagram is not what ends it.
            for piece in reversed(pieces):
                octets = ethernet(piece)
                records.append(Record(octets, len(octets), segment.time_ns))
        return rich_pcapng(records, byte_order="big") if is_pcapng else write_pcap(records)

    def told(self, client: str, server: str) -> Conversation:
        told = Conversation([Key(mac_length=12)], client=client, server=server).handshake()
        return told.data("a", 500).ack("b").data("b", 900).ack("a")

    @pytest.mark.parametrize("is_pcapng", [False, True])
    @pytest.mark.parametrize("ends", [("10.0.0.1:40000", "10.0.0.2:179"), ("[fd00::1]:40000", "[fd00::2]:179")])
    def test_a_segment_in_pieces_is_signed_across_its_pieces(
        self, ends: tuple[str, str], is_pcapng: bool, tmp_path: Path
    ) -> None:
        told = self.told(*ends)
        source, out = tmp_path / "in", tmp_path / "out"
        source.write_bytes(self.fragmented(told, is_pcapng=is_pcapng))
        store = store_of(tmp_path, told.key_file())
        assert [line.verdict for line in lines_of(source, store)].count("mismatch") == 2
        resigned = written(source, out, store)
        assert {line.verdict for line in lines_of(out, store)} == {"verified"}
        assert resigned.outcomes == {Outcome.KEPT: 5, Outcome.RE_SIGNED: 2}
        assert len(out.read_bytes()) == len(source.read_bytes())

    def test_signing_right_segments_anew_changes_no_piece(self, tmp_path: Path) -> None:
        told = self.told("10.0.0.1:40000", "10.0.0.2:179")
        source, out = tmp_path / "in.pcap", tmp_path / "out.pcap"
        source.write_bytes(self.fragmented(told, spoils=False))
        store = store_of(tmp_path, told.key_file())
        assert written(source, out, store, Wishes(new_keys=store)).outcomes == {Outcome.RE_SIGNED: 7}
        assert out.read_bytes() == source.read_bytes()

    def test_a_segment_in_pieces_that_would_change_its_length_is_named(self, tmp_path: Path) -> None:
        told = self.told("10.0.0.1:40000", "10.0.0.2:179")
        source, out = tmp_path / "in.pcap", tmp_path / "out.pcap"
        source.write_bytes(self.fragmented(told, spoils=False))
        new_store = store_of(tmp_path, key_file_for(told, [Key(mac_length=16, secret=b"new")]), "new.toml")
        resigned = written(source, out, store_of(tmp_path, told.key_file()), Wishes(new_keys=new_store))
        lines = lines_of(out, new_store)
        named = {why.word: frames.tolist() for why, frames in resigned.left.items()}
        assert named == {"in-fragments": [line.frame for line in lines if line.payload_length > 400]}
        assert [line.verdict for line in lines].count("verified") == 5

    @pytest.mark.parametrize("mac_length", [12, 16])
    def test_pieces_and_longer_frames_before_them_keep_apart(self, mac_length: int, tmp_path: Path) -> None:
        """Overwriting pieces in the output must allow for what came before them having grown."""
        first = Conversation([Key(mac_length=10)], client="10.0.0.1:1000").handshake().data("a", 50)
        second = self.told("10.7.0.1:40000", "10.7.0.2:179")
        records = records_of(_file(tmp_path, first.to_pcap()))[0]
        records += records_of(_file(tmp_path, self.fragmented(second)))[0]
        records += records_of(_file(tmp_path, first.data("b", 60).to_pcap()))[0][-1:]
        source, out = _file(tmp_path, write_pcap(records)), tmp_path / "out.pcap"
        texts = [first.key_file(), second.key_file().replace("version = 1", "")]
        old_store = store_of(tmp_path, "".join(texts))
        new = [Key(mac_length=mac_length, secret=b"other")]
        new_texts = [key_file_for(first, new), second.key_file().replace("version = 1", "")]
        new_store = store_of(tmp_path, "".join(new_texts), "new.toml")
        written(source, out, old_store, Wishes(new_keys=new_store))
        assert {line.verdict for line in lines_of(out, new_store)} == {"verified"}


def _file(folder: Path, octets: bytes) -> Path:
    path = folder / f"{len(list(folder.iterdir()))}.pcap"
    path.write_bytes(octets)
    return path
