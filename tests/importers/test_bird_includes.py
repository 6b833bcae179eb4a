"""BIRD's `include`: files put together as BIRD does, and places that say which file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aoinspect.errors import KeyFileError
from aoinspect.keys import load_keys
from aoinspect.keys.export import export
from aoinspect.keys.importers.bird_includes import with_includes
from tests.importers.reading import line_of

MAIN = """\
router id 192.0.2.1;
/* include "not.conf"; */
# include "not.conf";
log "x"; # include "not.conf";
  include "secrets.conf" ;
include "peers.d/*.conf";

protocol bgp last from 'edge-1' { neighbor 192.0.2.9 as 9; keys { key { id 300; secret LATE; }; }; }
"""
SECRETS = """\
define LATE = "late secret of it";
define EARLY = hex:00112233;
"""
TEMPLATE = """\
template bgp 'edge-1' {
  local 192.0.2.1 as 1;
  authentication ao;
  keys {
    key { send id 1; recv id 2; secret LATE; };
    include "key.inc";
  };
}
"""
KEY = "key { id 7; secret EARLY; algorithm cmac aes128; };"
PEER = "protocol bgp one from 'edge-1' { neighbor 192.0.2.2 as 2; }\n"


@pytest.fixture
def main(tmp_path: Path) -> str:
    (tmp_path / "peers.d").mkdir()
    for name, text in {
        "bird.conf": MAIN,
        "secrets.conf": SECRETS,
        "peers.d/1-template.conf": TEMPLATE,
        "peers.d/2-peer.conf": PEER,
        "peers.d/key.inc": KEY,
        "peers.d/3.conf.off": 'protocol bgp off { neighbor 192.0.2.3 as 3; password "off"; }\n',
    }.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    return str(tmp_path / "bird.conf")


def test_what_is_included_stands_where_it_is_included(main: str) -> None:
    store = load_keys([f"bird:{main}"])
    (peer,) = store.peers
    assert [(mkt.send_id, mkt.recv_id, mkt.secret) for mkt in peer.mkts] == [
        (1, 2, b"late secret of it"),
        (7, 7, bytes.fromhex("00112233")),
    ]
    assert (str(peer.local), str(peer.remote)) == ("192.0.2.1/32", "192.0.2.2/32")
    assert load_keys([main]) == store


def test_places_name_the_file_and_its_line(main: str) -> None:
    folder = os.path.dirname(main)
    store = load_keys([main])
    (peer,) = store.peers
    assert str(peer.origin) == f"{folder}/peers.d/2-peer.conf:1"
    assert [str(mkt.origin) for mkt in peer.mkts] == [
        f"{folder}/peers.d/1-template.conf:{line_of(TEMPLATE, 'key {')}",
        f"{folder}/peers.d/key.inc:1",
    ]
    told = [f"{warning.origin}: {warning.message.splitlines()[0]}" for warning in store.warnings]
    line = line_of(MAIN, "protocol bgp last")
    assert sorted(told) == [
        f"{main}:{line}: id must be a number from 0 to 255",
        f"{main}:{line}: this session has no key that could be read",
    ]


def test_a_gap_in_another_file_is_told_with_that_file(main: str) -> None:
    folder = Path(main).parent
    (folder / "secrets.conf").write_text(SECRETS.replace("hex:00112233", "UNKNOWN"))
    store = load_keys([main])
    gap = store.peers[0].mkts[1].gap or ""
    assert gap.endswith(f"({folder}/secrets.conf:2)")
    assert 'gap = "what stands here cannot be read"' in export(store, "aoinspect")


def test_a_file_that_is_not_there_is_told_at_its_include(main: str) -> None:
    (Path(main).parent / "secrets.conf").unlink()
    told = [f"{warning.origin}: {warning.message}" for warning in load_keys([main]).warnings]
    assert f"{main}:5: what is included here is not read: no such file" in told
    Path(main).write_text('\n\n\n\ninclude "gone.conf";\n')
    with pytest.raises(KeyFileError, match=r"bird\.conf:5: what is included here is not read: no such file"):
        load_keys([f"bird:{main}"])


def test_only_regular_files_are_read_and_none_includes_itself(main: str) -> None:
    folder = Path(main).parent
    (folder / "self.conf").write_text('include "self.conf";\n')
    os.mkfifo(folder / "pipe.conf")
    whole = with_includes('include "self.conf";\ninclude "pipe.conf";\ninclude "p*.conf";\ninclude ".";\n', main)
    assert [(str(place), trouble) for place, trouble in whole.troubles] == [
        (f"{folder}/self.conf:1", "it includes itself"),
        (f"{main}:2", "it is no regular file"),
        (f"{main}:4", "it is no regular file"),
    ]


def test_includes_end(main: str) -> None:
    folder = Path(main).parent
    for number in range(20):
        (folder / f"{number}.conf").write_text(f'include "{number + 1}.conf";\n')
    whole = with_includes('include "0.conf";\n', main)
    assert [trouble for _, trouble in whole.troubles] == ["it is included too deeply"]


def test_an_included_file_with_secrets_that_everybody_can_read_is_told(main: str) -> None:
    folder = Path(main).parent
    for name in ("secrets.conf", "peers.d/2-peer.conf", "peers.d/1-template.conf"):
        (folder / name).chmod(0o644)
    told = [str(warning.origin) for warning in load_keys([main]).warnings if "every user" in warning.message]
    assert told == [f"{folder}/secrets.conf:1"]
    with pytest.raises(KeyFileError, match="--strict refuses it"):
        load_keys([main], is_strict=True)
