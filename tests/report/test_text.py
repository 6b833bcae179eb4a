"""The text form: what stands first, what is cut, and that it can be read on a terminal of 80 columns."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from rich.cells import cell_len

from aoinspect.engine.verdicts import Verdict
from aoinspect.keys.model import KeyStore
from aoinspect.report.model import Report
from aoinspect.report.problems import Gravity, problems_of
from aoinspect.report.text import LISTED_CONNECTIONS, LISTED_PLACES
from tests.conversation import Capture, Conversation, Key, merge
from tests.recorded import OWN_CAPTURES, SAMPLES, RecordedCapture, outcome
from tests.report.running import ENDLESS, command, page, report_of, report_of_told

every_own_capture = pytest.mark.parametrize("capture", OWN_CAPTURES, ids=lambda capture: capture.name)


def many_conversations(count: int, **changes: int) -> Capture:
    """So many sessions, each between hosts of its own; `changes` are sessions that fail."""
    conversations = []
    for number in range(count):
        conversation = Conversation(client=f"10.1.{number // 200}.{number % 200 + 1}:40000").handshake().data("a", 10)
        if number == changes.get("wrong"):
            conversation.sign_with_wrong_secret()
        conversations.append(conversation)
    return merge(conversations)


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Forty sessions; one segment of the last one is wrong."""
    return report_of_told(many_conversations(40, wrong=39), tmp_path_factory.mktemp("crowd"))


class TestNarrowTerminals:
    @every_own_capture
    @pytest.mark.parametrize("width", [80, 120])
    def test_no_line_is_wider_than_the_terminal_unless_one_word_is(self, capture: RecordedCapture, width: int) -> None:
        for line in page(outcome(capture).report, width).splitlines():
            assert cell_len(line) <= width or " " not in line.strip()

    @every_own_capture
    def test_socket_pairs_and_counts_stay_whole(self, capture: RecordedCapture) -> None:
        report = outcome(capture).report
        text = page(report, 80)
        for connection in report.connections:
            assert f" {connection.a} > {connection.b}" in text
        for verdict in Verdict:
            if report.totals.verdicts[verdict.member]:
                assert re.search(rf"\b{verdict.word}\b", text)

    @every_own_capture
    def test_a_narrow_page_says_the_same_words_above_the_table(self, capture: RecordedCapture) -> None:
        report = outcome(capture).report
        above = [" ".join(page(report, width).partition("\n   #  ")[0].split()) for width in (120, ENDLESS)]
        wide_table = page(report, 120).partition("\n   #  ")[1]
        assert not wide_table or above[0] == above[1]

    def test_ipv6_sessions_with_long_addresses_take_lines_of_their_own(self, tmp_path: Path) -> None:
        long = "2001:db8:aaaa:bbbb:cccc:dddd:eeee"
        session = Conversation(client=f"[{long}:1]:40000", server=f"[{long}:2]:179").handshake()
        text = page(report_of_told(session.capture(), tmp_path), 80)
        assert (
            f"✓  0  [{long}:1]:40000 >\n"
            f"      [{long}:2]:179\n"
            "      frames 1-3: 3 verified\n"
            "      keys: a>b k1 (1); b>a k1 (101)\n"
        ) in text

    def test_columns_are_aligned(self) -> None:
        text = page(outcome(next(c for c in OWN_CAPTURES if c.name == "inject")).report)
        heading, first, second = text.splitlines()[-5:-2]
        for word in ("verified", "mismatch", "no-key", "unsigned", "malformed"):
            end = heading.index(f" {word}") + len(word) + 1
            assert {line[end - 1] for line in (first, second)} <= set("0123456789-")
            assert all(line[end : end + 1] in ("", " ") for line in (first, second))


