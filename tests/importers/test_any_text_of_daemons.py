"""Whatever a daemon's or model's file holds: keys or a KeyFileError, no secret in any message, and in good time."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aoinspect.keys.importers import IMPORTERS, Importer, recognise
from tests.effort import calls_of
from tests.importers import (
    test_bird,
    test_equal_meaning_of_daemons,
    test_exabgp,
    test_gobgp,
    test_linux,
    test_rustbgpd,
    test_yang,
)
from tests.importers.reading import PATH
from tests.importers.test_any_text import messages, read_or_error

DAEMONS = tuple(importer for importer in IMPORTERS if importer.name in test_equal_meaning_of_daemons.WRITERS)
SEEDS = (
    test_bird.WHOLE,
    test_gobgp.WHOLE,
    test_gobgp.AS_JSON,
    test_gobgp.AS_YAML,
    test_rustbgpd.WHOLE,
    test_exabgp.WHOLE,
    *test_yang.FORMS,
    test_yang.chain(test_yang.key(), test_yang.key(crypto_algorithm="md5")),
    json.dumps(json.loads(test_linux.socket(test_linux.key(), test_linux.key(send_id=1))), indent=1),
    test_linux.STRACE,
    test_linux.LINES,
    test_linux.TABLE,
    test_equal_meaning_of_daemons.openconfig((1, 2), (1, 2)),
)
CANARY = "Canary-7f3a-Canary"
WORDS = sorted({word for seed in SEEDS for word in re.findall(r"[^\s{};:,=]+|[{};:,=]", seed)})

lines_of_words = st.lists(st.tuples(st.integers(0, 4), st.lists(st.sampled_from(WORDS), max_size=7)), max_size=20).map(
    lambda lines: "\n".join(" " * depth + " ".join(words) for depth, words in lines)
)


@st.composite
def damaged_configurations(draw: st.DrawFn) -> str:
    """A whole configuration, cut, with some of its octets removed or replaced."""
    seed = draw(st.sampled_from(SEEDS))
    start, length = draw(st.integers(0, len(seed))), draw(st.integers(0, 40))
    text = seed[:start] + draw(st.text(max_size=10)) + seed[start + length :]
    return text[: draw(st.integers(0, len(text)))]


@settings(deadline=None)
@given(st.one_of(st.text(), lines_of_words, damaged_configurations()))
def test_any_text_gives_keys_or_a_key_file_error(text: str) -> None:
    for importer in DAEMONS:
        outcome = read_or_error(importer, text)
        if isinstance(outcome, str):
            assert outcome.startswith(PATH)
            continue
        assert outcome.paths == (PATH,)
        for mkt in (mkt for peer in outcome.peers for mkt in peer.mkts):
            assert (mkt.secret is None) == (mkt.gap is not None)
            assert 1 <= mkt.mac_length <= mkt.algorithm.digest_length
            assert mkt.origin.line >= 1
    recognise(text)


SECRET_PLACES = (
    # The text or octets after any word that a secret follows, quoted or not, whatever stands between.
    re.compile(r"""(?<=secret )(?:"[^"\n]*"|[^\s;]+)"""),
    re.compile(r"""(?<=password )(?:"[^"\n]*"|[^\s;]+)"""),
    re.compile(r"""(?<=keystring )(?:"[^"\n]*"|[^\s;]+)"""),
    re.compile(r"""(?<=hexadecimal-string )[^\s;]+"""),
    re.compile(r"""(?<=secret-key = )"[^"\n]*\""""),
    re.compile(r"""(?<=auth-password = )"[^"\n]*\""""),
    re.compile(r"""(?<=[\s{]key = )"[^"\n]*\""""),
    re.compile(r"""(?<=md5_password = )"[^"\n]*\""""),
    re.compile(r"""(?<="key_hex": )"[^"\n]*\""""),
    re.compile(r"""(?<="secret-key": )"[^"\n]*\""""),
    re.compile(r"""(?<="auth-password": )"[^"\n]*\""""),
    re.compile(r"""(?<="keystring": )"[^"\n]*\""""),
    re.compile(r"""(?<=secret-key: )"?[^"\s,]+"?"""),
    re.compile(r"""(?<=auth-password: )[^\n]+"""),
    re.compile(r"""(?<=keystring: )"[^"\n]*\""""),
    re.compile(r"""(?<=password: )"[^"\n]*\""""),
    re.compile(r"""(?<=[ ,]key=)"[^"\n]*\""""),
    re.compile(r"""(?<=\nkey = )[^\n]+"""),
)


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(SEEDS), st.sampled_from([CANARY, "713", "enable"]), st.data())
def test_a_secret_is_in_no_message_however_damaged_the_file_is(seed: str, secret: str, data: st.DataObject) -> None:
    """Also a secret that is a small number or a word of the grammar, which messages show elsewhere."""
    text = seed
    for pattern in SECRET_PLACES:
        text = pattern.sub(lambda match: f'"{secret}"' if match[0].startswith('"') else secret, text)
    assert secret in text or seed is test_linux.TABLE
    lines = text.split("\n")
    damaged = data.draw(st.integers(0, len(lines) - 1))
    kept = data.draw(st.integers(0, len(lines[damaged])))
    lines[damaged] = lines[damaged][:kept] + data.draw(st.sampled_from(["", " 999", " }", ","]))
    damaged_text = "\n".join(lines)
    for importer in DAEMONS:
        shown = messages(read_or_error(importer, damaged_text))
        if secret == CANARY:
            assert CANARY not in shown
            assert CANARY[:9] not in shown or CANARY[:9] not in damaged_text
        else:
            # Elsewhere the word may be shown; beside the word that a secret follows it never is.
            assert not re.search(
                rf"""(?:secret|password|keystring|secret-key|key_hex)["':]*[ =:]+"?{secret}\b""", shown
            )


@pytest.mark.parametrize("importer", DAEMONS, ids=lambda importer: importer.name)
def test_large_files_take_effort_in_proportion(importer: Importer) -> None:
    send, recv = test_equal_meaning_of_daemons.ids(importer.name)
    seed = test_equal_meaning_of_daemons.WRITERS[importer.name](send, recv)

    def effort(neighbours: int) -> int:
        text = "".join(
            seed.replace("EDGE", f"EDGE{number}").replace("192.0.2.1", f"192.0.{number // 200}.{number % 200 + 1}")
            for number in range(neighbours)
        )
        return calls_of(lambda: read_or_error(importer, text))

    effort(200)  # What is loaded for the first text is not counted.
    assert effort(400) < 2.2 * effort(200)
