"""What a comparison means: what the path does to a session, whether the MAC covers it, and what to change.

A rewritten field is harmless where no MAC covers it, or where the segments verify on both sides. It is what breaks a
session where segments verify on one side alone. Where nothing covered is rewritten, the path is not to blame.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from aoinspect.engine.comparison.model import (
    FIELDS,
    Conclusion,
    DirectionComparison,
    Fate,
    FieldChange,
    FieldName,
    Flow,
    How,
    Outcome,
    Protection,
)
from aoinspect.engine.verdicts import Verdict

_EVERY_PATH = frozenset({FieldName.HOP_LIMIT})
"""What any router rewrites."""

_NAT = frozenset(
    {FieldName.SOURCE_ADDRESS, FieldName.DESTINATION_ADDRESS, FieldName.SOURCE_PORT, FieldName.DESTINATION_PORT}
)
_NUMBERS = frozenset({FieldName.SEQUENCE, FieldName.ACKNOWLEDGMENT})
_SIGNATURE = frozenset({FieldName.AO, FieldName.MD5, FieldName.KEY_ID, FieldName.RNEXT_KEY_ID, FieldName.MAC})
_HEADER = frozenset(
    {FieldName.RESERVED, FieldName.ECN_FLAGS, FieldName.FLAGS, FieldName.WINDOW, FieldName.URGENT_POINTER}
)

_WRONG = frozenset({Verdict.MISMATCH, Verdict.NO_KEY, Verdict.UNSIGNED, Verdict.MALFORMED})

_REMEDIES: tuple[tuple[frozenset[FieldName], str], ...] = (
    (
        frozenset({FieldName.AO, FieldName.MD5}),
        "let the TCP options 29 (TCP-AO) and 19 (TCP-MD5) pass the firewall between the captures unchanged",
    ),
    (
        _NAT,
        "exempt this session from address translation, or carry it through in a tunnel: the MAC covers addresses and "
        "ports (RFC 5925 9.2); TCP-AO-NAT (RFC 6978) helps only where both ends have it",
    ),
    (
        _NUMBERS,
        "switch sequence number randomisation off for this session on the firewall: the MAC covers sequence numbers, "
        "and the traffic keys are derived from the ISNs (RFC 5925 5.2)",
    ),
    (
        frozenset({FieldName.MSS}),
        "switch MSS clamping off for this session, let the sender announce the smaller MSS itself, or exclude TCP "
        "options from the MAC on both ends",
    ),
    (
        frozenset(
            {
                FieldName.WINDOW_SCALE,
                FieldName.SACK_PERMITTED,
                FieldName.SACK,
                FieldName.TIMESTAMP_VALUE,
                FieldName.TIMESTAMP_ECHO,
                FieldName.OTHER_OPTION,
                FieldName.OPTION_ORDER,
                FieldName.PADDING,
            }
        ),
        "have the middlebox leave this session's TCP options alone, switch the option off at its sender, or exclude "
        "TCP options from the MAC on both ends (which helps as long as the header keeps its length)",
    ),
    (
        _HEADER,
        "have the middlebox leave this session's TCP headers alone: the MAC covers them always",
    ),
    (
        frozenset({FieldName.PAYLOAD}),
        "take the device that rewrites payloads (a proxy or an application gateway) out of this session's way",
    ),
)


def conclude(directions: Sequence[DirectionComparison], options_covered: bool | None) -> Conclusion:
    """What two compared directions of one connection come to."""
    changes = [change for direction in directions for change in direction.changes]
    outcome = _outcome(directions, changes)
    return Conclusion(
        outcome=outcome,
        summary=_summary(outcome, changes),
        details=(*_details(directions, changes), *_coverage(changes, options_covered)),
        remedies=tuple(_remedies(outcome, changes)),
    )


def _outcome(directions: Sequence[DirectionComparison], changes: Sequence[FieldChange]) -> Outcome:
    if not any(direction.pairs for direction in directions):
        return Outcome.NO_PAIRS
    if any(change.breaks for change in changes):
        return Outcome.BROKEN
    if any(change.field is FieldName.MAC and change.verified_in_both for change in changes):
        return Outcome.RE_SIGNED
    if any(_is_harmful(change) and change.segments > change.verified_in_both for change in changes):
        return Outcome.UNPROVEN
    if any(_fails(direction) for direction in directions):
        return Outcome.KEYS
    return Outcome.HARMLESS if any(change.field not in _EVERY_PATH for change in changes) else Outcome.INTACT


def _is_harmful(change: FieldChange) -> bool:
    """Whether a MAC covers the field, or may do so."""
    return change.is_covered is not False


def _fails(direction: DirectionComparison) -> bool:
    """Whether segments are wrong in both captures alike."""
    return any(pair.verdict_a in _WRONG and pair.verdict_b in _WRONG for pair in direction.verdicts)


def _summary(outcome: Outcome, changes: Sequence[FieldChange]) -> str:
    match outcome:
        case Outcome.NO_PAIRS:
            return "no segment of this connection is in both captures"
        case Outcome.BROKEN:
            # What breaks takes other fields with it: those that the same rewriting explains are named once.
            return f"the path breaks this session's signatures: {_named(_breaking(changes))}"
        case Outcome.RE_SIGNED:
            return f"something on the path signs this session anew: {_named(filter(_is_harmful, changes))}"
        case Outcome.UNPROVEN:
            return (
                f"the path rewrites what the MAC covers, {_named(filter(_is_harmful, changes))}; "
                "no key shows which side is right"
            )
        case Outcome.KEYS:
            return "the path is not to blame: what the MAC covers is the same in both captures, and fails in both"
        case Outcome.HARMLESS:
            rewritten = [change for change in changes if change.field not in _EVERY_PATH]
            return f"the path rewrites nothing that matters to the MAC: {_named(rewritten)}"
        case Outcome.INTACT:
            return "the path leaves everything alone that a MAC covers"


def _breaking(changes: Iterable[FieldChange]) -> list[FieldChange]:
    found = [change for change in changes if change.breaks]
    # A header gets shorter because an option is gone, and a stripped option has no MAC to compare.
    is_shortened = any(change.how in (How.REMOVED, How.ADDED) for change in found)
    return [change for change in found if not (is_shortened and change.field is FieldName.HEADER_LENGTH)]


def _named(changes: Iterable[FieldChange]) -> str:
    """ "source address, MSS": each field once."""
    return ", ".join(dict.fromkeys(_label(change) for change in changes))


def _label(change: FieldChange) -> str:
    how = {
        How.CHANGED: "",
        How.REMOVED: " removed",
        How.ADDED: " added",
        How.REPLACED_BY_NOPS: " replaced by NOPs",
        How.NOPS_REPLACED: " in the place of NOPs",
    }[change.how]
    return change.label + how


def _details(directions: Sequence[DirectionComparison], changes: Sequence[FieldChange]) -> Iterator[str]:
    for direction in directions:
        yield from _verdict_sentences(direction)
    for direction in directions:
        yield from _fate_sentences(direction)
    if any(change.field is FieldName.SEQUENCE for change in changes):
        yield from _sequence_sentence(changes)


def _verdict_sentences(direction: DirectionComparison) -> Iterator[str]:
    """Which side's octets verify."""
    counts: dict[tuple[bool, bool], int] = defaultdict(int)
    for pair in direction.verdicts:
        counts[pair.verdict_a is Verdict.VERIFIED, pair.verdict_b is Verdict.VERIFIED] += pair.segments
    sender = direction.sender_a.address
    receiving = {Flow.A_TO_B: "B", Flow.B_TO_A: "A", Flow.UNKNOWN: ""}[direction.flow]
    for good, bad, count in (("A", "B", counts[True, False]), ("B", "A", counts[False, True])):
        if not count:
            continue
        follows = (
            f", though {good} is nearer to the receiver: {bad} was captured before the octets were final"
            if receiving == good
            else ", so what the MAC covers is altered between the two"
        )
        verify = "verifies" if count == 1 else "verify"
        yield f"{_segments(count)} from {sender} {verify} in {good} and not in {bad}{follows}"
    for pair in direction.verdicts:
        if pair.verdict_a in _WRONG and pair.verdict_b in _WRONG:
            fail = "is wrong" if pair.segments == 1 else "are wrong"
            words = dict.fromkeys((pair.verdict_a.word, pair.verdict_b.word))
            yield f"{_segments(pair.segments)} from {sender} {fail} in both captures alike ({' and '.join(words)})"


