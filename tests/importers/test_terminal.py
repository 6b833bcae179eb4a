"""What a terminal session leaves in a configuration: pager marks, their erasing, prompts, and what came between."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aoinspect.keys import load_keys
from aoinspect.keys.importers.terminal import second_device, without_session
from tests.importers import test_arista, test_cisco_xe, test_cisco_xr, test_huawei, test_junos, test_nokia
from tests.importers.test_every_system import keys_of, saved

SESSIONS = {
    "ios-xr": ("RP/0/RP0/CPU0:xr1#show running-config\nMon Nov 23 10:00:00.000 UTC\n", "\nRP/0/RP0/CPU0:xr1#"),
    "ios-xe": (
        "edge1#show running-config\nBuilding configuration...\n\nCurrent configuration : 48 bytes\n",
        "edge1#\n",
    ),
    "nx-os": ("edge1# show running-config\n\n", "\nedge1# exit\n"),
    "junos": ("lab@mx1> show configuration \n", "\n{master}\nlab@mx1> \n"),
    "sros": ("[/]\nA:admin@PE1# admin show configuration\n", "\n[/]\nA:admin@PE1# \n"),
    "eos": ("leaf1#show running-config\n", "leaf1#\n"),
    "vrp": ("<HUAWEI>display current-configuration\n", "<HUAWEI>\n"),
}
TEXTS = {
    "ios-xr": test_cisco_xr.WHOLE,
    "ios-xe": test_cisco_xe.IOS_XE,
    "nx-os": test_cisco_xe.NX_OS,
    "junos": test_junos.BRACES,
    "sros": test_nokia.CONFIGURATION,
    "eos": test_arista.WHOLE,
    "vrp": test_huawei.WHOLE,
}
BACK = "\b" * 9
# As each pager's mark stands in a log of the session: before the line that it held back, and erased.
ERASED = {
    "ios-xr": f" --More-- {BACK}        {BACK}",
    "ios-xe": f" --More-- {BACK}        {BACK}",
    "nx-os": "\x1b[7m--More--\x1b[27m\r\x1b[K",
    "junos": "---(more 45%)---\r" + " " * 40 + "\r",
    "sros": "Press any key to continue (Q to quit)\r" + " " * 38 + "\r",
    "eos": "\x1b[7m --More-- \x1b[m\r          \r",
    "vrp": "  ---- More ----\x1b[42D" + " " * 42 + "\x1b[42D",
}
every_system = pytest.mark.parametrize("system", SESSIONS)


@every_system
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_prompts_and_headers_around_change_nothing(system: str, end: str, tmp_path: Path) -> None:
    before, after = SESSIONS[system]
    text = TEXTS[system]
    whole = load_keys([str(saved(text, tmp_path))])
    pasted = load_keys([str(saved((before + text + after).replace("\n", end), tmp_path))])
    assert keys_of(pasted) == keys_of(whole)
    assert [(str(peer.remote), peer.vrf, str(peer.local)) for peer in pasted.peers] == [
        (str(peer.remote), peer.vrf, str(peer.local)) for peer in whole.peers
    ]
    # Lines keep their numbers.
    assert {mkt.origin.line - before.count("\n") for peer in pasted.peers for mkt in peer.mkts} == {
        mkt.origin.line for peer in whole.peers for mkt in peer.mkts
    }


@every_system
def test_an_erased_pager_mark_before_any_line_changes_nothing(system: str, tmp_path: Path) -> None:
    lines = TEXTS[system].splitlines()
    whole = load_keys([str(saved(TEXTS[system], tmp_path))])
    for place in range(len(lines)):
        with_mark = [*lines[:place], ERASED[system] + lines[place], *lines[place + 1 :]]
        assert load_keys([f"{system}:{saved(chr(10).join(with_mark) + chr(10), tmp_path)}"]) == whole, place


@every_system
def test_a_pager_mark_on_a_line_of_its_own_changes_nothing(system: str, tmp_path: Path) -> None:
    mark = {"junos": "---(more)---", "vrp": "  ---- More ----"}.get(system, " --More-- ")
    lines = TEXTS[system].splitlines()
    whole = load_keys([str(saved(TEXTS[system], tmp_path))])
    for place in range(len(lines)):
        with_mark = "\n".join([*lines[:place], mark, *lines[place:]]) + "\n"
        assert keys_of(load_keys([f"{system}:{saved(with_mark, tmp_path)}"])) == keys_of(whole), place


def test_a_mark_whose_erasing_was_lost_is_taken_out_and_told_where_the_indentation_is_a_guess() -> None:
    assert without_session(" --More--           send-id 1\n") == ("  send-id 1\n", [])
    assert without_session("  ---- More ----[42D" + " " * 42 + "[42D key-id 1\n") == (" key-id 1\n", [])
    assert without_session("key chain K tcp\n --More--  send-id 1\n") == ("key chain K tcp\n  send-id 1\n", [2])


def test_a_guess_is_a_warning_at_its_line(tmp_path: Path) -> None:
    text = test_cisco_xe.CHAIN.replace("\n  send-id", "\n --More--  send-id", 1)
    assert text != test_cisco_xe.CHAIN
    store = load_keys([f"ios-xe:{saved(text, tmp_path)}"])
    (told,) = [warning for warning in store.warnings if "--More--" in warning.message]
    assert "send-id" in text.splitlines()[told.origin.line - 1]


JUNOS_COMMANDS = """\
lab@mx1> show configuration security
{0}
{{master}}
lab@mx1> show configuration protocols
bgp {{
    group g {{ authentication-algorithm ao; authentication-key-chain EDGE; neighbor 192.0.2.1; }}
}}

