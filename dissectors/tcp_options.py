"""TCP's options as labelled fields (RFC 9293 3.1, and where each option is defined).

Options are children of one "Options" field. The walk ends at the end of the header, at the end-of-options
octet, or at an option whose length makes no sense, which becomes a "malformed" field over the rest.
"""

from __future__ import annotations

from collections.abc import Callable

from dissectors.base import Field
from dissectors.scribe import Scribe

END_OF_OPTIONS, NO_OPERATION = 0, 1
MD5, AO = 19, 29
NAMES = {
    END_OF_OPTIONS: "End of options",
    NO_OPERATION: "No operation",
    2: "Maximum segment size",
    3: "Window scale",
    4: "SACK permitted",
    5: "SACK",
    8: "Timestamps",
    MD5: "MD5 signature",
    28: "User timeout",
    AO: "TCP-AO",
    30: "Multipath TCP",
    34: "Fast Open cookie",
    69: "Encryption negotiation",
    172: "Accurate ECN, order 0",
    174: "Accurate ECN, order 1",
    253: "Experiment 253",
    254: "Experiment 254",
}
FAST_OPEN_EXPERIMENT = 0xF989
"""The experiment identifier under which 254 was Fast Open before RFC 7413."""
ACCURATE_ECN_COUNTERS = {
    172: (("Echo of ECT(0)", "e0b"), ("Echo of CE", "ceb"), ("Echo of ECT(1)", "e1b")),
    174: (("Echo of ECT(1)", "e1b"), ("Echo of CE", "ceb"), ("Echo of ECT(0)", "e0b")),
}


def write_options(scribe: Scribe, header_length: int) -> None:
    """Write the options between octet 20 and `header_length` (in octets, at least 20) as children of one
    field.

    What the captured octets or the layer still hold of them is written, then a "malformed" field for the
    rest.
    """
    readable = max(20, min(header_length, scribe.limit - scribe.start))
    written: list[Field] = []
    offset = 20
    while offset < readable:
        kind = scribe.peek(offset, 1)
        if kind == NO_OPERATION:
            written.append(scribe.make(NAMES[kind], "", offset, 1, "tcp.options.nop"))
            offset += 1
            continue
        if kind == END_OF_OPTIONS:
            written.append(scribe.make(NAMES[kind], "", offset, readable - offset, "tcp.options.eol"))
            break
        room = readable - offset
        length = scribe.peek(offset + 1, 1) if room >= 2 else 0
        if not 2 <= length <= room:
            reason = f"option {kind} has length {length}, with room for {room} octets" if room >= 2 else "no length"
            written.append(scribe.make("malformed", reason, offset, room, "_ws.malformed"))
            break
        written.append(_option(scribe, kind, offset, length))
        offset += length
    if readable > 20:
        value = ", ".join(option.label for option in written if option.label != NAMES[NO_OPERATION])
        scribe.field("Options", value, 20, readable - 20, "tcp.options", written)
    scribe.take(0, header_length)


def _option(scribe: Scribe, kind: int, offset: int, length: int) -> Field:
    """One option of `length` octets, all of them readable, with what is inside."""
    write = _WRITERS.get(kind, _plain)
    value, name, children = write(scribe, kind, offset, length)
    head = (
        scribe.make("Kind", str(kind), offset, 1, "tcp.option_kind"),
        scribe.make("Length", str(length), offset + 1, 1, "tcp.option_len"),
    )
    return scribe.make(NAMES.get(kind, f"Option {kind}"), value, offset, length, name, (*head, *children))


Written = tuple[str, str | None, tuple[Field, ...]]


def _plain(scribe: Scribe, kind: int, offset: int, length: int) -> Written:
    """Any option without a writer, and any option whose length is not the one its definition gives."""
    value = scribe.take(offset + 2, length - 2).hex()
    content = (scribe.make("Content", value, offset + 2, length - 2),) if length > 2 else ()
    return value, "tcp.options.sack_perm" if kind == 4 else None, content


def _maximum_segment_size(scribe: Scribe, kind: int, offset: int, length: int) -> Written:
    if length != 4:
        return _plain(scribe, kind, offset, length)
    size = str(scribe.peek(offset + 2, 2))
    return size, "tcp.options.mss", (scribe.make("Size", size, offset + 2, 2, "tcp.options.mss_val"),)


def _window_scale(scribe: Scribe, kind: int, offset: int, length: int) -> Written:
    if length != 3:
        return _plain(scribe, kind, offset, length)
    shift = str(scribe.peek(offset + 2, 1))
    return (
        shift,
        "tcp.options.wscale",
        (scribe.make("Shift", shift, offset + 2, 1, "tcp.options.wscale.shift"),),
    )


