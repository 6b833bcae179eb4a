"""One frame as every face shows it: its octets, the tree of its fields, and the proof of its MAC.

Put together here, once, for text and JSON alike. A frame whose segment is spread over IP fragments has a second set of
octets, those of the datagram put together, and its proof counts positions there.
"""

from __future__ import annotations

from dataclasses import dataclass

from aoinspect.capture.frames import Frame
from aoinspect.capture.reader import CaptureReader
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.proof import Proof, prove
from aoinspect.engine.single_frame import (
    CaptureSource,
    SegmentPlace,
    WholeDatagram,
    datagram_of,
    frame_of,
    is_fragment,
    place_in_datagram,
    place_in_frame,
    row_of,
)
from dissectors.base import Field
from dissectors.registry import Registry
from dissectors.tree import describe_frame

_SIGNATURE_FIELDS = {"tcp.options.ao": "tcp.options.ao.mac", "tcp.options.md5": "tcp.options.md5.digest"}


@dataclass(frozen=True, slots=True)
class Mark:
    """A signature option: octets `start` to `end`, of which those from `mac_start` on are the MAC."""

    start: int
    mac_start: int
    end: int


@dataclass(frozen=True, slots=True)
class Dissection:
    """Octets and what they mean."""

    octets: bytes
    layers: tuple[Field, ...]
    """The outermost header first."""
    marks: tuple[Mark, ...]
    """The TCP-AO and TCP-MD5 options, in order."""


@dataclass(frozen=True, slots=True)
class FrameView:
    """Everything that is shown of one frame."""

    path: str
    number: int
    frame: Frame
    dissection: Dissection
    pieces: tuple[int, ...]
    """Numbers of the frames whose fragments make the datagram; empty where the frame is no fragment."""
    datagram: Dissection | None
    """What the fragments make; None where the frame is none, or the datagram stays incomplete."""
    proof: Proof | None
    absence: str | None
    """Why there is no proof."""


def view_frame(analyzer: Analyzer, reader: CaptureReader, source: CaptureSource, number: int) -> FrameView:
    """The view of frame `number` of the capture that `analyzer` was fed from `reader`, with a table kept.

    `source` gives the capture again for frames that have no row. UsageError where no packet has that number.
    """
    registry = analyzer.registry
    row = row_of(analyzer, number)
    if row is None:
        frame = frame_of(source, number)
    else:
        assert analyzer.table is not None
        frame = reader.frame_at(int(analyzer.table.rows.offset[row]))
    dissection = dissect(registry, frame.octets, frame.interface.link_type, frame.wire_length)
    datagram = datagram_of(source, number, registry) if is_fragment(registry, frame) else None
    if datagram is None:
        place = place_in_frame(registry, frame)
    else:
        row = row_of(analyzer, datagram.row_frame)
        place = place_in_datagram(registry, datagram, frame.interface)
    proof = None if row is None or place is None else prove(analyzer, row, place)
    whole = None
    if datagram is not None and datagram.is_complete:
        whole = dissect(registry, datagram.packet, datagram.link_type, len(datagram.packet))
    return FrameView(
        path=source.path,
        number=number,
        frame=frame,
        dissection=dissection,
        pieces=() if datagram is None else datagram.pieces,
        datagram=whole,
        proof=proof,
        absence=None if proof is not None else _absence(analyzer, frame, datagram, place),
    )


def dissect(registry: Registry, octets: bytes, link_type: int, wire_length: int) -> Dissection:
    """The tree of one frame. Total: octets of an unknown link type have an empty tree."""
    layers = tuple(layer.node for layer in describe_frame(registry, octets, ("linktype", link_type), wire_length))
    return Dissection(octets, layers, tuple(_marks(layers)))


def _marks(fields: tuple[Field, ...]) -> list[Mark]:
    marks = []
    for field in fields:
        if field.name in _SIGNATURE_FIELDS and field.end > field.start:
            mac = [child for child in field.children if child.name == _SIGNATURE_FIELDS[field.name]]
            marks.append(Mark(field.start, mac[0].start if mac else field.end, field.end))
        marks += _marks(field.children)
    return marks


def _absence(analyzer: Analyzer, frame: Frame, datagram: WholeDatagram | None, place: SegmentPlace | None) -> str:
    """Why a frame has no row in the table."""
    if datagram is None and place is None and is_fragment(analyzer.registry, frame):
        return "a piece of an IP datagram whose first piece is not in the capture"
    if place is None:
        is_cut = len(frame.octets) < frame.wire_length
        return "no TCP segment was found in it" + (", as far as it was captured" if is_cut else "")
    covered = "no [[peer]] covers it" if analyzer.keyring.store.paths else "no key file was given"
    return (
        f"a TCP segment of a connection that is not protected: {covered}, and it carries no signature option up to here"
    )
