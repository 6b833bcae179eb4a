"""Whatever a file holds: keys or a KeyFileError, no secret in any message, and large ones are read at once."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aoinspect.errors import KeyFileError
from aoinspect.keys.importers import IMPORTERS, Importer, recognise
from aoinspect.keys.importers.model import ImportContext
from aoinspect.keys.model import KeyStore
from tests.importers import test_arista, test_cisco_xe, test_cisco_xr, test_equal_meaning, test_huawei, test_junos
from tests.importers import test_nokia as nokia
from tests.importers.reading import PATH

ROUTERS = tuple(
    importer for importer in IMPORTERS if importer.name in ("ios-xr", "ios-xe", "nx-os", "junos", "sros", "eos", "vrp")
)
SEEDS = (
    test_cisco_xr.WHOLE,
    test_cisco_xe.IOS_XE,
    test_cisco_xe.NX_OS,
    test_junos.BRACES,
    test_junos.SET,
    nokia.CONFIGURATION,
    nokia.FRAGMENT,
    test_arista.WHOLE,
    test_huawei.WHOLE,
)
WORDS = sorted({word for seed in SEEDS for word in re.findall(r"[^\s{};]+|[{};]", seed)})
CANARY = "Canary-7f3a-Canary"


def read_or_error(importer: Importer, text: str) -> KeyStore | str:
    try:
        return importer.read(text, PATH, ImportContext())
    except KeyFileError as error:
        return str(error)


def messages(outcome: KeyStore | str) -> str:
    """All that a user could be shown of it."""
    if isinstance(outcome, str):
        return outcome
    return "\n".join([repr(outcome), *(warning.message for warning in outcome.warnings)])


lines_of_words = st.lists(st.tuples(st.integers(0, 4), st.lists(st.sampled_from(WORDS), max_size=7)), max_size=25).map(
    lambda lines: "\n".join(" " * depth + " ".join(words) for depth, words in lines)
)


@st.composite
def damaged_configurations(draw: st.DrawFn) -> str:
    """A real configuration, cut, with some of its octets removed or replaced."""
    seed = draw(st.sampled_from(SEEDS))
    start, length = draw(st.integers(0, len(seed))), draw(st.integers(0, 40))
    text = seed[:start] + draw(st.text(max_size=10)) + seed[start + length :]
    return text[: draw(st.integers(0, len(text)))]


@settings(deadline=None)
@given(st.one_of(st.text(), lines_of_words, damaged_configurations()))
def test_any_text_gives_keys_or_a_key_file_error(text: str) -> None:
    for importer in ROUTERS:
        outcome = read_or_error(importer, text)
        if isinstance(outcome, str):
            assert outcome.startswith(PATH)
        else:
            assert outcome.paths == (PATH,)
            for mkt in (mkt for chain in outcome.keychains for mkt in chain.mkts):
                assert (mkt.secret is None) == (mkt.gap is not None)
                assert mkt.origin.line >= 1
    recognise(text)


SECRET_PLACES = [
    (
        re.compile(r"(?<=key-string )(?:password |clear |7 |0 |plain |cipher )?[^\n]+"),
        ("", "7 ", "clear ", "password "),
    ),
    (re.compile(r'(?<=secret )"[^"\n]*"'), ('"', '"$9$')),
    (re.compile(r"(?<=password )(?:7|0|clear|encrypted|cipher|simple) [^\n]+"), ("", "7 ", "clear ", "encrypted ")),
    (re.compile(r'(?<=authentication-key )"[^"\n]*"'), ('"',)),
    (re.compile(r"(?<=secret 61 0 )\S+"), ("",)),
]


@settings(deadline=None)
@given(st.sampled_from(SEEDS), st.sampled_from(SECRET_PLACES), st.data())
def test_a_secret_is_in_no_message_however_damaged_the_file_is(
    seed: str, place: tuple[re.Pattern[str], tuple[str, ...]], data: st.DataObject
) -> None:
    pattern, prefixes = place
    prefix = data.draw(st.sampled_from(prefixes))
    closing = '"' if prefix.startswith('"') else ""
    text = pattern.sub(lambda _: f"{prefix}{CANARY}{closing}", seed)
    lines = text.split("\n")
    damaged = data.draw(st.integers(0, len(lines) - 1))
    kept = data.draw(st.integers(0, len(lines[damaged])))
    lines[damaged] = lines[damaged][:kept]
    if data.draw(st.booleans()):
        # The secret where something else belongs.
        wrong = data.draw(st.integers(0, len(lines) - 1))
        lines[wrong] = re.sub(r"\S+(\s*)$", lambda end: CANARY + end[1], lines[wrong])
    names = [line for line in lines if CANARY in line]
    for importer in ROUTERS:
        outcome = read_or_error(importer, "\n".join(lines))
        told = outcome if isinstance(outcome, str) else "\n".join(warning.message for warning in outcome.warnings)
        if all(re.search(r"key-string|secret|password|authentication-key ", line) for line in names):
            assert "Canary" not in messages(outcome)
        assert "Canary" not in "\n".join(line for line in told.split("\n") if line.startswith("    "))


MOST_SECONDS = 60.0
"""Of processor time; these take about one."""


@pytest.mark.parametrize(
    "text",
    [
        "router bgp 1\n" + "\n".join(" " * n + "address-family ipv4 vrf a" for n in range(1, 2000)),
        "set " + "logical-systems a " * 20_000 + "protocols bgp group g neighbor 192.0.2.1 authentication-key x\n",
        "security { " * 5_000,
        "}" * 20_000,
        "key chain a tcp\n" + " key 1\n  send-id x\n" * 5_000,
    ],
    ids=["indented", "set", "open", "close", "mistakes"],
)
def test_absurd_texts_end_soon_and_tell_little(text: str) -> None:
    began = time.process_time()
    for importer in ROUTERS:
        assert len(messages(read_or_error(importer, text))) < 20_000
    assert time.process_time() - began < MOST_SECONDS


@pytest.mark.parametrize("form", test_equal_meaning.WRITERS)
def test_fifty_thousand_lines_around_change_nothing(form: str) -> None:
    text = test_equal_meaning.WRITERS[form]((61, 62), (84, 85))
    if form == "junos-set":
        around = "".join(f"set interfaces ge-0/0/{n} unit 0 description to-{n}\n" for n in range(50_000))
    elif form == "junos":
        around = "interfaces {\n" + "    ge-0/0/0 { unit 0 {\n description x; } }\n" * 25_000 + "}\n"
    elif form == "sros":
        around = "configure {\n" + '    port 1/1/1 {\n        description "x"\n    }\n' * 17_000 + "}\n"
    else:
        around = "".join(f"interface Ethernet{n}\n description to {n}\n" for n in range(25_000))
    name = form.removesuffix("-set")
    plain, surrounded = read_or_error(_importer(name), text), read_or_error(_importer(name), around + text)
    assert isinstance(plain, KeyStore)
    assert isinstance(surrounded, KeyStore)
    assert recognise(around + text) is not None
    assert [len(peer.mkts) for peer in surrounded.peers] == [len(peer.mkts) for peer in plain.peers]


def _importer(name: str) -> Importer:
    return next(importer for importer in ROUTERS if importer.name == name)
