"""What a comment says is what `verify` says."""

from __future__ import annotations

from pathlib import Path

import pytest

from aoinspect.engine.verdict_comments import Mark, is_own_comment, quoted
from aoinspect.keys import load_keys
from tests.annotate.blocks import is_ours, packets
from tests.annotate.running import annotated, expected_comment, run
from tests.conversation import Conversation, Key
from tests.recorded import RecordedCapture, outcome, parameters
from tests.resign.running import lines_of, store_of


def comments_in(path: Path) -> dict[int, list[str]]:
    """Frame number -> comments, of frames that have any."""
    numbered = enumerate(packets(path.read_bytes()), 1)
    return {number: block.comments for number, block in numbered if block.comments}


@pytest.mark.parametrize("capture", parameters())
def test_every_segment_of_a_recorded_capture_is_told_as_verify_tells_it(
    capture: RecordedCapture, tmp_path: Path
) -> None:
    out = tmp_path / "out.pcapng"
    annotated(capture.path, out, load_keys([str(capture.keys)]))
    found = comments_in(out)
    lines = outcome(capture).lines
    assert set(found) == {line.frame for line in lines}
    for line in lines:
        (comment,) = found[line.frame]
        assert is_ours(comment.encode())
        words = [word for word in comment.split() if not word.startswith("key=")]
        expected = expected_comment(line).split()
        if line.verdict == "verified":
            assert comment.split() == expected
        elif line.method == "none" or line.verdict == "no-key":
            # What an unsigned segment should have been signed with, its connection tells; and a pair may lie beyond the
            # keys.
            assert words[1:] == expected[1:] or words[1] == "UNKNOWN"
        else:
            assert words == expected


def written(told: Conversation, folder: Path, keys: str | None = None) -> dict[int, str]:
    """The comment of each frame."""
    source, out = folder / "in.pcap", folder / "out.pcapng"
    source.write_bytes(told.to_pcap())
    text = told.key_file() if keys is None else keys
    annotated(source, out, store_of(folder, text))
    return {number: comment for number, (comment,) in comments_in(out).items()}


class TestFailures:
    def test_a_mismatch_names_the_key_that_its_keyid_selects(self, tmp_path: Path) -> None:
        told = Conversation([Key(name="k", send_id=61, recv_id=84)]).handshake().data("a", 9).sign_with_wrong_secret()
        assert written(told, tmp_path)[4] == "TCP-AO: FAIL reason=mismatch key=k keyid=61 rnext=84 sne=0"

    def test_another_mac_length_is_told_as_detail(self, tmp_path: Path) -> None:
        told = Conversation([Key(name="k", send_id=1, recv_id=2)]).handshake().data("a", 9).change_mac_length(8)
        assert (
            written(told, tmp_path)[4] == "TCP-AO: FAIL reason=mismatch detail=mac-length key=k keyid=1 rnext=2 sne=0"
        )

    def test_a_keyid_without_key_has_no_key(self, tmp_path: Path) -> None:
        told = Conversation([Key(name="k", send_id=1, recv_id=2)]).handshake().data("a", 9).name_unknown_key(33)
        assert written(told, tmp_path)[4] == "TCP-AO: FAIL reason=no-key keyid=33 rnext=2 sne=0"

    def test_a_pair_that_the_keys_do_not_cover_is_unknown(self, tmp_path: Path) -> None:
        told = Conversation([Key(send_id=1, recv_id=2)]).handshake()
        found = written(told, tmp_path, Conversation(client="10.9.9.9:1", server="10.9.9.8:179").key_file())
        assert found[1] == "TCP-AO: UNKNOWN reason=no-key keyid=1 rnext=2 sne=0"

    def test_an_unsigned_segment(self, tmp_path: Path) -> None:
        told = Conversation([Key()]).handshake().data("a", 9).strip_option()
        assert written(told, tmp_path)[4] == "TCP-AO: FAIL reason=unsigned"

    def test_a_malformed_option_is_told_with_what_is_wrong(self, tmp_path: Path) -> None:
        told = Conversation([Key()]).handshake().data("a", 9).add_second_option()
        assert written(told, tmp_path)[4] == "TCP-AO: FAIL reason=malformed detail=two-ao"

    def test_ends_that_disagree_are_a_failure(self, tmp_path: Path) -> None:
        """The MAC is right, and the receiver drops it: `verify` counts it as wrong."""
        client, server = Key(name="k", send_id=1, recv_id=2), Key(name="k", send_id=1, recv_id=2, secret=b"another")
        told = Conversation([client], server_keys=[server]).handshake()
        assert written(told, tmp_path)[1] == "TCP-AO: FAIL reason=ends-disagree key=k keyid=1 rnext=2 sne=0"

    def test_of_several_keys_that_were_tried_none_is_named(self, tmp_path: Path) -> None:
        keys = [Key(name="one", send_id=1, recv_id=2), Key(name="two", send_id=1, recv_id=2, secret=b"other")]
        told = Conversation(keys).handshake().data("a", 9).sign_with_wrong_secret()
        assert written(told, tmp_path)[4] == "TCP-AO: FAIL reason=mismatch keyid=1 rnext=2 sne=0"


