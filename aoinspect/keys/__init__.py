"""Key files and router configurations -> key chains, peers, and connections whose ISNs are known."""

from aoinspect.keys.load import load_keys

__all__ = ["load_keys"]
