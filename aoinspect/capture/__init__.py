"""Octets on disk or in a pipe -> frame batches."""

from aoinspect.capture.frames import HEADROOM, TAILROOM, Damage, Frame, FrameBatch, Interface
from aoinspect.capture.linktypes import link_type_name
from aoinspect.capture.pcapng import block_name
from aoinspect.capture.reader import CaptureReader, open_capture

__all__ = [
    "HEADROOM",
    "TAILROOM",
    "CaptureReader",
    "Damage",
    "Frame",
    "FrameBatch",
    "Interface",
    "block_name",
    "link_type_name",
    "open_capture",
]
