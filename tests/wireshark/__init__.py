"""The files for Wireshark, and where they go."""
