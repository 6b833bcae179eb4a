"""What aoinspect gives Wireshark, and where Wireshark looks for it.

The files lie beside this module, in a checkout and in an installed package alike: `profile/` is a configuration profile
(colours, columns, filter buttons), `aoinspect.lua` a post-dissector. contrib/wireshark links to them.
"""
