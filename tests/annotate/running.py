"""`annotate` run in this process."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import NamedTuple, cast

from aoinspect.capture.rewriting import WholeFile
from aoinspect.cli import main
from aoinspect.engine.annotate import Annotated, annotate
from aoinspect.engine.resign.resign import RewritableSource
from aoinspect.keys.model import KeyStore
from dissectors.registry import Registry
from tests.recorded import SegmentLine


class Outcome(NamedTuple):
    status: int
    out: str
    err: str


def annotated(capture: Path, out: Path, store: KeyStore | None = None) -> Annotated:
    """`capture` written to `out`, which may be there already."""
    registry = Registry(use_entry_points=False)
    with RewritableSource(str(capture)) as source, WholeFile(str(out), [str(capture)], replaces=True) as output:
        return annotate(source, output, store or KeyStore(), registry)


def run(*arguments: str | Path) -> Outcome:
    """`aoinspect ARGUMENTS`."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as end:
            status = int(cast(int, end.code))
    return Outcome(status, out.getvalue(), err.getvalue())


def expected_comment(line: SegmentLine, *, is_covered: bool = True) -> str:
    """What `annotate` writes for a segment of which `verify` says `line`, but for the key of one that failed."""
    prefix = "TCP-MD5" if line.method == "md5" else "TCP-AO"
    if line.verdict == "verified":
        mark = "FAIL reason=ends-disagree" if line.ends_disagree else "OK"
    elif line.verdict == "unverifiable":
        mark = f"UNKNOWN reason={line.reason}"
    elif line.verdict == "no-key" and not is_covered:
        mark = "UNKNOWN reason=no-key"
    else:
        mark = f"FAIL reason={line.verdict}" + (f" detail={line.reason}" if line.reason else "")
    told = f"{prefix}: {mark}"
    if line.verdict in ("unsigned", "malformed"):
        return told
    if line.mkt is not None:
        told += f" key={line.mkt}"
    if line.method == "ao":
        told += f" keyid={line.key_id} rnext={line.rnext_key_id}"
        if line.sne is not None:
            told += f" sne={line.sne}"
    return told
