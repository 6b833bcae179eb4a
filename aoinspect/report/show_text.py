"""One frame as text for a person: the tree of its fields, its octets, and the proof of its MAC.

Nothing is told by colour alone: in the hex dump the signature option stands in brackets and its MAC in braces, and
every verdict has its mark and its word. A traffic key and a TCP-MD5 password are printed only when they are asked for;
master keys never are. Octet ranges are first and last octet, as Wireshark shows them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.text import Text

from aoinspect.capture.linktypes import link_type_name
from aoinspect.engine.attempt import Attempt, InputPart, Isn, KeyFacts
from aoinspect.engine.proof import Proof
from aoinspect.engine.verdicts import Method, Reason, Verdict
from aoinspect.report.frame_view import Dissection, FrameView, Mark
from aoinspect.report.json_form import flag_letters
from aoinspect.report.model import iso_time
from dissectors.base import Field

OCTETS_A_LINE = 16
VERDICT_MARKS = {
    Verdict.VERIFIED: ("✓", "green"),
    Verdict.MISMATCH: ("✗", "bold red"),
    Verdict.NO_KEY: ("✗", "red"),
    Verdict.UNSIGNED: ("✗", "red"),
    Verdict.MALFORMED: ("✗", "red"),
    Verdict.UNVERIFIABLE: ("?", "yellow"),
}
_RANGE_WIDTH = 11
_LABEL_WIDTH = 14
_PART_WIDTH = 36


def print_frame(view: FrameView, console: Console, *, reveal: bool = False) -> None:
    """Writes the view to `console`; `reveal` prints traffic keys and TCP-MD5 passwords."""
    for line in frame_lines(view, reveal=reveal):
        console.print(line, soft_wrap=True)


def frame_lines(view: FrameView, *, reveal: bool = False) -> Iterator[Text]:
    """The view line by line."""
    yield from _head_lines(view)
    yield Text()
    yield from _dissection_lines(view.dissection)
    if view.pieces:
        yield Text()
        frames = ", ".join(map(str, view.pieces))
        if view.datagram is None:
            yield Text(
                f"A piece of an IP datagram of which other pieces are missing; there are those of frames {frames}"
            )
        else:
            yield Text(f"IP datagram put together from frames {frames}", style="bold")
            yield from _dissection_lines(view.datagram)
    yield Text()
    if view.proof is None:
        yield _printable(Text(f"No proof: {view.absence}"))
    else:
        yield from _proof_lines(view.proof, reveal, "datagram" if view.datagram is not None else "frame")


def _head_lines(view: FrameView) -> Iterator[Text]:
    frame = view.frame
    interface = f"interface {frame.interface.index}" + (f" ({frame.interface.name})" if frame.interface.name else "")
    lengths = f"{frame.wire_length} octets"
    if len(frame.octets) != frame.wire_length:
        lengths += f", {len(frame.octets)} of them captured"
    link_type = link_type_name(frame.interface.link_type)
    yield _printable(Text.assemble((f"Frame {view.number}", "bold"), f" of {view.path}: {lengths}"))
    yield _printable(Text(f"{iso_time(frame.time_ns)}, {interface}, link type {link_type}"))
    for comment in frame.comments:
        yield _printable(Text(f"comment: {comment}"))


def _dissection_lines(dissection: Dissection) -> Iterator[Text]:
    for layer in dissection.layers:
        yield from _field_lines(layer, 0)
    if not dissection.layers:
        yield Text("no dissector reads this link type")
    yield Text()
    yield from dump_lines(dissection.octets, dissection.marks)


def _field_lines(field: Field, depth: int) -> Iterator[Text]:
    style = "bold" if depth == 0 else "red" if field.label == "malformed" else ""
    label = f"{field.label}: {field.value}" if field.value else field.label
    yield _printable(
        Text.assemble(
            (octet_range(field.start, field.end).rjust(_RANGE_WIDTH), "dim"), "  " + "  " * depth, (label, style)
        )
    )
    for child in field.children:
        yield from _field_lines(child, depth + 1)


def octet_range(start: int, end: int) -> str:
    """Octets `start` to `end` (exclusive) by first and last: "34–53"; "–" for none."""
    if start >= end:
        return "–"
    return str(start) if end == start + 1 else f"{start}–{end - 1}"


# Hex dump.


def dump_lines(octets: bytes, marks: Iterable[Mark] = ()) -> Iterator[Text]:
    """Offset, hexadecimal and ASCII, 16 octets a line. A mark's option stands in [ ], its MAC in { }."""
    marks = tuple(marks)
    signs = _signs(marks)
    for line_start in range(0, len(octets), OCTETS_A_LINE):
        line = octets[line_start : line_start + OCTETS_A_LINE]
        text = Text(f"{line_start:04x} ")
        for index in range(OCTETS_A_LINE + 1):
            at = line_start + index
            # What closes behind a line's last octet stands there, and is not repeated before the next line's first.
            is_edge = index == OCTETS_A_LINE or at >= len(octets)
            sign = signs.get(at, (" ", " "))[0 if is_edge else 1] if index else signs.get(at, (" ", " "))[1]
            is_used = index <= len(line)
            text.append(sign if is_used else " ")
            if index < OCTETS_A_LINE:
                text.append(f"{line[index]:02x}" if index < len(line) else "  ", _mark_style(marks, at))
        text.append("  " + "".join(chr(octet) if 32 <= octet < 127 else "." for octet in line))
        yield text
    for mark in marks:
        yield Text(
            f"[ ] signature option: octets {octet_range(mark.start, mark.end)}"
            + (f"   {{ }} its MAC: {octet_range(mark.mac_start, mark.end)}" if mark.mac_start < mark.end else "")
        )


