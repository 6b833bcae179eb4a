"""One frame as JSON (`aoinspect.frame/1`). Scripts read this: members are added, and never change or go.

Octets are hexadecimal strings; `start` and `end` (exclusive) count octets of the frame, or of `datagram` where there is
one. A traffic key and a TCP-MD5 password are null unless they were asked for; a master key is never in it.
"""

from __future__ import annotations

import json

from aoinspect.engine.attempt import Attempt, InputPart, Isn, KeyFacts
from aoinspect.engine.proof import Proof
from aoinspect.engine.results import EndResult
from aoinspect.engine.verdicts import Method, Reason
from aoinspect.report.frame_view import Dissection, FrameView
from aoinspect.report.json_form import JsonObject, flag_letters
from aoinspect.report.model import iso_time
from dissectors.base import Field

SCHEMA = "aoinspect.frame/1"


def frame_object(view: FrameView, *, reveal: bool = False) -> JsonObject:
    """The view as plain dictionaries and lists; `reveal` puts traffic keys and TCP-MD5 passwords in."""
    frame = view.frame
    return {
        "schema": SCHEMA,
        "capture": view.path,
        "frame": view.number,
        "time": iso_time(frame.time_ns),
        "captured_length": len(frame.octets),
        "wire_length": frame.wire_length,
        "link_type": frame.interface.link_type,
        "interface": {"index": frame.interface.index, "name": frame.interface.name},
        "comments": list(frame.comments),
        **_dissection(view.dissection),
        "pieces": list(view.pieces),
        "datagram": None if view.datagram is None else _dissection(view.datagram),
        "proof": None if view.proof is None else _proof(view.proof, reveal),
        "absence": view.absence,
    }


def frame_json(view: FrameView, *, reveal: bool = False, indent: int | None = 1) -> str:
    """The view as JSON text; on one line where `indent` is None."""
    return json.dumps(frame_object(view, reveal=reveal), indent=indent, ensure_ascii=False)


def _dissection(dissection: Dissection) -> JsonObject:
    return {"octets": dissection.octets.hex(), "layers": [_field(layer) for layer in dissection.layers]}


def _field(field: Field) -> JsonObject:
    return {
        "label": field.label,
        "value": field.value,
        "start": field.start,
        "end": field.end,
        "name": field.name,
        "fields": [_field(child) for child in field.children],
    }


def _proof(proof: Proof, reveal: bool) -> JsonObject:
    is_signed = proof.method is not Method.NONE
    return {
        "verdict": proof.verdict.word,
        "reason": None if proof.reason is Reason.NONE else proof.reason.word,
        "why": proof.why,
        "missing": list(proof.missing),
        "note": proof.note,
        "disagreement": proof.disagreement,
        "ends_disagree": proof.refusal,
        "method": proof.method.word,
        "connection": proof.connection,
        "direction": proof.direction,
        "sender": _end(proof.sender),
        "receiver": _end(proof.receiver),
        "flags": flag_letters(proof.flags),
        "seq": proof.seq,
        "ack": proof.ack,
        "payload_length": proof.payload_length,
        "key_id": proof.key_id,
        "rnext_key_id": proof.rnext_key_id,
        "mac": proof.captured_mac.hex() if is_signed else None,
        "option": _range(proof.option_place),
        "mac_place": _range(proof.mac_place),
        "source_isn": _isn(proof.source_isn),
        "destination_isn": _isn(proof.destination_isn),
        "sne": proof.sne,
        "candidates": proof.candidate_count,
        "attempts": [_attempt(attempt, reveal) for attempt in proof.attempts],
    }


def _end(end: EndResult) -> JsonObject:
    return {"address": end.address, "port": end.port, "isn": end.isn}


def _range(place: tuple[int, int] | None) -> JsonObject | None:
    return None if place is None else {"start": place[0], "end": place[1]}


def _isn(isn: Isn | None) -> JsonObject | None:
    return None if isn is None else {"value": isn.value, "source": isn.source}


def _attempt(attempt: Attempt, reveal: bool) -> JsonObject:
    traffic_key = attempt.traffic_key if reveal else None
    return {
        "key": _key(attempt.key),
        "matches": attempt.matches,
        "includes_options": attempt.includes_options,
        "source_isn": _isn(attempt.source_isn),
        "destination_isn": _isn(attempt.destination_isn),
        "sne": attempt.sne,
        "kdf_context": [
            {"label": field.label, "value": field.value, "octets": field.octets.hex()} for field in attempt.context
        ],
        "traffic_key": None if traffic_key is None else traffic_key.hex(),
        "mac_input": [_part(part, attempt.password if reveal else None) for part in attempt.parts],
        "computed_mac": None if attempt.computed is None else attempt.computed.hex(),
        "captured_mac": attempt.captured.hex(),
        "first_difference": attempt.first_difference,
    }


def _key(key: KeyFacts) -> JsonObject:
    return {
        "name": key.name,
        "origin": key.origin,
        "algorithm": key.algorithm,
        "send_id": key.send_id,
        "recv_id": key.recv_id,
        "mac_length": key.mac_length,
        "tcp_options": key.tcp_options,
        "has_secret": key.has_secret,
        "gap": key.gap,
        "log": key.log,
    }


def _part(part: InputPart, password: bytes | None) -> JsonObject:
    octets = password if part.octets is None else part.octets
    return {
        "label": part.label,
        "start": part.start,
        "end": part.end,
        "octets": None if octets is None else octets.hex(),
        "frame": _range(part.place),
        "zeroed": part.is_zeroed,
    }
