"""Which dissector has a key: built in, installed, from a file, or by decode-as."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

from dissectors import ethernet, ipv4, tcp, vxlan
from dissectors.base import Dissector
from dissectors.registry import BUILT_IN, ENTRY_POINTS, Registry
from tests.dissectors.recorded import PROJECT_ROOT

PLUGIN = """
import numpy as np
from dissectors.base import Dissector, Field, Layer

def describe(octets, start, end):
    return Layer(Field("Mine", "", start, start))

DISSECTOR = Dissector("mine", "My protocol", (("udp.port", 7777), ("ip.proto", 6)), describe)
"""


@pytest.fixture
def registry() -> Registry:
    return Registry(use_entry_points=False)


def test_no_two_built_in_dissectors_claim_one_key_or_name() -> None:
    keys = [key for dissector in BUILT_IN for key in dissector.keys]
    names = [dissector.name for dissector in BUILT_IN]
    assert len(keys) == len(set(keys))
    assert len(names) == len(set(names))


def test_a_key_finds_its_dissector_and_an_unknown_one_nothing(registry: Registry) -> None:
    assert registry.lookup(("linktype", 1)) is ethernet.DISSECTOR
    assert registry.lookup(("linktype", 9999)) is None
    assert registry.lookup(("no such", 1)) is None
    assert registry.namespace("ip.proto")[6] is tcp.DISSECTOR


def test_decode_as_gives_a_port_to_a_dissector_in_this_registry_only(registry: Registry) -> None:
    registry.decode_as("udp.port==8472,vxlan")
    assert registry.lookup(("udp.port", 8472)) is vxlan.DISSECTOR
    assert Registry(use_entry_points=False).lookup(("udp.port", 8472)) is None


def test_decode_as_takes_a_range_and_hexadecimal(registry: Registry) -> None:
    registry.decode_as("ethertype==0x9000-0x9002,ip")
    assert [registry.lookup(("ethertype", number)) for number in (0x8FFF, 0x9000, 0x9002, 0x9003)] == [
        None,
        ipv4.DISSECTOR,
        ipv4.DISSECTOR,
        None,
    ]


@pytest.mark.parametrize(
    "rule, says",
    [
        ("udp.port==8472", "is not of the form"),
        ("udp.port=8472,vxlan", "is not of the form"),
        ("udp.port==many,vxlan", '"many" is no number'),
        ("udp.port==70000,vxlan", "from 0 to 65535"),
        ("udp.port==9-8,vxlan", "from 0 to 65535"),
        ("udp.prt==8472,vxlan", r'nothing leads to "udp.prt"; known: .*udp\.port'),
        ("udp.port==8472,vxlam", r'no dissector "vxlam"; known: .*vxlan'),
    ],
)
def test_a_wrong_rule_says_what_is_wrong_and_what_is_known(registry: Registry, rule: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        registry.decode_as(rule)


def test_a_file_adds_its_dissector_before_the_built_in_ones(registry: Registry, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(PLUGIN)
    (mine,) = registry.load_file(path)
    assert registry.lookup(("udp.port", 7777)) is mine
    assert registry.lookup(("ip.proto", 6)) is mine
    assert "mine" in registry.names()


@pytest.mark.parametrize(
    "text, says",
    [
        ("", "neither DISSECTOR nor DISSECTORS"),
        ("DISSECTOR = 5", "int is not a"),
        ("def (", "line 1: SyntaxError"),
        ("import no_such_module", "ModuleNotFoundError"),
        (PLUGIN.replace('"mine"', '""'), "no name"),
        (PLUGIN.replace('("udp.port", 7777)', '"udp.port"'), "is not of the form"),
        (PLUGIN.replace("describe)", "describe, describe)"), "go together"),
    ],
)
def test_a_broken_file_is_named_with_the_cause(registry: Registry, tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "broken.py"
    path.write_text(text)
    with pytest.raises(ValueError, match=f"broken.py: .*{says}"):
        registry.load_file(path)


@pytest.mark.parametrize("name", ["missing.py", "missing.txt"])
def test_a_missing_file_is_named(registry: Registry, tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=name):
        registry.load_file(tmp_path / name)


def test_installed_dissectors_are_looked_for_when_a_key_is_missing_and_never_replace_built_in_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "installed_dissector.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(str(tmp_path))
    points = [
        importlib.metadata.EntryPoint("mine", "installed_dissector:DISSECTOR", ENTRY_POINTS),
        importlib.metadata.EntryPoint("gone", "no_such_module:DISSECTOR", ENTRY_POINTS),
    ]
    asked: list[str] = []

    def installed(*, group: str) -> list[importlib.metadata.EntryPoint]:
        asked.append(group)
        return points

    monkeypatch.setattr(importlib.metadata, "entry_points", installed)
    registry = Registry()
    assert registry.lookup(("ip.proto", 6)) is tcp.DISSECTOR
    assert asked == []
    found: Dissector | None = registry.lookup(("udp.port", 7777))
    assert found is not None
    assert found.name == "mine"
    assert registry.lookup(("ip.proto", 6)) is tcp.DISSECTOR
    assert asked == [ENTRY_POINTS]
    assert len(registry.problems) == 1
    assert "no_such_module" in registry.problems[0]


def test_dissectors_load_nothing_of_aoinspect_and_no_slow_module() -> None:
    program = (
        "import sys, dissectors.registry, dissectors.tree\n"
        "dissectors.registry.Registry().lookup(('linktype', 1))\n"
        "unwanted = ('aoinspect', 'dpkt', 'importlib.metadata')\n"
        "print([name for name in sys.modules if name.startswith(unwanted)])"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"
