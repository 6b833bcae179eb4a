"""A canary in the keys, however they are written: no command, form, file or debugging output holds it.

The only exceptions are what is asked for: the key files and configurations that `keys import`, `keys export` and
`explain --write` make.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from aoinspect.cli import DEBUG_VARIABLE, build_parser
from aoinspect.keys import load_keys
from tests.cli.test_secrets import CANARY, assert_no_canary, disguised_as_cisco7, disguised_as_junos9, key_text
from tests.conversation import Conversation, Key
from tests.report.running import Command, Run

TEXT = CANARY.decode()
HEX = CANARY.hex()
BASE64 = base64.b64encode(CANARY).decode()

CONFIGURATIONS = {
    "bird text": "protocol bgp p {\n  local 10.0.0.1 as 1;\n  neighbor 10.0.0.2 as 2;\n  authentication ao;\n"
    f'  keys {{ key {{ send id 1; recv id 101; secret "{TEXT}"; }}; }};\n}}\n',
    "bird hex": "protocol bgp p {\n  local 10.0.0.1 as 1;\n  neighbor 10.0.0.2 as 2;\n  authentication ao;\n"
    f"  keys {{ key {{ send id 1; recv id 101; secret hex:{HEX}; }}; }};\n}}\n",
    "gobgp": '[[keychains]]\n  [keychains.config]\n    name = "k"\n  [[keychains.keys]]\n    [keychains.keys.config]\n'
    '      key-id = 1\n      receive-id = 101\n      crypto-algorithm = "hmac_sha_1_96"\n'
    f'      secret-key = "{BASE64}"\n'
    '[[neighbors]]\n  [neighbors.config]\n    neighbor-address = "10.0.0.2"\n  [neighbors.tcp-ao.config]\n'
    '    keychain = "k"\n',
    "ios-xr clear": f"key chain k\n key 1\n  key-string clear {TEXT}\n  cryptographic-algorithm HMAC-SHA1-96\n"
    "tcp ao\n keychain k\n  key 1 SendID 1 ReceiveID 101\nrouter bgp 1\n neighbor 10.0.0.2\n"
    "  ao k include-tcp-options enable\n",
    "ios-xr type 7": f"key chain k\n key 1\n  key-string password {disguised_as_cisco7(CANARY)}\n"
    "  cryptographic-algorithm HMAC-SHA1-96\ntcp ao\n keychain k\n  key 1 SendID 1 ReceiveID 101\n"
    "router bgp 1\n neighbor 10.0.0.2\n  ao k include-tcp-options enable\n",
    "ios-xe": "key chain k tcp\n key 1\n  send-id 1\n  recv-id 101\n  include-tcp-options\n"
    f"  cryptographic-algorithm hmac-sha-1\n  key-string 0 {TEXT}\nrouter bgp 1\n neighbor 10.0.0.2 remote-as 2\n"
    " neighbor 10.0.0.2 ao k include-tcp-options\n",
    "junos $9$": "security { authentication-key-chains { key-chain k { key 0 {\n"
    f'secret "{disguised_as_junos9(CANARY)}";\nalgorithm ao;\n'
    "ao-attribute { send-id 1; recv-id 101; tcp-ao-option enabled; } } } } }\n"
    "protocols { bgp { group g { neighbor 10.0.0.2 { authentication-algorithm ao;\n"
    "authentication-key-chain k; } } } }\n",
    "ietf": json.dumps(
        {
            "ietf-key-chain:key-chains": {
                "key-chain": [
                    {
                        "name": "k",
                        "key": [
                            {
                                "key-id": "1",
                                "lifetime": {"send-accept-lifetime": {"always": [None]}},
                                "crypto-algorithm": "hmac-sha-1",
                                "key-string": {"keystring": TEXT},
                                "ietf-tcp:authentication": {
                                    "keychain": "k",
                                    "ao": {"send-id": 1, "recv-id": 101, "include-tcp-options": True},
                                },
                            }
                        ],
                    }
                ]
            }
        },
        indent=1,
    ),
}

LOOKS: dict[str, tuple[str, ...]] = {
    **{f"verify {form}": ("verify", "{capture}", "--format", form) for form in ("text", "json", "jsonl")},
    "verify --all": ("verify", "{capture}", "--all", "--policy", "linux"),
    **{f"check {form}": ("check", "{capture}", "--format", form) for form in ("text", "json", "jsonl", "junit")},
    **{f"check {form}": ("check", "{capture}", "--format", form) for form in ("github", "tap")},
    "check --update": ("check", "{capture}", "--baseline", "{out}", "--update", "--strict"),
    "check --output": ("check", "{capture}", "--output", "junit={out}"),
    **{f"explain {form}": ("explain", "{capture}", "--format", form) for form in ("text", "json")},
    "explain --write": ("explain", "{capture}", "--write", "{secret_out}"),
    "explain two captures": ("explain", "{capture}", "{capture}"),
    **{f"timeline {form}": ("timeline", "{capture}", "--format", form) for form in ("text", "json", "svg", "html")},
    **{f"show {form}": ("show", "{capture}", "--format", form) for form in ("text", "json", "jsonl")},
    **{f"show 4 {form}": ("show", "{capture}", "4", "--format", form) for form in ("text", "json")},
    **{f"show 6 {form}": ("show", "{capture}", "6", "--format", form) for form in ("text", "json")},
    "report": ("report", "{capture}", "-o", "{out}"),
    "annotate": ("annotate", "{capture}", "{out}"),
    "resign": ("resign", "{capture}", "{out}"),
    "resign --anonymise": ("resign", "{capture}", "{out}", "--anonymise"),
    "resign --fault": ("resign", "{capture}", "{out}", "--add", "--force"),
}
OF_KEYS: dict[str, tuple[str, ...]] = {
    **{f"keys lint {form}": ("keys", "lint", "{keys}", "--format", form) for form in ("text", "json")},
    **{f"keys compare {form}": ("keys", "compare", "{keys}", "{other}", "--format", form) for form in ("text", "json")},
    "keys import": ("keys", "import", "{keys}", "-o", "{secret_out}"),
    **{
        f"keys export {system}": ("keys", "export", "{keys}", "--to", system, "--peer", "-o", "{secret_out}")
        for system in ("aoinspect", "bird", "gobgp", "ios-xr", "ios-xe", "junos", "ietf")
    },
    "keys isn": ("keys", "isn", "{keys}"),
    "keys example": ("keys", "example"),
}
ELSEWHERE = {"tui", "completion", "wireshark install", "keys traffic-keys"}
"""What is tested below, reads no keys, or is asked for traffic keys."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A capture with every verdict, its key, and the same key with a slip in it."""
    session = Conversation([Key("k1", 1, 101, secret=CANARY)]).handshake().data("a", 50).data("b", 50)
    session.data("a", 5).sign_with_wrong_secret().data("a", 6).name_unknown_key(9).data("b", 7).strip_option()
    session.data("a", 5).add_second_option().data("a", 9).sign_with_other_options_flag().data("a", 9).cut(60)
    (tmp_path / "capture.pcap").write_bytes(session.to_pcap())
    lifetime = "send-lifetime = { until = 2020-01-01 }\n"
    slips = {
        "keys.toml": key_text("secret", f'"{TEXT}"') + lifetime,
        "newline.toml": key_text("secret", f'"{TEXT}\\n"'),
        "encoded.toml": key_text("secret", f'"{BASE64}"'),
        "octets.toml": key_text("secret", f'"{HEX}"'),
        "other algorithm.toml": key_text("secret", f'"{TEXT}"', algorithm="hmac-sha-256-128"),
    }
    for name, text in slips.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o644)
    return tmp_path


