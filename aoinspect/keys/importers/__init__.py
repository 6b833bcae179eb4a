"""Router configurations and other systems' key files -> key chains and peers."""

from aoinspect.keys.importers.model import ImportContext, Importer
from aoinspect.keys.importers.registry import IMPORTERS, import_file, recognise, split_system

__all__ = ["IMPORTERS", "ImportContext", "Importer", "import_file", "recognise", "split_system"]
