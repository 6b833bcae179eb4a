"""Where tshark and we describe the same message, the same octets have the same name; and in recorded sessions the
same message types, prefixes and texts.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from dissectors.base import Field
from dissectors.registry import Registry
from dissectors.tree import describe_frame
from tests.dissectors.application_messages import PORTS, SAMPLES, segment
from tests.dissectors.recorded import Recorded, needs_shared, read
from tests.dissectors.test_against_tshark import as_capture

TSHARK = shutil.which("tshark")
REGISTRY = Registry(use_entry_points=False)
needs_tshark = pytest.mark.skipif(TSHARK is None, reason="tshark is not installed")
Place = tuple[str, int, int]
"""Wireshark's name, and the first and behind the last octet."""


def walk(field: Field) -> Iterator[Field]:
    yield field
    for child in field.children:
        yield from walk(child)


def described(frame: Recorded) -> list[Field]:
    layers = describe_frame(REGISTRY, frame.octets, ("linktype", frame.link_type), frame.wire_length)
    return [field for layer in layers[3:] for field in walk(layer.node)]


def run_tshark(*arguments: str) -> str:
    assert TSHARK is not None
    command = [TSHARK, "-n", "-o", "tcp.desegment_tcp_streams:FALSE", *arguments]
    return subprocess.run(command, capture_output=True, check=False).stdout.decode("utf-8", "replace")


@needs_tshark
def test_every_name_of_ours_is_a_field_of_wireshark() -> None:
    sources = Path(__file__).resolve().parents[2].joinpath("dissectors").glob("*.py")
