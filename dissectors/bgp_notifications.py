"""What a BGP NOTIFICATION says (RFC 4271 4.5 and 6, RFC 4486, 8538, 9003, 9234, 9384, 9687)."""

from __future__ import annotations

from dissectors.bgp_capabilities import write_capability
from dissectors.bgp_families import write_family
from dissectors.passage import Passage, in_hexadecimal

HEADER_ERROR, OPEN_ERROR, UPDATE_ERROR, HOLD_TIMER, STATE_ERROR, CEASE, REFRESH_ERROR, SEND_HOLD_TIMER = range(1, 9)
ERROR_NAMES = {
    HEADER_ERROR: "Message Header Error",
    OPEN_ERROR: "OPEN Message Error",
    UPDATE_ERROR: "UPDATE Message Error",
    HOLD_TIMER: "Hold Timer Expired",
    STATE_ERROR: "Finite State Machine Error",
    CEASE: "Cease",
    REFRESH_ERROR: "ROUTE-REFRESH Message Error",
    SEND_HOLD_TIMER: "Send Hold Timer Expired",
}
SHUTDOWN, RESET, HARD_RESET = 2, 4, 9
SUBCODE_NAMES: dict[int, dict[int, str]] = {
    HEADER_ERROR: {1: "Connection Not Synchronized", 2: "Bad Message Length", 3: "Bad Message Type"},
    OPEN_ERROR: {
        1: "Unsupported Version Number",
        2: "Bad Peer AS",
        3: "Bad BGP Identifier",
        4: "Unsupported Optional Parameter",
        5: "Authentication Failure (deprecated)",
        6: "Unacceptable Hold Time",
        7: "Unsupported Capability",
        11: "Role Mismatch",
    },
    UPDATE_ERROR: {
        1: "Malformed Attribute List",
        2: "Unrecognized Well-known Attribute",
        3: "Missing Well-known Attribute",
        4: "Attribute Flags Error",
        5: "Attribute Length Error",
        6: "Invalid ORIGIN Attribute",
        7: "AS Routing Loop (deprecated)",
        8: "Invalid NEXT_HOP Attribute",
        9: "Optional Attribute Error",
        10: "Invalid Network Field",
        11: "Malformed AS_PATH",
    },
    STATE_ERROR: {
        1: "Unexpected Message in OpenSent State",
        2: "Unexpected Message in OpenConfirm State",
        3: "Unexpected Message in Established State",
    },
    CEASE: {
        1: "Maximum Number of Prefixes Reached",
        SHUTDOWN: "Administrative Shutdown",
        3: "Peer De-configured",
        RESET: "Administrative Reset",
        5: "Connection Rejected",
        6: "Other Configuration Change",
        7: "Connection Collision Resolution",
        8: "Out of Resources",
        HARD_RESET: "Hard Reset",
        10: "BFD Down",
    },
    REFRESH_ERROR: {1: "Invalid Message Length"},
}
_SUBCODE_FIELDS = {
    HEADER_ERROR: "",
    OPEN_ERROR: "_open",
    UPDATE_ERROR: "_update",
    HOLD_TIMER: "_expired",
    STATE_ERROR: "_state",
    CEASE: "_cease",
    REFRESH_ERROR: "_capability",
}
"""Ends of Wireshark's names; it calls code 7 by the older draft that had it."""


def error_text(code: int, subcode: int) -> str:
    """Code and subcode in words: "Cease: Administrative Shutdown"."""
    name = ERROR_NAMES.get(code, f"Error {code}")
    names = SUBCODE_NAMES.get(code, {})
    if subcode == 0 and 0 not in names:
        return name
    return f"{name}: {names.get(subcode, f'subcode {subcode}')}"


def write_notification(passage: Passage) -> str:
    """Write a NOTIFICATION's error code, subcode and data, and give what it says."""
    return _write_error(passage, is_inner=False)


def _write_error(passage: Passage, *, is_inner: bool) -> str:
    """The error of the message, or the one that a hard reset gives as its reason (RFC 8538 3.1)."""
    major = None if is_inner else "bgp.notify.major_error"
    code = passage.number("Error code", 1, major, lambda code: _with_name(ERROR_NAMES, code))
    minor = None if is_inner else f"bgp.notify.minor_error{_SUBCODE_FIELDS.get(code, '_unknown')}"
    names = {0: "Unspecific", **SUBCODE_NAMES.get(code, {})}
    subcode = passage.number("Error subcode", 1, minor, lambda subcode: _with_name(names, subcode))
    said = error_text(code, subcode)
    if not passage.left:
        return said
    if code == CEASE and subcode == HARD_RESET and not is_inner:
        with passage.element("Reason", passage.left) as reason:
            reason.value = _write_error(reason, is_inner=True)
        return f"{said}: {reason.value}"
    with passage.element("Data", passage.left, "bgp.notify.minor_data") as data:
        data.value = in_hexadecimal(data.remaining())
        data.value = _write_data(data, code, subcode) or data.value
    return f"{said}: {data.value}"


def _write_data(data: Passage, code: int, subcode: int) -> str:
    """Write a notification's data where its meaning is defined, and give it in words."""
    if code == CEASE and subcode in (SHUTDOWN, RESET):
        # RFC 9003 2: a length of one octet, and UTF-8 text.
        size = data.number("Communication length", 1, "bgp.notify.communication_length")
        return f'"{data.text("Shutdown communication", size, "bgp.notify.communication")}"'
    if code == CEASE and subcode == 1 and data.left == 7:
        family = write_family(data, None)
        return f"{family}, {data.number('Upper bound', 4)} prefixes"
    if code == OPEN_ERROR and subcode == 7:
        names = []
        while data.left:
            names.append(write_capability(data))
        return ", ".join(names)
    if code == OPEN_ERROR and subcode == 1 and data.left == 2:
        return f"version {data.number('Largest supported version', 2)}"
    if code == HEADER_ERROR and subcode == 2 and data.left == 2:
        return f"{data.number('Erroneous length', 2)} octets"
    if code == HEADER_ERROR and subcode == 3 and data.left == 1:
        return f"type {data.number('Erroneous type', 1)}"
    data.rest("Octets")
    return ""


def _with_name(names: dict[int, str], number: int) -> str:
    return f"{names[number]} ({number})" if number in names else str(number)
