"""Which checks there are to run: what lies beside a capture says what it is held to.

For a capture NAME.pcap (or .pcapng, .cap, compressed or not), keys are in NAME.toml or else in keys.toml, and its
baseline is NAME.baseline.json. Expectations are in NAME.expect.toml or expect.toml and name their captures themselves.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from aoinspect.api import Reading
from aoinspect.errors import UsageError
from aoinspect.keys.model import Network
from aoinspect.report.policy import BESIDE_OTHERS, STRICT_POLICY

_CAPTURE_NAME = re.compile(r"(?P<stem>.+)\.(?:pcap|pcapng|cap|dmp)(?:\.(?:gz|zst|lz4))?", re.IGNORECASE)
_GLOB_CHARACTERS = re.compile(r"[*?\[]")
KEYS_OF_FOLDER = "keys.toml"
EXPECTATIONS_OF_FOLDER = "expect.toml"


@dataclass(frozen=True, slots=True)
class Job:
    """One check that is to be run, as plain values: it may run in another process."""

    captures: tuple[str, ...]
    """Read as one run; empty for a file of expectations, which names them."""
    keys: tuple[str, ...]
    baseline: str | None = None
    expectations: str | None = None
    is_update: bool = False
    is_strict: bool = False
    conditions: frozenset[str] | None = None
    """Of --fail-on; None: what fails by itself."""
    reading: Reading = field(default_factory=Reading)
    refuses_public_keys: bool = False
    """Key files with secrets that every user of the machine can read are an error."""
    devices: tuple[Network, ...] = ()
    """Whose configurations the key files are, where they do not say: one for all, or one for each."""

    @property
    def effective_conditions(self) -> frozenset[str]:
        """What fails beside differences and expectations that are not met."""
        if self.is_update:
            return frozenset()
        if self.conditions is not None:
            return self.conditions
        return STRICT_POLICY if self.baseline is None and self.expectations is None else BESIDE_OTHERS


@dataclass(frozen=True, slots=True)
class Found:
    """What directories and globs hold."""

    jobs: tuple[Job, ...]
    skipped: tuple[str, ...]
    """Captures that nothing lies beside."""


def is_search(target: str) -> bool:
    """Whether `target` stands for files that are to be looked for."""
    return os.path.isdir(target) or (_GLOB_CHARACTERS.search(target) is not None and not os.path.exists(target))


def find_jobs(targets: Sequence[str], keys: Sequence[str], job: Job, fallback: Sequence[str] = ()) -> Found:
    """The checks of all `targets`: captures, directories and globs.

    `keys` are for every capture. Without any, each capture has its own beside it; a named one that has none is given
    those of `fallback`. Everything else of a Job is as in `job`. UsageError where a target stands for nothing, or a
    named capture has no keys.
    """
    jobs: dict[tuple[str, str], Job] = {}
    skipped: list[str] = []
    for target in targets:
        found = list(_files(target))
        if not found:
            raise UsageError(f"{target}: no capture or file of expectations is found there")
        for path in found:
            is_named = not is_search(target)
            own = list(_jobs_of(path, keys, job, fallback if is_named else (), is_named=is_named))
            jobs.update({(one.expectations or one.captures[0], one.baseline or ""): one for one in own})
            if not own:
                skipped.append(path)
    covered = _covered(jobs.values())
    return Found(tuple(jobs.values()), tuple(path for path in skipped if os.path.realpath(path) not in covered))


def _files(target: str) -> Iterator[str]:
    """Captures and files of expectations that `target` stands for, in the order of their names."""
    if not is_search(target):
        yield target
        return
    matches = [target] if os.path.isdir(target) else sorted(glob.glob(target, recursive=True))
    for match in matches:
        if not os.path.isdir(match):
            if _is_ours(os.path.basename(match)):
                yield match
            continue
        for folder, folders, names in os.walk(match):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            yield from (os.path.join(folder, name) for name in sorted(names) if _is_ours(name))


def _is_ours(name: str) -> bool:
    return _CAPTURE_NAME.fullmatch(name) is not None or _is_expectations(name)


def _is_expectations(name: str) -> bool:
    return name == EXPECTATIONS_OF_FOLDER or name.endswith(f".{EXPECTATIONS_OF_FOLDER}")


def _jobs_of(path: str, keys: Sequence[str], job: Job, fallback: Sequence[str], *, is_named: bool) -> Iterator[Job]:
    name = os.path.basename(path)
    if _is_expectations(name):
        if not job.is_update:
            yield _like(job, (), tuple(keys), expectations=path)
        return
    beside = keys_beside(path)
    own_keys = tuple(keys) or ((beside,) if beside is not None else tuple(fallback))
    if not own_keys:
        if is_named:
            places = f"put {stem_of(path)}.toml or {KEYS_OF_FOLDER} beside it"
            raise UsageError(f"{path}: no keys: name a key file with --keys, or {places}")
        return
    baseline = os.path.join(os.path.dirname(path), f"{stem_of(path)}.baseline.json")
    has_expectations = os.path.exists(os.path.join(os.path.dirname(path), f"{stem_of(path)}.{EXPECTATIONS_OF_FOLDER}"))
    if os.path.exists(baseline) or (job.is_update and not has_expectations):
        yield _like(job, (path,), own_keys, baseline=baseline)
    elif is_named or (keys and not has_expectations and not job.is_update):
        yield _like(job, (path,), own_keys)


def _like(
    job: Job,
    captures: tuple[str, ...],
    keys: tuple[str, ...],
    *,
    baseline: str | None = None,
    expectations: str | None = None,
) -> Job:
    is_update = job.is_update and baseline is not None
    return replace(job, captures=captures, keys=keys, baseline=baseline, expectations=expectations, is_update=is_update)


def stem_of(path: str) -> str:
    """The NAME of a capture NAME.pcap, as its companions bear it."""
    name = os.path.basename(path)
    match = _CAPTURE_NAME.fullmatch(name)
    return match["stem"] if match is not None else name


def keys_beside(path: str) -> str | None:
    """The key file that belongs to the capture at `path` by its name or folder; None where there is none."""
    for name in (f"{stem_of(path)}.toml", KEYS_OF_FOLDER):
        beside = os.path.join(os.path.dirname(path), name)
        if os.path.isfile(beside):
            return beside
    return None


def _covered(jobs: Iterable[Job]) -> set[str]:
    """The captures that files of expectations may be about: those that bear their name, or lie beside expect.toml."""
    covered: set[str] = set()
    for job in jobs:
        if job.expectations is None:
            continue
        path = Path(job.expectations)
        stem = path.name.removesuffix(EXPECTATIONS_OF_FOLDER).removesuffix(".")
        covered.update(
            os.path.realpath(other)
            for other in path.parent.iterdir()
            if _CAPTURE_NAME.fullmatch(other.name) and (not stem or stem_of(other.name) == stem)
        )
    return covered
