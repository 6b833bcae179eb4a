"""Key chains and peers -> our key file, and the configurations of routers."""

from aoinspect.keys.export.systems import SYSTEMS, export

__all__ = ["SYSTEMS", "export"]
