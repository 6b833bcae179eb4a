"""Cisco type 7 and Junos `$9$` against netutils, an independent implementation of both."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoinspect.keys.obfuscation import disguise_cisco7, disguise_junos9, reveal_cisco7, reveal_junos9

netutils_password = pytest.importorskip("netutils.password", reason="netutils is not installed")

PRINTABLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=25)


@given(PRINTABLE, st.integers(0, 15))
def test_what_netutils_disguises_as_type_7_is_revealed(secret: str, salt: int) -> None:
    assert reveal_cisco7(netutils_password.encrypt_cisco_type7(secret, salt)) == secret.encode()


@given(PRINTABLE)
def test_netutils_reveals_what_is_disguised_as_type_7(secret: str) -> None:
    assert netutils_password.decrypt_cisco_type7(disguise_cisco7(secret.encode())) == secret


@given(PRINTABLE)
def test_what_netutils_disguises_as_junos_9_is_revealed(secret: str) -> None:
    assert reveal_junos9(netutils_password.encrypt_juniper_type9(secret)) == secret.encode()


@given(PRINTABLE)
def test_netutils_reveals_what_is_disguised_as_junos_9(secret: str) -> None:
    assert netutils_password.decrypt_juniper_type9(disguise_junos9(secret.encode())) == secret


@given(st.binary(max_size=120))
def test_every_octet_survives_either_disguise(secret: bytes) -> None:
    if secret:
        assert reveal_cisco7(disguise_cisco7(secret)) == secret
    assert reveal_junos9(disguise_junos9(secret)) == secret
