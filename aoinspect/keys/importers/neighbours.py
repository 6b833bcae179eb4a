"""Neighbours, groups and templates as the systems with indented configurations write them.

Two forms exist, and some systems mix them: one line per setting (`neighbor 10.0.0.9 ao KC`), and a block per neighbour
(`neighbor 10.0.0.9`, and the settings below it). Either way a setting is some words after the neighbour's name; what
they mean is the importer's to say, apart from the few that all of them share. Interfaces are here because a session
may name one in place of its own address.
"""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from aoinspect.keys.addresses import parse_address, parse_prefix
from aoinspect.keys.importers.indented import Line
from aoinspect.keys.importers.model import Draft, Word
from aoinspect.keys.importers.sessions import Sessions, Settings
from aoinspect.keys.model import Network

_ZONE = re.compile(r"(?<=:)([0-9A-Fa-f:./]*)[%-].*\Z", re.DOTALL)
LINK_LOCAL = "fe80::/10"
"""Where the neighbour of a session lies that is named by its interface alone."""

Setting = Callable[[Settings, Sequence[Word], Line], None]
"""Takes what the words of one setting say; they stand on that line."""


@dataclass(slots=True)
class _Entry:
    """One neighbour, group or template."""

    at: int
    settings: Settings = field(default_factory=Settings)


class Neighbours:
    """All neighbours, groups and templates of one routing process, by VRF and name."""

    def __init__(self, addresses: InterfaceAddresses) -> None:
        self.addresses = addresses
        self.by_vrf: dict[str | None, dict[str, _Entry]] = {None: {}}

    def settings(self, vrf: str | None, name: str, at: int) -> Settings:
        """The settings of that neighbour or group, which begins at offset `at` where it is new."""
        return self.by_vrf.setdefault(vrf, {}).setdefault(name, _Entry(at)).settings

    def close(self, sessions: Sessions, port: int) -> None:
        """Adds a session for every one whose name is an address or a prefix; the others are groups."""
        everywhere = {name: entry.settings for name, entry in self.by_vrf[None].items()}
        for vrf, entries in self.by_vrf.items():
            groups = ChainMap({name: entry.settings for name, entry in entries.items()}, everywhere)
            for name, entry in entries.items():
                remote = neighbour_network(name)
                if remote is None:
                    continue
                settings = entry.settings.over(groups)
                if settings.local is None and settings.source is not None:
                    settings.local = self.addresses.of(settings.source.text, remote.version)
                sessions.add(remote, entry.at, settings, port=port, vrf=vrf)


def neighbour_network(name: str) -> Network | None:
    """The network that a neighbour's name writes (host bits are dropped), or None where it is a group's.

    The interface behind a link-local address (`fe80::1%Ethernet1`, Nokia's `fe80::1-"to-pe2"`) is dropped: captures
    call it otherwise, or say nothing of it.
    """
    name = _ZONE.sub(r"\1", name)
    try:
        return parse_prefix(name)
    except ValueError:
        address, slash, length = name.partition("/")
    if not slash or not length.isdecimal():
        return None
    try:
        network = parse_prefix(address)
        return network.supernet(new_prefix=int(length))
    except ValueError:
        return None


def on_interface(interface: str) -> str:
    """The name of the neighbours that are found on an interface, by their link-local addresses."""
    return f"{LINK_LOCAL}%{interface}"


def take_shared_setting(settings: Settings, words: Sequence[Word]) -> bool:
    """Takes a setting that all systems write alike; False where it is another."""
    texts = [word.text.lower() for word in words]
    if not texts:
        return True
    value = words[-1]
    if texts[0] == "update-source" and len(texts) > 1:
        # Some write a blank between an interface's name and its number.
        settings.source = Word("".join(word.text for word in words[1:]), words[1].start, value.end)
    elif (texts[0] == "peer-group" and len(texts) == 2) or (texts[:2] == ["peer", "group"] and len(texts) == 3):
        settings.parents.append(value.text)
    elif texts[0] == "inherit" and len(texts) >= 3:
        # What a template of one kind holds cannot be mistaken for another kind's of the same name.
        settings.parents.append(template_name(texts[1], words[2].text))
    elif texts[0] == "transport" and texts[1:2] == ["remote-port"] and value.text.isdecimal():
        settings.port = int(value.text) if 0 < int(value.text[:6]) <= 0xFFFF else None
    else:
        return False
    return True


def template_name(kind: str, name: str) -> str:
    """The name under which a template is kept among the groups: no group's name has a blank."""
    return f"{kind} {name}"


class InterfaceAddresses:
    """The addresses of a configuration's interfaces, looked up only when a session needs one."""

    def __init__(self, root: Line, draft: Draft) -> None:
        self._root = root
        self._draft = draft
        self._by_name: dict[str, list[Network]] | None = None

    def of(self, interface: str, version: int) -> Network | None:
        """The first address of that IP version; None where the file does not tell it."""
        if self._by_name is None:
            self._by_name = {
                _folded(line.text[len("interface") :]): list(_addresses(line.children))
                for line in self._root.under("interface")
            }
        networks = self._by_name.get(_folded(interface), [])
        return next((network for network in networks if network.version == version), None)


def _folded(interface: str) -> str:
    return "".join(interface.lower().split())


def _addresses(lines: Iterable[Line]) -> Iterable[Network]:
    for line in lines:
        for phrase in ("ip address", "ipv4 address", "ipv6 address"):
            words = line.after(phrase)
            if not words:
                continue
            try:
                yield parse_prefix(str(parse_address(words[0].text.partition("/")[0])))
            except ValueError:
                continue