{{master:0}}[edit]
lab@mx1# show protocols bgp
group h {{ authentication-algorithm ao; authentication-key-chain EDGE; neighbor 192.0.2.2; }}

[edit]
lab@mx1#
"""


def test_parts_of_a_junos_configuration_come_from_several_commands(tmp_path: Path) -> None:
    inside = "\n".join(line[4:] for line in test_junos.CHAIN.splitlines()[1:-1])
    store = load_keys([str(saved(JUNOS_COMMANDS.format(inside), tmp_path))])
    assert {str(peer.remote) for peer in store.peers} == {"192.0.2.1/32", "192.0.2.2/32"}
    assert {mkt.secret for mkt in keys_of(store)} == {b"interop"}


@pytest.mark.parametrize(
    "text", ["a\rb\r\n" * 20_000, "\x1b[512C\x1b[2K" * 40_000, " " * 400_000, "\b" * 400_000, "--more" * 60_000]
)
def test_any_text_keeps_its_lines(text: str) -> None:
    """And is done in time that grows with its length."""
    assert without_session(text)[0].count("\n") == text.count("\n")


NAMES = {
    "ios-xr": "hostname {}\n",
    "ios-xe": "hostname {}\n",
    "nx-os": "switchname {}\n",
    "junos": "system {{\n    host-name {};\n}}\n",
    "eos": "hostname {}\n",
    "vrp": "#\n sysname {}\n",
}


@pytest.mark.parametrize("system", NAMES)
def test_the_configuration_of_a_second_device_is_told(system: str, tmp_path: Path) -> None:
    text = re.sub(r"(?m)^ ?(?:hostname|sysname|switchname).*\n", "", TEXTS[system])
    if system == "junos":
        text = re.sub(r"(?m)^    host-name.*?;", "    services;", text)
    one, other = (NAMES[system].format(name) + text for name in ("edge-1", "edge-2"))
    store = load_keys([f"{system}:{saved(one + other, tmp_path)}"])
    (told,) = [warning for warning in store.warnings if "second device" in warning.message]
    assert "edge-2" in (one + other).splitlines()[told.origin.line - 1]
    twice = load_keys([f"{system}:{saved(one + one, tmp_path)}"])
    assert not any("second device" in warning.message for warning in twice.warnings)


def test_the_names_of_two_routing_engines_are_those_of_one_device() -> None:
    engines = (
        "groups {\n    re0 { system {\n            host-name a;\n } }\n    re1 { system {\n            host-name b;\n"
    )
    assert second_device(engines + "} } }\n" + test_junos.BRACES) is None
