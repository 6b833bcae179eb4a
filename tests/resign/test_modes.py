"""Signatures put in, taken out, turned into others, and key changes played in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from aoinspect.engine.resign.wishes import Faults, Left, Outcome, Rollover, Wishes
from aoinspect.errors import UsageError
from aoinspect.keys import load_keys
from tests.conversation import Conversation, Key, merge
from tests.packets import in_gre
from tests.recorded import RecordedCapture, SegmentLine, parameters
from tests.reference_signer import TCP_MD5
from tests.resign.running import lines_of, run_resign, store_of, written
from tests.resign.strategies import key_file_for
from tests.resign.test_identity import records_of

AO = Key("ao", 5, 6, secret=b"added", mac_length=12)


def talk(keys: Sequence[Key], **options: bool) -> Conversation:
    told = Conversation(keys, timestamps=options.get("timestamps", False)).handshake()
    return told.data("a", 300).ack("b").data("b", 20).retransmit().wrap("a").wrap("b").close()


class TestAdd:
    @pytest.mark.parametrize("timestamps", [False, True])
    def test_a_plain_session_becomes_what_its_ends_would_have_sent(self, timestamps: bool, tmp_path: Path) -> None:
        told = talk([], timestamps=timestamps)
        source, out = tmp_path / "in.pcap", tmp_path / "out.pcap"
        source.write_bytes(told.to_pcap())
        store = store_of(tmp_path, key_file_for(told, [AO]))
        resigned = written(source, out, store, Wishes(adds=True))
        lines = lines_of(out, store)
        assert resigned.outcomes == {Outcome.ADDED: len(told.segments)}
        assert {line.verdict for line in lines} == {"verified"}
        assert {(line.direction, line.key_id, line.rnext_key_id) for line in lines} == {("a>b", 5, 6), ("b>a", 6, 5)}
        # Both directions have wrapped: the SNE was followed without any MAC to go by.
        assert {(line.direction, line.sne) for line in lines} >= {("a>b", 1), ("b>a", 1)}

    def test_the_signature_stands_first_as_linux_puts_it(self, tmp_path: Path) -> None:
        told = Conversation([], timestamps=True).handshake()
        source, out = tmp_path / "in.pcap", tmp_path / "out.pcap"
        source.write_bytes(told.to_pcap())
        written(source, out, store_of(tmp_path, key_file_for(told, [Key(mac_length=10)])), Wishes(adds=True))
        for segment, record in zip(told.segments, records_of(out)[0], strict=True):
            options = record.octets[14 + 20 + 20 :]
            assert options[:2] == bytes([29, 14])
            assert options[14:16] == b"\x01\x01"
            assert options[16:].startswith(segment.plan.other_options)

    def test_without_both_isns_segments_are_named(self, tmp_path: Path) -> None:
        known = talk([])
        blind = Conversation([], client="10.0.0.1:50000").established(client_octets=5000).data("a", 100).ack("b")
        capture = merge([known, blind])
        source, out = tmp_path / "in.pcap", tmp_path / "out.pcap"
        source.write_bytes(capture.to_pcap())
        store = store_of(tmp_path, key_file_for(known, [AO]))
        resigned = written(source, out, store, Wishes(adds=True))
        lines = lines_of(out, store)
        unsigned = [line.frame for line in lines if line.verdict == "unsigned"]
        assert len(unsigned) == 2
        assert resigned.left[Left.ISN_UNKNOWN].tolist() == unsigned

    def test_unsigned_segments_of_a_signed_connection_stay_unsigned(self, tmp_path: Path) -> None:
        told = talk([AO]).stray("b", 77)
        source, out = tmp_path / "in.pcap", tmp_path / "out.pcap"
        source.write_bytes(told.to_pcap())
        resigned = written(source, out, store_of(tmp_path, told.key_file()), Wishes(adds=True))
        assert out.read_bytes() == source.read_bytes()
        assert resigned.left[Left.UNSIGNED].tolist() == [len(told.segments)]

    def test_a_cut_payload_cannot_be_signed(self, tmp_path: Path) -> None:
        told = Conversation([]).handshake().data("a", 300).cut(100).data("a", 10)
        source, out = tmp_path / "in.pcap", tmp_path / "out.pcap"
        source.write_bytes(told.to_pcap())
        store = store_of(tmp_path, key_file_for(told, [AO]))
        resigned = written(source, out, store, Wishes(adds=True))
        assert resigned.left[Left.TRUNCATED].tolist() == [4]
        assert [line.verdict for line in lines_of(out, store)].count("verified") == 4


class TestStrip:
    @pytest.mark.parametrize("algorithm", ["hmac-sha-1-96", TCP_MD5])
    def test_what_was_signed_comes_out_plain(self, algorithm: str, tmp_path: Path) -> None:
        told = talk([Key(algorithm=algorithm)])
        source, out = tmp_path / "in.pcap", tmp_path / "out.pcap"
        source.write_bytes(told.to_pcap(encapsulate=in_gre()))
        # Not even keys are needed.
        resigned = written(source, out, store_of(tmp_path, "version = 1\n"), Wishes(strips=True))
        assert resigned.outcomes == {Outcome.STRIPPED: len(told.segments)}
        for index, segment in enumerate(told.segments):
            told.strip_option(index)
            assert told.segments[index].plan.other_options == segment.plan.other_options
        expected = tmp_path / "expected.pcap"
        expected.write_bytes(told.to_pcap(encapsulate=in_gre()))
        # The builder leaves no NOPs that nothing needs either.
        assert [record.octets for record in records_of(out)[0]] == [record.octets for record in records_of(expected)[0]]

    def test_adding_what_was_stripped_gives_the_same_capture(self, tmp_path: Path) -> None:
        told = Conversation([AO]).handshake()
        for end in ("a", "b", "a"):
            told.data(end, 100, option_first=True)
        plain_ends = [told.segments[index].plan.other_options for index in range(3)]
        assert all(plain_ends[:2])
        source, stripped, again = tmp_path / "in.pcap", tmp_path / "stripped.pcap", tmp_path / "again.pcap"
        source.write_bytes(told.to_pcap())
        store = store_of(tmp_path, told.key_file())
        written(source, stripped, store, Wishes(strips=True))
        written(stripped, again, store, Wishes(adds=True))
        assert {line.verdict for line in lines_of(again, store)} == {"verified"}
        assert again.stat().st_size == source.stat().st_size
        # Segments whose signature stood first are octet for octet what they were.
        assert records_of(again)[0][3:] == records_of(source)[0][3:]

    def test_broken_and_doubled_signatures_go_as_far_as_the_list_can_be_read(self, tmp_path: Path) -> None:
        told = Conversation([AO]).handshake().data("a", 5).add_second_option().data("a", 6).break_option_length(3)
        told.data("a", 7).break_option_length(40)
        source, out = tmp_path / "in.pcap", tmp_path / "out.pcap"
        source.write_bytes(told.to_pcap())
        resigned = written(source, out, store_of(tmp_path, told.key_file()), Wishes(strips=True))
        assert resigned.left[Left.MALFORMED].tolist() == [5, 6]
        assert resigned.outcomes[Outcome.STRIPPED] == 4

    @pytest.mark.parametrize("capture", parameters(lambda name: name in ("snap60", "rotation", "gobgp-bird-md5")))
    def test_recorded_captures_lose_every_signature_that_can_be_seen(
        self, capture: RecordedCapture, tmp_path: Path
    ) -> None:
        out = tmp_path / "out.pcap"
        store = load_keys([str(capture.keys)])
        resigned = written(capture.path, out, store, Wishes(strips=True))
        left = {int(frame) for frames in resigned.left.values() for frame in frames}
        unseen = {line.frame for line in lines_of(out, store) if line.verdict != "unsigned"}
        assert unseen <= left
        assert (capture.name == "snap60") == bool(left)


class TestFromMd5:
    def test_md5_becomes_ao(self, tmp_path: Path) -> None:
        told = talk([Key("session", algorithm=TCP_MD5)])
        source, out = tmp_path / "in.pcap", tmp_path / "out.pcap"
        source.write_bytes(told.to_pcap())
        new_store = store_of(tmp_path, key_file_for(told, [AO]), "new.toml")
        resigned = written(
            source, out, store_of(tmp_path, told.key_file()), Wishes(new_keys=new_store, converts_md5=True)
        )
        assert resigned.outcomes == {Outcome.CONVERTED: len(told.segments)}
        lines = lines_of(out, new_store)
        assert {(line.method, line.verdict) for line in lines} == {("ao", "verified")}

    def test_a_wrong_md5_digest_can_stay_a_wrong_mac(self, tmp_path: Path) -> None:
        told = Conversation([Key("k", algorithm=TCP_MD5)]).handshake().data("a", 9).sign_with_wrong_secret()
        source, out = tmp_path / "in.pcap", tmp_path / "out.pcap"
        source.write_bytes(told.to_pcap())
        new_store = store_of(tmp_path, key_file_for(told, [AO]), "new.toml")
        wishes = Wishes(new_keys=new_store, converts_md5=True, faults=Faults.KEEP)
        written(source, out, store_of(tmp_path, told.key_file()), wishes)
        assert [line.verdict for line in lines_of(out, new_store)] == ["verified"] * 3 + ["mismatch"]

    def test_which_of_several_ao_keys_it_becomes_has_to_be_said(self, tmp_path: Path) -> None:
        told = Conversation([Key("m", algorithm=TCP_MD5)]).handshake()
        source, out = tmp_path / "in.pcap", tmp_path / "out.pcap"
        source.write_bytes(told.to_pcap())
        new = [AO, Key("other", 7, 8)]
        new_store = store_of(tmp_path, key_file_for(told, new), "new.toml")
        old_store = store_of(tmp_path, told.key_file())
        with pytest.raises(UsageError, match="ao, other cover it; say which with --map m=AO-KEY"):
            written(source, out, old_store, Wishes(new_keys=new_store, converts_md5=True))
        wishes = Wishes(new_keys=new_store, converts_md5=True, names={"m": "other"})
        written(source, out, old_store, wishes)
        assert {line.mkt for line in lines_of(out, new_store)} == {"other"}

    @pytest.mark.parametrize(
        ("other", "names", "why"),
        [
            ("", {}, "no TCP-AO key covers it; give one with --sign-keys, or in --keys"),
            ("ao", {"m": "ao"}, "--map m=ao, but no TCP-AO key of that name covers it (theirs would)"),
        ],
    )
    def test_what_is_missing_is_told_of_the_pair_as_it_was_opened(
        self, other: str, names: dict[str, str], why: str, tmp_path: Path
    ) -> None:
        told = Conversation([Key("m", algorithm=TCP_MD5)]).handshake()
        source, out = tmp_path / "in.pcap", tmp_path / "out.pcap"
        source.write_bytes(told.to_pcap())
        elsewhere = Conversation([Key(other or "ao")], client="10.9.9.9:1", server="10.9.9.8:179").key_file()
        here = key_file_for(told, [Key("theirs", 7, 8)]).replace("version = 1", "") if other else ""
        new_store = store_of(tmp_path, elsewhere + here, "new.toml")
        before = f"TCP-MD5 between {told.sockets['a'].address} port 40000 and {told.sockets['b'].address} port 179: "
        wishes = Wishes(new_keys=new_store, converts_md5=True, names=names)
        with pytest.raises(UsageError) as caught:
            written(source, out, store_of(tmp_path, told.key_file()), wishes)
        assert str(caught.value) == before + why


K1, K2, K3 = Key("k1", 1, 101), Key("k2", 2, 102, secret=b"two", mac_length=16), Key("k3", 3, 103, secret=b"three")


def ids(lines: Sequence[SegmentLine], direction: str) -> list[tuple[int | None, int | None]]:
    return [(line.key_id, line.rnext_key_id) for line in lines if line.direction == direction]


class TestRollover:
    """RNextKeyID first and KeyID after (RFC 5925 6.1)."""

    def told(self) -> Conversation:
        told = Conversation([K1, K2, K3], step_ns=100_000_000).handshake()
        for number in range(8):
            told.data("a" if number % 2 else "b", 50 + number)
        return told

    def changed(self, folder: Path, *rollovers: str, told: Conversation | None = None) -> list[SegmentLine]:
        told = told or self.told()
        source, out = folder / "in.pcap", folder / "out.pcap"
        source.write_bytes(told.to_pcap())
        (folder / "keys.toml").write_text(told.key_file())
        flags = [flag for rollover in rollovers for flag in ("--rollover", rollover)]
        ended = run_resign(source, out, "--keys", folder / "keys.toml", "--force", *flags)
        assert ended.status == 0, ended.err
        return list(lines_of(out, load_keys([str(folder / "keys.toml")])))

    def test_one_end_asks_the_other_signs_and_asks_in_turn(self, tmp_path: Path) -> None:
        lines = self.changed(tmp_path, "0.35=k2")
        assert {line.verdict for line in lines} == {"verified"}
        # Frames 5, 7, 9, 11 are a's and 4, 6, 8, 10 are b's; frame 5 is the first of a at 0.35 s or later.
        assert ids(lines, "a>b") == [(1, 101), (1, 101), (1, 102), (2, 102), (2, 102), (2, 102)]
        assert ids(lines, "b>a") == [(101, 1), (101, 1), (102, 2), (102, 2), (102, 2)]
        assert [line.mkt for line in lines].index("k2") == 5

    def test_what_comes_before_stays_octet_for_octet(self, tmp_path: Path) -> None:
        self.changed(tmp_path, "0.35=k2")
        old, new = records_of(tmp_path / "in.pcap")[0], records_of(tmp_path / "out.pcap")[0]
        assert [then == now for then, now in zip(old, new, strict=True)] == [True] * 4 + [False] * 7

    def test_several_changes_follow_one_another(self, tmp_path: Path) -> None:
        lines = self.changed(tmp_path, "0.75=k3", "0.35=k2")
        assert {line.verdict for line in lines} == {"verified"}
        assert ids(lines, "a>b") == [(1, 101), (1, 101), (1, 102), (2, 102), (2, 103), (3, 103)]

    def test_a_moment_is_as_good_as_seconds(self, tmp_path: Path) -> None:
        # The conversation starts at 2026-09-21T14:13:20Z.
        by_moment = self.changed(tmp_path, "2026-09-21T14:13:20.45Z=k2")
        assert by_moment == self.changed(tmp_path, "0.35=k2")

    def test_a_connection_that_begins_later_begins_with_the_new_key(self, tmp_path: Path) -> None:
        later = Conversation([K1, K2, K3], client="10.0.0.1:41000", start_ns=1_790_000_002_000_000_000)
        capture = merge([self.told(), later.handshake().data("a", 8)])
        source, out = tmp_path / "in.pcap", tmp_path / "out.pcap"
        source.write_bytes(capture.to_pcap())
        store = store_of(tmp_path, self.told().key_file())
        written(source, out, store, Wishes(rollovers=(Rollover("k2", 500_000_000, True, "0.5=k2"),)))
        lines = lines_of(out, store)
        assert {line.verdict for line in lines} == {"verified"}
        assert {line.mkt for line in lines if line.connection == 1} == {"k2"}
        assert {line.mkt for line in lines if line.connection == 0} == {"k1", "k2"}

    def test_it_goes_with_every_other_change(self, tmp_path: Path) -> None:
        told = Conversation([], step_ns=100_000_000).handshake().data("a", 5).data("b", 6).data("a", 7).data("b", 8)
        source, out = tmp_path / "in.pcap", tmp_path / "out.pcap"
        source.write_bytes(told.to_pcap())
        store = store_of(tmp_path, key_file_for(told, [K1, K2]))
        resigned = written(
            source, out, store, Wishes(adds=True, rollovers=(Rollover("k2", 300_000_000, True, "0.3=k2"),))
        )
        lines = lines_of(out, store)
        assert {line.verdict for line in lines} == {"verified"}
        assert [line.mkt for line in lines] == ["k1"] * 4 + ["k2"] * 3
        assert resigned.outcomes == {Outcome.ADDED: 7}

    @pytest.mark.parametrize(
        ("rollover", "message"),
        [
            ("0.3=nobody", "no key named nobody .there are: k1, k2, k3."),
            ("99999=k2", "no connection with this key has a segment to sign by then"),
            ("soon=k2", "is no time"),
            ("k2", "is not TIME=KEY"),
        ],
    )
    def test_what_cannot_be_played_in_is_told(self, rollover: str, message: str, tmp_path: Path) -> None:
        told = self.told()
        source, out = tmp_path / "in.pcap", tmp_path / "out.pcap"
        source.write_bytes(told.to_pcap())
        (tmp_path / "keys.toml").write_text(told.key_file())
        ended = run_resign(source, out, "--keys", tmp_path / "keys.toml", "--rollover", rollover)
        assert ended.status == 2
        assert re.search(message, ended.err), ended.err
        assert not out.exists()
