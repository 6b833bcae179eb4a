"""One packet as a tree of lines, each with the octets it stands for: the dissected fields, and the proof of its MAC.

The proof stands in the node of the signature option.
Octets are of the frame, or of the IP datagram put together from several; every node says of which.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from aoinspect.engine.attempt import Attempt, InputPart, Isn
from aoinspect.engine.proof import Proof
from aoinspect.engine.verdicts import Method, Reason, Verdict
from aoinspect.report.frame_view import FrameView
from aoinspect.report.layout import printable
from aoinspect.report.show_text import VERDICT_MARKS
from dissectors.base import Field

_SIGNATURES = ("tcp.options.ao", "tcp.options.md5")
HIDDEN = "hidden; v shows it"


@dataclass(frozen=True, slots=True)
class Node:
    """A line of the tree. `start` and `end` (exclusive) are positions in the octets; equal where it has none."""

    label: str
    start: int = 0
    end: int = 0
    children: tuple[Node, ...] = ()
    style: str = ""
    name: str | None = None
    """Wireshark's field name, where it has one."""
    is_open: bool = False
    """Shown with its children at first."""
    is_first: bool = False
    """Where the cursor goes at first."""
    copied: str | None = None
    """What copying gives, where that is not the octets."""


def nodes_of(view: FrameView, *, reveal: bool = False) -> tuple[Node, ...]:
    """The tree of a packet. `reveal` shows traffic keys and TCP-MD5 passwords; master keys are never shown."""
    dissection = view.datagram if view.datagram is not None else view.dissection
    proof = view.proof
    nodes = [_field_node(layer, 0) for layer in dissection.layers]
    if proof is None:
        nodes.append(Node(f"no proof: {printable(view.absence or '')}", style="yellow"))
    else:
        proved = tuple(_proof_nodes(proof, reveal))
        placed = [_with_proof(node, proof, proved) for node in nodes]
        is_placed = placed != nodes
        nodes = placed if is_placed else [*nodes, _verdict_node(proof, proved)]
    if not dissection.layers:
        nodes.insert(0, Node("no dissector reads this link type", style="yellow"))
    if view.pieces:
        frames = ", ".join(map(str, view.pieces))
        nodes.insert(0, Node(f"IP datagram of frames {frames}", style="bold"))
    nodes += [Node(f"comment: {printable(comment)}") for comment in view.frame.comments]
    return tuple(nodes)


def octets_of(view: FrameView) -> bytes:
    """The octets that the nodes' positions count."""
    return view.datagram.octets if view.datagram is not None else view.dissection.octets


def _field_node(field: Field, depth: int) -> Node:
    label = printable(f"{field.label}: {field.value}" if field.value else field.label)
    children = tuple(_field_node(child, depth + 1) for child in field.children)
    style = "bold" if depth == 0 else "red" if field.label == "malformed" else ""
    is_open = field.name == "tcp" or (field.name or "").startswith("tcp.options")
    return Node(label, field.start, field.end, children, style, field.name, is_open)


def _with_proof(node: Node, proof: Proof, proved: tuple[Node, ...]) -> Node:
    """`node` with the proof in the signature option below it."""
    # A malformed segment may have several; the proof is about one.
    if node.name in _SIGNATURES and proof.option_place is not None and node.start == proof.option_place[0]:
        verdict = _verdict_node(proof, proved)
        return replace(node, children=(verdict, *node.children), is_open=True)
    children = tuple(_with_proof(child, proof, proved) for child in node.children)
    return node if children == node.children else replace(node, children=children, is_open=True)


def _verdict_node(proof: Proof, proved: tuple[Node, ...]) -> Node:
    mark, style = VERDICT_MARKS[proof.verdict]
    reason = "" if proof.reason is Reason.NONE else f" ({proof.reason.word})"
    start, end = proof.option_place or (0, 0)
    label = f"{mark} {proof.verdict.word}{reason}: {printable(proof.why)}"
    return Node(label, start, end, proved, style, is_open=True, is_first=True)


