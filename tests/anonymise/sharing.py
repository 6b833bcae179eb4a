"""A capture anonymised in this process, and what its receiver is told."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from aoinspect.keys import load_keys
from aoinspect.keys.model import KeyStore
from tests.explain.explaining import accounts_of
from tests.recorded import SegmentLine
from tests.resign.running import Outcome, lines_of, run_resign

Facts = list[tuple[str, int, int, str, tuple[tuple[int, int], ...]]]


@dataclass(frozen=True, slots=True)
class Shared:
    """What was written, and the original beside it."""

    ended: Outcome
    source: Path
    path: Path
    old_keys: KeyStore
    key_path: Path

    @property
    def keys(self) -> KeyStore:
        return load_keys([str(self.key_path)])

    def lines(self) -> tuple[tuple[SegmentLine, ...], tuple[SegmentLine, ...]]:
        """Every segment, before and now."""
        return lines_of(self.source, self.old_keys), lines_of(self.path, self.keys)

    def explanations(self) -> tuple[Facts, Facts]:
        """What explains failures, before and now."""
        return _explained(self.source, self.old_keys), _explained(self.path, self.keys)


def share(source: Path, key_path: Path, folder: Path, *arguments: str) -> Shared:
    """`source` anonymised into `folder`."""
    out = folder / "shared.pcap"
    ended = run_resign("--anonymise", "-q", "--keys", key_path, source, out, *arguments)
    assert ended.status == 0, ended.err
    return Shared(ended, source, out, load_keys([str(key_path)]), folder / "shared.toml")


def _explained(path: Path, store: KeyStore) -> Facts:
    return [
        (explanation.ident, explanation.matched, explanation.failing, explanation.confidence.value, explanation.frames)
        for account in accounts_of(path, store)
        for explanation in account.explanations
    ]


def telling(line: SegmentLine) -> SegmentLine:
    """What has to be the same of a segment before and now: everything but addresses, MAC and the key's name."""
    return dataclasses.replace(line, src="", dst="", mac="", mkt=None if line.mkt is None else "")