class TestOrder:
    def test_what_is_wrong_comes_before_the_table_and_the_table_before_the_totals(self, crowd: Report) -> None:
        text = page(crowd, 80)
        assert text.startswith("✗ mismatch: ")
        assert text.index("try: ") < text.index("connection (a > b)") < text.index("160 TCP segments")

    def test_the_failing_connection_is_the_first_row(self, crowd: Report) -> None:
        rows = [line for line in page(crowd, 80).splitlines() if re.match(r"[✓✗?] +\d+  ", line)]
        assert rows[0].split()[:2] == ["✗", "39"]
        assert {row[0] for row in rows[1:]} == {"✓"}

    def test_problems_come_by_gravity(self) -> None:
        for capture in OWN_CAPTURES:
            gravities = [problem.gravity for problem in problems_of(outcome(capture).report)]
            assert gravities == sorted(gravities)


class TestLongLists:
    def test_connections_beyond_the_limit_are_counted_with_a_hint(self, crowd: Report) -> None:
        text = page(crowd, 80)
        assert f"... and {40 - LISTED_CONNECTIONS} more connections; --all lists them" in text

    def test_hidden_failures_are_said_to_be_hidden(self, tmp_path: Path) -> None:
        capture = many_conversations(30)
        keys = re.sub(r'secret-hex = "\w+"', 'secret-hex = "00"', capture.key_file())
        text = page(report_of_told(capture, tmp_path, keys=keys), 80)
        assert "... and 5 more connections, 5 of them failing; --all lists them" in text

    def test_all_lists_every_connection(self, crowd: Report) -> None:
        text = page(crowd, 80, list_all=True)
        assert all(f"{connection.a} > {connection.b}" in text for connection in crowd.connections)
        assert "--all" not in text

    def test_one_key_that_is_wrong_on_many_sessions_is_one_problem(self, tmp_path: Path) -> None:
        # All sessions of one pair of hosts, so that the advice is the same.
        sessions = [Conversation(client=f"10.0.0.1:{40000 + number}").handshake() for number in range(9)]
        capture = merge(sessions)
        keys = re.sub(r'secret-hex = "\w+"', 'secret-hex = "00"', capture.key_file())
        report = report_of_told(capture, tmp_path, keys=keys)
        (problem,) = (problem for problem in problems_of(report) if problem.gravity is Gravity.WRONG)
        assert len(problems_of(report)[problem]) == 9
        assert f"... and {9 - LISTED_PLACES} more connections; --all lists them" in page(report, 80)

    def test_many_keys_of_one_direction_are_cut(self, tmp_path: Path) -> None:
        keys = [Key(f"k{number}", number, 100 + number) for number in range(1, 8)]
        session = Conversation(keys).handshake()
        for number in range(2, 8):
            session.rollover("a", to=number).data("a", 10)
        text = page(report_of_told(session.capture(), tmp_path))
        assert "k1 (1), k2 (2), k3 (3), 4 more" in text


class TestWithoutKeys:
    def test_it_says_what_is_protected_with_which_ids_and_by_whom(self, tmp_path: Path) -> None:
        session = Conversation([Key("k1", 1, 101), Key("k2", 2, 102)]).handshake().rollover("b", to=2).data("b", 10)
        text = page(report_of_told(session.capture(), tmp_path, keys=""), 120)
        assert text.splitlines()[:2] == [
            "#  connection (a > b)             frames  KeyIDs a>b          KeyIDs b>a          signed",
            "0  10.0.0.1:40000 > 10.0.0.2:179  1-5     1 (RNext 101, 102)  101, 102 (RNext 1)       5",
        ]
        assert text.endswith("no keys given: nothing was verified (--keys FILE)\n")

    def test_no_segment_is_blamed_for_the_missing_key(self, tmp_path: Path) -> None:
        text = page(report_of_told(Conversation().handshake().capture(), tmp_path, keys=""), 80)
        assert "no-key" not in text
        assert "✗" not in text

    def test_tcp_md5_has_no_ids(self, tmp_path: Path) -> None:
        session = Conversation([Key("k1", algorithm="tcp-md5")]).handshake()
        text = page(report_of_told(session.capture(), tmp_path, keys=""), 80)
        assert re.search(r"MD5 +MD5 +3$", text, re.MULTILINE)

    def test_nothing_protected_is_said_in_so_many_words(self, tmp_path: Path) -> None:
        text = page(report_of_told(Conversation([]).handshake().capture(), tmp_path, keys=""), 80)
        assert "nothing here is protected: no segment carries an AO or MD5 option" in text


