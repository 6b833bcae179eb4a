"""Explanations as JSON (`aoinspect.explanation/1`). Scripts read this: members are added, and never change or go.

`explanation_member` is what the report has of an account. No secret is in any of it, nor in what corrects a key.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from aoinspect.engine.explain import Account, Explanation
from aoinspect.engine.explain.advice import VENDOR_WORDS
from aoinspect.engine.results import ConnectionResult, EndResult
from aoinspect.report.explain_text import one_line
from aoinspect.report.json_form import JsonObject

SCHEMA = "aoinspect.explanation/1"


def explanation_member(account: Account) -> JsonObject:
    """The `explanation` of one connection in `aoinspect.report/1`."""
    first = account.explanations[0] if account.explanations else None
    return {
        "hypothesis": None if first is None else first.ident,
        "confidence": None if first is None else first.confidence.value,
        "matched": 0 if first is None else first.matched,
        "tried": account.tried,
        "message": one_line(account),
    }


def accounts_object(
    accounts: Sequence[Account], connections: Mapping[int, ConnectionResult], captures: Sequence[str]
) -> JsonObject:
    """All accounts as plain dictionaries and lists; `connections` by their id, `captures` by their index."""
    return {
        "schema": SCHEMA,
        "captures": list(captures),
        "connections": [_account(account, connections[account.connection]) for account in accounts],
    }


def accounts_json(
    accounts: Sequence[Account], connections: Mapping[int, ConnectionResult], captures: Sequence[str]
) -> str:
    """The same as indented JSON text."""
    return json.dumps(accounts_object(accounts, connections, captures), indent=1, ensure_ascii=False)


def _account(account: Account, connection: ConnectionResult) -> JsonObject:
    return {
        "connection": account.connection,
        "a": _end(connection.a),
        "b": _end(connection.b),
        "failing": account.failing,
        "tried": account.tried,
        "explanations": [_explanation(explanation) for explanation in account.explanations],
        "unexplained": _frames(account.unexplained),
        "ruled_out": list(account.ruled_out),
        "not_tried": list(account.not_tried),
        "not_tried_without_secret": list(account.unkeyed),
        "would_decide": list(account.would_decide),
        "note": account.note or None,
        "macs": account.macs,
    }


def _explanation(explanation: Explanation) -> JsonObject:
    hypothesis, knob = explanation.hypothesis, explanation.knob
    return {
        "hypothesis": explanation.ident,
        "title": hypothesis.title,
        "evidence": hypothesis.evidence.value,
        "confidence": explanation.confidence.value,
        "message": explanation.summary,
        "changed": explanation.changed or None,
        "origin": explanation.origin,
        "matched": explanation.matched,
        "tried": explanation.tried,
        "failing": explanation.failing,
        "bits": explanation.bits,
        "frames": _frames(explanation.frames),
        "senders": list(explanation.senders),
        "key": explanation.key,
        "key_origin": explanation.key_origin,
        "key_file_remedy": explanation.file_remedy or None,
        "device_remedy": explanation.device_remedy or None,
        "knob": None if knob is None else knob.value,
        "vendor_words": {} if knob is None else dict(VENDOR_WORDS[knob]),
        "is_corrected_by_write": explanation.correction is not None,
    }


def _end(end: EndResult) -> JsonObject:
    return {"address": end.address, "port": end.port, "isn": end.isn}


def _frames(frames: Sequence[tuple[int, int]]) -> list[JsonObject]:
    return [{"capture": capture, "frame": frame} for capture, frame in frames]
