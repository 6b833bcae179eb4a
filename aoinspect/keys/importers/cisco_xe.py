"""Cisco IOS-XE 16.12 and later, and NX-OS 10: `key chain K tcp`, and who uses it.

Both have the same key chains; `key N` is a local handle, and `send-id` and `recv-id` stand in the key. A TCP option is
covered where the key or the neighbour says `include-tcp-options`, and not otherwise. IOS-XE writes a neighbour's
settings as lines (`neighbor 10.0.0.9 ao K`), NX-OS as a block; either is read in either's configuration. Source:
Cisco's IP Routing guides (TCP Authentication Option) and the Nexus 9000 security guide.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from aoinspect.ao.mkt import MasterKeyTuple, TcpOptions
from aoinspect.keys.importers.cisco import CISCO_WORDS, cisco_secret
from aoinspect.keys.importers.indented import Line, read_lines
from aoinspect.keys.importers.model import (
    BGP_PORT,
    LDP_PORT,
    MSDP_PORT,
    Draft,
    ImportContext,
    Importer,
    Mark,
    Secret,
    Source,
    Word,
    score,
)
from aoinspect.keys.importers.moments import cisco_lifetime
from aoinspect.keys.importers.neighbours import (
    InterfaceAddresses,
    Neighbours,
    on_interface,
    take_shared_setting,
    template_name,
)
from aoinspect.keys.importers.sessions import ChainUse, Password, Sessions, Settings
from aoinspect.keys.model import KeyStore

_LDP_NEIGHBOUR = "mpls ldp neighbor"
_LDP_FALLBACK = "mpls ldp password fallback"
_SINGLE_LINES = ((_LDP_NEIGHBOUR, LDP_PORT), (_LDP_FALLBACK, LDP_PORT), ("ip msdp password peer", MSDP_PORT))
_INTERFACE = re.compile(r"(?:ethernet|port-channel|vlan)[0-9][0-9/.]*", re.IGNORECASE)
"""How NX-OS names a neighbour that it finds on an interface."""
_NO_AO = "is none of `tcp`, so TCP-AO cannot use it"


def _read_ios_xe(text: str, path: str, context: ImportContext) -> KeyStore:
    return _Configuration("Cisco IOS-XE", text, path, context).read()


def _read_nx_os(text: str, path: str, context: ImportContext) -> KeyStore:
    return _Configuration("Cisco NX-OS", text, path, context).read()


class _Configuration:
    """One configuration being read."""

    def __init__(self, title: str, text: str, path: str, context: ImportContext) -> None:
        self.draft = Draft(title, Source(text, path), context, CISCO_WORDS)
        self.root = read_lines(text)
        self.sessions = Sessions(self.draft)

    def read(self) -> KeyStore:
        for line in self.root.under("key chain"):
            self.read_chain(line)
        addresses = InterfaceAddresses(self.root, self.draft)
        for bgp in self.root.under("router bgp"):
            neighbours = Neighbours(addresses)
            self.read_bgp(bgp, None, neighbours)
            neighbours.close(self.sessions, BGP_PORT)
        self.read_single_lines()
        self.sessions.close()
        return self.draft.finish()

    def read_chain(self, line: Line) -> None:
        words = line.words[2:]
        if not words:
            self.draft.mistake(line.place, "key chain needs a name")
            return
        name = words[0].text
        if len(words) < 2 or words[1].text.lower() != "tcp":
            self.sessions.hidden_chains[name] = _NO_AO
            return
        mkts = [mkt for key in line.under("key") if (mkt := self.read_key(key, name)) is not None]
        self.sessions.add_chain(name, mkts, line.start)

    def read_key(self, line: Line, chain_name: str) -> MasterKeyTuple | None:
        draft = self.draft
        settings = {setting.words[0].text.lower(): setting for setting in line.children}
        values = {name: setting.words[1:] for name, setting in settings.items()}
        for name in ("send-id", "recv-id", "cryptographic-algorithm"):
            if not values.get(name):
                draft.mistake(line.place, f"this key has no {name}, so TCP-AO cannot use it")
                return None
        send_id = draft.number(values["send-id"][0], "send-id", 0, 255)
        recv_id = draft.number(values["recv-id"][0], "recv-id", 0, 255)
        algorithm = draft.algorithm(values["cryptographic-algorithm"][0], has_vendors_length=True)
        if send_id is None or recv_id is None or algorithm is None:
            return None
        secret_line = settings.get("key-string")
        handle = line.words[1].text if len(line.words) > 1 else ""
        return draft.key(
            line.start,
            Secret(None) if secret_line is None else cisco_secret(draft, secret_line, values["key-string"]),
            algorithm,
            send_id=send_id,
            recv_id=recv_id,
            name=f"{chain_name} {handle}",
            tcp_options=TcpOptions.INCLUDE if "include-tcp-options" in settings else TcpOptions.AUTO,
            send_lifetime=cisco_lifetime(draft, values.get("send-lifetime", [])),
            accept_lifetime=cisco_lifetime(draft, values.get("accept-lifetime", [])),
        )

    def read_bgp(self, block: Line, vrf: str | None, neighbours: Neighbours) -> None:
        for line in block.children:
            words = line.words
            texts = [word.text.lower() for word in words]
            if texts[0] == "neighbor" and len(words) > 1:
                name = on_interface(words[1].text) if _INTERFACE.fullmatch(words[1].text) else words[1].text
                settings = neighbours.settings(vrf, name, line.start)
                self.take(settings, words[2:], line)
                self.read_settings(line, settings)
            elif texts[0] == "template" and len(words) > 2:
                settings = neighbours.settings(None, template_name(texts[1], words[2].text), line.start)
                self.read_settings(line, settings)
            elif texts[:3] == ["bgp", "listen", "range"] and "peer-group" in texts[4:-1]:
                group = words[texts.index("peer-group", 4) + 1].text
                neighbours.settings(vrf, words[3].text, line.start).parents.append(group)
            elif texts[0] == "vrf" and len(words) > 1:
                self.read_bgp(line, words[1].text, neighbours)
            elif texts[:2] == ["scope", "vrf"] and len(words) > 2:
                self.read_bgp(line, words[2].text, neighbours)
            elif texts[0] == "address-family":
                inner = words[texts.index("vrf") + 1].text if "vrf" in texts[:-1] else vrf
                self.read_bgp(line, inner, neighbours)

    def read_settings(self, block: Line, settings: Settings) -> None:
        for line in block.children:
            self.take(settings, line.words, line)

    def take(self, settings: Settings, words: Sequence[Word], line: Line) -> None:
        texts = [word.text.lower() for word in words]
        if take_shared_setting(settings, words) or len(texts) < 2:
            return
        if texts[0] == "ao":
            is_included = "include-tcp-options" in texts[2:]
            settings.keys = ChainUse(words[1], TcpOptions.INCLUDE if is_included else TcpOptions.EXCLUDE)
        elif texts[0] == "password":
            settings.keys = Password(line.start, cisco_secret(self.draft, line, words[1:]))

    def read_single_lines(self) -> None:
        """The TCP-MD5 passwords of LDP and MSDP, which stand at the margin, one line each."""
        for phrase, port in _SINGLE_LINES:
            for line in self.root.under(phrase):
                words = line.words[len(phrase.split()) :]
                vrf = None
                if len(words) > 1 and words[0].text.lower() == "vrf":
                    vrf, words = words[1].text, words[2:]
                remote = None
                if phrase != _LDP_FALLBACK:
                    remote = self.draft.network(words[0]) if words else None
                    words = words[1:]
                if phrase == _LDP_NEIGHBOUR:
                    if not words or words[0].text.lower() != "password":
                        continue
                    words = words[1:]
                if words and (remote is not None or phrase == _LDP_FALLBACK):
                    settings = Settings(keys=Password(line.start, cisco_secret(self.draft, line, words)))
                    self.sessions.add(remote, line.start, settings, port=port, vrf=vrf)


_COMMON_MARKS = (
    Mark("key chain ", r"key chain \S+ tcp\b", 12),
    Mark("recv-id ", r"\s+recv-id [0-9]", 6),
    Mark("router bgp ", r"router bgp ", 1),
)
_IOS_XE_MARKS = (
    *_COMMON_MARKS,
    Mark(" ao ", r"\s+neighbor \S+ ao ", 10),
    Mark(" password ", r"\s+neighbor \S+ password ", 9),
    Mark(" remote-as ", r"\s+neighbor \S+ remote-as [0-9.]+\s*$", 1),
    Mark("version ", r"version [0-9]+\.[0-9]+\s*$", 8),
    Mark(" password ", r"(?:mpls ldp neighbor \S+|ip msdp) password ", 10),
    Mark("service ", r"service (?:timestamps|password-encryption)", 6),
)
_NX_OS_MARKS = (
    *_COMMON_MARKS,
    Mark("feature bgp", r"feature bgp\b", 15),
    Mark("version ", r"version [0-9]+\.[0-9]+\([0-9]", 12),
    Mark("!Command: show running-config", r"!Command: show running-config", 15),
    Mark("key-string 7 ", r"\s+key-string 7 \"", 8),
    Mark("neighbor ", r"\s+neighbor \S+\s*$", 2),
    Mark(" ao ", r"\s+ao \S+", 4),
    Mark("inherit ", r"\s+inherit peer", 4),
    Mark("password 3 ", r"\s+password 3 [0-9a-f]", 10),
)


def _recognises_ios_xe(text: str) -> int:
    return score(text, _IOS_XE_MARKS)


def _recognises_nx_os(text: str) -> int:
    return score(text, _NX_OS_MARKS)


IOS_XE = Importer("ios-xe", "Cisco IOS-XE", _recognises_ios_xe, _read_ios_xe, is_printed=True)
NX_OS = Importer("nx-os", "Cisco NX-OS", _recognises_nx_os, _read_nx_os, is_printed=True)
