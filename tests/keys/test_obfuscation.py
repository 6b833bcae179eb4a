"""Cisco type 7 and Junos `$9$`."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoinspect.keys.obfuscation import reveal_cisco7, reveal_junos9


@pytest.mark.parametrize(
    ("disguised", "secret"),
    [("011A08105E19091F", b"interop"), ("070d265c", b"bgp"), ("02050D480809", b"cisco")],
)
def test_cisco_type_7_strings_of_real_configurations_are_revealed(disguised: str, secret: bytes) -> None:
    assert reveal_cisco7(disguised) == secret


def test_a_cisco_type_7_pad_starts_over_at_its_end() -> None:
    # The pad ends in "7" and begins with "d".
    assert reveal_cisco7("52" + bytes([ord("7") ^ ord("a"), ord("d") ^ ord("b")]).hex()) == b"ab"


@pytest.mark.parametrize("wrong", ["", "07", "070", "07zz", "xx0d265c", "530d26", "070d26 5c", "0٧0d"])
def test_what_is_not_cisco_type_7_is_a_clear_error(wrong: str) -> None:
    with pytest.raises(ValueError, match="not a Cisco type 7 string"):
        reveal_cisco7(wrong)


@pytest.mark.parametrize(("disguised", "secret"), [("$9$.PT3REyv87CtMX-waJz36", b"interop"), ("$9$LbHX-wg4Z", b"lc")])
def test_junos_strings_of_real_configurations_are_revealed(disguised: str, secret: bytes) -> None:
    assert reveal_junos9(disguised) == secret


@pytest.mark.parametrize("wrong", ["", "$9$", "$8$aes256-gcm", "LbHX-wg4Z", "$9$ä", "$9$Q", "$9$LbHX-wg4", "$9$iii"])
def test_what_is_not_junos_9_is_a_clear_error(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"Junos \$9\$ string"):
        reveal_junos9(wrong)


def secret_or_message(reveal: Callable[[str], bytes], disguised: str) -> bytes | str:
    try:
        return reveal(disguised)
    except ValueError as error:
        return str(error)


def test_a_cut_junos_string_never_gives_a_part_of_the_secret_alone_unless_cut_between_two_octets() -> None:
    whole = "$9$.PT3REyv87CtMX-waJz36"
    outcomes = [secret_or_message(reveal_junos9, whole[:length]) for length in range(len(whole))]
    messages = {outcome for outcome in outcomes if isinstance(outcome, str)}
    assert {outcome for outcome in outcomes if isinstance(outcome, bytes)} == {
        b"interop"[:octets] for octets in range(7)
    }
    assert "is not a whole Junos $9$ string: it is cut short" in messages


WHAT_IS_SAID = {
    "is not a Cisco type 7 string: two decimal digits, then pairs of hexadecimal digits",
    "is not a Cisco type 7 string: its first two digits exceed 52",
    "is not a Junos $9$ string: it must start with $9$ (and $8$ cannot be read)",
    "is not a Junos $9$ string: it holds a character that Junos never writes, or none",
    "is not a Junos $9$ string: a character follows itself, which Junos never writes",
    "is not a Junos $9$ string: part of it stands for no octet",
    "is not a whole Junos $9$ string: it is cut short",
}
"""The same words whatever the text was: none of them can be a part of it."""


@given(st.text())
def test_no_text_makes_either_scheme_fail_in_another_way_than_a_value_error(text: str) -> None:
    for reveal, disguised in ((reveal_cisco7, text), (reveal_junos9, text), (reveal_junos9, "$9$" + text)):
        outcome = secret_or_message(reveal, disguised)
        assert isinstance(outcome, bytes) or outcome in WHAT_IS_SAID
