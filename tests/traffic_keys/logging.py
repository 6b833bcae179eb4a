"""Logs made of captures in this process, and captures judged under them."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import BinaryIO

from aoinspect.capture.reader import open_capture
from aoinspect.engine.key_log import KeyLogger
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.reading import analyse
from aoinspect.keys.model import KeyStore
from aoinspect.keys.traffic_key_log import write_log
from aoinspect.keys.traffic_key_reader import parse_log

LOG = "keys.log"


def log_of(capture: bytes | Path, store: KeyStore, *, holds_all: bool = False) -> str:
    """The text of the log of one capture."""
    source: BinaryIO | Path = io.BytesIO(capture) if isinstance(capture, bytes) else capture
    analyzer = Analyzer(store, keep_table=False)
    logger = KeyLogger(analyzer)
    with open_capture(source) as reader:
        analyse([reader], analyzer, on_rows=logger.note)
    return write_log(logger.log(holds_all=holds_all))


def logged(capture: bytes | Path, store: KeyStore, *, holds_all: bool = False) -> KeyStore:
    """What that log says."""
    return parse_log(log_of(capture, store, holds_all=holds_all), LOG)


def traffic_keys(text: str) -> list[str]:
    """The traffic keys in a log, in hexadecimal."""
    return re.findall(r" key=([0-9a-f]+)$", text, re.MULTILINE)