class TestExplanations:
    def test_a_covered_connection_that_was_never_signed_points_to_the_missing_port(self, tmp_path: Path) -> None:
        signed, other = Conversation(), Conversation([], client="10.0.0.1:50000", server="10.0.0.2:443")
        capture = merge([signed.handshake(), other.handshake()])
        keys = signed.key_file().replace("port = 179\n", "")
        report = report_of_told(capture, tmp_path, keys=keys)
        text = " ".join(page(report, 80).split())
        assert "a [[peer]] without `port` covers all TCP between the hosts" in text
        assert "try: if this is another application, name the port in the [[peer]]" in text
        assert "unsigned-segment" not in text

    def test_an_unknown_key_id_is_named_with_its_sender_and_frame(self, tmp_path: Path) -> None:
        session = Conversation().handshake().data("b", 10).name_unknown_key(77)
        text = page(report_of_told(session.capture(), tmp_path))
        assert "✗ no-key: no key of this connection has KeyID 77 for segments from 10.0.0.2" in text
        assert "frame 4: 1 segment, PA from 10.0.0.2:179 with KeyID 77, RNextKeyID 1" in text

    def test_a_connection_that_no_peer_covers_could_not_be_checked_and_is_not_wrong(self, tmp_path: Path) -> None:
        stranger = Conversation(client="10.9.9.9:40000").handshake()
        report = report_of_told(merge([Conversation().handshake(), stranger]), tmp_path, keys=Conversation().key_file())
        text = page(report)
        assert "? no-key: no [[peer]] of the key files covers this connection" in text
        assert text.endswith("? 3 verified, 3 no-key\n")

    def test_every_reason_of_a_connection_is_told(self, tmp_path: Path) -> None:
        session = Conversation().handshake()
        session.data("a", 10).break_option_length(2).data("a", 10).break_option_length(0)
        text = page(report_of_told(session.capture(), tmp_path))
        reasons = [line for line in text.splitlines() if line.startswith("✗ malformed: ")]
        assert len(reasons) == 2

    def test_verified_segments_that_the_receiver_drops_are_told_right_above_the_counts(self) -> None:
        text = page(outcome(next(c for c in OWN_CAPTURES if c.name == "wrong-key")).report)
        assert text.endswith(
            "3 verified segments are dropped by the receiving end's own keys (ends-disagree)\n✗ 3 verified\n"
        )

    def test_several_captures_are_told_apart_by_name(self) -> None:
        report = report_of([SAMPLES / "inject.pcap", SAMPLES / "rotation.pcap"], KeyStore())
        text = page(report)
        assert "inject.pcap 3-40 " in text
        assert "rotation.pcap: 62 frames, 60 TCP segments" in text


class TestColour:
    def test_nothing_is_told_by_colour_alone(self) -> None:
        for capture in OWN_CAPTURES:
            report = outcome(capture).report
            coloured = page(report, 80, has_colour=True)
            assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == page(report, 80)
            assert "\x1b[" in coloured


def test_a_filter_that_chooses_nothing_is_not_a_capture_without_signatures(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(SAMPLES)
    for arguments in ("verify v4-sha1.pcap --keys v4-sha1.toml", "timeline v4-sha1.pcap"):
        run = command(monkeypatch, capsys)(*arguments.split(), "-q", "--filter", "tcp.srcport == 7")
        assert "the filter chooses no segment of a protected connection" in run.out
        assert "nothing here is protected" not in run.out
