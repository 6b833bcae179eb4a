"""Every key becomes another one, and everything that was verified is verified under it."""

from __future__ import annotations

import dataclasses
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aoinspect.capture.reader import open_capture
from aoinspect.engine.resign.resign import Resigned
from aoinspect.engine.resign.wishes import Faults, Outcome, Wishes
from aoinspect.errors import UsageError
from aoinspect.keys import load_keys
from aoinspect.keys.model import KeyStore
from tests.conversation import Conversation, Key
from tests.packets import Encapsulate, in_gre, in_vlan, in_vxlan
from tests.recorded import RecordedCapture, outcome, parameters
from tests.reference_signer import ALGORITHMS, TCP_MD5
from tests.resign.pcapng import rich_pcapng
from tests.resign.running import lines_of, run_resign, store_of, uncompressed, verdicts, written
from tests.resign.strategies import DIGEST_LENGTHS, conversations, key_file_for, keys_named, renamed
from tests.resign.test_identity import records_of

NAMES = ("k1", "k2")


def _written_or_refused(source: Path, out: Path, store: KeyStore, wishes: Wishes) -> tuple[Resigned | None, str]:
    try:
        return written(source, out, store, wishes), ""
    except UsageError as error:
        return None, str(error)


class TestRandomRekeys:
    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(data=st.data())
    def test_what_was_verified_is_verified_under_the_new_keys(self, data: st.DataObject) -> None:
        old = data.draw(keys_named(NAMES, longest_mac=16))
        new = data.draw(keys_named(NAMES))
        told = data.draw(conversations(old))
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            source, out = folder / "in.pcap", folder / "out.pcap"
            source.write_bytes(told.to_pcap())
            old_store = store_of(folder, told.key_file())
            new_store = store_of(folder, key_file_for(told, new), "new.toml")
            before = lines_of(source, old_store)
            resigned, refusal = _written_or_refused(source, out, old_store, Wishes(new_keys=new_store))
            if resigned is None:
                # 40 octets of options do not hold everything: every frame that they do not hold is named.
                assert re.match(r"frame \d+: a signature option of \d+ octets beside", refusal)
                assert not out.exists()
                return
            after = lines_of(out, new_store)
            assert resigned.outcomes == {Outcome.RE_SIGNED: len(told.segments)}
            assert [line.verdict for line in after] == ["verified"] * len(told.segments)
            ids = {key.name: key for key in new}
            for then, now in zip(before, after, strict=True):
                assert then.mkt is not None
                key = ids[then.mkt]
                assert now.mkt == then.mkt
                assert now.key_id == (key.send_id if then.direction == "a>b" else key.recv_id)
                assert (now.seq, now.flags, now.sne, now.payload_length) == (
                    then.seq,
                    then.flags,
                    then.sne,
                    then.payload_length,
                )
                assert len(now.mac or "") == 2 * key.wire_mac_length

    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(data=st.data())
    def test_there_and_back_again_is_where_it_began(self, data: st.DataObject) -> None:
        old = data.draw(keys_named(NAMES, longest_mac=12))
        new = data.draw(keys_named(NAMES, longest_mac=12))
        told = data.draw(conversations(old))
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            source, there, back = folder / "in.pcap", folder / "there.pcap", folder / "back.pcap"
            source.write_bytes(told.to_pcap())
            old_store = store_of(folder, told.key_file())
            new_store = store_of(folder, key_file_for(told, new), "new.toml")
            written(source, there, old_store, Wishes(new_keys=new_store))
            written(there, back, new_store, Wishes(new_keys=old_store))
            assert back.read_bytes() == source.read_bytes()

    @pytest.mark.parametrize("algorithm", ALGORITHMS)
    def test_every_algorithm_signs(self, algorithm: str, tmp_path: Path) -> None:
        told = Conversation().handshake().data("a", 100).data("b", 100).close()
        source, out = tmp_path / "in.pcap", tmp_path / "out.pcap"
        source.write_bytes(told.to_pcap())
        longest = min(20, DIGEST_LENGTHS.get(algorithm, 20))
        for mac_length in (4, 13, longest):
            new = [Key(algorithm=algorithm, secret=b"another", mac_length=mac_length, include_options=False)]
            new_store = store_of(tmp_path, key_file_for(told, new), "new.toml")
            written(source, out, store_of(tmp_path, told.key_file()), Wishes(new_keys=new_store))
            assert {line.verdict for line in lines_of(out, new_store)} == {"verified"}


