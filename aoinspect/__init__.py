"""aoinspect verifies the TCP Authentication Option (RFC 5925) and TCP-MD5 (RFC 2385) in packet captures."""

__version__ = "0.1.0"