def _sack(scribe: Scribe, kind: int, offset: int, length: int) -> Written:
    edges: list[Field] = []
    blocks: list[str] = []
    for at in range(offset + 2, offset + length - 7, 8):
        left, right = str(scribe.peek(at, 4)), str(scribe.peek(at + 4, 4))
        edges.append(scribe.make("Left edge", left, at, 4, "tcp.options.sack_le"))
        edges.append(scribe.make("Right edge", right, at + 4, 4, "tcp.options.sack_re"))
        blocks.append(f"{left}-{right}")
    return " ".join(blocks), "tcp.options.sack", tuple(edges)


def _timestamps(scribe: Scribe, kind: int, offset: int, length: int) -> Written:
    if length != 10:
        return _plain(scribe, kind, offset, length)
    value, echo = str(scribe.peek(offset + 2, 4)), str(scribe.peek(offset + 6, 4))
    children = (
        scribe.make("Value", value, offset + 2, 4, "tcp.options.timestamp.tsval"),
        scribe.make("Echo reply", echo, offset + 6, 4, "tcp.options.timestamp.tsecr"),
    )
    return f"{value}, echo {echo}", "tcp.options.timestamp", children


def _md5(scribe: Scribe, kind: int, offset: int, length: int) -> Written:
    """RFC 2385 3: the digest has 16 octets."""
    digest = scribe.take(offset + 2, length - 2).hex()
    children = [scribe.make("Digest", digest, offset + 2, length - 2, "tcp.options.md5.digest")]
    if length != 18:
        children.append(scribe.make("malformed", f"length {length}, not 18", offset + 1, 1, "_ws.malformed"))
    return digest, "tcp.options.md5", tuple(children)


def _ao(scribe: Scribe, kind: int, offset: int, length: int) -> Written:
    """RFC 5925 2.2: KeyID, RNextKeyID, and a MAC over the rest of the option."""
    if length < 4:
        children = (scribe.make("malformed", f"length {length}, below 4", offset + 1, 1, "_ws.malformed"),)
        return "", "tcp.options.ao", children
    key_id, rnext_key_id = str(scribe.peek(offset + 2, 1)), str(scribe.peek(offset + 3, 1))
    mac = scribe.take(offset + 4, length - 4).hex()
    return (
        f"KeyID {key_id}, RNextKeyID {rnext_key_id}, MAC {mac}",
        "tcp.options.ao",
        (
            scribe.make("KeyID", key_id, offset + 2, 1, "tcp.options.ao.keyid"),
            scribe.make("RNextKeyID", rnext_key_id, offset + 3, 1, "tcp.options.ao.rnextkeyid"),
            scribe.make("MAC", mac, offset + 4, length - 4, "tcp.options.ao.mac"),
        ),
    )


def _fast_open(scribe: Scribe, kind: int, offset: int, length: int) -> Written:
    cookie = scribe.take(offset + 2, length - 2).hex()
    if not cookie:
        request = scribe.make("Cookie request", "", offset, 2, "tcp.options.tfo.request")
        return "cookie request", "tcp.options.tfo", (request,)
    content = scribe.make("Cookie", cookie, offset + 2, length - 2, "tcp.options.tfo.cookie")
    return cookie, "tcp.options.tfo", (content,)


def _accurate_ecn(scribe: Scribe, kind: int, offset: int, length: int) -> Written:
    """draft-ietf-tcpm-accurate-ecn 3.2.3: up to three 24-bit counters; the kind tells their order."""
    children = tuple(
        scribe.make(label, str(scribe.peek(at, 3)), at, 3, f"tcp.options.acc_ecn.{name}")
        for (label, name), at in zip(
            ACCURATE_ECN_COUNTERS[kind], range(offset + 2, offset + length - 2, 3), strict=False
        )
    )
    return ", ".join(f"{child.label} {child.value}" for child in children), "tcp.options.acc_ecn", children


def _experiment(scribe: Scribe, kind: int, offset: int, length: int) -> Written:
    """RFC 6994 3: the first two (or four) octets are an experiment's identifier."""
    if length < 4:
        return _plain(scribe, kind, offset, length)
    identifier = scribe.peek(offset + 2, 2)
    value = scribe.take(offset + 4, length - 4).hex()
    is_fast_open = identifier == FAST_OPEN_EXPERIMENT
    children = [scribe.make("Identifier", f"0x{identifier:04x}", offset + 2, 2, "tcp.options.experimental.exid")]
    if length > 4:
        label, name = (
            ("Cookie", "tcp.options.tfo.cookie") if is_fast_open else ("Content", "tcp.options.experimental.data")
        )
        children.append(scribe.make(label, value, offset + 4, length - 4, name))
    return f"0x{identifier:04x} {value}".rstrip(), "tcp.options.experimental", tuple(children)


_WRITERS: dict[int, Callable[[Scribe, int, int, int], Written]] = {
    2: _maximum_segment_size,
    3: _window_scale,
    5: _sack,
    8: _timestamps,
    MD5: _md5,
    AO: _ao,
    34: _fast_open,
    172: _accurate_ecn,
    174: _accurate_ecn,
    253: _experiment,
    254: _experiment,
}
