"""Key files in which tests tell one or both ends of sessions, in a few words."""

from __future__ import annotations

from aoinspect.keys.model import KeyStore
from aoinspect.keys.toml_file import parse_key_file


def end(*keys: str, local: str | None = "10.0.0.1", remote: str | None = "10.0.0.2", path: str = "a.toml") -> KeyStore:
    """One peer with these keys, each told by `key`."""
    addresses = [f'{name} = "{text}"' for name, text in (("local", local), ("remote", remote)) if text is not None]
    return parse_key_file("\n".join(["version = 1", "[[peer]]", *addresses, *keys]) + "\n", path)


def other_end(*keys: str, local: str | None = "10.0.0.2", remote: str | None = "10.0.0.1") -> KeyStore:
    return end(*keys, local=local, remote=remote, path="b.toml")


def key(send_id: int = 1, recv_id: int = 2, secret: str = "sixteen octets!!", **fields: str) -> str:
    """A `[[peer.key]]`; `_` in names of fields stands for `-`, and values are TOML."""
    written = {
        "send-id": str(send_id),
        "recv-id": str(recv_id),
        "algorithm": '"hmac-sha-1-96"',
        "secret": f'"{secret}"',
        **{name.replace("_", "-"): value for name, value in fields.items()},
    }
    return "\n".join(["[[peer.key]]", *(f"{name} = {value}" for name, value in written.items())])


def md5_key(secret: str = "sixteen octets!!") -> str:
    return f'[[peer.key]]\nalgorithm = "tcp-md5"\nsecret = "{secret}"'


def days(first: int | None, last: int | None) -> str:
    """A lifetime of whole days of January 2026: from the beginning of the first until that of the last."""
    ends = [f"{name} = 2026-01-{day:02d}" for name, day in (("from", first), ("until", last)) if day is not None]
    return f"{{ {', '.join(ends)} }}"
