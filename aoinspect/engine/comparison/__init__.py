"""Two captures of the same connections, one from each side of a path: what the path rewrites, and what that breaks.

`reading` reads the octets of all segments a second time, `matching` pairs connections and `pairing` segments, `changes`
and `option_changes` name what differs in a pair, `direction` looks at one direction, `conclusion` says what it means.
"""

from aoinspect.engine.comparison.compare import compare_captures
from aoinspect.engine.comparison.model import Comparison

__all__ = ["Comparison", "compare_captures"]
