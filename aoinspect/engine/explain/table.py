"""The table of hypotheses H1 to H32, in the order in which they are tried; docs/explain.md prints it.

A row of the sweep is a function that yields trials: one changed assumption on one failing segment each. Rows without a
function of their own state facts (`stacks`) or need what one capture does not have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from aoinspect.engine.explain import encodings, inputs, isns, keys, options, path
from aoinspect.engine.explain.case import Case, Search, Trial, Unkeyed
from aoinspect.engine.explain.model import Evidence, Hypothesis

Trials = Callable[[Case], Iterator[Trial] | Iterator[Trial | Unkeyed] | Iterator[Trial | Search | Unkeyed]]

_A, _B, _C = Evidence.FIELD, Evidence.SOURCE, Evidence.PLAUSIBLE

HYPOTHESES: tuple[Hypothesis, ...] = (
    Hypothesis(
        "H1",
        "TCP options included where the key excludes them, or the other way round",
        _A,
        "1 a key",
        "the flag the other way; segments with no option but TCP-AO cannot tell and are left out",
    ),
    Hypothesis(
        "H8",
        "the secret's encoding: hexadecimal or text, 0x, quotes, blanks, line ends, NUL, type 7, $9$, base64, case",
        _A,
        "about 45 a key",
        "every derivation of the given secret",
    ),
    Hypothesis("H3", "send and receive ids swapped", _A, "1 a key", "the KeyID looked up as the other end's"),
    Hypothesis(
        "H2",
        "another MKT of the file signed it",
        _A,
        "1 for each key of the files",
        "every key, whatever its ids and peer",
    ),
    Hypothesis(
        "H5",
        "another algorithm with the same secret",
        _A,
        "about 12 a key",
        "every algorithm at the captured MAC's length",
    ),
    Hypothesis("H6", "HMAC-SHA-256: RFC 5926's KDF or the draft's HKDF", _A, "1 a key", "the other of the two"),
    Hypothesis("H7", "the MAC length differs from the key's", _A, "1 a key", "the MAC compared at the captured length"),
    Hypothesis(
        "H17",
        "the key was changed under the same id, and a listener or live connection still has the old one",
        _A,
        "1 for each key of the files that has ended",
        "keys whose lifetime is over; whether connections opened from the other end, or earlier, verify",
    ),
    Hypothesis(
        "H25",
        "no SYN in the capture",
        _A,
        "none",
        "segments whose ISNs are unknown; `--recover-isn` looks for them",
    ),
    Hypothesis("H10", "trailing NOPs or EOL not covered", _A, "2 a key", "the padding left out of the MAC input"),
    Hypothesis("H4", "KeyID unknown", _A, "none", "no key has the KeyID; the nearest one of that peer is named"),
    Hypothesis(
        "H18",
        "key outside its send or accept lifetime when captured",
        _A,
        "none",
        "times compared; an offset of whole quarters of an hour that would explain it",
    ),
    Hypothesis(
        "H28",
        "AO stripped on the path; AO and MD5 together; unsigned segments on a protected connection",
        _A,
        "none",
        "unsigned and malformed segments beside signed ones",
    ),
    Hypothesis(
        "H29",
        "no SYN-ACK ever comes: the SYN's RNextKeyID is no key of the responder",
        _A,
        "none",
        "an unanswered signed SYN, and the responder's keys",
    ),
    Hypothesis("H30", "the peer never followed RNextKeyID", _A, "none", "the timeline"),
    Hypothesis(
        "H31",
        "signer faults: the MAC of the MAC, an all-zero MAC, an all-zero traffic key",
        _A,
        "3 a key",
        "each of them",
    ),
    Hypothesis(
        "H32",
        "TCP-MD5: encodings as H8, checksum not zeroed, options covered, another pseudo-header",
        _A,
        "about 55 a key",
        "each of them",
    ),
    Hypothesis(
        "H9",
        "a CMAC key that has not 16 octets is padded or cut",
        _B,
        "3 a key",
        "in place of RFC 4615's AES-CMAC(0^128, key)",
    ),
    Hypothesis(
        "H11",
        "options zeroed instead of left out; AO itself left out; its KeyIDs zeroed",
        _B,
        "4 a key",
        "each of them",
    ),
    Hypothesis(
        "H12",
        "wrong ISNs in the traffic key",
        _B,
        "up to 9 a key",
        "0, swapped, both in a SYN, the segment's own numbers in their place",
    ),
    Hypothesis("H13", "SNE off: 0 instead of n, one off", _B, "3 a key; 17 without a handshake", "each of them"),
    Hypothesis(
        "H14", "KDF: counter, label, output length, octet order, NUL", _B, "14 a key", "other blocks for the PRF"
    ),
    Hypothesis(
        "H15",
        "MAC input: checksum not zeroed, pseudo-header's length or layout, SNE's place",
        _B,
        "up to 15 a key",
        "other MAC inputs",
    ),
    Hypothesis(
        "H16",
        "the other direction's traffic key",
        _B,
        "up to 25 a key",
        "socket pair and ISNs swapped, also with 0 for an ISN",
    ),
    Hypothesis(
        "H24",
        "the SYN seen is not the one that was accepted",
        _B,
        "1 for each pair of ISNs seen for the socket pair",
        "ISNs of the other handshakes, and of [[connection]]",
    ),
    Hypothesis(
        "H26",
        "segment cut by the snap length, or a piece missing",
        _B,
        "none",
        "`unverifiable`, never `mismatch`",
    ),
    Hypothesis(
        "H27",
        "captured before segmentation or after coalescing",
        _B,
        "none",
        "`unverifiable`, reason `offloaded`",
    ),
    Hypothesis(
        "H19",
        "MSS rewritten on the path",
        _C,
        "65,536 a key, for SYNs alone; at most two searches a connection",
        "every value, for SYN and SYN-ACK where options are covered and nothing else fails",
    ),
    Hypothesis(
        "H20",
        "another option rewritten, added, removed or replaced by NOPs",
        _C,
        "about 5 a key; some 150 for a SYN",
        "each option; SACK-permitted and every window scale in its place",
    ),
    Hypothesis(
        "H21",
        "header bits rewritten: ECN, reserved, PSH, urgent pointer, window",
        _C,
        "about 12 a key",
        "each of them",
    ),
    Hypothesis(
        "H22",
        "sequence numbers shifted by a firewall",
        _C,
        "1 for each pair of ISNs that [[connection]] names",
        "testable only with the true ISNs, or with a capture from the other side",
    ),
    Hypothesis(
        "H23",
        "NAT on the path, or TCP-AO-NAT (RFC 6978)",
        _C,
        "2 for each address that the key files name, and 3",
        "these addresses, and zeros, in place of those captured",
    ),
)

BY_IDENT = {hypothesis.ident: hypothesis for hypothesis in HYPOTHESES}

SWEEP: tuple[tuple[tuple[str, ...], Trials], ...] = (
    (("H1",), options.options_flag),
    (("H8",), encodings.other_encoding),
    (("H3",), keys.ids_swapped),
    (("H2",), keys.another_key),
    (("H5",), keys.another_algorithm),
    (("H6",), keys.another_kdf),
    (("H7",), keys.another_mac_length),
    (("H17",), keys.older_secret),
    (("H10",), options.padding_left_out),
    (("H31",), inputs.signer_faults),
    (("H31",), keys.all_zero_traffic_key),
    (("H32",), encodings.md5_encoding),
    (("H32",), inputs.md5_faults),
    (("H9",), keys.cmac_key_length),
    (("H11",), options.options_spoilt),
    (("H12",), isns.wrong_isns),
    (("H13",), isns.wrong_sne),
    (("H14",), inputs.kdf_faults),
    (("H15",), inputs.mac_input_faults),
    (("H16",), isns.other_direction),
    (("H24",), isns.another_handshake),
    (("H20",), options.options_rewritten),
    (("H21",), path.header_bits),
    (("H22",), isns.sequence_offset),
    (("H23",), path.address_translation),
    (("H1", "H7"), keys.options_and_mac_length),
    (("H1", "H8"), keys.options_and_encoding),
    (("H19",), path.mss_rewritten),
)
"""What is computed, in order. A combination stands behind what it combines."""


def hypotheses_table() -> str:
    """The table as docs/explain.md has it, in Markdown."""
    lines = ["| # | hypothesis | evidence | MACs per failing segment | how it is tested |", "|---|---|---|---|---|"]
    for row in HYPOTHESES:
        lines.append(f"| {row.ident} | {row.title} | {row.evidence.value} | {row.cost} | {row.test} |")
    return "\n".join(lines) + "\n"