def _fate_sentences(direction: DirectionComparison) -> Iterator[str]:
    sender = direction.sender_a.address
    for fate, capture, count in direction.fates:
        other = "B" if capture == "A" else "A"
        segments, are = _segments(count), "is" if count == 1 else "are"
        match fate:
            case Fate.LOST:
                yield f"{segments} from {sender} passed {capture} and never came to {other}"
            case Fate.DUPLICATED:
                yield f"{segments} from {sender} {are} in {capture} as a further copy, which {other} does not have"
            case Fate.INSERTED:
                yield (
                    f"{segments} from {sender} {are} in {capture} alone, which is nearer to the receiver: "
                    f"{other} missed it, or somebody between sent it"
                )
            case Fate.RECUT:
                yield (
                    f"{segments} from {sender} in {capture} with octets that {other} has cut differently: segmentation "
                    "offload at a capture point, or a proxy between"
                )
            case Fate.OUTSIDE:
                yield (
                    f"{segments} from {sender} {are} in {capture} alone, before or behind everything in {other}, which "
                    "may not have run then"
                )
            case Fate.UNKNOWN:
                yield f"{segments} from {sender} {are} in {capture} alone"


def _sequence_sentence(changes: Sequence[FieldChange]) -> Iterator[str]:
    """Whether what one direction's sequence numbers go through is undone in the other's acknowledgments."""
    sequences = {change.direction: change.offset for change in changes if change.field is FieldName.SEQUENCE}
    acknowledgments = {
        change.direction: change.offset for change in changes if change.field is FieldName.ACKNOWLEDGMENT
    }
    for direction, offset in sequences.items():
        if offset is None:
            yield f"the sequence numbers of {direction} do not differ by one offset: octets are inserted or removed"
            continue
        back = "b>a" if direction == "a>b" else "a>b"
        if acknowledgments.get(back) == offset:
            yield (
                f"sequence numbers of {direction} are {offset:+d} in B, and so are the acknowledgments of them: "
                "one offset for the whole connection, as a firewall's randomisation gives"
            )