def _signs(marks: tuple[Mark, ...]) -> dict[int, tuple[str, str]]:
    """Position -> what stands before its octet: at a line's end, and otherwise."""
    signs: dict[int, tuple[str, str]] = {}
    for mark in marks:
        has_mac = mark.mac_start < mark.end
        closing = "}" if has_mac else "]"
        before = signs.get(mark.start, (" ", " "))[0]
        signs[mark.start] = (before, "[" if before == " " else "|")
        if has_mac:
            signs[mark.mac_start] = (" ", "{")
        signs[mark.end] = (closing, closing)
    return signs


def _mark_style(marks: tuple[Mark, ...], at: int) -> str:
    for mark in marks:
        if mark.start <= at < mark.end:
            return "bold cyan" if at >= mark.mac_start else "cyan"
    return ""


# The proof.


def _proof_lines(proof: Proof, reveal: bool, octets_of: str) -> Iterator[Text]:
    mark, style = VERDICT_MARKS[proof.verdict]
    reason = "" if proof.reason is Reason.NONE else f" ({proof.reason.word})"
    method = {Method.AO: "TCP-AO", Method.MD5: "TCP-MD5", Method.NONE: "TCP"}[proof.method]
    yield Text.assemble((f"{method}: ", "bold"), (f"{mark} {proof.verdict.word}{reason}", style))
    yield _labelled("why", proof.why)
    for missing in proof.missing:
        yield _labelled("missing", missing)
    if proof.refusal is not None:
        yield _labelled("but", f"{proof.receiver.address} drops it, by its own keys: {proof.refusal}")
    if proof.note is not None:
        yield _labelled("note", proof.note)
    if proof.disagreement is not None:
        yield _labelled("!", proof.disagreement, "bold red")
    ends = f"{proof.sender} to {proof.receiver}"
    yield _labelled("connection", f"#{proof.connection}, {proof.direction}: {ends}")
    yield _labelled(
        "segment",
        f"{flag_letters(proof.flags)} seq {proof.seq} ack {proof.ack}, {proof.payload_length} octets of payload",
    )
    if proof.method is Method.NONE:
        return
    if proof.key_id is not None:
        yield _labelled("option", f"KeyID {proof.key_id}, RNextKeyID {proof.rnext_key_id}")
    if proof.method is Method.AO and proof.candidate_count:
        yield _labelled("source ISN", _isn(proof.source_isn))
        yield _labelled("dest. ISN", _isn(proof.destination_isn))
        yield _labelled("SNE", "unknown" if proof.sne is None else str(proof.sne))
    if not proof.attempts:
        yield _labelled("captured MAC", _mac(proof.captured_mac))
    previous = None
    for number, attempt in enumerate(proof.attempts, 1):
        if len(proof.attempts) > 1:
            yield Text()
            yield Text(f"Candidate key {number} of {len(proof.attempts)}", style="bold")
        yield from _attempt_lines(attempt, previous, proof, reveal, octets_of)
        previous = attempt
    if proof.candidate_count > 1 and proof.verdict is Verdict.VERIFIED:
        yield _labelled(
            "candidates", f"{proof.candidate_count} keys have this KeyID here; this is the first that holds"
        )


def _isn(isn: Isn | None) -> str:
    return "unknown" if isn is None else f"{isn.value} ({isn.value:#010x}): {isn.source}"