RFC_TEST_KEYS = """
version = 1
[[keychain]]
name = "published"
"""
_TEST_KEY = """
  [[keychain.key]]
  name = "{name}"
  send-id = {send}
  recv-id = {recv}
  algorithm = "hmac-sha-1-96"
  secret = "testvector"
"""


def published_keys(names: set[str]) -> str:
    """A key for each name with the master key of RFC 9235 3.1.1, for everybody."""
    listed = [_TEST_KEY.format(name=name, send=61 + row, recv=84 + row) for row, name in enumerate(sorted(names))]
    return RFC_TEST_KEYS + "".join(listed) + '[[peer]]\nkeychain = "published"\n'


class TestRecordedCaptures:
    @pytest.mark.parametrize("capture", parameters())
    def test_a_kernels_capture_under_published_test_keys_verifies_as_it_did(
        self, capture: RecordedCapture, tmp_path: Path
    ) -> None:
        store = load_keys([str(capture.keys)])
        mkts = [mkt for peer in store.peers for mkt in peer.mkts if mkt.send_id is not None]
        if not mkts:
            pytest.skip("TCP-MD5 only")
        names = {mkt.name for mkt in mkts}
        # A thousand peers with a key each need not have a thousand KeyIDs.
        becomes = dict.fromkeys(names, "published") if len(names) > 100 else {}
        new_store = store_of(tmp_path, published_keys({becomes.get(name, name) for name in names}))
        # What the old file tells of connections without a handshake is as true as before.
        new_store = dataclasses.replace(new_store, connections=store.connections)
        out = tmp_path / "out.pcap"
        before = outcome(capture).lines
        if any(line.method == "md5" and line.verdict == "verified" for line in before):
            pytest.skip("TCP-MD5 as well, which these keys have no counterpart for")
        wishes = Wishes(new_keys=new_store, names=becomes, faults=Faults.KEEP)
        resigned = written(capture.path, out, store, wishes)
        told = {line.frame: line for line in lines_of(out, new_store)}
        left = {int(frame) for frames in resigned.left.values() for frame in frames}
        checked = 0
        for old in before:
            if old.frame not in left and old.verdict == "verified":
                checked += 1
                assert old.mkt is not None
                expected = ("verified", becomes.get(old.mkt, old.mkt))
                assert (told[old.frame].verdict, told[old.frame].mkt) == expected, old.frame
            if old.frame not in left and old.verdict == "mismatch":
                assert told[old.frame].verdict == "mismatch"
        assert checked == resigned.outcomes.get(Outcome.RE_SIGNED, 0)


