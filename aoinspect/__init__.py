"""aoinspect verifies the TCP Authentication Option (RFC 5925) and TCP-MD5 (RFC 2385) in packet captures.

`verify` and `Report` are the Python API (docs/api.md). They are loaded when they are asked for, so that whoever only
wants the version does not wait for numpy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aoinspect.api import verify
    from aoinspect.report.model import Report

__version__ = "0.1.0"

__all__ = ["Report", "__version__", "verify"]


def __getattr__(name: str) -> object:
    if name == "verify":
        from aoinspect.api import verify

        return verify
    if name == "Report":
        from aoinspect.report.model import Report

        return Report
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