def _attempt_lines(
    attempt: Attempt, previous: Attempt | None, proof: Proof, reveal: bool, octets_of: str
) -> Iterator[Text]:
    yield _labelled("key", _key(attempt.key, attempt.includes_options))
    if attempt.destination_isn != proof.destination_isn:
        yield _labelled("dest. ISN", _isn(attempt.destination_isn))
    if attempt.context:
        length = sum(len(field.octets) for field in attempt.context)
        if previous is not None and previous.context == attempt.context:
            yield _labelled("KDF context", "as above")
        else:
            yield _labelled("KDF context", f"{length} octets (RFC 5925 5.2)")
            for field in attempt.context:
                yield Text(f"    {field.label:<20}{field.octets.hex(' ')}  {field.value}")
    if attempt.traffic_key is not None:
        shown = _mac(attempt.traffic_key) if reveal else "hidden; --reveal prints it"
        told = "" if attempt.key.log is None else f", as {attempt.key.log} tells it, not derived"
        yield _labelled("traffic key", f"{len(attempt.traffic_key)} octets{told}: {shown}")
    if attempt.parts:
        if previous is not None and previous.parts == attempt.parts:
            yield _labelled("MAC input", "as above")
        else:
            clause = "RFC 2385 2.0" if attempt.includes_options is None else "RFC 5925 5.1"
            yield _labelled("MAC input", f"{attempt.parts[-1].end} octets ({clause})")
            yield Text(f"    {'octets':>{_RANGE_WIDTH - 2}}  {'part':<{_PART_WIDTH}}in {octets_of}", style="dim")
            for part in attempt.parts:
                yield from _part_lines(part, attempt.password if reveal else None)
    yield from _comparison_lines(attempt, proof, octets_of)


def _key(key: KeyFacts, includes_options: bool | None) -> str:
    ids = "" if key.send_id is None else f", send-id {key.send_id} and recv-id {key.recv_id} of its local end"
    covered = {
        True: f", TCP options included ({key.tcp_options})",
        False: f", TCP options excluded ({key.tcp_options})",
        None: "",
    }[includes_options]
    secret = "" if key.has_secret else ", without its secret" if key.log is None else ", traffic keys from a log"
    return f"{key.name!r} ({key.origin}): {key.algorithm}{ids}, MAC of {key.mac_length} octets{covered}{secret}"


def _part_lines(part: InputPart, password: bytes | None) -> Iterator[Text]:
    """One part of a MAC input: octets of the input, name, octets of the frame, and the octets themselves."""
    octets = password if part.octets is None else part.octets
    length = part.end - part.start
    head = f"    {octet_range(part.start, part.end):>{_RANGE_WIDTH - 2}}  "
    origin = "not" if part.place is None else octet_range(*part.place)
    label = f"{head}{part.label:<{_PART_WIDTH}}{origin:<{_RANGE_WIDTH}}"
    if octets is None:
        yield Text(f"{label}{length} octets, hidden; --reveal prints them")
    elif length <= 4:
        yield Text(f"{label}{octets.hex(' ')}")
    else:
        yield Text(label.rstrip())
        for start in range(0, length, OCTETS_A_LINE):
            line = octets[start : start + OCTETS_A_LINE]
            ascii_ = "".join(chr(octet) if 32 <= octet < 127 else "." for octet in line)
            yield Text(f"        {part.start + start:04x}  {line.hex(' '):<{OCTETS_A_LINE * 3}} {ascii_}")


def _comparison_lines(attempt: Attempt, proof: Proof, octets_of: str) -> Iterator[Text]:
    """Computed and captured MAC, one below the other, and where they part."""
    origin = "" if proof.mac_place is None else f"  ({octets_of} {octet_range(*proof.mac_place)})"
    if attempt.computed is None:
        yield _labelled("captured MAC", _mac(attempt.captured) + origin)
        yield _labelled("computed MAC", "cannot be computed: " + _obstacle(attempt))
        return
    yield _labelled("computed MAC", _mac(attempt.computed))
    yield _labelled("captured MAC", _mac(attempt.captured) + origin)
    difference = attempt.first_difference
    indent = " " * (_LABEL_WIDTH + 2)
    if difference is not None:
        yield Text(f"{indent}{'   ' * difference}^^ octet {difference} is the first that differs")
    elif not attempt.matches:
        lengths = f"{len(attempt.captured)} captured, {len(attempt.computed)} by the key"
        yield Text(f"{indent}every octet is equal, but not the length: {lengths}")


def _obstacle(attempt: Attempt) -> str:
    if attempt.lacks_traffic_key:
        return f"{attempt.key.log} does not hold the traffic key of this connection"
    if attempt.key.is_gap:
        return "the key has no secret" + (f" ({attempt.key.gap})" if attempt.key.gap else "")
    if attempt.source_isn is None or attempt.destination_isn is None:
        return "octets that it covers are missing" if attempt.includes_options is None else "an ISN is unknown"
    return "octets that it covers are missing"


def _mac(octets: bytes) -> str:
    return octets.hex(" ") if octets else "of no octets"


def _labelled(label: str, value: str, style: str = "") -> Text:
    return _printable(Text.assemble("  ", (label.ljust(_LABEL_WIDTH), "bold"), (value, style)))


def _printable(text: Text) -> Text:
    """The same without control characters: names and field values come from files that anybody may have written."""
    if text.plain.isprintable():
        return text
    plain = "".join(character if character.isprintable() else "\ufffd" for character in text.plain)
    return Text(plain, spans=text.spans)
