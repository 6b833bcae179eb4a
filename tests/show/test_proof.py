"""What the proof of one segment says, on conversations whose truth is known (signed by `tests.reference_signer`)."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import cast

import pytest

from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.proof import Proof
from aoinspect.engine.reading import analyse
from aoinspect.engine.single_frame import CaptureSource, place_in_frame
from aoinspect.engine.verdicts import NO_MKT, Reason, Verdict
from aoinspect.errors import UsageError
from aoinspect.keys import load_keys
from aoinspect.report.frame_view import FrameView
from aoinspect.report.show_text import frame_lines
from dissectors.registry import Registry
from tests import packets, reference_signer
from tests.conversation import Conversation, Key
from tests.packets import Record, write_pcap
from tests.show.running import Analysed

LARGE = 3000


class Scene:
    """A conversation written to disk and analysed."""

    def __init__(self, folder: Path, conversation: Conversation, key_file: str | None = None) -> None:
        self.conversation = conversation
        capture, keys = folder / "a.pcap", folder / "a.toml"
        capture.write_bytes(conversation.to_pcap())
        keys.write_text(conversation.key_file() if key_file is None else key_file)
        self.analysed = Analysed(capture, keys)

    def view(self, number: int = -1) -> FrameView:
        return self.analysed.view(number % (self.analysed.frames + 1))

    def proof(self, number: int = -1) -> Proof:
        proof = self.view(number).proof
        assert proof is not None
        assert proof.disagreement is None
        return proof

    def text(self, number: int = -1, *, reveal: bool = False) -> str:
        return "\n".join(line.plain for line in frame_lines(self.view(number), reveal=reveal))


def expected_input(conversation: Conversation, index: int) -> bytes:
    segment = conversation.segments[index]
    plan = segment.plan
    assert plan.key is not None
    return reference_signer.mac_input(
        plan.sne, plan.source.address, plan.destination.address, segment.segment, plan.key.include_options
    )


def told_input(proof: Proof) -> bytes:
    return b"".join(part.octets or b"" for part in proof.attempts[0].parts)


@pytest.mark.parametrize("include_options", [True, False])
@pytest.mark.parametrize("addresses", [("10.0.0.1:40000", "10.0.0.2:179"), ("[fd00::1]:40000", "[fd00::2]:179")])
@pytest.mark.parametrize("mac_length", [4, 5, 10, 12, 16])
def test_the_input_and_the_mac_are_the_ones_of_the_reference_signer(
    tmp_path: Path, mac_length: int, addresses: tuple[str, str], include_options: bool
) -> None:
    key = Key(mac_length=mac_length, include_options=include_options)
    conversation = Conversation([key], client=addresses[0], server=addresses[1], timestamps=True)
    scene = Scene(tmp_path, conversation.handshake().data("a", 50).data("b", 33))
    for number in range(1, 6):
        proof = scene.proof(number)
        segment = conversation.segments[number - 1]
        assert proof.verdict is Verdict.VERIFIED
        assert told_input(proof) == expected_input(conversation, number - 1)
        assert proof.attempts[0].computed == segment.mac
        assert len(segment.mac) == mac_length
        assert proof.attempts[0].includes_options is include_options
        labels = [part.label for part in proof.attempts[0].parts]
        assert any(label.startswith("options") for label in labels) == include_options


def test_an_sne_above_zero_enters_the_input(tmp_path: Path) -> None:
    conversation = Conversation(client_isn=2**32 - 1000).handshake().wrap("a").data("a", 10)
    proof = Scene(tmp_path, conversation).proof()
    assert proof.verdict is Verdict.VERIFIED
    assert proof.sne == 1
    assert proof.attempts[0].parts[0].octets == b"\0\0\0\1"


def test_isns_are_traced_to_the_frames_that_told_them(tmp_path: Path) -> None:
    proof = Scene(tmp_path, Conversation().handshake().data("b", 10)).proof()
    assert proof.source_isn is not None
    assert proof.destination_isn is not None
    assert (proof.source_isn.value, proof.destination_isn.value) == (0x99AABBCC, 0x11223344)
    assert proof.source_isn.source == "the sequence number of the SYN-ACK in frame 2"
    assert proof.destination_isn.source == "the sequence number of the SYN in frame 1"


def test_an_isn_that_only_the_syn_ack_acknowledges_is_traced_to_it(tmp_path: Path) -> None:
    proof = Scene(tmp_path, Conversation().handshake().data("a", 10).lose(0)).proof()
    assert proof.source_isn is not None
    assert proof.source_isn.source == "the acknowledgment number - 1 of the SYN-ACK in frame 1"


def test_an_isn_of_the_key_file_names_its_line(tmp_path: Path) -> None:
    conversation = Conversation().established(client_octets=5000, server_octets=7000).data("a", 10)
    scene = Scene(tmp_path, conversation, conversation.key_file(with_connections=True))
    isn = scene.proof().source_isn
    assert isn is not None
    assert isn.source.startswith("[[connection]] of ")
    line = int(isn.source.rpartition(":")[2])
    assert (tmp_path / "a.toml").read_text().splitlines()[line - 1] == "[[connection]]"


def test_an_inferred_isn_is_called_inferred(tmp_path: Path) -> None:
    isn = Scene(tmp_path, Conversation().established().ack("a").data("b", 10)).proof().source_isn
    assert isn is not None
    assert "inferred" in isn.source


def test_isns_that_became_known_later_are_a_note_and_no_internal_error(tmp_path: Path) -> None:
    conversation = Conversation().established().ack("a").data("a", 10).data("a", 20).reorder(by=2)
    proof = Scene(tmp_path, conversation).proof(1)
    assert proof.reason is Reason.ISN_UNKNOWN
    assert proof.note == "the ISNs became known behind this segment; with them the MAC matches, under SNE 0"


def test_a_syn_rests_on_its_own_isn_and_zero(tmp_path: Path) -> None:
    proof = Scene(tmp_path, Conversation().syn()).proof()
    assert proof.destination_isn is not None
    assert proof.destination_isn.value == 0
    assert proof.attempts[0].context[-1].octets == bytes(4)


def test_a_mismatch_shows_the_right_mac_and_the_first_octet_that_differs(tmp_path: Path) -> None:
    conversation = Conversation().handshake().data("a", 40)
    right = conversation.segments[-1].mac
    conversation.flip_bit(20 + 4 + 5, frame=-1)  # The option comes first among these: octet 5 of the MAC.
    scene = Scene(tmp_path, conversation)
    proof = scene.proof()
    assert proof.verdict is Verdict.MISMATCH
    (attempt,) = proof.attempts
    assert attempt.computed == right
    assert attempt.first_difference == 5
    computed, captured, pointer = scene.text().splitlines()[-3:]
    assert computed.split("computed MAC")[1].strip() == right.hex(" ")
    assert captured.index(right.hex(" ")[:14]) == computed.index(right.hex(" ")[:14])
    assert pointer.index("^^") == computed.index(right.hex(" ")) + 5 * 3


def test_a_mismatch_is_shown_under_every_candidate_key(tmp_path: Path) -> None:
    first, second = Key("k1", 1, 101), Key("k2", 1, 101, secret=b"another secret")
    conversation = Conversation([first, second]).handshake().data("a", 9).sign_with_wrong_secret()
    scene = Scene(tmp_path, conversation)
    proof = scene.proof()
    assert [attempt.key.name for attempt in proof.attempts] == ["k1", "k2"]
    computed = [attempt.computed for attempt in proof.attempts]
    assert None not in computed
    assert len({*computed, conversation.segments[-1].mac}) == 3
    text = scene.text()
    assert "Candidate key 2 of 2" in text
    assert text.count("as above") == 2  # Context and input are the first key's.


def test_a_verified_segment_shows_the_key_that_holds_and_counts_the_others(tmp_path: Path) -> None:
    keys = [Key("k1", 1, 101, secret=b"another secret"), Key("k2", 1, 101)]
    conversation = Conversation(keys).switch("a", keys[1]).handshake()
    proof = Scene(tmp_path, conversation).proof(1)
    assert proof.verdict is Verdict.VERIFIED
    assert [attempt.key.name for attempt in proof.attempts] == ["k2"]
    assert proof.candidate_count == 2


def test_a_mac_of_another_length_shows_that_its_octets_agree(tmp_path: Path) -> None:
    scene = Scene(tmp_path, Conversation().handshake().data("a", 9).change_mac_length(8))
    proof = scene.proof()
    assert (proof.verdict, proof.reason) == (Verdict.MISMATCH, Reason.MAC_LENGTH)
    assert proof.why == "the captured MAC has 8 octets, that of key 'k1' has 12"
    assert not proof.attempts[0].matches


def test_no_key_names_the_key_ids_that_there_are(tmp_path: Path) -> None:
    proof = Scene(
        tmp_path, Conversation([Key(), Key("k2", 2, 102)]).handshake().data("a", 9).name_unknown_key(77)
    ).proof()
    assert proof.verdict is Verdict.NO_KEY
    assert proof.why == "no key has KeyID 77 for segments from 10.0.0.1:40000; the key file has KeyID 1, 2"
    assert proof.attempts == ()


def test_unsigned_and_malformed_segments_say_what_is_wrong(tmp_path: Path) -> None:
    conversation = Conversation().handshake().data("a", 9).strip_option().data("b", 9).add_second_option()
    scene = Scene(tmp_path, conversation)
    assert scene.proof(4).why == ("neither a TCP-AO nor a TCP-MD5 option, and the key file covers this socket pair")
    assert scene.proof(5).why == "more than one TCP-AO option (RFC 5925 2.2)"


class TestWhatIsMissing:
    """unverifiable: the capture cannot prove it either way; the proof says what it would take."""

    def test_truncated_counts_the_octets(self, tmp_path: Path) -> None:
        conversation = Conversation().handshake().data("a", 100).cut(80)
        scene = Scene(tmp_path, conversation)
        proof = scene.proof()
        assert proof.reason is Reason.TRUNCATED
        whole = len(conversation.segments[-1].segment)
        assert proof.missing == (f"{whole - 60} of the segment's {whole} octets: the snap length cut them",)
        # Context and traffic key need no payload.
        assert proof.attempts[0].context
        assert "cannot be computed: octets that it covers are missing" in scene.text()

    def test_unknown_isns_are_named_by_end(self, tmp_path: Path) -> None:
        conversation = Conversation().established(client_octets=5000, server_octets=7000).data("a", 10)
        proof = Scene(tmp_path, conversation).proof()
        assert [missing.split(":179")[0].split(":40000")[0] for missing in proof.missing] == [
            "the ISN of 10.0.0.1",
            "the ISN of 10.0.0.2",
        ]
        assert proof.attempts[0].computed is None

    def test_offloaded_names_the_mss(self, tmp_path: Path) -> None:
        conversation = Conversation().handshake().data("a", LARGE).sign_with_wrong_secret()
        proof = Scene(tmp_path, conversation).proof()
        assert proof.reason is Reason.OFFLOADED
        (missing,) = proof.missing
        assert f"{LARGE} octets of payload are more than the MSS of " in missing

    def test_a_key_without_secret_is_named_with_what_to_do(self, tmp_path: Path) -> None:
        conversation = Conversation().handshake()
        scene = Scene(tmp_path, conversation)
        store = load_keys([str(tmp_path / "a.toml")])
        (peer,) = store.peers
        gaps = tuple(dataclasses.replace(mkt, secret=None, gap="type 6 cannot be read") for mkt in peer.mkts)
        store = dataclasses.replace(store, peers=(dataclasses.replace(peer, mkts=gaps),))
        analyzer = Analyzer(store, Registry(use_entry_points=False))
        scene.analysed.reader = scene.analysed.source.open()
        analyse([scene.analysed.reader], analyzer)
        scene.analysed.analyzer = analyzer
        proof = scene.proof(2)
        assert proof.reason is Reason.NO_SECRET
        assert proof.missing == (f"the secret of key 'k1' ({peer.mkts[0].origin}): type 6 cannot be read",)
        assert proof.attempts[0].context
        assert proof.attempts[0].traffic_key is None

    def test_a_missing_fragment_is_said(self, tmp_path: Path) -> None:
        conversation = Conversation().handshake().data("a", 400)
        scene = fragmented(tmp_path, conversation, drop_last=True)
        view = scene.view(4)
        assert view.pieces == (4, 5)
        assert view.datagram is None
        proof = scene.proof(5)
        assert proof.reason is Reason.FRAGMENT
        assert proof.missing == ("the other pieces of the IP datagram that this is the first piece of",)


def fragmented(folder: Path, conversation: Conversation, *, drop_last: bool = False) -> Scene:
    """The conversation with its last segment in fragments of 160 octets."""
    scene = Scene(folder, conversation)
    *whole, last = conversation.capture().records(packets.raw)
    pieces = packets.ip_fragments(last.octets, 160)
    records = [*whole, *(Record(piece, len(piece), last.time_ns) for piece in pieces[: -1 if drop_last else None])]
    (folder / "a.pcap").write_bytes(write_pcap(records, link_type=packets.RAW))
    scene.analysed = Analysed(folder / "a.pcap", folder / "a.toml")
    return scene


@pytest.mark.parametrize("addresses", [("10.0.0.1:40000", "10.0.0.2:179"), ("[fd00::1]:40000", "[fd00::2]:179")])
def test_a_segment_in_fragments_is_proven_from_its_pieces(tmp_path: Path, addresses: tuple[str, str]) -> None:
    conversation = Conversation(client=addresses[0], server=addresses[1]).handshake().data("a", 400)
    scene = fragmented(tmp_path, conversation)
    for number in (4, 5, 6):
        view = scene.view(number)
        proof = scene.proof(number)
        assert view.pieces == (4, 5, 6)
        assert view.datagram is not None
        assert proof.verdict is Verdict.VERIFIED
        assert told_input(proof) == expected_input(conversation, -1)
        assert proof.mac_place is not None
        assert view.datagram.octets[slice(*proof.mac_place)] == conversation.segments[-1].mac
        assert "IP datagram put together from frames 4, 5, 6" in scene.text(number)


class TestTcpMd5:
    """RFC 2385 2.0: the digest covers no options, and the password comes last."""

    KEY = Key("md5", algorithm="tcp-md5", secret=b"hunter2 and more")

    def scene(self, folder: Path) -> Scene:
        return Scene(folder, Conversation([self.KEY]).handshake().data("a", 21))

    def test_the_input_is_the_reference_signers(self, tmp_path: Path) -> None:
        scene = self.scene(tmp_path)
        proof = scene.proof()
        assert proof.verdict is Verdict.VERIFIED
        assert proof.attempts[0].computed == scene.conversation.segments[-1].mac
        assert [part.label for part in proof.attempts[0].parts] == [
            *(f"pseudo-header: {field}" for field in ("source address", "destination address")),
            *(f"pseudo-header: {field}" for field in ("zero", "protocol", "TCP length")),
            *("TCP header", "checksum, zeroed", "urgent pointer", "payload", "password"),
        ]

    def test_the_password_is_a_part_with_its_length_only(self, tmp_path: Path) -> None:
        scene = self.scene(tmp_path)
        hidden, revealed = scene.text(), scene.text(reveal=True)
        assert "password" in hidden
        assert f"{len(self.KEY.secret)} octets, hidden" in hidden
        for spelling in (self.KEY.secret.decode(), self.KEY.secret.hex(), self.KEY.secret.hex(" ")):
            assert spelling not in hidden
        assert self.KEY.secret.hex(" ") in revealed
        assert self.KEY.secret.decode() not in repr(scene.proof())


def test_a_proof_keeps_its_traffic_key_out_of_its_repr(tmp_path: Path) -> None:
    proof = Scene(tmp_path, Conversation().handshake()).proof(3)
    traffic_key = proof.attempts[0].traffic_key
    assert traffic_key is not None
    assert repr(traffic_key) not in repr(proof)
    assert "testvector" not in repr(proof)


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [("verdict", Verdict.MISMATCH, "the table says mismatch"), ("mkt", NO_MKT, "the table names no key")],
)
def test_a_table_that_says_otherwise_is_an_internal_error_and_said(
    tmp_path: Path, column: str, value: int, told: str
) -> None:
    scene = Scene(tmp_path, Conversation().handshake())
    table = scene.analysed.analyzer.table
    assert table is not None
    getattr(table.rows, column)[2] = value
    proof = cast(Proof, scene.view(3).proof)
    assert proof.disagreement is not None
    assert proof.disagreement.startswith(f"internal error: {told}")
    assert proof.disagreement in scene.text(3)


def test_a_frame_that_is_not_the_rows_is_refused(tmp_path: Path) -> None:
    from aoinspect.engine.proof import prove

    scene = Scene(tmp_path, Conversation().handshake())
    (tmp_path / "other").mkdir()
    other = Scene(tmp_path / "other", Conversation(client="10.9.9.9:1", server="10.8.8.8:2").syn())
    place = place_in_frame(scene.analysed.analyzer.registry, other.view(1).frame)
    assert place is not None
    with pytest.raises(UsageError, match="is not the one that was analysed"):
        prove(scene.analysed.analyzer, 0, place)


def test_ends_that_disagree_are_told_with_the_proof(tmp_path: Path) -> None:
    conversation = Conversation([Key()], server_keys=[Key(secret=b"the other")]).syn()
    scene = Scene(tmp_path, conversation)
    assert scene.proof(1).refusal == "another secret"
    assert "10.0.0.2 drops it, by its own keys: another secret" in scene.text(1)


def test_a_source_opened_twice_starts_at_the_front_each_time(tmp_path: Path) -> None:
    Scene(tmp_path, Conversation().handshake())
    with CaptureSource(str(tmp_path / "a.pcap")) as source:
        for _ in range(2):
            (batch,) = source.open().batches()
            assert (batch.first_frame, len(batch)) == (1, 3)
