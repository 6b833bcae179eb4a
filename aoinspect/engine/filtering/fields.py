"""Every field of the filter language: its name, its type, where its values stand, and what it means.

Names are Wireshark's where Wireshark has the field, and mean the same; `ao.` is ours. docs/filter.md has this table for
people, and a test holds the two together.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aoinspect.capture.frames import I64, U8
from aoinspect.engine.filtering.columns import Column, Domain
from aoinspect.engine.filtering.context import FilterContext
from aoinspect.engine.filtering.values import (
    Address,
    Moment,
    Octets,
    OneWord,
    Presence,
    Seconds,
    Text,
    Truth,
    ValueType,
    WholeNumber,
    words_of,
)
from aoinspect.engine.locate import Mask
from aoinspect.engine.results import DIRECTIONS
from aoinspect.engine.streams import NO_STREAM
from aoinspect.engine.table import Rows
from aoinspect.engine.verdicts import Coverage, Method, Reason, Verdict

_ACK = 0x10
_TABLE_MAC_OCTETS = 16

Read = Callable[[Rows, FilterContext], tuple[Column, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """One field."""

    name: str
    type: ValueType
    read: Read
    """Its values: one column each (`tcp.port` has two)."""
    meaning: str


def _rows(name: str) -> Read:
    """A column of the table as it is."""
    return lambda rows, _: (Column(getattr(rows, name)),)


def _ao(name: str) -> Read:
    """A column that segments with a readable AO option have."""

    def read(rows: Rows, _: FilterContext) -> tuple[Column, ...]:
        present = (rows.method == Method.AO) & (rows.reason != Reason.AO_LENGTH)
        return (Column(getattr(rows, name), present=present),)

    return read


def _bit(mask: int) -> Read:
    return lambda rows, _: (Column(rows.flags & np.uint16(mask) != 0),)


def _where(test: Callable[[Rows], Mask]) -> Read:
    """A field without a value, there where `test` says."""
    return lambda rows, _: (Column(present := test(rows), present=present),)


def _everywhere(rows: Rows) -> Mask:
    return np.ones(len(rows.frame), dtype=np.bool_)


def _has_md5(rows: Rows) -> Mask:
    return np.asarray((rows.method == Method.MD5) | (rows.reason == Reason.AO_AND_MD5), dtype=np.bool_)


_SOURCE, _DESTINATION = (False,), (True,)
_EITHER = (False, True)


def _addresses(version: int, ends: tuple[bool, ...]) -> Read:
    def read(_: Rows, context: FilterContext) -> tuple[Column, ...]:
        is_ipv6 = context.is_ipv6()
        columns = []
        for of_destination in ends:
            highs, lows = context.addresses(of_destination=of_destination)
            if version == 4:
                columns.append(Column(lows, Domain.FLOWS, ~is_ipv6))
            else:
                columns.append(Column(lows, Domain.FLOWS, is_ipv6, highs))
        return tuple(columns)

    return read


def _ports(ends: tuple[bool, ...]) -> Read:
    return lambda _, context: tuple(
        Column(context.ports(of_destination=of_destination), Domain.FLOWS) for of_destination in ends
    )


def _version(is_wanted_ipv6: bool) -> Read:
    def read(_: Rows, context: FilterContext) -> tuple[Column, ...]:
        present = context.is_ipv6() == is_wanted_ipv6
        return (Column(present, Domain.FLOWS, present),)

    return read


def _flows(rows: Rows) -> npt.NDArray[np.intp]:
    return rows.connection.astype(np.intp) * 2 + rows.direction


def _relative_seq(rows: Rows, context: FilterContext) -> tuple[Column, ...]:
    isns, is_known = context.isns(of_destination=False)
    flows = _flows(rows)
    return (Column(rows.seq - isns[flows], present=is_known[flows]),)


def _relative_ack(rows: Rows, context: FilterContext) -> tuple[Column, ...]:
    isns, is_known = context.isns(of_destination=True)
    flows = _flows(rows)
    has_ack = rows.flags & np.uint16(_ACK) != 0
    # Without the ACK flag the number has no meaning, and Wireshark shows it as it is.
    return (Column(np.where(has_ack, rows.ack - isns[flows], rows.ack), present=is_known[flows] | ~has_ack),)


def _stream(rows: Rows, context: FilterContext) -> tuple[Column, ...]:
    streams = context.streams(rows)
    return (Column(streams, present=streams != NO_STREAM),)


def _time_relative(rows: Rows, context: FilterContext) -> tuple[Column, ...]:
    firsts: I64 = context.first_times_ns()
    return (Column(rows.time_ns - firsts[rows.capture]),)


def _key(rows: Rows, context: FilterContext) -> tuple[Column, ...]:
    names = np.array([*context.key_names(), ""], dtype=object)
    present = np.ones(len(names), dtype=np.bool_)
    present[-1] = False
    return (Column(names, Domain.KEYS, present),)


def _mac(method: Method) -> Read:
    def read(rows: Rows, context: FilterContext) -> tuple[Column, ...]:
        present = (rows.method == method) & (rows.mac_length > 0)
        return (Column(_mac_lines(rows, context), present=present, lengths=rows.mac_length),)

    return read


def _mac_lines(rows: Rows, context: FilterContext) -> U8:
    """MACs as lines of octets; those that the table's column cannot hold come from beside it."""
    lines = np.ascontiguousarray(rows.mac).view(np.uint8).reshape(-1, _TABLE_MAC_OCTETS)
    long = np.flatnonzero((rows.mac_length > _TABLE_MAC_OCTETS) & (rows.method == Method.AO))
    if not len(long):
        return lines
    width = int(rows.mac_length[long].max())
    wide = np.zeros((len(lines), width), dtype=np.uint8)
    wide[:, :_TABLE_MAC_OCTETS] = lines
    wide[long] = context.long_macs(rows, long, width)
    return wide


