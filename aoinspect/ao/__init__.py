"""RFC 5925, RFC 5926 and RFC 2385 as pure functions: octets and integers in, octets out.

Nothing here knows captures, key files or connections. What a MAC covers, which key signs it and how a
sequence number is extended are each decided in one module, and verifying, re-signing and explaining all call
it.
"""
