"""Secrets asked for on a terminal: each gap once, nothing shown, an empty line leaves it."""

from __future__ import annotations

import pytest

from aoinspect.keys.importers import ImportContext
from aoinspect.keys.importers.cisco_xe import IOS_XE
from aoinspect.keys.model import KeyStore
from aoinspect.keys.prompt import fill_gaps
from tests.keys.two_ends import end, key

CONFIGURATION = """\
key chain EDGE tcp
 key 1
  send-id 1
  recv-id 2
  cryptographic-algorithm hmac-sha-1
  key-string 6 JDYkqyIFWeBvzpljSfWmRZrmRSRE8syx
 key 2
  send-id 3
  recv-id 4
  cryptographic-algorithm aes-128-cmac
  key-string 0 known already
router bgp 1
 neighbor 192.0.2.1 ao EDGE
 neighbor 192.0.2.2 ao EDGE
"""


def store() -> KeyStore:
    return IOS_XE.read(CONFIGURATION, "xe.cfg", ImportContext())


def secrets(filled: KeyStore) -> list[list[bytes | None]]:
    chains = [peer.mkts for peer in filled.peers] + [chain.mkts for chain in filled.keychains]
    return [[mkt.secret for mkt in mkts] for mkts in chains]


def test_a_gap_is_asked_for_once_and_filled_wherever_the_key_is() -> None:
    prompts: list[str] = []

    def ask(prompt: str) -> str:
        prompts.append(prompt)
        return "typed"

    filled = fill_gaps(store(), ask)
    assert secrets(filled) == [[b"typed", b"known already"]] * 3
    assert all(mkt.gap is None for peer in filled.peers for mkt in peer.mkts)
    assert prompts == [
        'secret of the key "EDGE 1" of xe.cfg:2 (Cisco type 6 cannot be read: fill in the secret (line 6)); '
        "empty: leave it out: "
    ]


def end_of_input(prompt: str) -> str:
    raise EOFError


@pytest.mark.parametrize("ask", [lambda prompt: "", end_of_input])
def test_an_empty_line_and_the_end_of_input_leave_the_gap(ask: object) -> None:
    filled = fill_gaps(store(), ask)  # type: ignore[arg-type]
    assert filled == store()


def test_ctrl_c_goes_through() -> None:
    def interrupted(prompt: str) -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fill_gaps(store(), interrupted)


def test_nothing_is_asked_where_nothing_is_missing() -> None:
    assert fill_gaps(end(key()), end_of_input) == end(key())


def test_a_length_that_the_algorithm_does_not_take_is_asked_for_again() -> None:
    gap = '[[peer.key]]\nsend-id = 1\nrecv-id = 2\nalgorithm = "cmac(aes)"\ngap = "not known"'
    answers = iter(["too short", "sixteen octets!!"])
    prompts: list[str] = []

    def ask(prompt: str) -> str:
        prompts.append(prompt)
        return next(answers)

    assert fill_gaps(end(gap), ask).peers[0].mkts[0].secret == b"sixteen octets!!"
    assert prompts[1] == "cmac(aes) takes 16, 24, 32 octets; once more, or empty to leave it out: "


def test_getpass_is_asked_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getpass", lambda prompt: "typed")
    assert secrets(fill_gaps(store()))[0] == [b"typed", b"known already"]