def _segments(count: int) -> str:
    return f"{count} segment{'s' * (count != 1)}"


def _coverage(changes: Sequence[FieldChange], options_covered: bool | None) -> Iterator[str]:
    """Whether the MAC covers what is rewritten."""
    harmless = [change for change in changes if FIELDS[change.field].protection is Protection.NEVER]
    if harmless:
        yield f"harmless, for no MAC covers it: {_named(harmless)}"
    always = [change for change in changes if FIELDS[change.field].protection is Protection.ALWAYS]
    if always:
        yield f"the MAC always covers: {_named(always)}"
    options = [change for change in changes if FIELDS[change.field].protection is Protection.OPTIONS]
    if options:
        words = {
            True: "TCP options are included in the MAC, which therefore covers",
            False: "TCP options are excluded from the MAC, which therefore does not cover",
            None: "it is not known for all segments whether the MAC includes TCP options; if so, it covers",
        }[options_covered]
        yield f"{words}: {_named(options)}"


def _remedies(outcome: Outcome, changes: Sequence[FieldChange]) -> Iterator[str]:
    if outcome is Outcome.KEYS:
        yield "look for the fault in the keys: `aoinspect explain` with one of the captures"
        return
    if outcome not in (Outcome.BROKEN, Outcome.UNPROVEN):
        return
    guilty = {
        change.field for change in changes if (change.breaks if outcome is Outcome.BROKEN else _is_harmful(change))
    }
    told = [words for fields, words in _REMEDIES if fields & guilty]
    yield from told
    if told:
        return
    if FieldName.HEADER_LENGTH in guilty:
        yield (
            "have the middlebox overwrite options with NOPs, or leave them alone, and not cut them out: the MAC covers "
            "the header's length always"
        )
    elif guilty & _SIGNATURE:
        yield "take the device that alters signatures out of this session's way"
