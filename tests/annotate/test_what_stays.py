"""Of a pcapng, everything but the comments that aoinspect makes stays octet for octet."""

from __future__ import annotations

import gzip
import io
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aoinspect.capture.commenting import PcapngCommenter
from aoinspect.capture.reader import open_capture
from aoinspect.engine.verdict_comments import is_own_comment
from aoinspect.keys import load_keys
from tests.annotate.blocks import COMMENT, ENHANCED, SECTION, SIMPLE, Block, blocks_of, is_ours, packets, stripped
from tests.annotate.running import annotated
from tests.conversation import Conversation, Key
from tests.packets import ByteOrder
from tests.recorded import RecordedCapture, parameters
from tests.resign.pcapng import rich_pcapng
from tests.resign.running import store_of
from tests.resign.test_identity import records_of

BYTE_ORDERS: tuple[ByteOrder, ...] = ("little", "big")
ORDER = {"little": "<", "big": ">"}
OURS = (
    b"TCP-AO: OK key=k1 keyid=1 rnext=2 sne=0",
    b"TCP-AO: FAIL reason=unsigned",
    b'TCP-MD5: UNKNOWN reason=no-key key="an \\"odd\\" one"',
)
OTHERS = (
    b"",
    b"TCP-AO: OK",
    b"TCP-AO: OK key=k1 and I know why",
    b"TCP-AO: FAIL reason=unsigned ",
    b"TCP-AO: FAIL reason=unsigned\n",
    b"TCP-AO: FAIL reason=unsigned\0",
    b"tcp-ao: FAIL reason=unsigned",
    b"TCP-AO: GOOD key=k1",
    b"see TCP-AO: OK key=k1",
    b"TCP-AO: OK colour=red",
    b'TCP-AO: OK key="open',
    b"\xff\xfe no UTF-8",
    "größer".encode(),
)