def arguments(folder: Path, pattern: tuple[str, ...], keys: str) -> list[str]:
    names = {"capture": "capture.pcap", "keys": keys, "other": "newline.toml", "out": "out", "secret_out": "secret.out"}
    filled = [part.format_map({name: folder / path for name, path in names.items()}) for part in pattern]
    return filled if pattern[0] == "keys" else [*filled, "--keys", str(folder / keys)]


def assert_silent(run: Run, folder: Path) -> None:
    assert run.status in (0, 1, 2, 4)
    assert "internal error" not in run.err
    assert_no_canary(run.out + run.err)
    written = folder / "out"
    if written.exists():
        assert_no_canary(written.read_bytes().decode("latin-1"))


@pytest.mark.parametrize("name", [*LOOKS, *OF_KEYS])
def test_no_command_shows_it(aoinspect: Command, folder: Path, name: str) -> None:
    run = aoinspect(*arguments(folder, {**LOOKS, **OF_KEYS}[name], "keys.toml"), environment={DEBUG_VARIABLE: "1"})
    assert_silent(run, folder)
    assert run.out or run.err


@pytest.mark.parametrize("keys", ["newline.toml", "encoded.toml", "octets.toml", "other algorithm.toml"])
@pytest.mark.parametrize("name", ["verify text", "explain text", "explain json", "keys lint text", "show 4 text"])
def test_a_key_with_a_slip_is_explained_without_it(aoinspect: Command, folder: Path, name: str, keys: str) -> None:
    run = aoinspect(*arguments(folder, {**LOOKS, **OF_KEYS}[name], keys), environment={DEBUG_VARIABLE: "1"})
    assert_silent(run, folder)