class TestLengths:
    """A MAC of another length changes the option, the data offset, IP lengths and the record."""

    def told(self) -> Conversation:
        return Conversation([Key(mac_length=12)], timestamps=False).handshake().data("a", 333).data("b", 1).close()

    @pytest.mark.parametrize("mac_length", [4, 10, 16, 20])
    @pytest.mark.parametrize("with_simple", [False, True])
    def test_pcapng_blocks_get_their_new_lengths_and_keep_everything_else(
        self, mac_length: int, with_simple: bool, tmp_path: Path
    ) -> None:
        told = self.told()
        expected = Conversation([Key(mac_length=mac_length)]).handshake().data("a", 333).data("b", 1).close()
        plain, source, out = tmp_path / "in.pcap", tmp_path / "in.pcapng", tmp_path / "out.pcapng"
        plain.write_bytes(told.to_pcap(encapsulate=lambda packet: packet, link_type=101))
        records, _ = records_of(plain)
        source.write_bytes(rich_pcapng(records, byte_order="little", link_type=101, with_simple=with_simple))
        new_store = store_of(tmp_path, key_file_for(told, expected.keys["a"]), "new.toml")
        written(source, out, store_of(tmp_path, told.key_file()), Wishes(new_keys=new_store))
        plain.write_bytes(expected.to_pcap(encapsulate=lambda packet: packet, link_type=101))
        records, _ = records_of(plain)
        wanted = rich_pcapng(records, byte_order="little", link_type=101, with_simple=with_simple)
        # The builder signs with the independent signer and pads with NOPs behind the option, as we do.
        assert out.read_bytes() == wanted

    @pytest.mark.parametrize("encapsulate", [in_vlan(7), in_gre(), in_vxlan(5000)], ids=["vlan", "gre", "vxlan"])
    def test_enclosing_headers_follow(self, encapsulate: Encapsulate, tmp_path: Path) -> None:
        told = self.told()
        longer = [Key(mac_length=16)]
        expected = Conversation(longer).handshake().data("a", 333).data("b", 1).close()
        source, out = tmp_path / "in.pcap", tmp_path / "out.pcap"
        source.write_bytes(told.to_pcap(encapsulate=encapsulate))
        new_store = store_of(tmp_path, key_file_for(told, longer), "new.toml")
        written(source, out, store_of(tmp_path, told.key_file()), Wishes(new_keys=new_store))
        expected_path = tmp_path / "expected.pcap"
        expected_path.write_bytes(expected.to_pcap(encapsulate=encapsulate))
        assert [record.octets for record in records_of(out)[0]] == [
            record.octets for record in records_of(expected_path)[0]
        ]

    def test_what_no_longer_fits_is_named_frame_by_frame_and_nothing_is_written(self, tmp_path: Path) -> None:
        told = Conversation([Key(mac_length=12)], timestamps=True).handshake().data("a", 10)
        source, out = tmp_path / "in.pcap", tmp_path / "out.pcap"
        source.write_bytes(told.to_pcap())
        longer = store_of(tmp_path, key_file_for(told, [Key(mac_length=20)]), "new.toml")
        with pytest.raises(UsageError) as raised:
            written(source, out, store_of(tmp_path, told.key_file()), Wishes(new_keys=longer))
        assert "frame 1: a signature option of 24 octets" in str(raised.value)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["in.pcap", "keys.toml", "new.toml"]

    def test_a_files_snap_length_grows_with_its_frames(self, tmp_path: Path) -> None:
        told = self.told()
        octets = bytearray(told.to_pcap())
        octets[16:20] = (400).to_bytes(4, "little")
        source, out = tmp_path / "in.pcap", tmp_path / "out.pcap"
        source.write_bytes(octets)
        longer = store_of(tmp_path, key_file_for(told, [Key(mac_length=20)]), "new.toml")
        written(source, out, store_of(tmp_path, told.key_file()), Wishes(new_keys=longer))
        longest = max(len(record.octets) for record in records_of(out)[0])
        with open_capture(out) as reader:
            assert reader.interfaces[0].snap_length == longest > 400


