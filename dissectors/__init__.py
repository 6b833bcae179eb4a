"""What the octets of a frame mean, one protocol a file; imports nothing of aoinspect.

`dissectors.base` says what a dissector is, `dissectors.registry` which one has which key, and
`dissectors.tree` describes a whole frame.
"""
