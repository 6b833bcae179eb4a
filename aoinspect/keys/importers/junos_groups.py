"""Junos configuration groups: what `apply-groups` adds to a configuration, as `display inheritance` would show it.

A group's content stands below `groups NAME` as it would below the root, and goes to where `apply-groups NAME` stands
and below. A name in angle brackets is a pattern for names that are there already. What is written wins over what is
inherited, an inner `apply-groups` over an outer one, the group named first over the next, a name over a pattern.
`apply-groups-except NAME` keeps a group out of its level. Source: Juniper's CLI guide (Configuration Groups).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from aoinspect.keys.importers.model import Word

Path = list[Word]
"""The words from the root to a leaf."""
APPLY = "apply-groups"
EXCEPT = "apply-groups-except"
MOST_INHERITED = 200_000
"""Paths that groups may add; a configuration with more is none that a router has."""
_LONGEST = 64
"""Words of a path within which patterns and the names that they match stand."""


@dataclass(slots=True)
class Inherited:
    """All paths of a configuration, and what could not be followed."""

    paths: list[Path]
    """What is inherited stands before what wins over it."""
    missing: list[Word] = field(default_factory=list)
    """Names of groups that are not in the text."""
    nested: list[Word] = field(default_factory=list)
    """Groups that apply groups themselves."""
    is_cut: bool = False
    """Whether groups add more than MOST_INHERITED paths, and the rest is left out."""


@dataclass(slots=True)
class _Tree:
    """The words that are there, by what stands before them."""

    word: Word | None = None
    below: dict[str, _Tree] = field(default_factory=dict)

    def add(self, path: Path) -> None:
        node = self
        for word in path[:_LONGEST]:
            node = node.below.setdefault(word.text, _Tree(word))

    def matching(self, pattern: Sequence[Word]) -> Iterator[Path]:
        """The paths of `pattern`'s length that match it."""
        found: list[tuple[_Tree, Path]] = [(self, [])]
        for word in pattern:
            found = [
                (inner, [*path, inner.word])
                for node, path in found
                for inner in (node.below.values() if _is_pattern(word) else filter(None, [node.below.get(word.text)]))
                if inner.word is not None and _matches(word, inner.word)
            ]
        return (path for _, path in found)


@dataclass(frozen=True, slots=True)
class _GroupPath:
    """One path of a group's content."""

    words: Path
    pattern_end: int
    """One more than where its last pattern stands; 0 where it has none."""


@dataclass(frozen=True, slots=True)
class _Application:
    """One group, applied at one place."""

    prefix: Path
    name: Word


_Groups = dict[str, list[_GroupPath]]


def with_groups(paths: Sequence[Path], valued: Collection[str]) -> Inherited:
    """The paths with what their groups add, and without `groups` and the statements that apply them.

    `valued` are words that a name or a value follows, so that `apply-groups` after one of them is no statement.
    """
    groups: _Groups = {}
    own: list[Path] = []
    applied: list[_Application] = []
    excepted: list[tuple[list[str], str]] = []
    found = Inherited([])
    for path in paths:
        if path[0].text == "groups" and not path[0].is_quoted:
            if len(path) > 2:
                _sort_into_group(path, groups, valued, found)
            continue
        at = _statement_at(path, valued)
        if at is None:
            own.append(path)
            continue
        names = [word for word in path[at + 1 :] if word.text not in ("[", "]")]
        if path[at].text == APPLY:
            applied += [_Application(path[:at], name) for name in names]
        else:
            prefix = [word.text for word in path[:at]]
            excepted += [(prefix, name.text) for name in names]
    if not applied:
        found.paths = own
        return found
    # Each once, and the weakest first: what is sorted in later takes its place.
    distinct: dict[tuple[str, ...], _Application] = {}
    for application in applied:
        distinct.setdefault((*(word.text for word in application.prefix), application.name.text), application)
    applied = list(distinct.values())
    applied.reverse()
    applied.sort(key=lambda application: len(application.prefix))
    found.missing = [application.name for application in applied if application.name.text not in groups]
    tree = _Tree()
    for path in own:
        tree.add(path)
    added: list[Path] = []
    for application in applied:
        for path in _literally_added(application, groups):
            if len(added) >= MOST_INHERITED:
                found.is_cut = True
                break
            if not _is_excepted(path, application.name.text, excepted):
                added.append(path)
                tree.add(path)
    for application in applied:
        if found.is_cut:
            break
        for path in _added_by_patterns(application, groups, tree):
            if len(found.paths) + len(added) >= MOST_INHERITED:
                found.is_cut = True
                break
            if not _is_excepted(path, application.name.text, excepted):
                found.paths.append(path)
    found.paths += [*added, *own]
    return found


def _sort_into_group(path: Path, groups: _Groups, valued: Collection[str], found: Inherited) -> None:
    inner = path[2:]
    group = groups.setdefault(path[1].text, [])
    if _statement_at(inner, valued) is None:
        patterns = [position for position, word in enumerate(inner) if _is_pattern(word)]
        group.append(_GroupPath(inner, patterns[-1] + 1 if patterns else 0))
    else:
        found.nested.append(path[1])


def _literally_added(application: _Application, groups: _Groups) -> Iterator[Path]:
    """What the group says without patterns below the place where it is applied."""
    depth = len(application.prefix)
    for path in groups.get(application.name.text, ()):
        if path.pattern_end <= depth and _fits(path.words, application.prefix):
            yield application.prefix + path.words[depth:]


def _added_by_patterns(application: _Application, groups: _Groups, tree: _Tree) -> Iterator[Path]:
    """What the group says of all names that match its patterns."""
    depth = len(application.prefix)
    for path in groups.get(application.name.text, ()):
        end = path.pattern_end
        if depth < end <= _LONGEST and _fits(path.words, application.prefix):
            for matching in tree.matching(application.prefix + path.words[depth:end]):
                yield matching + path.words[end:]


def _fits(path: Path, prefix: Path) -> bool:
    return len(path) > len(prefix) and all(_matches(word, at) for word, at in zip(path, prefix, strict=False))


def _is_pattern(word: Word) -> bool:
    return word.text.startswith("<") and word.text.endswith(">") and len(word.text) > 2


def _matches(word: Word, name: Word) -> bool:
    return fnmatchcase(name.text, word.text[1:-1]) if _is_pattern(word) else word.text == name.text


def _is_excepted(path: Path, group: str, excepted: Sequence[tuple[list[str], str]]) -> bool:
    return any(
        name == group and [word.text for word in path[: len(prefix)]] == prefix for prefix, name in excepted if prefix
    )


def _statement_at(path: Path, valued: Collection[str]) -> int | None:
    """Where the path says to apply groups; what it applies follows, so that it is never the last word."""
    for position, word in enumerate(path[:-1]):
        is_value = position > 0 and path[position - 1].text in valued
        if word.text in (APPLY, EXCEPT) and not (word.is_quoted or is_value):
            return position
    return None
