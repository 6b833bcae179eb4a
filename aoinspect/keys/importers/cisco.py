"""What Cisco's three systems write alike: secrets with their type, and the words that messages may show."""

from __future__ import annotations

from collections.abc import Sequence

from aoinspect.keys.importers.indented import Line
from aoinspect.keys.importers.model import Draft, Secret, Word, own_words
from aoinspect.keys.importers.moments import MOMENT_WORDS
from aoinspect.keys.obfuscation import reveal_cisco7

CISCO_WORDS = MOMENT_WORDS | own_words(
    "key chain tcp keychain key key-string accept-lifetime send-lifetime cryptographic-algorithm send-id recv-id",
    "include-tcp-options accept-ao-mismatch accept-ao-mismatch-connection accept-ao-mismatch-connections",
    "ao SendID ReceiveID router bgp neighbor neighbor-group session-group peer-group template peer-session peer",
    "password password6 encrypted clear use inherit vrf enable disable remote-as mpls ldp msdp address-family",
    "ipv4 ipv6 unicast timezone gmt accept-tolerance update-source fallback inheritance-disable",
)

_TYPES = {"clear": "0", "password": "7", "encrypted": "7", "password6": "6"}
"""IOS-XR's words for the types that IOS writes as numbers."""
_UNREADABLE_TYPES = {
    "3": "Cisco type 3",
    "5": "Cisco type 5",
    "6": "Cisco type 6",
    "8": "Cisco type 8",
    "9": "Cisco type 9",
}


def cisco_secret(draft: Draft, line: Line, words: Sequence[Word], *, has_named_types: bool = False) -> Secret:
    """The secret that `words`, the rest of `line`, hold: `[TYPE] SECRET`; a clear one may hold blanks.

    `has_named_types`: the type may be a word of IOS-XR's, which is then no secret itself where nothing follows it.
    """
    if not words:
        return Secret(None)
    kind = words[0].text
    if has_named_types and kind.lower() in _TYPES:
        if len(words) == 1:
            draft.mistake(words[0], "the secret after this word is missing")
            return Secret(None)
        kind = _TYPES[kind.lower()]
    if len(words) == 1 or not (kind in _UNREADABLE_TYPES or kind in ("0", "7")):
        return Secret.of_text(_rest(draft, line, words[0]))
    at = words[1].start
    if kind == "0":
        return Secret.of_text(_rest(draft, line, words[1]))
    if kind in _UNREADABLE_TYPES:
        return Secret.unreadable(_UNREADABLE_TYPES[kind], at)
    try:
        return Secret(reveal_cisco7(words[1].text))
    except ValueError as error:
        draft.mistake(words[1], f"{error}; the secret is a gap")
        return Secret.unreadable("this damaged Cisco type 7 text", at)


def _rest(draft: Draft, line: Line, first: Word) -> str:
    return draft.source.text[first.start : line.end]
