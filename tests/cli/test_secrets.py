"""A canary in a key file: nothing that is printed, raised or shown as a repr holds it, in any notation."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from aoinspect.capture.reader import open_capture
from aoinspect.cli import DEBUG_VARIABLE
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.reading import analyse
from aoinspect.keys import load_keys
from aoinspect.keys.obfuscation import _JUNOS9_RANK, _JUNOS9_WEIGHTS, reveal_cisco7
from aoinspect.report.model import build_report
from tests.conversation import Conversation, Key
from tests.report.running import Command

CANARY = b"C4nary/Kakapo-Moa~Weka"
"""22 octets of text that nothing else here could print."""


def disguised_as_cisco7(secret: bytes) -> str:
    """XOR with a pad: what reveals also disguises."""
    return "07" + reveal_cisco7("07" + secret.hex()).hex()


def disguised_as_junos9(secret: bytes) -> str:
    """Each octet as steps through the alphabet, the largest weights first."""
    order = list(_JUNOS9_RANK)
    text = "i"  # Of the family that no filler follows.
    for index, octet in enumerate(secret):
        weights = _JUNOS9_WEIGHTS[index % len(_JUNOS9_WEIGHTS)]
        steps = []
        for weight in reversed(weights):
            steps.append(octet // weight)
            octet %= weight
        for step in reversed(steps):
            text += order[(_JUNOS9_RANK[text[-1]] + step + 1) % len(order)]
    return f"$9${text}"


SOURCES = {
    "secret": f'"{CANARY.decode()}"',
    "secret-hex": f'"{CANARY.hex()}"',
    "secret-base64": f'"{base64.b64encode(CANARY).decode()}"',
    "secret-file": '"canary.secret"',
    "secret-env": '"CANARY"',
    "secret-cisco7": f'"{disguised_as_cisco7(CANARY)}"',
    "secret-junos9": f'"{disguised_as_junos9(CANARY)}"',
}


def notations() -> Iterator[str]:
    """The canary, and its inner octets, as text that somebody might print."""
    text = CANARY.decode()
    yield text
    yield text[2:-2]
    yield CANARY.hex()
    yield CANARY.hex().upper()
    yield CANARY.hex(" ")
    yield CANARY.hex(":")
    yield repr(CANARY)
    yield str(list(CANARY))
    yield disguised_as_cisco7(CANARY)[2:]
    yield disguised_as_junos9(CANARY)[3:]
    for start in range(3):
        # Base64 of a part that starts at any octet of a group of three.
        part = base64.b64encode(CANARY[start : start + 18]).decode()
        yield part
        yield part.replace("/", "_").replace("+", "-")


def assert_no_canary(text: str) -> None:
    for notation in notations():
        assert notation not in text


def key_text(
    source: str, value: str, *, algorithm: str = "hmac-sha-1-96", ids: str = "send-id = 1\nrecv-id = 101\n"
) -> str:
    return (
        'version = 1\n[[peer]]\nlocal = "10.0.0.1"\nremote = "10.0.0.2"\nport = 179\n[[peer.key]]\n'
        f'name = "k1"\n{ids}algorithm = "{algorithm}"\n{source} = {value}\n'
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A capture with verified, wrong, unknown and unsigned segments under the canary, and its key in every form."""
    session = Conversation([Key("k1", 1, 101, secret=CANARY)]).handshake().data("a", 50).data("b", 50)
    session.data("a", 5).sign_with_wrong_secret().data("a", 6).name_unknown_key(9).data("b", 7).strip_option()
    (tmp_path / "told.pcap").write_bytes(session.to_pcap())
    (tmp_path / "canary.secret").write_bytes(CANARY + b"\n")
    (tmp_path / "canary.secret").chmod(0o644)
    monkeypatch.setenv("CANARY", CANARY.decode())
    for source, value in SOURCES.items():
        (tmp_path / f"{source}.toml").write_text(key_text(source, value))
        (tmp_path / f"{source}.toml").chmod(0o644)
    return tmp_path


