"""The two readers that most importers share, and what a message may show of a line."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aoinspect.keys.importers.braced import Statement, read_braced
from aoinspect.keys.importers.indented import Line, read_lines
from aoinspect.keys.importers.model import Source, own_words, shown_line

WORDS = own_words("key chain cryptographic-algorithm neighbor ao key-string password secret")


def tree(line: Line) -> list[object]:
    return [child.text if not child.children else (child.text, tree(child)) for child in line.children]


def blocks(statements: list[Statement]) -> list[object]:
    return [
        " ".join(word.text for word in statement.words)
        if statement.block is None
        else (" ".join(word.text for word in statement.words), blocks(statement.block))
        for statement in statements
    ]


class TestIndentedLines:
    def test_a_line_belongs_to_the_nearest_line_above_that_is_indented_less(self) -> None:
        text = "a\n b\n   c\n  d\n e\nf\n"
        assert tree(read_lines(text)) == [("a", [("b", ["c", "d"]), "e"]), "f"]

    def test_comments_end_every_block_only_at_the_margin(self) -> None:
        assert tree(read_lines("a\n b\n !\n c\n!\n d\n")) == [("a", ["b", "c"]), "d"]
        assert tree(read_lines("a\n b\n #\n c\n#\n d\n")) == [("a", ["b", "c"]), "d"]

    def test_tabs_count_to_the_next_eighth_column(self) -> None:
        assert tree(read_lines("a\n        b\n\tc\n\t d\n")) == [("a", ["b", ("c", ["d"])])]

    @pytest.mark.parametrize(
        "banner",
        [
            "banner motd ^C\nkey chain X\n more ^C\n",
            "banner motd ^C one line ^C\n",
            "banner login #\nkey chain X\n#\n",
            "banner login\nkey chain X\nEOF\n",
        ],
    )
    def test_nothing_in_a_banner_is_configuration(self, banner: str) -> None:
        assert [line.text for line in read_lines(banner + "after\n").children][1:] == ["after"]

    def test_words_know_where_they_stand_and_quotes_hold_blanks(self) -> None:
        text = '\r\n  key-string 7 "a b"  tail\r\n'
        (line,) = read_lines(text).children
        assert [(word.text, text[word.start : word.end]) for word in line.words] == [
            ("key-string", "key-string"),
            ("7", "7"),
            ("a b", '"a b"'),
            ("tail", "tail"),
        ]

    def test_a_line_begins_with_whole_words_whatever_their_case_and_blanks(self) -> None:
        (line,) = read_lines("Key   chain EDGE\n").children
        assert line.begins("key chain")
        assert not line.begins("key cha")
        assert not line.begins("key chain edges")
        words = line.after("key chain")
        assert words is not None
        assert [word.text for word in words] == ["EDGE"]

    @settings(deadline=None)
    @given(st.text(alphabet=st.sampled_from('ab!#" \t\n\r^C')))
    def test_every_word_stands_where_it_says(self, text: str) -> None:
        for line in read_lines(text).descendants():
            for word in line.words:
                assert text[word.start : word.end].strip('"') == word.text.strip('"')


class TestBraces:
    def test_semicolons_end_statements_and_braces_hold_them(self) -> None:
        read = read_braced("a { b c; d { e; } }\nf;")
        assert blocks(read.statements) == [("a", ["b c", ("d", ["e"])]), "f"]
        assert read.mistakes == []

    def test_line_ends_end_statements_where_they_are_asked_to(self) -> None:
        read = read_braced('a {\n b c\n d "e\\" { f" {\n g\n }\n}\n', line_ends=True)
        assert blocks(read.statements) == [("a", ["b c", ('d e" { f', ["g"])])]

    def test_comments_are_no_words(self) -> None:
        read = read_braced('a /* { */ b; # c { }\nd#e "#f"; ## SECRET-DATA\n')
        assert blocks(read.statements) == ["a b", "d#e #f"]

    def test_what_is_not_closed_or_closes_nothing_is_told_at_its_place(self) -> None:
        read = read_braced('} a { b "c\nd;')
        assert [(start, message.split(":")[0]) for start, _, message in read.mistakes] == [
            (0, "this brace closes nothing"),
            (8, "this quote is not closed on its line"),
            (4, "the block that opens here is not closed"),
        ]
        assert blocks(read.statements) == [("a", ["b c d"])]

    def test_absurd_indentation_ends(self) -> None:
        depth = 0
        line = read_lines("\n".join(" " * n + "address-family" for n in range(3000)))
        while line.children:
            line = line.children[0]
            depth += 1
        assert depth < 100

    def test_absurd_nesting_is_told_and_ends(self) -> None:
        read = read_braced("a {" * 10_000)
        assert read.mistakes[0][2] == "blocks are nested too deeply"

    @settings(deadline=None)
    @given(st.text(alphabet=st.sampled_from('ab{};"\\#/* \n')), st.booleans())
    def test_any_text_is_read_and_every_word_stands_where_it_says(self, text: str, line_ends: bool) -> None:
        waiting = list(read_braced(text, line_ends=line_ends).statements)
        while waiting:
            statement = waiting.pop()
            waiting += statement.block or []
            assert statement.words
            for word in statement.words:
                assert word.is_quoted or text[word.start : word.end] == word.text


class TestWhatAMessageShows:
    @pytest.mark.parametrize(
        ("line", "place", "shown", "carets"),
        [
            (
                "  cryptographic-algorithm hunter2",
                "hunter2",
                "cryptographic-algorithm ***",
                "                        ^^^",
            ),
            ("key chain 7", "7", "key chain 7", "          ^"),
            ("  key-string 7 011A08 tail", "011A08", "key-string ***", "           ^^^"),
            (
                " neighbor 192.0.2.1 password 0 x y",
                "x",
                "neighbor 192.0.2.1 password ***",
                "                            ^^^",
            ),
            (' secret "a b" ;', '"a b"', "secret ***", "       ^^^"),
            ("neighbor\t2001:db8::1   ao X", "X", "neighbor 2001:db8::1 ao ***", "                        ^^^"),
            ("12345 key", "key", "*** key", "    ^^^"),
        ],
    )
    def test_only_what_the_grammar_knows(self, line: str, place: str, shown: str, carets: str) -> None:
        start = line.rindex(place)
        told, caret_start, caret_end = shown_line(line, start, start + len(place), WORDS)
        assert (told, " " * caret_start + "^" * (caret_end - caret_start)) == (shown, carets)

    @settings(deadline=None)
    @given(st.text(), st.integers(0, 50), st.integers(0, 50))
    def test_a_caret_stands_under_what_is_shown_whatever_the_line(self, line: str, start: int, length: int) -> None:
        line = line.replace("\n", "")
        told, caret_start, caret_end = shown_line(line, start, start + length, WORDS)
        assert 0 <= caret_start < max(caret_end, 1) <= max(len(told), 1)

    def test_lines_and_columns_are_found_from_offsets(self) -> None:
        source = Source("ab\r\ncd\n\nef", "f")
        assert [source.line_and_column(offset) for offset in (0, 4, 7, 8, 9)] == [
            (1, 0),
            (2, 0),
            (3, 0),
            (4, 0),
            (4, 1),
        ]
        assert source.line_text(1) == "ab"
        assert str(source.origin(5)) == "f:2"
