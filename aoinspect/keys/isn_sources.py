"""ISNs from what routers and Linux print of a live connection, as entries of `[[connection]]`.

Known are the TCP listings of IOS, IOS-XE and IOS-XR (`show tcp`, `show tcp detail pcb all`: "Local host", "Foreign
host", `iss`, `irs`), of Junos (`show system connections extensive`: one line with both sockets, then `iss`, `irs`),
and dumps of Linux's TCP_AO_REPAIR (`snt_isn`, `rcv_isn`, `snd_sne`, `rcv_sne` with `local` and `remote`; text or
JSON). They differ in layout and agree in what matters: a line or object names both sockets, and the numbers that
follow belong to it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address

from aoinspect.ao.mkt import Origin
from aoinspect.errors import KeyFileError
from aoinspect.keys.addresses import parse_endpoint
from aoinspect.keys.model import Address, KnownConnection
from aoinspect.keys.text_file import read_text

_ADDRESS = r"(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]+)"
_LOCAL_HOST = re.compile(rf"local\s+host:\s*({_ADDRESS}),\s*local\s+port:\s*(\d+)", re.IGNORECASE)
_FOREIGN_HOST = re.compile(rf"foreign\s+host:\s*({_ADDRESS}),\s*foreign\s+port:\s*(\d+)", re.IGNORECASE)
_JUNOS_PAIR = re.compile(rf"^\s*tcp[46]*\s+\d+\s+\d+\s+({_ADDRESS})\.(\d+)\s+({_ADDRESS})\.(\d+)\b", re.IGNORECASE)
_SOCKET = re.compile(
    r"\b(local|remote)\s*[=:]\s*\"?(\[[0-9A-Fa-f:.]+\]:\d+|\d{1,3}(?:\.\d{1,3}){3}:\d+)\"?", re.IGNORECASE
)
_NUMBER = re.compile(r"\b(iss|irs|snt_isn|rcv_isn|snd_sne|rcv_sne)\"?\s*[=:]\s*(0x[0-9A-Fa-f]+|\d+)\b", re.IGNORECASE)
_MEMBERS = {
    "iss": "local_isn",
    "snt_isn": "local_isn",
    "irs": "remote_isn",
    "rcv_isn": "remote_isn",
    "snd_sne": "local_sne",
    "rcv_sne": "remote_sne",
}


@dataclass(slots=True)
class _Draft:
    """One connection of a listing, as far as it has been read."""

    line: int
    local: tuple[Address, int] | None = None
    remote: tuple[Address, int] | None = None
    numbers: dict[str, int] | None = None

    def put(self, name: str, number: int) -> None:
        self.numbers = self.numbers or {}
        self.numbers.setdefault(_MEMBERS[name.lower()], number)


def read_isns(path: str) -> tuple[KnownConnection, ...]:
    """The connections that the listing in the file at `path` tells the ISNs of.

    KeyFileError where the file cannot be read, a number does not fit, or no connection is told.
    """
    return parse_isns(read_text(path), path)


def parse_isns(text: str, path: str) -> tuple[KnownConnection, ...]:
    """The same for a text; `path` is what messages call it."""
    drafts = list(_json_drafts(text)) if text.lstrip().startswith(("{", "[")) else list(_text_drafts(text))
    found = []
    errors = []
    for draft in drafts:
        numbers = draft.numbers or {}
        if draft.local is None or draft.remote is None:
            if numbers:
                errors.append(f"{path}:{draft.line}: ISNs without both sockets: the listing's head is missing")
            continue
        if not {"local_isn", "remote_isn"} <= numbers.keys():
            if numbers:
                errors.append(f"{path}:{draft.line}: one ISN of this connection is missing (iss and irs are needed)")
            continue
        if max(numbers.values()) > 0xFFFFFFFF:
            errors.append(f"{path}:{draft.line}: a number of this connection exceeds 32 bits")
            continue
        found.append(
            KnownConnection(
                local=draft.local,
                remote=draft.remote,
                local_isn=numbers["local_isn"],
                remote_isn=numbers["remote_isn"],
                local_sne=numbers.get("local_sne"),
                remote_sne=numbers.get("remote_sne"),
                origin=Origin(path, draft.line),
            )
        )
    if errors:
        raise KeyFileError("\n".join(errors))
    if not found:
        raise KeyFileError(
            f"{path}:1: no connection with its ISNs in here; known are `show tcp detail` of IOS and IOS-XR, "
            "`show system connections extensive` of Junos, and TCP_AO_REPAIR dumps of Linux"
        )
    return tuple(found)


def _text_drafts(text: str) -> Iterator[_Draft]:
    draft = _Draft(1)
    for number, line in enumerate(text.splitlines(), 1):
        sockets = _sockets_in(line)
        starts_another = any(getattr(draft, end) is not None for end in sockets) or (
            bool(sockets) and draft.numbers is not None
        )
        if starts_another:
            yield draft
            draft = _Draft(number)
        elif sockets and draft.local is None and draft.remote is None:
            draft.line = number
        for end, socket in sockets.items():
            setattr(draft, end, socket)
        for name, value in _NUMBER.findall(line):
            draft.put(name, int(value, 0) if value.lower().startswith("0x") else int(value))
    yield draft


def _sockets_in(line: str) -> dict[str, tuple[Address, int]]:
    """The sockets that a line names, by "local" and "remote"."""
    junos = _JUNOS_PAIR.match(line)
    told = [("local", junos.group(1), junos.group(2)), ("remote", junos.group(3), junos.group(4))] if junos else []
    for end, pattern in (("local", _LOCAL_HOST), ("remote", _FOREIGN_HOST)):
        host = pattern.search(line)
        if host is not None:
            told.append((end, host.group(1), host.group(2)))
    sockets = {}
    for end, address, port in told:
        try:
            sockets[end] = (ip_address(address), int(port))
        except ValueError:
            continue
    for end, socket in _SOCKET.findall(line):
        try:
            sockets[end.lower()] = parse_endpoint(socket)
        except ValueError:
            continue
    return {end: socket for end, socket in sockets.items() if 0 < socket[1] < 65536}


def _json_drafts(text: str) -> Iterator[_Draft]:
    """TCP_AO_REPAIR dumps as JSON: objects with `local`, `remote` and the numbers, in `repair` or beside them."""
    try:
        document = json.loads(text)
    except ValueError:
        yield from _text_drafts(text)
        return
    pending = [document]
    while pending:
        value = pending.pop(0)
        if isinstance(value, list):
            pending = value + pending
        elif isinstance(value, dict):
            draft = _Draft(1, _json_socket(value.get("local")), _json_socket(value.get("remote")))
            repair = value.get("repair")
            for source in (value, repair if isinstance(repair, dict) else {}):
                for name in _MEMBERS:
                    if isinstance(source.get(name), int) and source[name] >= 0:
                        draft.put(name, source[name])
            if draft.local is not None and draft.remote is not None:
                yield draft
            else:
                pending = [item for item in value.values() if isinstance(item, dict | list)] + pending


def _json_socket(value: object) -> tuple[Address, int] | None:
    """A socket as "address:port" or as [address, port]."""
    try:
        if isinstance(value, str):
            return parse_endpoint(value)
        if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], int):
            return ip_address(value[0]), value[1]
    except ValueError:
        return None
    return None


def connection_entry(known: KnownConnection) -> str:
    """`known` as a `[[connection]]` of a key file."""
    lines = [
        "[[connection]]",
        f'local = "{socket_text(known.local)}"',
        f'remote = "{socket_text(known.remote)}"',
        f"local-isn = {known.local_isn:#010x}",
        f"remote-isn = {known.remote_isn:#010x}",
    ]
    if known.local_sne is not None:
        lines.append(f"local-sne = {known.local_sne}")
    if known.remote_sne is not None:
        lines.append(f"remote-sne = {known.remote_sne}")
    return "\n".join(lines) + "\n"


def socket_text(socket: tuple[Address, int]) -> str:
    """ "10.0.0.1:179" or "[fd00::1]:179"."""
    address, port = socket
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"
