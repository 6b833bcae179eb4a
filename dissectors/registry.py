"""Which dissector has which key: the built-in ones, those of installed packages, and those that a user names.

For one key, what the user asked for (`decode_as`, then `load_file`, the latest first) comes before the
built-in dissectors, and those before entry points of the group `aoinspect.dissectors`. Entry points are
looked for only when a key is asked for that nobody else has, because looking costs more than everything else
at start-up.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from dissectors import (
    applications,
    chdlc,
    erspan,
    ethernet,
    geneve,
    gre,
    ipv4,
    ipv6,
    ipv6_extensions,
    juniper,
    llc,
    mpls,
    nflog,
    null,
    ppp,
    pppoe,
    raw,
    sll,
    sll2,
    tcp,
    udp,
    vlan,
    vxlan,
    vxlan_gpe,
)
from dissectors.base import Dissector, Key

ENTRY_POINTS = "aoinspect.dissectors"
_MODULES = (
    ethernet, llc, vlan, mpls, sll, sll2, raw, null, ppp, chdlc, pppoe, ipv4, ipv6, gre, erspan, udp, vxlan,
    vxlan_gpe, geneve, nflog, juniper, tcp,
)  # fmt: skip
BUILT_IN: tuple[Dissector, ...] = (
    *(module.DISSECTOR for module in _MODULES),
    *ipv6_extensions.DISSECTORS,
    *applications.DISSECTORS,
)


class Registry:
    """The dissectors of one run. Changing one registry changes no other."""

    def __init__(self, dissectors: Iterable[Dissector] = BUILT_IN, *, use_entry_points: bool = True) -> None:
        self._by_namespace: dict[str, dict[int, Dissector]] = {}
        self._by_name: dict[str, Dissector] = {}
        self._installed_are_loaded = not use_entry_points
        self._problems: list[str] = []
        for dissector in dissectors:
            self.add(dissector)

    @property
    def problems(self) -> tuple[str, ...]:
        """What was wrong with installed dissectors, one line each; those are left out."""
        return tuple(self._problems)

    def lookup(self, key: Key) -> Dissector | None:
        """The dissector of `key`, or None."""
        namespace, number = key
        found = self._by_namespace.get(namespace, {}).get(number)
        if found is None and not self._installed_are_loaded:
            self._load_installed()
            found = self._by_namespace.get(namespace, {}).get(number)
        return found

    def namespace(self, name: str) -> dict[int, Dissector]:
        """All numbers of one namespace that have a dissector; a copy."""
        if not self._installed_are_loaded:
            self._load_installed()
        return dict(self._by_namespace.get(name, {}))

    def names(self) -> tuple[str, ...]:
        """The names that `decode_as` knows, sorted."""
        if not self._installed_are_loaded:
            self._load_installed()
        return tuple(sorted(self._by_name))

    def add(self, dissector: Dissector) -> None:
        """Give `dissector` its keys, also those that another one has had."""
        self._by_name[dissector.name] = dissector
        for namespace, number in dissector.keys:
            self._by_namespace.setdefault(namespace, {})[number] = dissector

    def decode_as(self, rule: str) -> None:
        """Give keys to a dissector by name: "udp.port==8472,vxlan", or "udp.port==8472-8474,vxlan", as
        tshark's -d.

        Raises ValueError that says what is wrong with `rule` and names what is known.
        """
        selector, comma, name = rule.partition(",")
        namespace, equals, numbers = selector.partition("==")
        namespace, name = namespace.strip(), name.strip()
        if not comma or not equals:
            raise ValueError(f'"{rule}" is not of the form "udp.port==8472,vxlan"')
        first, last = _number_range(numbers, rule)
        known_namespaces = self._known_namespaces()
        if namespace not in known_namespaces:
            raise ValueError(f'"{rule}": nothing leads to "{namespace}"; known: {", ".join(known_namespaces)}')
        known_names = self.names()
        if name not in known_names:
            raise ValueError(f'"{rule}": there is no dissector "{name}"; known: {", ".join(known_names)}')
        rows = self._by_namespace.setdefault(namespace, {})
        rows.update(dict.fromkeys(range(first, last + 1), self._by_name[name]))

    def load_file(self, path: str | Path) -> tuple[Dissector, ...]:
        """Add what a Python file defines as `DISSECTOR`, or as `DISSECTORS`; gives what was added.

        The file is run. Raises ValueError with the path and the cause.
        """
        try:
            found = _dissectors_of(_run(Path(path)))
        except (ValueError, OSError) as error:
            raise ValueError(f"{path}: {error}") from error
        for dissector in found:
            self.add(dissector)
        return found

    def _known_namespaces(self) -> list[str]:
        led_to = {dissector.leads_to for dissector in self._by_name.values() if dissector.leads_to is not None}
        return sorted(led_to | set(self._by_namespace))

    def _load_installed(self) -> None:
        from importlib.metadata import entry_points

        self._installed_are_loaded = True
        for entry_point in entry_points(group=ENTRY_POINTS):
            try:
                found = _checked(entry_point.load())
            except Exception as error:  # noqa: BLE001 - the border to other people's code
                self._problems.append(f"dissector {entry_point.name} ({entry_point.value}): {error}")
                continue
            self._add_behind(found)

    def _add_behind(self, dissector: Dissector) -> None:
        """Give `dissector` those of its keys, and its name, that nobody has."""
        self._by_name.setdefault(dissector.name, dissector)
        for namespace, number in dissector.keys:
            self._by_namespace.setdefault(namespace, {}).setdefault(number, dissector)


def _number_range(numbers: str, rule: str) -> tuple[int, int]:
    first_text, dash, last_text = numbers.strip().partition("-")
    try:
        first = int(first_text, 0)
        last = int(last_text, 0) if dash else first
    except ValueError:
        raise ValueError(f'"{rule}": "{numbers.strip()}" is no number and no range such as 8472-8474') from None
    if not 0 <= first <= last <= 0xFFFF:
        raise ValueError(f'"{rule}": numbers run from 0 to 65535, the smaller one first')
    return first, last


def _run(path: Path) -> ModuleType:
    name = f"aoinspect_dissector_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ValueError("this is no Python file; its name must end in .py")
    if not path.is_file():
        raise ValueError("there is no such file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses defined in the file look their module up here
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        line = f"line {error.lineno}: " if isinstance(error, SyntaxError) else ""
        raise ValueError(f"{line}{type(error).__name__}: {error}") from error
    return module


def _dissectors_of(module: ModuleType) -> tuple[Dissector, ...]:
    several = getattr(module, "DISSECTORS", None)
    if several is None and not hasattr(module, "DISSECTOR"):
        raise ValueError("it defines neither DISSECTOR nor DISSECTORS (see dissectors.base.Dissector)")
    found = [module.DISSECTOR] if several is None else list(several)
    return tuple(_checked(candidate) for candidate in found)


def _checked(candidate: object) -> Dissector:
    """`candidate` as a Dissector whose keys and functions have the right form; ValueError otherwise."""
    if not isinstance(candidate, Dissector):
        raise ValueError(f"{type(candidate).__name__} is not a dissectors.base.Dissector")
    if not candidate.name or not candidate.keys:
        raise ValueError("the dissector has no name or no keys")
    for key in candidate.keys:
        is_key = isinstance(key, tuple) and len(key) == 2 and isinstance(key[0], str) and isinstance(key[1], int)
        if not is_key:
            raise ValueError(f'the key {key!r} is not of the form ("udp.port", 4789)')
    if not callable(candidate.describe) or not (candidate.hop is None or callable(candidate.hop)):
        raise ValueError("`describe` and `hop` must be functions")
    if (candidate.hop is None) != (candidate.leads_to is None):
        raise ValueError("`hop` and `leads_to` go together: the one finds numbers, the other says of what")
    return candidate
