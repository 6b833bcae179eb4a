"""What text is a filter, what tree it is, and what is said of text that is none."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aoinspect.engine.filtering import FIELDS, FilterError, parse_filter
from aoinspect.engine.filtering.fields import NOT_IN_THE_TABLE, NOT_IN_THE_TABLE_GROUPS
from aoinspect.engine.filtering.parsing import DEEPEST, parse
from aoinspect.engine.filtering.syntax import Node, text_of
from aoinspect.errors import UsageError
from tests.filtering.trees import filters


def error_of(text: str) -> FilterError:
    with pytest.raises(FilterError) as raised:
        parse_filter(text)
    return raised.value


@settings(max_examples=400, deadline=None)
@given(filters())
def test_a_tree_is_read_back_from_its_text(node: Node) -> None:
    assert parse(text_of(node)) == node


PIECES = (
    *(*FIELDS, "tcp.prot", "frame.len", "==", "!=", "===", "!==", "<", ">=", "in", "not", "!", "and", "or", "xor"),
    *(
        "(",
        ")",
        "{",
        "}",
        ",",
        "..",
        "&",
        "[0:4]",
        "[",
        "179",
        "0x10",
        "0179",
        "-1",
        "10.0.0.1",
        "10.0.0.0/8",
        "fd00::1",
    ),
    *(
        "a1:b2",
        "mismatch",
        "no-key",
        '"a>b"',
        '"',
        "'x",
        "contains",
        "matches",
        '"("',
        "1.5",
        "True",
        " ",
        "é",
        "日本",
        "\n",
    ),
)


@settings(max_examples=600, deadline=None)
@given(
    st.text(max_size=60)
    | st.lists(st.sampled_from(PIECES), max_size=12).map(" ".join)
    | st.lists(st.sampled_from(PIECES), max_size=8).map("".join)
)
@example("")
@example("(" * 5000)
@example("not " * 5000 + "tcp")
@example("tcp" + " and tcp" * 5000)
@example("tcp.port == " + "9" * 5000)
@example("frame.time_epoch == " + "9" * 5000)
@example("ao.key matches '" + "(" * 5000 + "'")
@example("ao.key matches '" + "(?:" * 5000 + ")" * 5000 + "'")
@example("ao.key matches 'a{4294967296}'")
@example("tcp.options.ao.mac == " + "ab" * 30000)
@example("a" * 50000)
@example("tcp.options.ao.mac[999:9]")
@example('frame.time == "9999-12-31 23:59:59"')
@example('frame.time == "0001-01-01T00:00:00+14:00"')
@example("ip.addr == 10.0.0.1/00000000000000000000000008")
@example("tcp.port == ²")
def test_any_text_is_a_filter_or_an_error_with_a_place_in_it(text: str) -> None:
    error = None
    try:
        chosen = parse_filter(text)
    except FilterError as told:
        error = told
    if error is None:
        assert parse_filter(str(chosen)) == chosen
        return
    assert 0 <= error.position <= error.end <= len(text)
    shown, marks = error.rendering.split("\n")
    assert re.fullmatch(r" *\^~*", marks)
    assert len(shown) == len(text)
    assert error.problem


@pytest.mark.parametrize(
    "text, canonical",
    [
        ("tcp.port eq 179", "tcp.port == 179"),
        ("tcp.port==0xB3", "tcp.port == 179"),
        ("tcp.port ne 179 && ! tcp.flags.syn == True", "tcp.port != 179 and not tcp.flags.syn == 1"),
        ("tcp or ip and ipv6", "tcp or ip and ipv6"),
        ("(tcp or ip) and (ipv6)", "(tcp or ip) and ipv6"),
        ("tcp and (ip and ipv6)", "tcp and (ip and ipv6)"),
        ("tcp ^^ ip || ipv6 xor tcp", "tcp xor ip or ipv6 xor tcp"),
        ("not (tcp and ip)", "not (tcp and ip)"),
        ("tcp.port not in {1,2 .. 5}", "not tcp.port in {1, 2..5}"),
        ("ip.addr == 10.1.2.3/8", "ip.addr == 10.0.0.0/8"),
        ("ipv6.src == FD00:0::1", "ipv6.src == fd00::1"),
        ("ao.verdict == NO_KEY", "ao.verdict == no-key"),
        ("ao.direction == 'a>b'", 'ao.direction == "a>b"'),
        (r'ao.key == "\x41\"\\"', r'ao.key == "A\"\\"'),
        (r'ao.key ~ r"\d+"', r'ao.key matches "\\d+"'),
        ("ao.key == edge", 'ao.key == "edge"'),
        ("tcp.options.ao.mac == A1-B2.c3", "tcp.options.ao.mac == a1:b2:c3"),
        ("tcp.options.ao.mac[2] == 0xff", "tcp.options.ao.mac[2:1] == ff"),
        ("tcp.options.ao.mac[0-3] contains a0", "tcp.options.ao.mac[0:4] contains a0"),
        ("tcp.flags & 0x12 == 2", "tcp.flags & 0x12 == 2"),
        ("tcp.flags bitand 2", "tcp.flags & 0x2"),
        ("frame.time_epoch < 1.5", "frame.time_epoch < 1.500000000"),
        ("frame.time_relative > -0.25", "frame.time_relative > -0.250000000"),
        ('frame.time >= "2026-11-23T16:24:00.5+01:00"', 'frame.time >= "2026-11-23 15:24:00.500000000Z"'),
        ("tcp.srcport all_eq tcp.dstport", "tcp.srcport === tcp.dstport"),
    ],
)
def test_every_spelling_has_one_canonical_text(text: str, canonical: str) -> None:
    assert str(parse_filter(text)) == canonical
    assert parse_filter(text) == parse_filter(canonical)


@pytest.mark.parametrize(
    "text, place, problem",
    [
        ('tcp.port == "x"', '"x"', "numbers have no quotes"),
        ("tcp.port == x", "x", "not a whole number"),
        ("tcp.port == 65536", "65536", "too big: the highest value is 65535"),
        ("tcp.port == 0179", "0179", "octal"),
        ("tcp.prot == 179", "tcp.prot", "did you mean tcp.port?"),
        ("TCP.Port == 179", "TCP.Port", "did you mean tcp.port?"),
        ("ao.keyid == 1", "ao.keyid", "did you mean tcp.options.ao.keyid?"),
        ("frame.len > 1000", "frame.len", "not kept for every segment"),
        ("ao.verdict == mismach", "mismach", "verified, mismatch, no-key"),
        ("ao.verdict < mismatch", "<", "has only =="),
        ("ao.direction == a>b", "a", '"a>b", "b>a"'),
        ("ip.addr == fd00::1", "fd00::1", "ipv6.addr"),
        ("ipv6.addr == 10.0.0.1", "10.0.0.1", "ip.addr"),
        ("ip.addr == router", "router", "not an IPv4 address"),
        ("ip.addr == 10.0.0.0/33", "10.0.0.0/33", "from 0 to 32"),
        ("tcp.port == 1 == 2", "==", "one comparison at a time"),
        ("tcp.port = 179", "=", "write =="),
        ("179 == tcp.port", "179", "begins with a field"),
        ("tcp.port 179", "179", "should end here"),
        ("tcp AND ip", "AND", "write and in lower case"),
        ("tcp | ip", "|", "write ||"),
        ("(tcp", "(", "never closed"),
        ("tcp)", ")", "closes nothing"),
        ("tcp and", "", "something is missing"),
        ("tcp.port ==", "", "a value is missing"),
        ("tcp.port in {}", "}", "a value is missing"),
        ("tcp.port in {1 2}", "2", "a , or a }"),
        ("tcp.port in {5..2}", "2", "ends before it begins"),
        ("tcp.port in 179", "179", "a set should stand here"),
        ("ao.key in {a..b}", "..", "no ranges"),
        ("tcp.options.ao == 1", "==", "without a comparison"),
        ("tcp.port contains 1", "contains", "which has only =="),
        ("ao.key matches '('", "'('", "no regular expression"),
        ('ao.key == "edge', '"edge', "a quote is missing"),
        ("tcp.options.ao.mac == a1b", "a1b", "two hexadecimal digits"),
        ("tcp.options.ao.mac[0:4] == a1", "a1", "the slice has 4 octets, and this has 1"),
        ("tcp.options.ao.mac[] == a1", "[]", "a slice is"),
        ("tcp.port[0] == a1", "[0]", "no octets"),
        ("tcp.flags.syn & 1", "tcp.flags.syn", "no bits"),
        ("tcp.flags.syn == 2", "2", "not a boolean"),
        ("tcp.port == tcp.flags.syn", "tcp.flags.syn", "cannot be compared"),
        ("ip.addr == ipv6.addr", "ipv6.addr", "cannot be compared"),
        ("frame.time == noon", "noon", "no date and time"),
        ("frame.time_epoch == 1.0000000001", "1.0000000001", "nine decimals"),
        ("tcp.port == €", "€", "has no meaning"),
    ],
)
def test_an_error_points_at_the_place_and_says_what_to_write(text: str, place: str, problem: str) -> None:
    error = error_of(text)
    assert text[error.position : error.end] == place
    assert problem in error.problem


def test_a_filter_error_is_a_usage_error_that_shows_the_filter_with_a_caret() -> None:
    error = error_of("ao.verdict == mismach and tcp")
    assert isinstance(error, UsageError)
    assert str(error).splitlines()[1:] == [
        "ao.verdict == mismach and tcp",
        "              ^~~~~~~",
    ]


def test_the_caret_stands_right_behind_wide_combining_and_control_characters() -> None:
    error = error_of('ao.key == "日本e\u0301\t" and x')
    shown, marks = error.rendering.split("\n")
    assert shown == 'ao.key == "日本e\u0301 " and x'
    assert marks == " " * len('ao.key == "JJPPe " and ') + "^"


def test_filters_nest_so_deep_and_no_deeper() -> None:
    inside = DEEPEST - 1
    assert str(parse_filter("(" * inside + "tcp" + ")" * inside)) == "tcp"
    assert error_of("(" * DEEPEST + "tcp" + ")" * DEEPEST).position == DEEPEST
    assert error_of("not " * DEEPEST + "tcp").problem.startswith("parentheses and not nest deeper")


@pytest.mark.parametrize("name", [*NOT_IN_THE_TABLE, *(f"{group}.any" for group in NOT_IN_THE_TABLE_GROUPS)])
def test_a_field_that_no_column_holds_is_not_taken_for_a_slip(name: str) -> None:
    assert name not in FIELDS
    assert "did you mean" not in error_of(f"{name} == 1").problem


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_can_be_asked_for_by_its_bare_name(name: str) -> None:
    assert parse_filter(name).fields == {name}
    assert parse_filter(f"not {name} or tcp").fields == {name, "tcp"}
