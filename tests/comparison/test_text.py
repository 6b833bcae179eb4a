"""A comparison as text: the conclusion first, values in the order in which segments pass the captures."""

from __future__ import annotations

from pathlib import Path

from tests.comparison.other_side import Passing, compare, seen_from_the_other_side
from tests.comparison.printing import page
from tests.conversation import Conversation, Key, merge

KEY = Key(name="k1", secret=b"a secret of this peer")


def clamp(passing: Passing) -> None:
    passing.replace_option(2, b"\x02\x04\x04\xb0")


def session(**options: object) -> Conversation:
    return Conversation([KEY], **options).handshake().data("a", 45)  # type: ignore[arg-type]


def test_values_stand_as_they_were_sent_and_as_they_arrived(tmp_path: Path) -> None:
    """The other capture given first: B is nearer to the sender."""
    capture = session().capture()
    other = seen_from_the_other_side(capture, clamp)
    text = page(compare(other, capture.to_pcap(), capture.key_file(), tmp_path))
    lines = [line for line in text.splitlines() if "MSS" in line and "of" in line and "covered" in line]
    assert "1460 → 1200" in lines[0]


def test_without_a_known_order_both_captures_are_named(tmp_path: Path) -> None:
    capture = Conversation([KEY]).syn().capture()
    other = seen_from_the_other_side(capture, lambda passing: passing.write(14, 2, 9), hops=False)
    text = page(compare(capture.to_pcap(), other, "", tmp_path))
    assert "65535 in A and 9 in B" in text


def test_an_encoding_without_arrows_gets_ascii(tmp_path: Path) -> None:
    capture = session().capture()
    text = page(
        compare(capture.to_pcap(), seen_from_the_other_side(capture, clamp), capture.key_file(), tmp_path),
        encoding="ascii",
    )
    assert "1460 -> 1200" in text
    assert text.isascii()


def test_the_broken_session_comes_first_and_lines_keep_to_the_width(tmp_path: Path) -> None:
    """MSS is rewritten for one client of two."""
    capture = merge([session(), session(client="10.0.0.9:41000", start_ns=1_790_000_001_000_000_000)])

    def rewrite(passing: Passing) -> None:
        if "10.0.0.9" in (passing.address(0), passing.address(1)):
            clamp(passing)

    comparison = compare(capture.to_pcap(), seen_from_the_other_side(capture, rewrite), capture.key_file(), tmp_path)
    text = page(comparison, 80)
    assert text.index("10.0.0.9") < text.index("10.0.0.1:")
    # The two captures' names come first, and stay whole however long they are.
    assert max(map(len, text[text.index("10.0.0.9") :].splitlines())) <= 80


def test_many_connections_are_counted_unless_all_are_asked_for(tmp_path: Path) -> None:
    capture = merge([Conversation([KEY], client=f"10.0.0.1:{40_000 + number}").syn() for number in range(30)])
    comparison = compare(capture.to_pcap(), seen_from_the_other_side(capture), capture.key_file(), tmp_path)
    assert "and 5 more connections; --all shows them" in page(comparison)
    assert "more connections" not in page(comparison, list_all=True)


def test_what_one_capture_alone_has_says_what_may_bring_it_back(tmp_path: Path) -> None:
    a = session().capture()
    text = page(compare(a.to_pcap(), Conversation([KEY]).to_pcap(), a.key_file(), tmp_path))
    assert "No protected connection is in both captures." in text
    assert "1 connection in A alone" in text
    assert "a [[peer]] with the addresses as B has them" in text