class TestNames:
    def test_map_says_what_a_key_becomes(self, tmp_path: Path) -> None:
        told = Conversation([Key("k1"), Key("k2", 2, 102)]).handshake().rollover("a", to="k2").data("a", 9)
        source, out = tmp_path / "in.pcap", tmp_path / "out.pcap"
        source.write_bytes(told.to_pcap())
        new = renamed([Key("k1", 11, 12, secret=b"one"), Key("k2", 21, 22, secret=b"two")], "-new")
        (tmp_path / "old.toml").write_text(told.key_file())
        new_store = store_of(tmp_path, key_file_for(told, new), "new.toml")
        keys = ("--keys", tmp_path / "old.toml", "--sign-keys", tmp_path / "new.toml")
        ended = run_resign(source, out, *keys, "--map", "k1=k1-new", "--map", "k2=k2-new")
        assert ended.status == 0, ended.err
        after = lines_of(out, new_store)
        assert [(line.mkt, line.key_id, line.rnext_key_id) for line in after] == [
            ("k1-new", 11, 12),
            ("k1-new", 12, 11),
            ("k1-new", 11, 12),
            ("k1-new", 12, 21),
            ("k2-new", 21, 12),
        ]

    def test_a_key_without_a_counterpart_is_named_with_its_line(self, tmp_path: Path) -> None:
        told = Conversation([Key("k1"), Key("k2", 2, 102)]).handshake().rollover("a", to="k2")
        source, out = tmp_path / "in.pcap", tmp_path / "out.pcap"
        source.write_bytes(told.to_pcap())
        new_store = store_of(tmp_path, key_file_for(told, [Key("k1")]), "new.toml")
        with pytest.raises(UsageError, match=r"key k2 \(.*keys\.toml:\d+\) has no counterpart.*--map k2=NAME"):
            written(source, out, store_of(tmp_path, told.key_file()), Wishes(new_keys=new_store))
        assert not out.exists()

    def test_several_keys_of_one_name_are_no_counterpart(self, tmp_path: Path) -> None:
        told = Conversation([Key("k1")]).handshake()
        source, out = tmp_path / "in.pcap", tmp_path / "out.pcap"
        source.write_bytes(told.to_pcap())
        new = [Key("k1", 2, 3, secret=b"one"), Key("k1", 4, 5, secret=b"two")]
        new_store = store_of(tmp_path, key_file_for(told, new), "new.toml")
        with pytest.raises(UsageError, match=r"several keys named k1 cover .*: give them distinct names"):
            written(source, out, store_of(tmp_path, told.key_file()), Wishes(new_keys=new_store))

    def test_an_rnext_key_id_that_names_no_key_stays(self, tmp_path: Path) -> None:
        told = Conversation([Key("k1"), Key("k2", 2, 102)]).handshake().rnext("b", to="k2").ack("b")
        source, out = tmp_path / "in.pcap", tmp_path / "out.pcap"
        source.write_bytes(told.to_pcap())
        only_k1 = store_of(tmp_path, key_file_for(told, [Key("k1")]))
        new_store = store_of(tmp_path, key_file_for(told, [Key("k1", 50, 60)]), "new.toml")
        written(source, out, only_k1, Wishes(new_keys=new_store))
        assert [line.rnext_key_id for line in lines_of(out, new_store)] == [60, 50, 60, 2]

    def test_md5_keys_become_other_md5_keys(self, tmp_path: Path) -> None:
        told = Conversation([Key("m", algorithm=TCP_MD5)]).handshake().data("a", 77).close()
        source, out = tmp_path / "in.pcap", tmp_path / "out.pcap"
        source.write_bytes(told.to_pcap())
        new = [Key("m", algorithm=TCP_MD5, secret=b"another password")]
        new_store = store_of(tmp_path, key_file_for(told, new), "new.toml")
        written(source, out, store_of(tmp_path, told.key_file()), Wishes(new_keys=new_store))
        expected = Conversation(new).handshake().data("a", 77).close()
        assert out.read_bytes() == expected.to_pcap()


class TestFaults:
    def faulty(self) -> Conversation:
        told = Conversation([Key(mac_length=12)]).handshake().data("a", 50).sign_with_wrong_secret()
        told.data("b", 60).change_mac_length(10).data("b", 70).name_unknown_key(9).data("a", 80).strip_option()
        return told.data("a", 90).break_option_length(3).data("a", 100)

    @pytest.mark.parametrize("mac_length", [12, 16, 8])
    def test_kept_faults_fail_the_same_way_under_new_keys(self, mac_length: int, tmp_path: Path) -> None:
        told = self.faulty()
        source, out = tmp_path / "in.pcap", tmp_path / "out.pcap"
        source.write_bytes(told.to_pcap())
        old_store = store_of(tmp_path, told.key_file())
        new = [Key(send_id=31, recv_id=32, secret=b"new", mac_length=mac_length, algorithm="hmac-sha-256-128")]
        new_store = store_of(tmp_path, key_file_for(told, new), "new.toml")
        resigned = written(source, out, old_store, Wishes(new_keys=new_store, faults=Faults.KEEP))
        assert verdicts(lines_of(out, new_store)) == verdicts(lines_of(source, old_store))
        assert resigned.outcomes[Outcome.FAULT_KEPT] == 2

    def test_repaired_faults_are_right_under_new_keys(self, tmp_path: Path) -> None:
        told = self.faulty()
        source, out = tmp_path / "in.pcap", tmp_path / "out.pcap"
        source.write_bytes(told.to_pcap())
        new = [dataclasses.replace(told.keys["a"][0], send_id=31, recv_id=32, secret=b"new")]
        new_store = store_of(tmp_path, key_file_for(told, new), "new.toml")
        resigned = written(source, out, store_of(tmp_path, told.key_file()), Wishes(new_keys=new_store))
        found = [line.verdict for line in lines_of(out, new_store)]
        assert found == ["verified"] * 5 + ["no-key", "unsigned", "malformed", "verified"]
        assert {why.word: frames.tolist() for why, frames in resigned.left.items()} == {
            "no-key": [6],
            "unsigned": [7],
            "malformed": [8],
        }
        assert uncompressed(out) != uncompressed(source)
