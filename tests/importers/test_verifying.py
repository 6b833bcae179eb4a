"""Captures made with the keys that a configuration is told to hold verify with that configuration alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from aoinspect import api
from aoinspect.keys import load_keys
from aoinspect.keys.addresses import parse_prefix
from aoinspect.keys.export import SYSTEMS, export
from aoinspect.keys.model import KeyStore
from tests.conversation import Conversation, Key
from tests.importers import test_arista, test_equal_meaning, test_equal_meaning_of_daemons
from tests.importers.test_equal_meaning import SECRETS
from tests.importers.test_every_system import saved

IDS = ((61, 62), (84, 85))
ONE_NUMBER = ((61, 62), (61, 62))
ROUTER, PEER = "192.0.2.7", "192.0.2.1"
FORMS = {**test_equal_meaning.WRITERS, **test_equal_meaning_of_daemons.WRITERS}
ALGORITHMS = ("hmac-sha-1-96", "aes-128-cmac-96")


def told(form: str) -> tuple[str, list[Key]]:
    """A configuration of the device ROUTER, and its keys as ROUTER sees them; from nothing that was read."""
    send, recv = ONE_NUMBER if form in test_equal_meaning_of_daemons.ONE_NUMBER else IDS
    keys = [Key(str(n), send[n], recv[n], ALGORITHMS[n], SECRETS[n].encode()) for n in (0, 1)]
    return FORMS[form](send, recv), keys


def verifies(store: KeyStore, keys: list[Key], folder: Path) -> None:
    """Holds that every segment of a session, whichever end opens it, verifies under `store` alone."""
    crossed = [replace(key, send_id=key.recv_id, recv_id=key.send_id) for key in keys]
    for client, server, as_client_sees in ((ROUTER, PEER, keys), (PEER, ROUTER, crossed)):
        talk = Conversation(as_client_sees, client=f"{client}:40000", server=f"{server}:179")
        talk.handshake().data("a", 100).data("b", 200)
        for key in as_client_sees[1:]:
            talk.rollover("a", to=key).data("a", 50).rollover("b", to=key)
        talk.data("b", 60).close()
        capture = folder / "c.pcap"
        capture.write_bytes(talk.capture().to_pcap())
        totals = api.verify(str(capture), store).totals
        assert totals.verdicts["verified"] == totals.ao_segments == len(talk.segments)


@pytest.mark.parametrize("form", FORMS)
def test_a_capture_made_with_the_keys_of_a_configuration_verifies_with_it(form: str, tmp_path: Path) -> None:
    text, keys = told(form)
    system = form.removesuffix("-set")
    verifies(load_keys([f"{system}:{saved(text, tmp_path)}"], parse_prefix(ROUTER)), keys, tmp_path)


def test_a_profile_of_eos_verifies_what_its_neighbour_signs(tmp_path: Path) -> None:
    path = saved(test_arista.PROFILE + test_arista.NEIGHBOUR, tmp_path)
    verifies(load_keys([str(path)]), [Key("61", 61, 61, ALGORITHMS[0], b"interop")], tmp_path)


@pytest.mark.parametrize("is_peers", [False, True])
@pytest.mark.parametrize("system", SYSTEMS)
def test_what_is_written_for_a_system_verifies_the_same_capture(system: str, is_peers: bool, tmp_path: Path) -> None:
    text, keys = told("bird" if system in ("bird", "gobgp") else "ios-xr")
    source = saved(text, tmp_path)
    written = tmp_path / "written"
    written.touch(0o600)
    written.write_text(export(load_keys([str(source)], parse_prefix(ROUTER)), system, is_peers))
    verifies(load_keys([f"{system}:{written}"], parse_prefix(PEER if is_peers else ROUTER)), keys, tmp_path)