class TestMd5:
    KEY = Key(name="old", algorithm="tcp-md5")

    def test_md5_has_a_prefix_of_its_own(self, tmp_path: Path) -> None:
        assert set(written(Conversation([self.KEY]).handshake(), tmp_path).values()) == {"TCP-MD5: OK key=old"}

    def test_a_wrong_digest_and_an_unsigned_segment_have_it_too(self, tmp_path: Path) -> None:
        told = Conversation([self.KEY]).handshake().data("a", 9).sign_with_wrong_secret().data("b", 3).strip_option()
        found = written(told, tmp_path)
        assert found[4] == "TCP-MD5: FAIL reason=mismatch key=old"
        assert found[5] == "TCP-MD5: FAIL reason=unsigned"

    def test_a_connection_without_any_signature_has_that_of_its_keys(self, tmp_path: Path) -> None:
        keys = Conversation([self.KEY]).key_file()
        found = written(Conversation([]).handshake(), tmp_path, keys)
        assert set(found.values()) == {"TCP-MD5: FAIL reason=unsigned"}


def test_sne_is_told_beyond_a_wrap(tmp_path: Path) -> None:
    told = Conversation([Key(name="k", send_id=1, recv_id=2)]).handshake().wrap("a").data("a", 3)
    assert written(told, tmp_path)[len(told.segments)] == "TCP-AO: OK key=k keyid=1 rnext=2 sne=1"


def test_isns_that_a_search_finds_are_used(tmp_path: Path) -> None:
    """As `verify` does it, so that the two say the same."""
    told = Conversation([Key(name="k")]).handshake().data("a", 9).data("b", 5).data("a", 30).ack("b").data("b", 2)
    whole = told.to_pcap()
    position = 24
    for _ in range(5):  # The handshake is left out, and what was sent at once.
        position += 16 + int.from_bytes(whole[position + 8 : position + 12], "little")
    late, out, keys = tmp_path / "late.pcap", tmp_path / "out.pcapng", tmp_path / "keys.toml"
    late.write_bytes(whole[:24] + whole[position:])
    keys.write_text(told.key_file())
    for options, expected in ((), "OK"), (("--recover-isn", "off"), "UNKNOWN reason=isn-unknown"):
        assert run("annotate", late, out, "--keys", keys, "-q", "--force", *options).status == 0
        comments = [comment for (comment,) in comments_in(out).values()]
        assert [expected in comment for comment in comments] == [True] * 3


class TestNames:
    @pytest.mark.parametrize(
        ("name", "shown"),
        [
            ("2026q4", "2026q4"),
            ("61/84", "61/84"),
            ("größer", "größer"),
            ("two words", '"two words"'),
            ("a=b", '"a=b"'),
            ('quo"te', '"quo\\"te"'),
            ("back\\slash", '"back\\\\slash"'),
            ("line\nend\r\x00\x1b[31m", '"line\\nend\\r\\x00\\x1b[31m"'),
            ("right\u202eleft", '"right\\u202eleft"'),
            ("", '""'),
            ("x" * 500, '"' + "x" * 119 + '…"'),
        ],
    )
    def test_any_name_fits_a_line(self, name: str, shown: str) -> None:
        assert quoted(name) == shown
        assert is_own_comment(f"TCP-AO: OK key={shown} keyid=1".encode())

    def test_an_odd_name_comes_through(self, tmp_path: Path) -> None:
        told = Conversation([Key(name="k", send_id=1, recv_id=2)]).handshake()
        keys = told.key_file().replace('"k"', r'"a \"b\" reason=x \\n é"')
        assert set(written(told, tmp_path, keys).values()) == {
            r'TCP-AO: OK key="a \"b\" reason=x \\n é" keyid=1 rnext=2 sne=0',
            r'TCP-AO: OK key="a \"b\" reason=x \\n é" keyid=2 rnext=1 sne=0',
        }


def test_no_secret_gets_into_the_file(tmp_path: Path) -> None:
    secret = b"a-very-secret-word"
    told = Conversation([Key(secret=secret)]).handshake().data("a", 9).sign_with_wrong_secret()
    written(told, tmp_path)
    octets = (tmp_path / "out.pcapng").read_bytes()
    assert secret not in octets
    assert secret.hex().encode() not in octets


def test_counts_are_those_of_the_comments(tmp_path: Path) -> None:
    told = Conversation([Key()]).handshake().data("a", 9).sign_with_wrong_secret().data("a", 3).strip_option()
    source, out = tmp_path / "in.pcap", tmp_path / "out.pcapng"
    source.write_bytes(told.to_pcap())
    store = store_of(tmp_path, told.key_file())
    counted = annotated(source, out, store).counts
    assert counted == {(Mark.OK, None): 3, (Mark.FAIL, "mismatch"): 1, (Mark.FAIL, "unsigned"): 1}
    assert len(lines_of(out, store)) == 5