_BIT = Truth()
_THERE = Presence()
_U8, _U16, _U32 = (WholeNumber((1 << bits) - 1) for bits in (8, 16, 32))
_VERDICTS = OneWord(words_of(Verdict), "verdict")
_REASONS = OneWord(words_of(Reason, without=Reason.NONE), "reason")
_METHODS = OneWord(words_of(Method), "method")
_COVERAGES = OneWord(words_of(Coverage, without=Coverage.UNKNOWN), "coverage")
_DIRECTIONS = OneWord({word: number for number, word in enumerate(DIRECTIONS)}, "direction")


def _coverage(rows: Rows, _: FilterContext) -> tuple[Column, ...]:
    return (Column(rows.coverage, present=rows.coverage != Coverage.UNKNOWN),)


def _reason(rows: Rows, _: FilterContext) -> tuple[Column, ...]:
    return (Column(rows.reason, present=rows.reason != Reason.NONE),)


def _sne(rows: Rows, _: FilterContext) -> tuple[Column, ...]:
    return (Column(rows.sne, present=rows.has_sne),)


def _mac_length(rows: Rows, _: FilterContext) -> tuple[Column, ...]:
    return (Column(rows.mac_length, present=rows.method != Method.NONE),)


_ALL = (
    Field("frame", _THERE, _where(_everywhere), "every segment of the table"),
    Field("frame.number", WholeNumber((1 << 48) - 1), _rows("frame"), "number of the frame, from 1 in each capture"),
    Field("frame.time", Moment(), _rows("time_ns"), "capture time"),
    Field("frame.time_epoch", Seconds(), _rows("time_ns"), "capture time, seconds since 1970"),
    Field("frame.time_relative", Seconds(), _time_relative, "seconds since the capture's first frame"),
    Field("ip", _THERE, _version(False), "the segment is carried by IPv4"),
    Field("ip.addr", Address(4), _addresses(4, _EITHER), "source or destination address"),
    Field("ip.src", Address(4), _addresses(4, _SOURCE), "source address"),
    Field("ip.dst", Address(4), _addresses(4, _DESTINATION), "destination address"),
    Field("ipv6", _THERE, _version(True), "the segment is carried by IPv6"),
    Field("ipv6.addr", Address(6), _addresses(6, _EITHER), "source or destination address"),
    Field("ipv6.src", Address(6), _addresses(6, _SOURCE), "source address"),
    Field("ipv6.dst", Address(6), _addresses(6, _DESTINATION), "destination address"),
    Field("tcp", _THERE, _where(_everywhere), "every segment of the table"),
    Field("tcp.port", _U16, _ports(_EITHER), "source or destination port"),
    Field("tcp.srcport", _U16, _ports(_SOURCE), "source port"),
    Field("tcp.dstport", _U16, _ports(_DESTINATION), "destination port"),
    Field("tcp.stream", _U32, _stream, "Wireshark's number of the TCP conversation, from 0 in each capture"),
    Field("tcp.seq", _U32, _relative_seq, "sequence number counted from the sender's ISN, where that is known"),
    Field("tcp.seq_raw", _U32, _rows("seq"), "sequence number as it stands in the header"),
    Field(
        "tcp.ack", _U32, _relative_ack, "acknowledgment number counted from the other end's ISN, where that is known"
    ),
    Field("tcp.ack_raw", _U32, _rows("ack"), "acknowledgment number as it stands in the header"),
    Field("tcp.len", _U32, _rows("payload_length"), "octets of payload, as IP declares them"),
    Field("tcp.flags", WholeNumber(0xFFF), _rows("flags"), "the twelve bits behind the data offset"),
    Field("tcp.flags.ae", _BIT, _bit(0x100), "Accurate ECN"),
    Field("tcp.flags.cwr", _BIT, _bit(0x080), "Congestion Window Reduced"),
    Field("tcp.flags.ece", _BIT, _bit(0x040), "ECN-Echo"),
    Field("tcp.flags.urg", _BIT, _bit(0x020), "Urgent"),
    Field("tcp.flags.ack", _BIT, _bit(0x010), "Acknowledgment"),
    Field("tcp.flags.push", _BIT, _bit(0x008), "Push"),
    Field("tcp.flags.reset", _BIT, _bit(0x004), "Reset"),
    Field("tcp.flags.syn", _BIT, _bit(0x002), "Syn"),
    Field("tcp.flags.fin", _BIT, _bit(0x001), "Fin"),
    Field("tcp.options.ao", _THERE, _where(lambda rows: rows.method == Method.AO), "there is a TCP-AO option"),
    Field("tcp.options.ao.keyid", _U8, _ao("key_id"), "KeyID of the TCP-AO option"),
    Field("tcp.options.ao.rnextkeyid", _U8, _ao("rnext_key_id"), "RNextKeyID of the TCP-AO option"),
    Field("tcp.options.ao.mac", Octets(), _mac(Method.AO), "MAC of the TCP-AO option"),
    Field("tcp.options.md5", _THERE, _where(_has_md5), "there is a TCP-MD5 option"),
    Field("tcp.options.md5.digest", Octets(), _mac(Method.MD5), "digest of the TCP-MD5 option"),
    Field("ao.verdict", _VERDICTS, _rows("verdict"), "what the authentication came to"),
    Field("ao.reason", _REASONS, _reason, "why, where the verdict alone does not tell"),
    Field("ao.method", _METHODS, _rows("method"), "how the segment is signed"),
    Field("ao.key", Text(), _key, "name of the key that verified the segment"),
    Field("ao.options", _COVERAGES, _coverage, "whether the verified MAC covers the other TCP options"),
    Field("ao.sne", _U32, _sne, "sequence number extension, where it is known"),
    Field("ao.mac_length", _U8, _mac_length, "octets of MAC or digest in a signed segment"),
    Field(
        "ao.ends_disagree",
        _THERE,
        _where(lambda rows: rows.is_refused),
        "verified, but the receiving end's own keys drop it",
    ),
    Field("ao.connection", _U32, _rows("connection"), "our number of the connection, from 0"),
    Field("ao.direction", _DIRECTIONS, _rows("direction"), "which end sent the segment"),
    Field("ao.capture", _U16, _rows("capture"), "which capture of a set, from 0"),
)

