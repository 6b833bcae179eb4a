"""What is right stays octet for octet, whatever else the file holds."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from aoinspect.capture.reader import open_capture
from aoinspect.engine.resign.wishes import Faults, Outcome, Wishes
from aoinspect.keys import load_keys
from tests.conversation import Conversation, Key
from tests.packets import ByteOrder, Record
from tests.recorded import RecordedCapture, outcome, parameters
from tests.resign.pcapng import rich_pcapng
from tests.resign.running import lines_of, store_of, uncompressed, verdicts, written

BYTE_ORDERS: tuple[ByteOrder, ...] = ("little", "big")


def records_of(path: Path) -> tuple[list[Record], int]:
    """The frames of a capture, and its link type."""
    records = []
    with open_capture(path) as reader:
        for batch in reader.batches():
            for row in range(len(batch)):
                octets = batch.octets[batch.starts[row] : batch.ends[row]].tobytes()
                records.append(Record(octets, int(batch.wire_lengths[row]), int(batch.times_ns[row])))
        return records, reader.interfaces[0].link_type


def conversation() -> Conversation:
    return Conversation([Key()], timestamps=True).handshake().data("a", 300).ack("b").wrap().close()


class TestRecordedCaptures:
    @pytest.mark.parametrize("capture", parameters())
    def test_with_faults_kept_a_capture_comes_out_as_it_is(self, capture: RecordedCapture, tmp_path: Path) -> None:
        out = tmp_path / "out.pcap"
        resigned = written(capture.path, out, load_keys([str(capture.keys)]), Wishes(faults=Faults.KEEP))
        assert out.read_bytes() == uncompressed(capture.path)
        assert Outcome.RE_SIGNED not in resigned.outcomes

    @pytest.mark.parametrize("capture", parameters())
    def test_only_mismatches_are_changed(self, capture: RecordedCapture, tmp_path: Path) -> None:
        out = tmp_path / "out.pcap"
        store = load_keys([str(capture.keys)])
        written(capture.path, out, store)
        before = outcome(capture).lines
        if all(line.verdict != "mismatch" for line in before):
            assert out.read_bytes() == uncompressed(capture.path)
            return
        after = lines_of(out, store)
        for old, new in zip(before, after, strict=True):
            assert new == old or (old.verdict, new.verdict) == ("mismatch", "verified")

    @pytest.mark.parametrize("capture", parameters())
    def test_signing_anew_under_the_same_keys_gives_the_same_macs(
        self, capture: RecordedCapture, tmp_path: Path
    ) -> None:
        """Every MAC is computed and written again; wrong TCP checksums are repaired, and kept faults fail again."""
        out = tmp_path / "out.pcap"
        store = load_keys([str(capture.keys)])
        resigned = written(capture.path, out, store, Wishes(new_keys=store, faults=Faults.KEEP))
        before, after = outcome(capture).lines, lines_of(out, store)
        assert verdicts(after) == verdicts(before)
        for old, new in zip(before, after, strict=True):
            assert new == old or old.verdict == "mismatch"
        verified = sum(line.verdict == "verified" for line in before)
        assert resigned.outcomes.get(Outcome.RE_SIGNED, 0) == verified


class TestPcapng:
    @pytest.mark.parametrize("byte_order", BYTE_ORDERS)
    @pytest.mark.parametrize("is_signed_anew", [False, True])
    def test_options_comments_and_unknown_blocks_of_both_byte_orders_are_kept(
        self, byte_order: ByteOrder, is_signed_anew: bool, tmp_path: Path
    ) -> None:
        told = conversation()
        octets = told.to_pcap()
        plain, source, out = tmp_path / "in.pcap", tmp_path / "in.pcapng", tmp_path / "out.pcapng"
        plain.write_bytes(octets)
        records, link_type = records_of(plain)
        source.write_bytes(rich_pcapng(records, byte_order=byte_order, link_type=link_type, with_simple=True))
        store = store_of(tmp_path, told.key_file())
        resigned = written(source, out, store, Wishes(new_keys=store if is_signed_anew else None))
        assert out.read_bytes() == source.read_bytes()
        assert resigned.outcomes == {Outcome.RE_SIGNED if is_signed_anew else Outcome.KEPT: len(told.segments)}

    @pytest.mark.parametrize("capture", parameters(lambda name: name in ("inject", "vxlan", "ipfrag", "snap60")))
    def test_recorded_frames_in_a_rich_pcapng_are_kept(self, capture: RecordedCapture, tmp_path: Path) -> None:
        records, link_type = records_of(capture.path)
        source, out = tmp_path / "in.pcapng", tmp_path / "out.pcapng"
        source.write_bytes(rich_pcapng(records, byte_order="big", link_type=link_type))
        written(source, out, load_keys([str(capture.keys)]), Wishes(faults=Faults.KEEP))
        assert out.read_bytes() == source.read_bytes()


class TestPcap:
    @pytest.mark.parametrize("byte_order", BYTE_ORDERS)
    @pytest.mark.parametrize("nanoseconds", [False, True])
    def test_signing_anew_keeps_both_byte_orders_and_resolutions(
        self, byte_order: ByteOrder, nanoseconds: bool, tmp_path: Path
    ) -> None:
        told = conversation()
        source, out = tmp_path / "in.pcap", tmp_path / "out.pcap"
        source.write_bytes(told.to_pcap(byte_order=byte_order, nanoseconds=nanoseconds))
        store = store_of(tmp_path, told.key_file())
        resigned = written(source, out, store, Wishes(new_keys=store))
        assert out.read_bytes() == source.read_bytes()
        assert resigned.outcomes == {Outcome.RE_SIGNED: len(told.segments)}

    def test_what_lies_behind_damage_is_copied(self, tmp_path: Path) -> None:
        told = conversation()
        source, out = tmp_path / "in.pcap", tmp_path / "out.pcap"
        source.write_bytes(told.to_pcap() + b"\xff" * 30 + b"and what follows")
        store = store_of(tmp_path, told.key_file())
        resigned = written(source, out, store, Wishes(new_keys=store))
        assert resigned.damage is not None
        assert out.read_bytes() == source.read_bytes()

    def test_a_broken_compressed_capture_comes_out_as_far_as_it_can_be_read(self, tmp_path: Path) -> None:
        told = conversation()
        whole = told.to_pcap()
        source, out = tmp_path / "in.pcap.gz", tmp_path / "out.pcap"
        source.write_bytes(gzip.compress(whole)[:-40])
        store = store_of(tmp_path, told.key_file())
        resigned = written(source, out, store, Wishes(new_keys=store))
        assert resigned.damage is not None
        assert whole.startswith(out.read_bytes())
        assert sum(resigned.outcomes.values()) == len(lines_of(out, store)) > 0

    def test_a_name_that_ends_in_gz_is_written_compressed(self, tmp_path: Path) -> None:
        told = conversation()
        source, out = tmp_path / "in.pcap.gz", tmp_path / "out.pcap.gz"
        source.write_bytes(gzip.compress(told.to_pcap()))
        written(source, out, store_of(tmp_path, told.key_file()))
        assert gzip.decompress(out.read_bytes()) == told.to_pcap()
