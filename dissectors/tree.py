"""One frame as a tree of labelled fields: from its link-layer header as far as the keys lead."""

from __future__ import annotations

from dissectors.base import Dissector, Field, Key, Layer
from dissectors.registry import Registry

MOST_LAYERS = 64
"""Layers of one frame that are followed: more is an attack or noise."""


def describe_frame(registry: Registry, octets: bytes, key: Key, wire_length: int) -> tuple[Layer, ...]:
    """The layers of one frame, outermost first.

    `octets` are the captured ones, `key` is that of the outermost header (`("linktype", 1)`), and
    `wire_length` is the frame's length on the wire in octets, which may exceed what was captured. An unknown
    key gives no layer. Total: a dissector from outside that raises is reported as a layer with one
    "malformed" field.
    """
    layers: list[Layer] = []
    start, end = 0, max(wire_length, len(octets))
    found = registry.lookup(key)
    while found is not None and len(layers) < MOST_LAYERS:
        layer = _describe(found, octets, start, end)
        layers.append(layer)
        start, end = layer.next_start, layer.next_end
        found = None if layer.next_key is None else registry.lookup(layer.next_key)
        if found is None and layer.fallback_key is not None:
            found = registry.lookup(layer.fallback_key)
    return tuple(layers)


def _describe(dissector: Dissector, octets: bytes, start: int, end: int) -> Layer:
    try:
        return dissector.describe(octets, start, end)
    except Exception as error:  # noqa: BLE001 - the border to other people's code
        reason = f"the dissector {dissector.name} failed: {type(error).__name__}: {error}"
        malformed = Field("malformed", reason, start, min(end, len(octets)), (), "_ws.malformed")
        return Layer(Field(dissector.title, "", start, min(end, len(octets)), (malformed,), dissector.name))