FIELDS = {field.name: field for field in _ALL}
"""Every field by its name, in the order of the documentation."""

NOT_IN_THE_TABLE = (
    "frame.len",
    "frame.cap_len",
    "frame.interface_id",
    "frame.interface_name",
    "frame.time_delta",
    "frame.protocols",
    "ip.ttl",
    "ip.id",
    "ip.len",
    "ip.proto",
    "ip.dsfield",
    "ipv6.hlim",
    "ipv6.flow",
    "tcp.window_size",
    "tcp.window_size_value",
    "tcp.checksum",
    "tcp.hdr_len",
    "tcp.urgent_pointer",
    "tcp.nxtseq",
    "tcp.payload",
    "tcp.time_relative",
    "tcp.time_delta",
)
"""Fields of Wireshark that people will try, and whose values no column holds."""

NOT_IN_THE_TABLE_GROUPS = ("eth", "vlan", "tcp.analysis", "tcp.options.mss", "tcp.options.timestamp", "bgp")
"""The same for whole groups of fields."""


def is_kept_from_the_table(name: str) -> bool:
    """Whether `name` is a field of Wireshark that no column holds."""
    return name in NOT_IN_THE_TABLE or any(
        name == group or name.startswith(f"{group}.") for group in NOT_IN_THE_TABLE_GROUPS
    )


def similar_field(name: str) -> str | None:
    """The field that `name` was meant for, if one is near."""
    if len(name) > 64:
        return None
    lowered = name.lower()
    if lowered in FIELDS:
        return lowered
    ending = next((known for known in FIELDS if known.endswith(f".{lowered}")), None)
    if ending is not None:
        return ending
    near = difflib.get_close_matches(lowered, FIELDS, n=1, cutoff=0.7)
    if near:
        return near[0]
    last = lowered.rpartition(".")[2]
    return next((known for known in FIELDS if last and known.rpartition(".")[2] == last), None)