def _proof_nodes(proof: Proof, reveal: bool) -> Iterator[Node]:
    for missing in proof.missing:
        yield Node(f"missing: {printable(missing)}", style="yellow")
    if proof.refusal is not None:
        yield Node(f"but {proof.receiver.address} drops it, by its own keys: {printable(proof.refusal)}", style="red")
    if proof.note is not None:
        yield Node(f"note: {printable(proof.note)}")
    if proof.disagreement is not None:
        yield Node(printable(proof.disagreement), style="bold red")
    yield Node(f"connection #{proof.connection}, {proof.direction}: {proof.sender} to {proof.receiver}")
    if proof.method is Method.AO and proof.candidate_count:
        yield Node(f"source ISN {_isn(proof.source_isn)}")
        yield Node(f"destination ISN {_isn(proof.destination_isn)}")
        yield Node(f"SNE {'unknown' if proof.sne is None else proof.sne}")
    for number, attempt in enumerate(proof.attempts, 1):
        children = tuple(_attempt_nodes(attempt, proof, reveal))
        key = attempt.key
        lead = f"candidate key {number} of {len(proof.attempts)}" if len(proof.attempts) > 1 else "MKT"
        ids = "" if key.send_id is None else f", send-id {key.send_id}, recv-id {key.recv_id}"
        label = f"{lead}: {printable(key.name)} ({printable(key.origin)}), {key.algorithm}{ids}"
        yield Node(label, children=children, style="bold", is_open=True)
    if not proof.attempts and proof.captured_mac:
        yield Node(f"captured MAC {proof.captured_mac.hex(' ')}", *(proof.mac_place or (0, 0)))
    if proof.candidate_count > 1 and proof.verdict is Verdict.VERIFIED:
        yield Node(f"{proof.candidate_count} keys have this KeyID here; this is the first that holds")


def _isn(isn: Isn | None) -> str:
    return "unknown" if isn is None else f"{isn.value} ({isn.value:#010x}): {printable(isn.source)}"


def _attempt_nodes(attempt: Attempt, proof: Proof, reveal: bool) -> Iterator[Node]:
    if attempt.context:
        length = sum(len(field.octets) for field in attempt.context)
        fields = tuple(
            Node(f"{field.label}: {field.octets.hex(' ')}  {printable(field.value)}", copied=field.octets.hex())
            for field in attempt.context
        )
        yield Node(f"KDF context, {length} octets (RFC 5925 5.2)", children=fields)
    if attempt.traffic_key is not None:
        shown = attempt.traffic_key.hex(" ") if reveal else HIDDEN
        copied = attempt.traffic_key.hex() if reveal else ""
        told = "" if attempt.key.log is None else f", as {printable(attempt.key.log)} tells it, not derived"
        yield Node(f"traffic key, {len(attempt.traffic_key)} octets{told}: {shown}", copied=copied)
    if attempt.parts:
        clause = "RFC 2385 2.0" if attempt.includes_options is None else "RFC 5925 5.1"
        parts = tuple(_part_node(part, attempt, reveal) for part in attempt.parts)
        yield Node(f"MAC input, {attempt.parts[-1].end} octets ({clause})", children=parts)
    computed = "cannot be computed" if attempt.computed is None else attempt.computed.hex(" ")
    copied_mac = None if attempt.computed is None else attempt.computed.hex()
    place = proof.mac_place or (0, 0)
    is_equal = attempt.matches
    yield Node(f"computed MAC {computed}", copied=copied_mac, style="green" if is_equal else "red")
    yield Node(f"captured MAC {attempt.captured.hex(' ')}", *place, style="green" if is_equal else "red")
    difference = attempt.first_difference
    if difference is not None:
        yield Node(f"✗ they differ, from octet {difference} on", style="red")
    elif attempt.computed is not None:
        yield Node("✓ they are equal" if is_equal else "✗ of different length", style="green" if is_equal else "red")


def _part_node(part: InputPart, attempt: Attempt, reveal: bool) -> Node:
    octets = part.octets
    if octets is None and reveal:
        octets = attempt.password
    length = part.end - part.start
    if octets is None:
        shown = f"{length} octets, {HIDDEN}"
    else:
        shown = octets[:24].hex(" ") + (f" … ({length} octets)" if length > 24 else "")
    zeroed = ", as zeros" if part.is_zeroed else ""
    start, end = part.place or (0, 0)
    return Node(f"{part.label}{zeroed}: {shown}", start, end, copied=octets.hex() if octets is not None else "")