def conversation() -> Conversation:
    told = Conversation([Key()], timestamps=True).handshake().data("a", 301).ack("b").data("b", 2)
    told.data("a", 30).flip_bit(60)
    return told.stray("b", seq=77, payload=b"x").close()


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A pcap of the conversation, with its keys beside it."""
    told = conversation()
    path = tmp_path / "in.pcap"
    path.write_bytes(told.to_pcap())
    store_of(tmp_path, told.key_file())
    return path


@pytest.mark.parametrize("byte_order", BYTE_ORDERS)
def test_blocks_options_and_sections_of_both_byte_orders_stay(byte_order: ByteOrder, plain: Path) -> None:
    records, link_type = records_of(plain)
    source, out = plain.with_name("in.pcapng"), plain.with_name("out.pcapng")
    source.write_bytes(rich_pcapng(records, byte_order=byte_order, link_type=link_type))
    written = annotated(source, out, load_keys([str(plain.with_name("keys.toml"))]))
    assert stripped(out.read_bytes()) == stripped(source.read_bytes())
    for before, after in zip(packets(source.read_bytes()), packets(out.read_bytes()), strict=True):
        assert is_ours(after.comments[0].encode())
        assert after.comments[1:] == before.comments
    assert sum(written.counts.values()) == len(records)


def test_the_second_run_changes_nothing(plain: Path) -> None:
    first, second = plain.with_name("1.pcapng"), plain.with_name("2.pcapng")
    store = load_keys([str(plain.with_name("keys.toml"))])
    written = annotated(plain, first, store)
    again = annotated(first, second, store)
    assert second.read_bytes() == first.read_bytes()
    assert (written.replaced, again.replaced) == (0, sum(written.counts.values()))


def test_comments_follow_the_keys_of_the_last_run(plain: Path) -> None:
    records, link_type = records_of(plain)
    source, out = plain.with_name("in.pcapng"), plain.with_name("out.pcapng")
    source.write_bytes(rich_pcapng(records, byte_order="big", link_type=link_type))
    right = load_keys([str(plain.with_name("keys.toml"))])
    wrong = store_of(plain.parent, Conversation([Key(secret=b"wrong")]).key_file(), "wrong.toml")
    via = plain.with_name("via.pcapng")
    annotated(source, via, wrong)
    annotated(via, out, right)
    direct = plain.with_name("direct.pcapng")
    annotated(source, direct, right)
    assert via.read_bytes() != direct.read_bytes()
    assert out.read_bytes() == direct.read_bytes()


def test_frames_that_are_protected_no_more_lose_their_comment(plain: Path) -> None:
    """A connection without any signature has verdicts only where a peer entry covers it."""
    source, via, out = (plain.with_name(name) for name in ("in.pcapng", "via.pcapng", "out.pcapng"))
    unsigned = Conversation([]).handshake().data("a", 3).close()
    plain.write_bytes(unsigned.to_pcap())
    records, link_type = records_of(plain)
    source.write_bytes(rich_pcapng(records, byte_order="little", link_type=link_type))
    annotated(source, via, load_keys([str(plain.with_name("keys.toml"))]))
    assert all(is_ours(block.comments[0].encode()) for block in packets(via.read_bytes()))
    written = annotated(via, out)
    assert out.read_bytes() == source.read_bytes()
    assert (written.counts, written.replaced) == ({}, len(records))


def test_a_section_that_tells_its_length_tells_the_new_one(plain: Path) -> None:
    records, link_type = records_of(plain)
    octets = rich_pcapng(records, byte_order="big", link_type=link_type)
    blocks = blocks_of(octets)
    headers = [number for number, block in enumerate(blocks) if block.block_type == SECTION]
    lengths = _section_lengths(blocks)
    for number, length in zip(headers, lengths, strict=True):
        block = blocks[number]
        body = block.body[:8] + struct.pack(block.order + "q", length) + block.body[16:]
        blocks[number] = block._replace(body=body)
    source, out = plain.with_name("in.pcapng"), plain.with_name("out.pcapng")
    source.write_bytes(b"".join(block.octets() for block in blocks))
    annotated(source, out, load_keys([str(plain.with_name("keys.toml"))]))
    after = blocks_of(out.read_bytes())
    told = [struct.unpack_from(block.order + "q", block.body, 8)[0] for block in after if block.block_type == SECTION]
    assert told == _section_lengths(after)
    assert all(new > old for new, old in zip(told, lengths, strict=True))


def _section_lengths(blocks: list[Block]) -> list[int]:
    """Octets of each section behind its header."""
    lengths: list[int] = []
    for block in blocks:
        if block.block_type == SECTION:
            lengths.append(0)
        else:
            lengths[-1] += len(block.octets())
    return lengths


def test_comments_stand_at_their_frames_where_other_blocks_are_numbered_too(plain: Path) -> None:
    """Wireshark gives custom blocks and journal entries frame numbers, and so does `verify`."""
    records, link_type = records_of(plain)
    plain_out, source, out = (plain.with_name(name) for name in ("p.pcapng", "in.pcapng", "out.pcapng"))
    store = load_keys([str(plain.with_name("keys.toml"))])
    annotated(plain, plain_out, store)
    blocks = blocks_of(rich_pcapng(records, byte_order="little", link_type=link_type))
    mixed = []
    for number, block in enumerate(blocks):
        mixed.append(block.octets())
        if block.is_packet and number % 2:
            mixed.append(Block(block.order, 0xBAD, b"\0\0\0\1own data").octets())
    source.write_bytes(b"".join(mixed))
    annotated(source, out, store)
    expected = [block.comments for block in packets(plain_out.read_bytes())]
    assert [block.comments[:1] for block in packets(out.read_bytes())] == expected


class TestSimplePacketBlocks:
    @pytest.mark.parametrize("byte_order", BYTE_ORDERS)
    def test_one_that_gets_a_comment_becomes_an_enhanced_one_of_time_0(
        self, byte_order: ByteOrder, plain: Path
    ) -> None:
        records, link_type = records_of(plain)
        source, out = plain.with_name("in.pcapng"), plain.with_name("out.pcapng")
        source.write_bytes(rich_pcapng(records, byte_order=byte_order, link_type=link_type, with_simple=True))
        written = annotated(source, out, load_keys([str(plain.with_name("keys.toml"))]))
        changed = 0
        for before, after in zip(blocks_of(source.read_bytes()), blocks_of(out.read_bytes()), strict=True):
            if before.block_type != SIMPLE:
                assert after.block_type == before.block_type
                continue
            changed += 1
            wire_length = struct.unpack_from(before.order + "I", before.body)[0]
            fields = struct.unpack_from(before.order + "IIIII", after.body)
            assert (after.block_type, fields) == (ENHANCED, (0, 0, 0, wire_length, wire_length))
            assert after.frame == before.frame[:wire_length]
            assert len(after.comments) == 1
        assert changed == written.converted_blocks > 0
        again = plain.with_name("again.pcapng")
        assert annotated(out, again, load_keys([str(plain.with_name("keys.toml"))])).converted_blocks == 0
        assert again.read_bytes() == out.read_bytes()

    def test_one_without_a_verdict_stays(self, plain: Path) -> None:
        plain.write_bytes(Conversation([]).handshake().to_pcap())
        records, link_type = records_of(plain)
        source, out = plain.with_name("in.pcapng"), plain.with_name("out.pcapng")
        source.write_bytes(rich_pcapng(records * 4, byte_order="big", link_type=link_type, with_simple=True))
        assert annotated(source, out).converted_blocks == 0
        assert out.read_bytes() == source.read_bytes()


class TestDamage:
    def test_what_lies_behind_it_is_copied(self, plain: Path) -> None:
        records, link_type = records_of(plain)
        source, out = plain.with_name("in.pcapng"), plain.with_name("out.pcapng")
        whole = rich_pcapng(records, byte_order="little", link_type=link_type)
        rest = b"\x06\0\0\0\xff\xff\xff\xff" + b"and what follows" * 3
        source.write_bytes(whole + rest)
        written = annotated(source, out, load_keys([str(plain.with_name("keys.toml"))]))
        assert written.damage is not None
        assert written.damage.offset == len(whole)
        assert out.read_bytes().endswith(rest)
        assert stripped(out.read_bytes()[: -len(rest)]) == stripped(whole)

    def test_a_block_that_the_file_ends_in_is_copied(self, plain: Path) -> None:
        records, link_type = records_of(plain)
        source, out = plain.with_name("in.pcapng"), plain.with_name("out.pcapng")
        source.write_bytes(rich_pcapng(records, byte_order="little", link_type=link_type)[:-10])
        written = annotated(source, out, load_keys([str(plain.with_name("keys.toml"))]))
        assert written.damage is not None
        assert out.read_bytes().endswith(source.read_bytes()[-20:])
        assert sum(written.counts.values()) == len(records)

    def test_a_broken_compressed_capture_comes_out_as_far_as_it_can_be_read(self, plain: Path) -> None:
        records, link_type = records_of(plain)
        whole = rich_pcapng(records, byte_order="little", link_type=link_type)
        source, out = plain.with_name("in.pcapng.gz"), plain.with_name("out.pcapng")
        source.write_bytes(gzip.compress(whole)[:-60])
        written = annotated(source, out, load_keys([str(plain.with_name("keys.toml"))]))
        assert written.damage is not None
        assert 0 < sum(written.counts.values()) == written.frames < len(records)


def test_a_compressed_capture_is_read_and_written_compressed_if_named_so(plain: Path) -> None:
    records, link_type = records_of(plain)
    whole = rich_pcapng(records, byte_order="little", link_type=link_type)
    source, packed = plain.with_name("in.pcapng"), plain.with_name("in.pcapng.gz")
    source.write_bytes(whole)
    packed.write_bytes(gzip.compress(whole))
    store = load_keys([str(plain.with_name("keys.toml"))])
    annotated(source, plain.with_name("1.pcapng"), store)
    written = annotated(packed, plain.with_name("2.pcapng.gz"), store)
    assert written.compression == "gzip"
    assert gzip.decompress(plain.with_name("2.pcapng.gz").read_bytes()) == plain.with_name("1.pcapng").read_bytes()


@pytest.mark.parametrize("capture", parameters(lambda name: name in ("inject", "vxlan", "ipfrag", "snap60", "md5-v6")))
def test_recorded_frames_in_a_rich_pcapng_stay(capture: RecordedCapture, tmp_path: Path) -> None:
    records, link_type = records_of(capture.path)
    source, out = tmp_path / "in.pcapng", tmp_path / "out.pcapng"
    source.write_bytes(rich_pcapng(records, byte_order="big", link_type=link_type))
    annotated(source, out, load_keys([str(capture.keys)]))
    assert stripped(out.read_bytes()) == stripped(source.read_bytes())


# The writer alone, over any options and any batches.


@st.composite
def option_lists(draw: st.DrawFn, order: str) -> bytes:
    """The options of a packet block: comments of ours and of others, other options, with an end, without, or broken."""
    pairs = draw(
        st.lists(
            st.one_of(
                st.tuples(st.just(COMMENT), st.sampled_from(OURS + OTHERS)),
                st.tuples(st.sampled_from([2, 4, 0x8765, 2988]), st.binary(max_size=9)),
            ),
            max_size=5,
        )
    )
    listed = b"".join(
        struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4) for code, value in pairs
    )
    end = bytes(4)
    broken = struct.pack(order + "HH", draw(st.sampled_from([1, 2])), 200) + b"runs out"
    tail = draw(st.sampled_from([end, end, b"", broken, end + broken]))
    return listed + (tail if listed or tail == broken or draw(st.booleans()) else b"")


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """Sections of random packet blocks, with other blocks between them."""
    parts = []
    for byte_order in draw(st.lists(st.sampled_from(BYTE_ORDERS), min_size=1, max_size=3)):
        order = ORDER[byte_order]

        def block(block_type: int, body: bytes, order: str = order) -> bytes:
            length = struct.pack(order + "I", len(body) + 12)
            return struct.pack(order + "I", block_type) + length + body + length

        parts.append(block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1)))
        parts.append(block(1, struct.pack(order + "HHI", 1, 0, 0)))
        for _ in range(draw(st.integers(0, 6))):
            frame = draw(st.binary(max_size=11))
            padded = frame + bytes(-len(frame) % 4)
            match draw(st.sampled_from(["enhanced", "enhanced", "obsolete", "simple", "other"])):
                case "enhanced":
                    fields = struct.pack(order + "IIIII", 0, 1, 2, len(frame), 99)
                    parts.append(block(6, fields + padded + draw(option_lists(order))))
                case "obsolete":
                    fields = struct.pack(order + "HHIIII", 0, 7, 1, 2, len(frame), 99)
                    parts.append(block(2, fields + padded + draw(option_lists(order))))
                case "simple":
                    parts.append(block(3, struct.pack(order + "I", len(frame)) + padded))
                case "other":
                    parts.append(block(draw(st.sampled_from([4, 5, 0xBAD, 0x8000_1234])), padded))
    return b"".join(parts)


# Files are slow to draw on a busy machine, which says nothing of the code.
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(files(), st.data(), st.integers(1, 7))
def test_any_options_stay_in_any_batches(octets: bytes, data: st.DataObject, batch_frames: int) -> None:
    """Only our comments go, only the new ones come, in front; blocks and everything else in them stay."""
    count = len(packets(octets))
    chosen = data.draw(st.lists(st.integers(-1, len(OURS) - 1), min_size=count, max_size=count))
    out = io.BytesIO()

    def fetch(offset: int, length: int) -> bytes:
        return octets[offset : offset + length]

    with open_capture(io.BytesIO(octets), batch_frames=batch_frames) as reader:
        commenter = PcapngCommenter(reader.section_headers, fetch, out, OURS, is_own_comment)
        done = 0
        for batch in reader.batches():
            commenter.add(batch, np.array(chosen[done : done + len(batch)], dtype=np.int64))
            done += len(batch)
        commenter.finish(reader.damage)
        assert (reader.damage, done) == (None, count)
    before, after = packets(octets), packets(out.getvalue())
    for old, new, number in zip(before, after, chosen, strict=True):
        comments = [value for code, value, _ in new.options if code == COMMENT]
        kept = [value for code, value, _ in old.options if code == COMMENT and not is_ours(value)]
        assert comments == ([] if number < 0 else [OURS[number]]) + kept
        assert new.frame == old.frame[: len(new.frame)]
    others = [
        (old, new)
        for old, new in zip(stripped(octets), stripped(out.getvalue()), strict=True)
        if not (old != new and int.from_bytes(old[:4], "little") in (SIMPLE, SIMPLE << 24))
    ]
    assert [new for _, new in others] == [old for old, _ in others]
    ours = sum(is_ours(value) for block in before for code, value, _ in block.options if code == COMMENT)
    assert commenter.removed_comments == ours


@pytest.mark.parametrize("text", OTHERS)
def test_somebody_elses_comment_is_not_taken_for_ours(text: bytes) -> None:
    assert not is_own_comment(text)


@pytest.mark.parametrize("text", OURS)
def test_ours_is_known_again(text: bytes) -> None:
    assert is_own_comment(text)