@pytest.mark.parametrize("form", ["text", "json", "jsonl"])
@pytest.mark.parametrize("source", SOURCES)
def test_no_output_form_holds_it(aoinspect: Command, folder: Path, source: str, form: str) -> None:
    run = aoinspect("verify", folder / "told.pcap", "--keys", folder / f"{source}.toml", "--format", form)
    assert run.status == 1
    assert "verified" in run.out, "the key was read and used"
    assert_no_canary(run.out + run.err)


def test_warnings_of_overlapping_keys_do_not_hold_it(aoinspect: Command, folder: Path) -> None:
    (folder / "other.toml").write_text(key_text("secret", '"another one"'))
    run = aoinspect("verify", folder / "told.pcap", "--keys", folder / "secret.toml", "--keys", folder / "other.toml")
    assert "has the send-id 1 of key" in run.err
    assert_no_canary(run.out + run.err)


MISTAKES = {
    "an unknown algorithm": key_text("secret", SOURCES["secret"], algorithm="sha"),
    "a bad id": key_text("secret", SOURCES["secret"], ids="send-id = 999\nrecv-id = 101\n"),
    "not hexadecimal": key_text("secret-hex", SOURCES["secret"]),
    "not base64": key_text("secret-base64", f'"{CANARY.decode()}!"'),
    "hexadecimal of odd length": key_text("secret-hex", f'"{CANARY.hex()}a"'),
    "no such file": key_text("secret-file", SOURCES["secret"]),
    "no such variable": key_text("secret-env", SOURCES["secret"]),
    "no type 7": key_text("secret-cisco7", SOURCES["secret"]),
    "no type 9": key_text("secret-junos9", SOURCES["secret"]),
    "hexadecimal without quotes": key_text("secret-hex", f"0x{CANARY.hex()}"),
    "a misspelt key": key_text("secrte", SOURCES["secret"]),
    "the secret for an algorithm": key_text("secret", '"x"', algorithm=CANARY.decode()),
    "the secret for tcp-options": key_text(
        "secret", '"x"', ids=f'send-id=1\nrecv-id=2\ntcp-options="{CANARY.decode()}"\n'
    ),
    "the secret for an address": key_text("secret", '"x"').replace("10.0.0.2", CANARY.decode()),
    "the secret for a key chain": key_text("secret", '"x"').replace("port = 179", f'keychain = "{CANARY.decode()}"'),
    "a string without its end": key_text("secret", f'"{CANARY.decode()}'),
    "no quotes": key_text("secret", CANARY.decode()),
    "twice": key_text("secret", SOURCES["secret"]) + f'secret = "{CANARY.decode()}"\n',
    "two sources": key_text("secret", SOURCES["secret"]) + f"secret-hex = {SOURCES['secret-hex']}\n",
    "the secret for a key": key_text("secret", '"x"') + f'"{CANARY.decode()}" = 1\n',
}


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("debugs", [False, True])
def test_no_message_about_a_mistake_holds_it(aoinspect: Command, folder: Path, mistake: str, debugs: bool) -> None:
    (folder / "wrong.toml").write_text(MISTAKES[mistake])
    variables = {DEBUG_VARIABLE: "1"} if debugs else {}
    run = aoinspect("verify", folder / "told.pcap", "--keys", folder / "wrong.toml", environment=variables)
    assert (run.status, run.out) == (2, "")
    assert run.err.startswith(f"aoinspect: {folder}/wrong.toml:")
    assert_no_canary(run.err)


def test_no_repr_holds_it(folder: Path) -> None:
    store = load_keys([str(folder / "secret.toml")])
    analyzer = Analyzer(store)
    with open_capture(folder / "told.pcap") as reader:
        analyse([reader], analyzer)
    report = build_report(analyzer)
    assert report.totals.verdicts["verified"] == 5
    for value in (store, report, analyzer.keyring, analyzer.pairs, analyzer.checker, analyzer.connections):
        assert_no_canary(repr(value))
        assert_no_canary(repr({name: getattr(value, name) for name in public_members(value)}))


def public_members(value: object) -> list[str]:
    return [name for name in dir(value) if not name.startswith("_") and not callable(getattr(value, name))]