@pytest.mark.parametrize("name", ["verify json", "explain text", "keys lint text", "keys import"])
@pytest.mark.parametrize("system", CONFIGURATIONS)
def test_no_configuration_gives_it_away(aoinspect: Command, folder: Path, system: str, name: str) -> None:
    (folder / "router.cfg").write_text(CONFIGURATIONS[system])
    run = aoinspect(
        *arguments(folder, {**LOOKS, **OF_KEYS}[name], "router.cfg"),
        *("--local", "10.0.0.1"),
        environment={DEBUG_VARIABLE: "1"},
    )
    assert_silent(run, folder)
    store = load_keys([str(folder / "router.cfg")])
    told = {mkt.secret for peer in store.peers for mkt in peer.mkts}
    told |= {mkt.secret for chain in store.keychains for mkt in chain.mkts}
    assert told == {CANARY}, "the canary was read"
    if name == "verify json" and system != "ietf":
        assert json.loads(run.out)["totals"]["verified"] > 0


@pytest.mark.parametrize("system", CONFIGURATIONS)
def test_no_cut_configuration_gives_it_away(aoinspect: Command, folder: Path, system: str) -> None:
    text = CONFIGURATIONS[system]
    path = folder / "router.cfg"
    for end in range(1, len(text), max(1, len(text) // 12)):
        path.write_text(text[:end])
        run = aoinspect("keys", "lint", path, environment={DEBUG_VARIABLE: "1"})
        assert run.status in (0, 2)
        for length in (22, 16, 10):
            assert TEXT[:length] not in run.out + run.err
        assert_no_canary(run.out + run.err)


def commands(parser: argparse.ArgumentParser, above: str = "") -> Iterator[str]:
    """Every command that can be run, by its words."""
    inner = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not inner:
        yield above
    for action in inner:
        for name, subparser in action.choices.items():
            yield from commands(subparser, f"{above} {name}".strip())


def test_no_command_is_left_out() -> None:
    tested = {" ".join(pattern[:2] if pattern[0] == "keys" else pattern[:1]) for pattern in (LOOKS | OF_KEYS).values()}
    assert set(commands(build_parser())) - ELSEWHERE == tested


def test_the_terminal_interface_does_not_show_it(folder: Path) -> None:
    from tests.tui.running import press, running, screen_text, session_on

    async def walk() -> None:
        session = session_on(folder / "capture.pcap", load_keys([str(folder / "keys.toml")]))
        async with running(session) as (app, pilot):
            for keys in ("1", "2", "3", "4", "5"):
                await press(pilot, keys)
                assert_no_canary(screen_text(app))
            await press(pilot, "4", "enter")
            shown = screen_text(app)
            assert "k1" in shown
            assert_no_canary(shown)

    asyncio.run(walk())
